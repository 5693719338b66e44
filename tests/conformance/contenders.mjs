// What the suites are run against: Homing in plain workerd, and four of Debian's caches, each an ordinary reverse cache.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheStore, contender, freePort, get, root, scratch, start } from "../bench/world.mjs";

const SECRET = "a secret for the conformance run, of 32 letters or more";
const has = (command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

/** A folder that any user may write into: some of the servers give up root. */
function place(name) {
  const folder = join(scratch, name);
  mkdirSync(folder, { recursive: true });
  chmodSync(scratch, 0o755);
  chmodSync(folder, 0o777);
  return folder;
}

/** Homing as `make build` has left it, as its wrangler.toml would have it with that topology. */
export async function homing(name, topology) {
  const build = process.env.BUILD || join(root, "build");
  const files = Object.fromEntries(["worker.mjs", "homing_bg.wasm", "operators_bg.wasm"].map((file) => [file, join(build, file)]));
  const port = await freePort();
  const one = contender(`${name}-${port}`, files, { ...topology, LOG: process.env.LOG || "off", SESSION_KEY: SECRET }, await cacheStore(), port);
  // What workerd itself complains about is of the suites' making.
  start(one.command, one.args, process.env.VERBOSE ? {} : { stdio: "ignore" });
  return port;
}

const region = (port) => ({ origin: `http://127.0.0.1:${port}` });

/** A Worker that hands everything on by `fetch`, and keeps nothing: what fails here too is the platform's. */
async function worker([origin]) {
  const port = await freePort();
  const bare = contender(
    `worker-${port}`,
    { "worker.mjs": join(root, "tests/bench/contenders/fetch.mjs") },
    { ORIGIN: region(origin).origin },
    await cacheStore(),
    port,
  );
  start(bare.command, bare.args, process.env.VERBOSE ? {} : { stdio: "ignore" });
  return port;
}

/** nginx: the cache on, a lock for cold keys, revalidation with what is stored; the rest as it comes. */
async function nginx([origin]) {
  const port = await freePort();
  const folder = place(`nginx-${port}`);
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/log; user root; events { worker_connections 1024; }
    http { access_log off; client_body_temp_path ${folder}/b; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      proxy_cache_path ${folder}/cache keys_zone=k:8m max_size=100m inactive=60m use_temp_path=off;
      server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${origin}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache k; proxy_cache_revalidate on; proxy_cache_lock on;
          proxy_cache_use_stale error timeout updating; } } }`,
  );
  start("nginx", ["-p", folder, "-e", join(folder, "log"), "-c", join(folder, "nginx.conf")]);
  return port;
}

/**
 * varnish: the built-in rules, but for the 120 s that it keeps what says nothing of freshness: with them the suite's first test
 * fails, and all that depend on it say nothing.
 */
async function varnish([origin]) {
  const port = await freePort();
  const folder = place(`varnish-${port}`);
  start("varnishd", ["-F", "-n", folder, "-a", `127.0.0.1:${port}`, "-b", `127.0.0.1:${origin}`, "-s", "malloc,100m", "-p", "default_ttl=0"], {
    stdio: "ignore",
  });
  return port;
}

/** httpd: mod_cache with its disk store, a lock for cold keys. */
async function httpd([origin]) {
  const port = await freePort();
  const folder = place(`httpd-${port}`);
  const modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "cache", "cache_disk"];
  mkdirSync(join(folder, "cache"));
  chmodSync(join(folder, "cache"), 0o777);
  const load = modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n");
  writeFileSync(
    join(folder, "httpd.conf"),
    `ServerRoot ${folder}\nServerName localhost\nPidFile ${folder}/pid\nErrorLog ${folder}/log\nListen 127.0.0.1:${port}\n${load}
    User www-data\nGroup www-data\nCacheEnable disk /\nCacheRoot ${folder}/cache\nCacheQuickHandler on\nCacheLock on\nCacheLockPath ${folder}/lock\nCacheHeader on
    ProxyPass / http://127.0.0.1:${origin}/\n`,
  );
  start("apache2", ["-D", "FOREGROUND", "-f", join(folder, "httpd.conf")]);
  return port;
}

