#!/usr/bin/env bash
# Changes the core in every place that cargo-mutants lists and runs the tests that must notice: tests/mutants says how, docs/mutants.md judges
# the survivors. FILES="src/core/decide/** src/core/session/**" narrows what is changed, NAMES="is_missed drop_one" and AGAIN=1 what is
# judged, TESTS="authority bounds" who judges; QUICK and SLOW are seconds that a test may take.
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh
from_crates cargo-mutants "$MUTANTS_VERSION" "$MUTANTS_ROOT" "about a minute"
export MUTANTS
exec cargo run --quiet --locked -p mutants
