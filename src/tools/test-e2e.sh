#!/usr/bin/env bash
# Runs the end-to-end tests: src/tools/test-e2e.sh [RUNTIME [FILE...]]. RUNTIME is miniflare (which `wrangler dev` stands on) or workerd
# (plain, as the platform runs it). The Worker, build/test and the demo regions are built by then.
set -euo pipefail
cd "$(dirname "$0")/../.."
export RUNTIME=${1:-miniflare}
shift || true
[ $# -gt 0 ] || set -- 'tests/e2e/*.test.mjs'
# A set-up that hangs ends as failed tests; and what a failed set-up has left open keeps nothing alive.
exec node_modules/.bin/node --test --test-reporter=spec --test-concurrency=${CONCURRENCY:-3} --test-timeout=180000 --test-force-exit "$@"
