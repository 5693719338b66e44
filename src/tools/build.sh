#!/usr/bin/env bash
# Builds the Worker: Rust to Wasm, its JavaScript glue, optimised, bundled with src/edge/entry.mjs. Nothing is made again that is fresh.
#   src/tools/build.sh          -> build/worker.mjs, build/homing_bg.wasm, build/operators_bg.wasm
#   src/tools/build.sh test     -> the same into build/test/, with a panic planted behind a header (for tests/e2e)
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh

# What is marked #[inline] is inlined up to 325 instructions by default, for size too. Up to 120 the hot module is 14 KB smaller gzipped,
# and its two crossings a request take 5 to 7 % longer (of 15 microseconds). opt-level "z" saves 28 KB, and takes 27 % longer.
INLINE="-inline-threshold=25 -inlinehint-threshold=120"

# make FOLDER NAME CRATE FLAGS... leaves FOLDER/NAME.js and FOLDER/NAME_bg.wasm. Each module has a target folder of its own: in one folder
# cargo's lock would build them one behind the other, and features would build both anew each time.
make() {
  local folder=$1 name=$2 crate=$3; shift 3
  local target=target/wasm/$folder/$name
  env PATH="$WASM_PATH" RUSTC="$WASM_RUSTC" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C llvm-args=${INLINE// / -C llvm-args=}" cargo rustc --quiet --locked -p "$crate" --lib --crate-type cdylib --release \
    --target wasm32-unknown-unknown --target-dir "$target" "$@" -- -C link-arg=--export=__stack_pointer
  local wasm=$target/wasm32-unknown-unknown/release/${crate//-/_}.wasm
  local stamp; stamp=$(cat "$wasm" src/tools/build.sh src/tools/bindgen/Cargo.lock package-lock.json | sha256sum)
  if [ "$(cat "$folder/.$name" 2>/dev/null || true)" = "$stamp" ]; then return; fi
  "$BINDGEN" "$wasm" "$folder" "$name"
  # No pointer into the first 1024 bytes is ever used: the stack ends there.
  node_modules/.bin/wasm-opt -Os --converge --low-memory-unused --enable-bulk-memory --enable-nontrapping-float-to-int --enable-reference-types \
    --enable-sign-ext --enable-mutable-globals --enable-multivalue --enable-extended-const \
    "$folder/${name}_bg.wasm" -o "$folder/${name}_bg.opt.wasm"
  mv "$folder/${name}_bg.opt.wasm" "$folder/${name}_bg.wasm"
  echo "$stamp" > "$folder/.$name"
  printf '%s/%s: Wasm %s KB, gzipped %s KB\n' "$folder" "$name" "$(($(stat -c %s "$folder/${name}_bg.wasm") / 1024))" \
    "$(($(gzip -9c "$folder/${name}_bg.wasm" | wc -c) / 1024))"
}

# Two Wasm modules: the hot path, and the operators' side, which has no planted panic. At the same time, for each keeps one core busy.
out=build; features=()
if [ "${1:-}" = test ]; then out=build/test; features=(--features planted-panic); fi
mkdir -p "$out"
make build operators homing-operators & operators=$!
make "$out" homing homing-edge "${features[@]}" & homing=$!
failed=0
for one in $operators $homing; do wait "$one" || failed=1; done
[ $failed = 0 ]
[ "$out" = build ] || cp build/operators_bg.wasm "$out/"
node_modules/.bin/esbuild src/edge/entry.mjs --bundle --format=esm --platform=neutral --minify-syntax --log-level=warning \
  --alias:homing-wasm="./$out/homing.js" --alias:homing-operators=./build/operators.js --external:./homing_bg.wasm \
  --external:./operators_bg.wasm --external:cloudflare:workers --outfile="$out/worker.mjs"
