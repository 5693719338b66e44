#!/usr/bin/env bash
# `make dev`: regions, router and dashboard on this machine. From nothing on two cores it takes minutes, so the compiler for Wasm and all else
# are made ready side by side. The Wasm is built quickly and not small (build/dev); `make build` builds what is deployed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/say.sh
NODE=node_modules/.bin/node
ready=$(mktemp -d)
trap 'rm -rf "$ready"' EXIT

check() { cargo run --quiet --locked -p homing-cli --no-default-features --bin homing -- check wrangler.toml; }

host() {
  src/tools/setup.sh packages
  touch "$ready/packages"
  timed "checking wrangler.toml" "about 40 s at first" check
  timed "building the demo regions" "about 50 s at first" cargo build --quiet --locked -p demo-region
}

wasm() {
  src/tools/setup.sh target
  # The glue comes from the other lane. If that has failed, it says so itself.
  until [ -e "$ready/packages" ]; do kill -0 "$one" 2>/dev/null || return 1; sleep 0.1; done
  timed "building the Worker" "about 60 s at first" src/tools/build.sh dev
}

# rustup installs what rust-toolchain.toml names when it is first asked, and two at once would get into each other's way.
command -v rustc >/dev/null && rustc --version >/dev/null
side_by_side host wasm
rm -rf "$ready"
exec "$NODE" tests/dev.mjs
