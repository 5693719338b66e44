#!/usr/bin/env bash
# Builds the Worker: Rust to Wasm, its JavaScript glue, optimised, bundled with src/edge/entry.mjs. Nothing is made again that is fresh.
#   src/tools/build.sh          -> build/worker.mjs, build/homing_bg.wasm, build/operators_bg.wasm
#   src/tools/build.sh test     -> the same into build/test/, with a panic planted behind a header (for tests/e2e)
#   src/tools/build.sh profile  -> the same into build/profile/, with the names of all functions (for `make profile` and `make size`)
#   src/tools/build.sh dev      -> the same into build/dev/, built in half the time and twice as large (for `make dev`)
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh

# The free plan allows 3 MB gzipped for both modules; the hot one is read by every new isolate.
LARGEST=$((226 * 1024))

# What is marked #[inline] is inlined up to 325 instructions by default, for size too. Up to 120 the hot module is 14 KB smaller gzipped,
# and its two crossings a request take 5 to 7 % longer (of 15 microseconds); up to 45 some 6 KB smaller still. opt-level "z" saves 5 KB
# more, and took 27 % longer where that was measured. SHA-2 in loops instead of unrolled is 2 KB less.
# Places of panics name files: below cargo's own folder they are named without that, so that every machine builds the same and none is told of.
FLAGS=(-C llvm-args=-inline-threshold=25 -C llvm-args=-inlinehint-threshold=45 --cfg 'sha2_backend_soft="compact"'
  --remap-path-prefix "${CARGO_HOME:-$HOME/.cargo}=cargo")
# By the environment, since all crates must be built so, not only the last one. Cargo passes over RUSTFLAGS where this is set.
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf %s "${FLAGS[*]}")
export CARGO_ENCODED_RUSTFLAGS

# compile CRATE TARGET_FOLDER FLAGS...
compile() {
  local crate=$1 target=$2; shift 2
  PATH="$WASM_PATH" RUSTC="$WASM_RUSTC" cargo rustc --quiet --locked -p "$crate" --lib --crate-type cdylib \
    --target wasm32-unknown-unknown --target-dir "$target" "$@" -- -C link-arg=--export=__stack_pointer
}

# fresh FOLDER NAME WASM: whether what lies there was made of that Wasm, by these tools. If not, `made` says that it is now.
stamp_of() { cat "$1" src/tools/build.sh src/tools/bindgen/Cargo.lock package-lock.json | sha256sum; }
fresh() { [ "$(cat "$1/.$2" 2>/dev/null || true)" = "$(stamp_of "$3")" ]; }
made() { stamp_of "$3" > "$1/.$2"; }

# make FOLDER NAME CRATE FLAGS... leaves FOLDER/NAME.js and FOLDER/NAME_bg.wasm. Each module has a target folder of its own: in one folder
# cargo's lock would build them one behind the other, and features would build both anew each time.
make() {
  local folder=$1 name=$2 crate=$3; shift 3
  # The profile's build differs in the last step alone.
  local target=target/wasm/${folder%/profile}/$name names=()
  [ "$folder" != build/profile ] || names=(-g)
  compile "$crate" "$target" --release "$@"
  local wasm=$target/wasm32-unknown-unknown/release/${crate//-/_}.wasm
  if fresh "$folder" "$name" "$wasm"; then return; fi
  "$BINDGEN" "$wasm" "$folder" "$name"
  # No pointer into the first 1024 bytes is ever used: the stack ends there. What is called once is put into its caller only if it is small:
  # a function is compiled whole when it is first called, and a large one takes several times as long for each of its bytes.
  node_modules/.bin/wasm-opt ${names[@]+"${names[@]}"} -Os --converge --low-memory-unused --one-caller-inline-max-function-size=200 --enable-bulk-memory --enable-nontrapping-float-to-int --enable-reference-types \
    --enable-sign-ext --enable-mutable-globals --enable-multivalue --enable-extended-const \
    "$folder/${name}_bg.wasm" -o "$folder/${name}_bg.opt.wasm"
  mv "$folder/${name}_bg.opt.wasm" "$folder/${name}_bg.wasm"
  made "$folder" "$name" "$wasm"
  [ ${#names[@]} = 0 ] || return 0 # what the names weigh is nobody's concern
  local zipped; zipped=$(gzip -9c "$folder/${name}_bg.wasm" | wc -c)
  printf '%s/%s: Wasm %s KB, gzipped %s KB\n' "$folder" "$name" "$(($(stat -c %s "$folder/${name}_bg.wasm") / 1024))" "$((zipped / 1024))"
  if [ "$name" = homing ] && [ "$zipped" -gt "$LARGEST" ]; then
    printf 'the Wasm of the hot path is %s bytes gzipped, at most %s are allowed\n' "$zipped" "$LARGEST" >&2
    rm "$folder/.$name"
    return 1
  fi
}

# make_quickly NAME CRATE: the same into build/dev, neither linked as a whole nor optimised further. One folder: the core is built once.
make_quickly() {
  local name=$1 crate=$2 target=target/wasm/build/dev
  compile "$crate" "$target" --profile wasm-dev
  local wasm=$target/wasm32-unknown-unknown/wasm-dev/${crate//-/_}.wasm
  if fresh build/dev "$name" "$wasm"; then return; fi
  "$BINDGEN" "$wasm" build/dev "$name"
  made build/dev "$name" "$wasm"
}

# bundle FOLDER FOLDER_OF_THE_OPERATORS_SIDE FLAGS...
bundle() {
  node_modules/.bin/node src/tools/compiled.mjs "$1" "$2"
  node_modules/.bin/esbuild src/edge/entry.mjs --bundle --format=esm --platform=neutral "${@:3}" --log-level=warning \
    --alias:homing-wasm="./$1/homing.js" --alias:homing-operators="./$2/operators.js" --alias:homing-compiled="./$1/compiled.mjs" --external:./homing_bg.wasm \
    --external:./operators_bg.wasm --external:cloudflare:workers --outfile="$1/worker.mjs"
}

out=build; features=()
case ${1:-} in
  '') ;;
  test) out=build/test; features=(--features planted-panic) ;;
  profile)
    mkdir -p build/profile
    make build/profile operators homing-operators & operators=$!
    make build/profile homing homing-edge
    wait "$operators"
    bundle build/profile build/profile # a statement a line
    exit ;;
  dev)
    mkdir -p build/dev
    make_quickly operators homing-operators
    make_quickly homing homing-edge
    bundle build/dev build/dev --minify-syntax
    exit ;;
  *) echo "unknown build '$1': expected test, profile or dev, or nothing for what is deployed" >&2; exit 2 ;;
esac
mkdir -p "$out"
# Two Wasm modules: the hot path, and the operators' side, which has no planted panic. At the same time, for each keeps one core busy.
make build operators homing-operators & operators=$!
make "$out" homing homing-edge "${features[@]}" & homing=$!
failed=0
for one in $operators $homing; do wait "$one" || failed=1; done
[ $failed = 0 ]
[ "$out" = build ] || cp build/operators_bg.wasm "$out/"
bundle "$out" build --minify-syntax
