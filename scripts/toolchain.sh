# Sourced: which compiler builds the Wasm, and with which wasm-bindgen. scripts/setup.sh installs what is missing.
#   WASM_RUSTC, WASM_PATH   the compiler that has wasm32-unknown-unknown, and a PATH on which it comes first
#   WASM_BINDGEN            the command of the crate's very version

has_target() { [ -n "$(ls "$("$1" --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)"/libcore-*.rlib 2>/dev/null)" ]; }

WASM_RUSTC=
for candidate in "$(command -v rustc || true)" /usr/bin/rustc; do
  if [ -x "$candidate" ] && has_target "$candidate"; then WASM_RUSTC=$candidate; break; fi
done
WASM_PATH=$(dirname "${WASM_RUSTC:-/usr/bin/rustc}"):$PATH

# The glue and the Wasm must come from one version, so it is read where the crate's is.
WASM_BINDGEN_VERSION=$(sed -n 's/^wasm-bindgen = "=\(.*\)"$/\1/p' Cargo.toml)
WASM_BINDGEN_ROOT=${XDG_CACHE_HOME:-$HOME/.cache}/homing/wasm-bindgen-$WASM_BINDGEN_VERSION
WASM_BINDGEN=$WASM_BINDGEN_ROOT/bin/wasm-bindgen
on_path=$(command -v wasm-bindgen || true)
if [ -n "$on_path" ] && [ "$("$on_path" --version)" = "wasm-bindgen $WASM_BINDGEN_VERSION" ]; then WASM_BINDGEN=$on_path; fi
