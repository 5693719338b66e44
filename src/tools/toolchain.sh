# Sourced: which compiler builds the Wasm, and what makes its glue. src/tools/setup.sh installs what is missing.
#   WASM_RUSTC, WASM_PATH   the compiler that has wasm32-unknown-unknown, and a PATH on which it comes first
#   BINDGEN, BINDGEN_ROOT   the command of src/tools/bindgen, and where it is installed: a folder for each of its locks
#   DENY, MUTANTS, COVERAGE cargo-deny, cargo-mutants and cargo-llvm-cov of these versions, likewise
#   from_crates             installs one of them
#   MESH_ROOT               where PostgreSQL 18 is installed for tests/mesh

has_target() { [ -n "$(ls "$("$1" --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)"/libcore-*.rlib 2>/dev/null)" ]; }

WASM_RUSTC=
for candidate in "$(command -v rustc || true)" /usr/bin/rustc; do
  if [ -x "$candidate" ] && has_target "$candidate"; then WASM_RUSTC=$candidate; break; fi
done
WASM_PATH=$(dirname "${WASM_RUSTC:-/usr/bin/rustc}"):$PATH

TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/homing
BINDGEN_ROOT=$TOOLS/bindgen-$(cat src/tools/bindgen/Cargo.lock src/tools/bindgen/src/main.rs | sha256sum | cut -c 1-16)
BINDGEN=$BINDGEN_ROOT/bin/homing-bindgen
DENY_VERSION=0.20.2
DENY_ROOT=$TOOLS/cargo-deny-$DENY_VERSION
DENY=$DENY_ROOT/bin/cargo-deny
MUTANTS_VERSION=27.1.0
MUTANTS_ROOT=$TOOLS/cargo-mutants-$MUTANTS_VERSION
MUTANTS=$MUTANTS_ROOT/bin/cargo-mutants
COVERAGE_VERSION=0.9.1
COVERAGE_ROOT=$TOOLS/cargo-llvm-cov-$COVERAGE_VERSION
COVERAGE=$COVERAGE_ROOT/bin/cargo-llvm-cov
# PostgreSQL 18 of tests/mesh: by what names it.
MESH_ROOT=$TOOLS/postgres-$(sha256sum < src/tools/mesh-postgres.txt | cut -c 1-16)

# from_crates NAME VERSION ROOT HOW_LONG: a command of cargo, of exactly that version; once. Without optimisation, since what takes time is
# what it calls: so it is built in a third of the time.
from_crates() {
  [ ! -x "$3/bin/$1" ] || return 0
  local scratch; scratch=$(mktemp -d)
  printf '==> installing %s %s (%s, once)\n' "$1" "$2" "$4"
  cargo install --quiet --debug --locked "$1@$2" --target-dir "$scratch" --root "$3"
  rm -rf "$scratch"
}
