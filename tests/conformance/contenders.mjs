// The caches that are held against the suite: Homing in plain workerd, and four of Debian's, each an ordinary reverse cache.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheStore, contender, freePort, root, scratch, start } from "../../benches/world.mjs";

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

async function homing(origin) {
  const build = process.env.BUILD || join(root, "build");
  const topology = { REGIONS: { only: { origin: `http://127.0.0.1:${origin}` } } };
  const files = Object.fromEntries(["worker.mjs", "homing_bg.wasm", "operators_bg.wasm"].map((file) => [file, join(build, file)]));
  const port = await freePort();
  const one = contender("homing", files, { ...topology, LOG: process.env.LOG || "off", SESSION_KEY: SECRET }, await cacheStore(), port);
  start(one.command, one.args);
  return port;
}

/** nginx: the cache on, a lock for cold keys, revalidation with what is stored; the rest as it comes. */
async function nginx(origin) {
  const [folder, port] = [place("nginx"), await freePort()];
  writeFileSync(join(folder, "nginx.conf"), `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/log; user root; events { worker_connections 1024; }
    http { access_log off; client_body_temp_path ${folder}/b; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      proxy_cache_path ${folder}/cache keys_zone=k:8m max_size=100m inactive=60m use_temp_path=off;
      server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${origin}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache k; proxy_cache_revalidate on; proxy_cache_lock on;
          proxy_cache_use_stale error timeout updating; } } }`);
  start("nginx", ["-p", folder, "-e", join(folder, "log"), "-c", join(folder, "nginx.conf")]);
  return port;
}

/**
 * varnish: the built-in rules, but for the 120 s that it keeps what says nothing of freshness: with them the suite's first test
 * fails, and all that depend on it say nothing.
 */
async function varnish(origin) {
  const [folder, port] = [place("varnish"), await freePort()];
  start("varnishd", ["-F", "-n", folder, "-a", `127.0.0.1:${port}`, "-b", `127.0.0.1:${origin}`, "-s", "malloc,100m", "-p", "default_ttl=0"], { stdio: "ignore" });
  return port;
}

/** httpd: mod_cache with its disk store, a lock for cold keys. */
async function httpd(origin) {
  const [folder, port] = [place("httpd"), await freePort()];
  const modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "cache", "cache_disk"];
  mkdirSync(join(folder, "cache"));
  chmodSync(join(folder, "cache"), 0o777);
  const load = modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n");
  writeFileSync(join(folder, "httpd.conf"), `ServerRoot ${folder}\nServerName localhost\nPidFile ${folder}/pid\nErrorLog ${folder}/log\nListen 127.0.0.1:${port}\n${load}
    User www-data\nGroup www-data\nCacheEnable disk /\nCacheRoot ${folder}/cache\nCacheQuickHandler on\nCacheLock on\nCacheLockPath ${folder}/lock\nCacheHeader on
    ProxyPass / http://127.0.0.1:${origin}/\n`);
  start("apache2", ["-D", "FOREGROUND", "-f", join(folder, "httpd.conf")]);
  return port;
}

/** trafficserver: everything to the one origin, the cache as it comes. */
async function trafficserver(origin) {
  const [folder, port] = [place("trafficserver"), await freePort()];
  for (const part of ["config", "log", "run", "cache"]) place(join("trafficserver", part));
  cpSync("/etc/trafficserver", join(folder, "config"), { recursive: true });
  writeFileSync(join(folder, "config/remap.config"), `map / http://127.0.0.1:${origin}/\n`);
  writeFileSync(join(folder, "config/storage.config"), `${folder}/cache 64M\n`);
  const records = [`proxy.config.http.server_ports STRING ${port}:ip-in=127.0.0.1`, "proxy.config.http.insert_age_in_response INT 1", "proxy.config.admin.user_id STRING #-1", "proxy.config.url_remap.remap_required INT 1", "proxy.config.diags.debug.enabled INT 0"];
  writeFileSync(join(folder, "config/records.config"), records.map((line) => `CONFIG ${line}\n`).join(""));
  writeFileSync(join(folder, "runroot.yaml"), `prefix: ${folder}\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\nsysconfdir: ${folder}/config\nlibdir: /usr/lib\nlibexecdir: /usr/lib/trafficserver/modules\nlocalstatedir: ${folder}\nruntimedir: ${folder}/run\nlogdir: ${folder}/log\ncachedir: ${folder}/cache\ndatadir: ${folder}/cache\n`);
  start("traffic_server", [`--run-root=${folder}/runroot.yaml`], { stdio: "ignore" });
  return port;
}

const KNOWN = {
  homing: { start: homing },
  nginx: { start: nginx, command: "nginx", package: "nginx" },
  varnish: { start: varnish, command: "varnishd", package: "varnish" },
  httpd: { start: httpd, command: "apache2", package: "apache2" },
  trafficserver: { start: trafficserver, command: "traffic_server", package: "trafficserver" },
};

/** Debian starts what it installs; here nothing may be started but by this run. */
function install(packages) {
  if (process.getuid?.() !== 0 || !has("apt-get")) return;
  console.log(`installing ${packages.join(", ")}`);
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
  if (ours) spawnSync("rm", [policy]);
}

/** The named caches in front of that origin: a port each, or none where it is not installed. */
export async function startAll(names, origin) {
  const unknown = names.find((name) => !Object.hasOwn(KNOWN, name));
  if (unknown !== undefined) throw new Error(`CONTENDERS: found "${unknown}", expected some of: ${Object.keys(KNOWN).join(", ")}`);
  const missing = names.map((name) => KNOWN[name]).filter(({ command }) => command && !has(command));
  if (missing.length) install(missing.map((one) => one.package));
  const ports = {};
  for (const name of names) {
    const { command, start: begin } = KNOWN[name];
    ports[name] = !command || has(command) ? await begin(origin) : undefined;
  }
  return ports;
}

export const ALL = Object.keys(KNOWN);
