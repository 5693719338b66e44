// The suite's "test service", for something that stands between services: it does what the suite asks by way of the proxy, and copies
// the two fields as they came. What the suite finds is the proxy's doing.
import http from "node:http";

/** Starts one in front of the proxy at that port; resolves to its own port and how it is stopped. */
export async function service(proxy) {
  const call = (headers, { url, arguments: told }) => {
    const body = JSON.stringify(told);
    const fields = [...headers, "Host", "shop.example", "Content-Type", "application/json", "Content-Length", String(Buffer.byteLength(body))];
    return new Promise((resolve) => {
      const sent = http.request({ host: "127.0.0.1", port: proxy, path: new URL(url).pathname, method: "POST", agent: false, headers: fields }, (answer) =>
        answer.resume().on("end", resolve),
      );
      sent.on("error", resolve).end(body);
    });
  };
  const server = http.createServer((request, response) => {
    let text = "";
    request
      .on("data", (data) => (text += data))
      .on("end", async () => {
        const { rawHeaders } = request;
        const headers = rawHeaders.filter((_, at) => /^trace(parent|state)$/i.test(rawHeaders[at - (at % 2)]));
        for (const action of JSON.parse(text)) await call(headers, action);
        response.setHeader("content-type", "application/json").end("{}");
      });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return { port: /** @type {import("node:net").AddressInfo} */ (server.address()).port, stop: () => server.close() };
}
