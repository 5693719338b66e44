#!/usr/bin/env bash
# Changes the core in one place at a time (cargo-mutants, .cargo/mutants.toml) and runs the tests that must notice. FILES="src/core/decide/**
# src/core/session/**" and SHARD=0/20 to 19/20 narrow a run. What came of each mutant lies in build/mutants/mutants.out; docs/mutants.md judges
# the survivors.
set -euo pipefail

# cargo-mutants calls this in cargo's place, in its copy of the tree. The unit tests are built fastest, so they come first; the others are
# only built where those pass.
if [ "${1:-}" = test ]; then
  quick=(cargo test --quiet --locked --profile mutants -p homing-core --lib)
  rest=(cargo test --quiet --locked --profile mutants -p homing-tests)
  for test in $MUTANTS_TESTS; do rest+=(--test "$test"); done
  case " $* " in *" --no-run "*) exec "${quick[@]}" --no-run ;; esac
  "${quick[@]}"
  exec "${rest[@]}"
elif [ $# -gt 0 ]; then
  exec cargo "$@"
fi

cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh
from_crates cargo-mutants "$MUTANTS_VERSION" "$MUTANTS_ROOT" "about a minute"
mkdir -p build/mutants
narrowed=()
set -f
for glob in ${FILES:-}; do narrowed+=(--file "$glob"); done
set +f
[ -z "${SHARD:-}" ] || narrowed+=(--shard "$SHARD")
# The tests that judge: those of the core that are quick. The simulation, the model and the fuzzers are not.
export MUTANTS_TESTS="golden bounds settled stored parts enumeration http target hostile_sessions again fields formats laws"
CARGO=$PWD/src/tools/mutants.sh exec "$MUTANTS" mutants --package homing-core --output build/mutants ${narrowed[@]+"${narrowed[@]}"}
