// A fast route, /hello, and one that holds the CPU for about 50 ms, /cpu: a fixed amount of work, so that a server which
// gives it less CPU serves less of it.
import { work } from "../work.mjs";

const rounds = Number(process.env.WORK_ROUNDS ?? 10_000_000);

export default (request, response) => {
  if (request.url === "/cpu") response.end(String(work(rounds)));
  else response.end("Hello, world!");
};
