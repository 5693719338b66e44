#!/usr/bin/env bash
# Lints and runs every test; the last line counts them. Set-up is done by then (`make test` does both).
set -uo pipefail
cd "$(dirname "$0")/../.."
. src/tools/say.sh
. src/tools/toolchain.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bad=0

step() { # a name, then a command whose failure is counted and does not hide the rest
  say "$1" | tee -a "$log"; shift
  "$@" 2>&1 | tee -a "$log"
  if [ "${PIPESTATUS[0]}" != 0 ]; then printf 'failed: %s\n' "$*" | tee -a "$log"; bad=$((bad + 1)); fi
}

# Both modules stay fresh beside each other, and beside the build with the panic.
built_once() {
  modules() { stat -c '%n %Y' target/wasm/*/*/wasm32-unknown-unknown/release/*.wasm build/*.wasm build/test/homing_bg.wasm; }
  local before; before=$(modules)
  src/tools/build.sh && src/tools/build.sh test || return 1
  [ "$(modules)" = "$before" ] || { echo "the Wasm was rebuilt although nothing had changed"; return 1; }
}

# What wrangler warns of, it warns everybody of who deploys.
dry_run() {
  local said status
  said=$(env CI=1 WRANGLER_SEND_METRICS=false node_modules/.bin/node node_modules/wrangler/bin/wrangler.js deploy --dry-run --outdir build/dry-run 2>&1)
  status=$?
  printf '%s\n' "$said"
  [ "$status" = 0 ] && ! grep -q 'WARNING' <<<"$said"
}

step "lint" src/tools/lint.sh
step "dependencies" src/tools/audit.sh
step "homing check" cargo run --quiet --locked --bin homing -- check wrangler.toml
step "cargo test" cargo test --quiet --locked --workspace --no-fail-fast
step "the JavaScript end of the wire" node_modules/.bin/node --test --test-reporter=spec 'tests/edge/*.test.mjs'
step "the kit's gate, in every order of threads" env RUSTFLAGS="--cfg loom" cargo test --quiet --locked --release -p gate-model --target-dir target/loom
step "build" src/tools/build.sh
step "build for make dev" src/tools/build.sh dev
step "build with a planted panic" src/tools/build.sh test
step "nothing changed, nothing built" built_once
step "demo regions" cargo build --quiet --locked -p demo-region -p history
step "end to end, in miniflare" src/tools/test-e2e.sh miniflare
step "end to end, in plain workerd" src/tools/test-e2e.sh workerd
step "real PostgreSQL" src/tools/test-postgres.sh
step "PostgreSQL 18 in a mesh" src/tools/test-mesh.sh 40
step "wrangler deploy --dry-run" dry_run

sum() { sed -E 's/\x1b\[[0-9;]*m//g' "$log" | grep -oE "$1" | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'; }
passed=$(($(sum '^test result: .* ([0-9]+) passed' | cat) + $(sum '^. pass [0-9]+')))
failed=$(($(sum '; [0-9]+ failed') + $(sum '^. fail [0-9]+')))
[ "$failed" -ge "$bad" ] || failed=$bad
# What failed once more at the end, where a reader of the end alone finds it: why first (of each test that much), then their names.
sed -E 's/\x1b\[[0-9;]*m//g' "$log" | awk '
  /^==> |^✖ failing tests:|^failures:$/ { shown = /^✖|^failures/ ? 40 : 0; next }
  /^test at |^---- / { shown = 40 }
  /^test result: |^ +at |^ +[0-9]+: |^stack backtrace/ { next }
  shown > 0 && NF { shown--; print substr($0, 1, 400) }'
grep -aE '^(failed: |error(\[|:)|test .* FAILED|✖ .*\()' "$log" | sort -u
say "every step has run"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$bad" = 0 ]
