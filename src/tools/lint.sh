#!/usr/bin/env bash
# Format and lint of all Rust and JavaScript. All of it runs, whatever fails; what failed is named at the end.
set -uo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh
bad=()

check() { # a name, then a command
  printf '==> %s\n' "$1"
  "${@:2}" || bad+=("$1: ${*:2}")
}

# Clippy of the compiler that has the wasm32 target, where it brings its own.
clippy_wasm() {
  local driver; driver=$(dirname "$WASM_RUSTC")/clippy-driver
  if [ ! -x "$driver" ] && [ "$driver" = /usr/bin/clippy-driver ] && [ -f /etc/debian_version ] && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends rust-web-clippy >/dev/null ||
      { echo "apt-get could not install rust-web-clippy"; return 1; }
  fi
  if [ ! -x "$driver" ]; then echo "no clippy beside $WASM_RUSTC: the wasm32 part is only compiled"; src/tools/build.sh; return; fi
  env PATH="$WASM_PATH" RUSTC="$WASM_RUSTC" RUSTC_WORKSPACE_WRAPPER="$driver" CLIPPY_ARGS="-Dwarnings__CLIPPY_HACKERY__" \
    cargo check --quiet --locked --lib --target wasm32-unknown-unknown -p homing-edge -p homing-operators
}

check "format, Rust" cargo fmt --all --check
check "format and lint, JavaScript" node_modules/.bin/biome ci --error-on-warnings --colors=off
for part in src www tests tests/edge; do check "types, $part" node_modules/.bin/tsc -p "$part"; done
check "clippy, host" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
check "clippy, the kit with PostgreSQL" cargo clippy --quiet --locked -p homing-origin --all-features --all-targets -- -D warnings
check "clippy, the command without network" cargo clippy --quiet --locked -p homing-cli --no-default-features -- -D warnings
check "clippy, with the planted panic" cargo clippy --quiet --locked -p homing-edge --features planted-panic -- -D warnings
check "clippy, wasm32" clippy_wasm

for one in ${bad[@]+"${bad[@]}"}; do printf 'failed: %s\n' "$one"; done
[ ${#bad[@]} = 0 ]
