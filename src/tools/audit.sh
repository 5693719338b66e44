#!/usr/bin/env bash
# Holds both locks against deny.toml: licences, sources and bans always; advisories where the RustSec database can be fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh

if [ ! -x "$DENY" ]; then
  # Without optimisation: it runs for a second, and is built in a third of the time.
  printf '==> installing cargo-deny %s (about a minute, once)\n' "$DENY_VERSION"
  scratch=$(mktemp -d)
  cargo install --quiet --debug --locked "cargo-deny@$DENY_VERSION" --target-dir "$scratch" --root "$DENY_ROOT"
  rm -rf "$scratch"
fi

checks=(licenses sources bans)
if timeout 60 "$DENY" --locked fetch db >/dev/null 2>&1; then
  checks+=(advisories)
else
  printf 'advisories were NOT looked at: the RustSec database could not be fetched from here\n'
fi
for manifest in Cargo.toml src/tools/bindgen/Cargo.toml; do
  "$DENY" --log-level warn --manifest-path "$manifest" --config deny.toml --locked check --hide-inclusion-graph --allow duplicate "${checks[@]}"
done
