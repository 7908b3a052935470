// Waits 100 ms in straight-line style.
import { wait } from "@switchyard/greenlet";

export default (_request, response) => {
  wait(new Promise((resolve) => setTimeout(resolve, 100)));
  response.end("waited");
};
