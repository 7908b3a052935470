// Waits 100 ms for each request, as for a database, and tells when it began.
let begun = 0;

export default (_request, response) => {
  const order = ++begun;
  setTimeout(() => response.end(`${process.pid} ${order}`), 100);
};
