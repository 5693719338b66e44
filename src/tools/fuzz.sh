#!/usr/bin/env bash
# src/tools/fuzz.sh SECONDS [TARGET…]: so many seconds of libFuzzer for each target, two at a time. What is new goes to
# target/fuzz/corpus, what fails to target/fuzz/failed; `src/tools/fuzz.sh minimise` puts the least that reaches as much into
# tests/fuzz/corpus. Needs a C++ compiler, which builds libFuzzer from its crate, and no other tool.
set -euo pipefail
cd "$(dirname "$0")/../.."
what=${1:-60}; shift || true
all=$(sed -n 's/^name = "\(.*\)"$/\1/p' tests/fuzz/Cargo.toml | grep -v '^fuzz$')
targets=${*:-$all}
[ "$what" = minimise ] && [ -x target/fuzz/debug/flow ] || \
  RUSTC_WORKSPACE_WRAPPER=$PWD/src/tools/fuzz-rustc.sh cargo build --quiet --locked -p fuzz --features libfuzzer --bins --target-dir target/fuzz
[ "${BUILD_ONLY:-}" = "" ] || exit 0

one() { # a target
  local found=target/fuzz/corpus/$1 kept=tests/fuzz/corpus/$1 program=target/fuzz/debug/$1
  mkdir -p "$found" "$kept" target/fuzz/failed
  if [ "$what" = minimise ]; then
    local least; least=$(mktemp -d)
    "$program" -merge=1 -max_len=512 "$least" "$kept" "$found" 2>/dev/null
    # The smallest first, and no more than a reader would look through.
    rm -f "$kept"/*
    find "$least" -type f -size -2k -printf '%s %p\n' | sort -n | head -64 | while read -r _ file; do cp "$file" "$kept/"; done
    rm -r "$least"
    printf '%s: %s files\n' "$1" "$(find "$kept" -type f | wc -l)"
  else
    "$program" -max_total_time="$what" -max_len=2048 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
      -artifact_prefix="target/fuzz/failed/$1-" "$found" "$kept" >"target/fuzz/$1.log" 2>&1 ||
      { tail -n 60 "target/fuzz/$1.log"; printf '%s failed; its bytes are in target/fuzz/failed\n' "$1"; return 1; }
    printf '%s: %s inputs, %s\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "target/fuzz/$1.log")" \
      "$(grep -o 'cov: [0-9]* ft: [0-9]*' "target/fuzz/$1.log" | tail -1)"
  fi
}
export -f one; export what
printf '%s\n' $targets | xargs -P 2 -I{} bash -euc 'one {}'
