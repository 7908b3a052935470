// What the servers of `npm run bench -- peers` serve: a constant, /hello, and a wait of 100 ms as for a database, /wait.
export default (request, response) => {
  if (request.url === "/wait") setTimeout(() => response.end("waited"), 100);
  else response.end("Hello, world!");
};
