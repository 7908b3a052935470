// Reads a body and answers how long it was.
export default (request, response) => {
  let bytes = 0;
  request.on("data", (chunk) => {
    bytes += chunk.length;
  });
  request.on("end", () => response.end(String(bytes)));
};
