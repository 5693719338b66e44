#!/usr/bin/env bash
# How much of the core the tests on the host run: one line, and the files of which they run least. `tests/coverage.mjs` counts.
# LLVM's tools must be of the version that rustc is of: rustup's llvm-tools, else a Debian package of that number.
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/toolchain.sh
. src/tools/say.sh

major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
is_of() { [ -x "$1" ] && "$1" --version 2>/dev/null | grep -q "LLVM version $major\."; }
tool() { # llvm-cov or llvm-profdata; profdata has no --version, so the one that stands beside llvm-cov is taken
  local from
  for from in "$(rustc --print target-libdir)/../bin/llvm-cov" "$(command -v "llvm-cov-$major")" "/usr/lib/llvm-$major/bin/llvm-cov" "$(command -v llvm-cov)"; do
    if is_of "$from" && [ -x "${from/llvm-cov/$1}" ]; then echo "${from/llvm-cov/$1}"; return; fi
  done
}
LLVM_COV=$(tool llvm-cov || true)
LLVM_PROFDATA=$(tool llvm-profdata || true)
export LLVM_COV LLVM_PROFDATA
[ -n "$LLVM_COV" ] && [ -n "$LLVM_PROFDATA" ] ||
  die "llvm-cov and llvm-profdata of LLVM $major were not found. Run: rustup component add llvm-tools, or on Debian: apt-get install llvm-$major"

from_crates cargo-llvm-cov "$COVERAGE_VERSION" "$COVERAGE_ROOT" "about half a minute"
made=$PWD/target/coverage
mkdir -p "$made"
timed "running the host's tests of the core, instrumented" "about 15 minutes from nothing, 7 after that" \
  "$COVERAGE" llvm-cov --no-report --locked -p homing-core -p homing-tests -p homing-cli -- --quiet
report=("$COVERAGE" llvm-cov report --ignore-filename-regex '/(tests|src/(edge|cli|origin|operators))/')
"${report[@]}" --lcov --output-path "$made/lines.info"
"${report[@]}" --json --output-path "$made/regions.json"
node_modules/.bin/node tests/coverage.mjs "$made/lines.info" "$made/regions.json"