/** trafficserver: everything to the one origin, the cache as it comes. */
async function trafficserver([origin]) {
  const port = await freePort();
  const folder = place(`trafficserver-${port}`);
  for (const part of ["config", "log", "run", "cache"]) place(join(`trafficserver-${port}`, part));
  cpSync("/etc/trafficserver", join(folder, "config"), { recursive: true });
  writeFileSync(join(folder, "config/remap.config"), `map / http://127.0.0.1:${origin}/\n`);
  writeFileSync(join(folder, "config/storage.config"), `${folder}/cache 64M\n`);
  const records = [
    `proxy.config.http.server_ports STRING ${port}:ip-in=127.0.0.1`,
    "proxy.config.http.insert_age_in_response INT 1",
    "proxy.config.admin.user_id STRING #-1",
    "proxy.config.url_remap.remap_required INT 1",
    "proxy.config.diags.debug.enabled INT 0",
  ];
  writeFileSync(join(folder, "config/records.config"), records.map((line) => `CONFIG ${line}\n`).join(""));
  writeFileSync(
    join(folder, "runroot.yaml"),
    `prefix: ${folder}\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\nsysconfdir: ${folder}/config\nlibdir: /usr/lib\nlibexecdir: /usr/lib/trafficserver/modules\nlocalstatedir: ${folder}\nruntimedir: ${folder}/run\nlogdir: ${folder}/log\ncachedir: ${folder}/cache\ndatadir: ${folder}/cache\n`,
  );
  start("traffic_server", [`--run-root=${folder}/runroot.yaml`], { stdio: "ignore" });
  return port;
}

/**
 * The rows of every table. Those with `ours` are held against excuses.toml, the one with `bare` tells what "platform" may be said of in it. `says` is how a row's version is found out, and `package`
 * where its command comes from.
 */
export const ROWS = {
  homing: { title: "**Homing**, one region", ours: true, start: ([one]) => homing("homing", { REGIONS: { one: region(one) } }) },
  "homing-cookies": {
    title: "**Homing**, `cache_set_cookie`",
    ours: true,
    start: ([one]) => homing("homing-cookies", { REGIONS: { one: region(one) }, ROUTES: [{ match: "/*", cache_set_cookie: true }] }),
  },
  "homing-regions": {
    title: "**Homing**, two regions",
    ours: true,
    start: ([one, two]) => homing("homing-regions", { REGIONS: { one: region(one), two: region(two) } }),
  },
  nginx: { title: "nginx", start: nginx, command: "nginx", says: ["-v"], package: "nginx" },
  varnish: { title: "Varnish", start: varnish, command: "varnishd", says: ["-V"], package: "varnish" },
  httpd: { title: "Apache httpd", start: httpd, command: "apache2", says: ["-v"], package: "apache2" },
  trafficserver: { title: "Traffic Server", start: trafficserver, command: "traffic_server", says: ["--version"], package: "trafficserver" },
  worker: { title: "no cache: workerd and `fetch` alone", bare: true, start: worker },
};
export const OURS = Object.keys(ROWS).filter((name) => ROWS[name].ours);
export const BARE = Object.keys(ROWS).find((name) => ROWS[name].bare);

/** Whether a row can be run on this machine. */
export const isThere = (name) => !ROWS[name].command || has(ROWS[name].command);

/** What a row is called in a table: with the version that was run, as the program itself says it. */
export function titleOf(name) {
  const { title, command, says } = ROWS[name];
  if (!command || !has(command)) return title;
  const { stdout, stderr } = spawnSync(command, says, { encoding: "utf8" });
  return `${title} ${/\d+\.\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? "?"}`;
}

/** Debian starts what it installs; here nothing may be started but by this run. */
function install(packages) {
  if (process.getuid?.() !== 0 || !has("apt-get")) return;
  console.log(`installing ${packages.join(", ")}`);
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (ours) spawnSync("rm", [policy]);
}

/**
 * The named rows in front of one origin, which listens on all those ports: `{ name, port }` of each that there is. Who has one
 * region is in front of the first.
 */
export async function startAll(names, ports) {
  const unknown = names.find((name) => !Object.hasOwn(ROWS, name));
  if (unknown !== undefined) throw new Error(`CONTENDERS: found "${unknown}", expected some of: ${Object.keys(ROWS).join(", ")}`);
  const missing = names.filter((name) => !isThere(name));
  if (missing.length) install(missing.map((name) => ROWS[name].package));
  const started = [];
  for (const name of names) {
    if (!isThere(name)) continue;
    const port = await ROWS[name].start(ports);
    await ready(port);
    started.push({ name, port });
  }
  return started;
}

/** Until a server answers anything at all, or takes a connection and ends it: its origin may not be there yet. */
export async function ready(port) {
  for (const end = Date.now() + 30_000; ; ) {
    try {
      return void (await get(port, "/"));
    } catch (error) {
      if (error.code === "ECONNRESET") return;
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100)); // a server is starting; nothing can be waited on but time
    }
  }
}

/** What `work` finds of each, by name; so many at the same time. */
export async function eachOf(started, atOnce = Number(process.env.ROWS_AT_ONCE || 4), work) {
  const found = {};
  const left = [...started];
  const one = async () => {
    for (let next = left.shift(); next; next = left.shift()) found[next.name] = await work(next);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return found;
}
