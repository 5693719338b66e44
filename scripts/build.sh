#!/usr/bin/env bash
# Builds the Worker: Rust to Wasm, its JavaScript glue, optimised, bundled with src/edge/entry.mjs.
#   scripts/build.sh          -> build/worker.mjs, build/homing_bg.wasm, build/operators_bg.wasm
#   scripts/build.sh test     -> the same into build/test/, with a panic planted behind a header (for tests/e2e)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh

out=build; features=()
if [ "${1:-}" = test ]; then out=build/test; features=(--features planted-panic); fi
mkdir -p "$out"

# Two Wasm modules from one crate: the hot path, and the operators' side. make NAME FEATURES... leaves build/NAME.js and
# build/NAME_bg.wasm; only what changed is made again, for optimising takes longer than all the rest.
make() {
  local name=$1; shift
  env PATH="$WASM_PATH" RUSTC="$WASM_RUSTC" cargo rustc --quiet --lib --crate-type cdylib --release \
    --target wasm32-unknown-unknown "$@" -- -C link-arg=--export=__stack_pointer
  local wasm=target/wasm32-unknown-unknown/release/homing.wasm
  local stamp; stamp=$(cat "$wasm" scripts/build.sh package-lock.json | sha256sum)
  if [ "$(cat "$out/.$name" 2>/dev/null || true)" = "$stamp" ]; then return; fi
  "$WASM_BINDGEN" --target web --no-typescript --out-dir "$out" --out-name "$name" "$wasm"
  node_modules/.bin/wasm-opt -Os --enable-bulk-memory --enable-nontrapping-float-to-int --enable-reference-types \
    --enable-sign-ext --enable-mutable-globals --enable-multivalue --enable-extended-const \
    "$out/${name}_bg.wasm" -o "$out/${name}_bg.opt.wasm"
  mv "$out/${name}_bg.opt.wasm" "$out/${name}_bg.wasm"
  echo "$stamp" > "$out/.$name"
  printf '%s/%s: Wasm %s KB, gzipped %s KB\n' "$out" "$name" "$(($(stat -c %s "$out/${name}_bg.wasm") / 1024))" \
    "$(($(gzip -9c "$out/${name}_bg.wasm" | wc -c) / 1024))"
}

make homing "${features[@]}"
make operators --features operators
node_modules/.bin/esbuild src/edge/entry.mjs --bundle --format=esm --platform=neutral --minify-syntax --log-level=warning \
  --alias:homing-wasm="./$out/homing.js" --alias:homing-operators="./$out/operators.js" --external:./homing_bg.wasm \
  --external:./operators_bg.wasm --external:cloudflare:workers --outfile="$out/worker.mjs"
