#!/usr/bin/env bash
# Builds the Worker: Rust to Wasm, its JavaScript glue, optimised, bundled with src/edge/entry.mjs.
#   scripts/build.sh          -> build/worker.mjs, build/homing_bg.wasm
#   scripts/build.sh test     -> the same into build/test/, with a panic planted behind a header (for tests/e2e)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh

out=build; features=(); target_dir=target
if [ "${1:-}" = test ]; then out=build/test; features=(--features planted-panic); fi
mkdir -p "$out"

env PATH="$WASM_PATH" RUSTC="$WASM_RUSTC" cargo rustc --quiet --lib --crate-type cdylib --release \
  --target wasm32-unknown-unknown "${features[@]}" -- -C link-arg=--export=__stack_pointer
wasm=$target_dir/wasm32-unknown-unknown/release/homing.wasm

# Only what changed is made again: optimising takes longer than all the rest.
stamp=$(cat "$wasm" src/edge/*.mjs scripts/build.sh package-lock.json | sha256sum)
if [ "$(cat "$out/.stamp" 2>/dev/null || true)" = "$stamp" ]; then exit 0; fi

"$WASM_BINDGEN" --target web --no-typescript --out-dir "$out" --out-name homing "$wasm"
node_modules/.bin/wasm-opt -Os --enable-bulk-memory --enable-nontrapping-float-to-int --enable-reference-types \
  --enable-sign-ext --enable-mutable-globals --enable-multivalue --enable-extended-const \
  "$out/homing_bg.wasm" -o "$out/homing_bg.opt.wasm"
mv "$out/homing_bg.opt.wasm" "$out/homing_bg.wasm"
node_modules/.bin/esbuild src/edge/entry.mjs --bundle --format=esm --platform=neutral --minify-syntax --log-level=warning \
  --alias:homing-wasm="./$out/homing.js" --external:./homing_bg.wasm --external:cloudflare:workers --outfile="$out/worker.mjs"
echo "$stamp" > "$out/.stamp"
printf '%s: Wasm %s KB, gzipped %s KB\n' "$out" "$(($(stat -c %s "$out/homing_bg.wasm") / 1024))" \
  "$(($(gzip -9c "$out/homing_bg.wasm" | wc -c) / 1024))"
