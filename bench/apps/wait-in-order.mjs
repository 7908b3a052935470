// Waits 100 ms for each request and answers with the moment at which it began, to see in which order requests were served.
export default (_request, response) => {
  const beganAtMs = performance.timeOrigin + performance.now();
  setTimeout(() => response.end(String(beganAtMs)), 100);
};
