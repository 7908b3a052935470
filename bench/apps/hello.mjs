// The smallest application: what is measured with it is the server.
export default (_request, response) => response.end("Hello, world!");
