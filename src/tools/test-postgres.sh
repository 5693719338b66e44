#!/usr/bin/env bash
# Runs the tests against a real PostgreSQL. If its programs are missing it installs them, on Debian and as root.
# The Worker is built by then.
set -euo pipefail
cd "$(dirname "$0")/../.."

die() { printf 'set-up failed: %s\n' "$*" >&2; exit 1; }

have() { # any one of the places will do
  [ -x "${PG_BIN:-/nowhere}/postgres" ] && return
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && return
  command -v pg_config >/dev/null && [ -x "$(pg_config --bindir)/postgres" ]
}

# Debian makes a database of the machine's own when the server is installed, and runs it as a service. Nobody asked for that here.
# In a subshell: its trap puts the settings back.
from_debian() (
  printf '==> installing PostgreSQL from Debian (for tests/postgres: no service, no database of its own)\n'
  settings=/etc/postgresql-common/createcluster.conf
  install_package postgresql-common
  cp -p "$settings" "$settings.homing"
  trap 'mv "$settings.homing" "$settings"' EXIT
  printf '\ncreate_main_cluster = false\n' >> "$settings"
  install_package postgresql
)

install_package() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null ||
    die "apt-get could not install the package $1. Install postgresql by hand, or set PG_BIN to the folder of PostgreSQL's programs."
}

if have; then
  :
elif [ -f /etc/debian_version ] && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  from_debian
  have || die "the package postgresql is installed, but its programs are not in /usr/lib/postgresql. Set PG_BIN to their folder."
else
  die "PostgreSQL was not found. Install version 14 or newer (Debian: apt-get install postgresql), or set PG_BIN to the folder of its programs."
fi

node_modules/.bin/node tests/postgres/beside.mjs cargo test --quiet --locked -p homing-origin --features postgres --test postgres --test merge_postgres
cargo build --quiet --locked -p history
cargo build --quiet --locked -p homing-origin --example postgres --features axum,postgres
exec node_modules/.bin/node --test --test-reporter=spec --test-concurrency=1 --test-timeout=120000 --test-force-exit 'tests/postgres/*.test.mjs'
