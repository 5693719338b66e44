// `make dev`: three regions, the router and the dashboard on this machine, until Ctrl-C.
import net from "node:net";
import { startRegions, startRouter, stopAll, topology, wrangler } from "./e2e/harness.mjs";

const port = Number(process.env.PORT || 8787);
const ports = Object.values(wrangler.vars.REGIONS).map((region) => Number(new URL(region.origin).port));

const taken = (wanted) =>
  new Promise((resolve) => {
    const server = net.createServer().once("error", () => resolve(true));
    server.listen(wanted, "127.0.0.1", () => server.close(() => resolve(false)));
  });

for (const wanted of [port, ...ports, ...ports.map((region) => region + 1000)]) {
  if (await taken(wanted)) {
    const remedy =
      wanted === port
        ? "Choose another one: make dev PORT=8790"
        : "Stop the process that uses it (another `make dev`?), or change the origins in wrangler.toml";
    console.error(`port ${wanted} on 127.0.0.1 is in use. ${remedy}`);
    process.exit(1);
  }
}

const regions = await startRegions({ ports });
await startRouter({
  build: "build/dev",
  vars: topology(undefined),
  port,
  bindings: { PROBES: wrangler.vars.PROBES, VIEW: "2s" },
  handleLog: (out, err) => (out.pipe(process.stdout), err.pipe(process.stderr)),
});

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  await stopAll();
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);

const base = `http://localhost:${port}`;
console.log(`
The router:     ${base}
The dashboard:  ${base}/_homing/
The regions:    ${Object.values(regions)
  .map((region) => `${region.name} ${region.url}`)
  .join("   ")}

Try (Homing-Dev-Near sets your nearest region):
  1. The nearest region answers a read, then the edge cache does:
     curl -si ${base}/api/catalog/1 -H 'Homing-Dev-Near: eu'        # twice: then Cache-Status says hit
  2. A write goes to its home, and pins the session:
     curl -si -c jar -X PUT ${base}/api/catalog/1 -H 'Homing-Dev-Near: eu' -H 'Content-Type: application/json' -d '{"name":"lamp"}'
  3. The session's next read goes to the home; other clients still read nearby:
     curl -si -b jar ${base}/api/catalog/1 -H 'Homing-Dev-Near: eu'
  4. A region fails, and no client sees an error:
     curl -s -X POST ${regions.eu.controlUrl}/control -H 'Content-Type: application/json' -d '{"mode":"refuse"}'
     curl -si ${base}/api/likes/1 -H 'Homing-Dev-Near: eu'
  5. A write is refused while its home is down:
     curl -s -X POST ${regions.us.controlUrl}/control -H 'Content-Type: application/json' -d '{"mode":"refuse"}'
     curl -si -X PUT ${base}/api/catalog/1 -H 'Content-Type: application/json' -d '{"name":"lamp"}'
  6. Another region becomes the home, and no write is lost (after {"mode":"ok"} to both):
     HOMING_URL=${base} cargo run -q --bin homing -- promote catalog --to eu
  7. Two regions that do not hear each other both save a draft. Once they do, both are shown, until somebody saves again:
     curl -s -X POST ${regions.us.controlUrl}/control -H 'Content-Type: application/json' -d '{"cut":["eu"]}'
     for near in us eu; do curl -s -X PUT ${base}/api/draft/1 -H "Homing-Dev-Near: $near" -H 'Content-Type: application/json' -d "{\\"text\\":\\"from $near\\"}"; done
     curl -s -X POST ${regions.us.controlUrl}/control -H 'Content-Type: application/json' -d '{"cut":[]}'
     curl -s ${base}/api/draft/1 -H 'Homing-Dev-Near: us'

Faults: POST to a region's /control (port + 1000 always answers): {"mode":"ok|refuse|hang|slow|error|reset"}, {"lag_ms":3000},
{"cut":["us"]}, {"reset":true}, {"die":true}. Ctrl-C stops everything. Restart a region that died with:`);
for (const region of Object.values(regions)) {
  console.log(`  target/debug/demo-region --name ${region.name} --listen 127.0.0.1:${region.port} --data ${region.data} ${region.args.join(" ")}`);
}
