// An origin that takes in all of a request's body before it answers. A process of its own, so that its CPU is nobody's.
import http from "node:http";

const answer = JSON.stringify({ region: "eu" });
const server = http.createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  request.resume().on("end", () => response.end(answer));
});
server.keepAliveTimeout = 600_000;
server.listen(Number(process.argv[2]), "127.0.0.1");
