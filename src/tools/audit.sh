#!/usr/bin/env bash
# Holds both locks against deny.toml: licences, sources and bans always; advisories where the RustSec database can be fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh

from_crates cargo-deny "$DENY_VERSION" "$DENY_ROOT" "about a minute"

checks=(licenses sources bans)
if timeout 60 "$DENY" --locked fetch db >/dev/null 2>&1; then
  checks+=(advisories)
else
  printf 'advisories were NOT looked at: the RustSec database could not be fetched from here\n'
fi
for manifest in Cargo.toml src/tools/bindgen/Cargo.toml; do
  "$DENY" --log-level warn --manifest-path "$manifest" --config deny.toml --locked check --hide-inclusion-graph --allow duplicate "${checks[@]}"
done
