#!/bin/sh
# The compiler for what is fuzzed: it counts which edges are reached and what is compared, as `cargo fuzz` has it, but with
# the flags of a stable compiler and for the crates of this workspace alone.
exec "$@" --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
