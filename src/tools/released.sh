#!/usr/bin/env bash
# Makes tests/e2e/released from a commit: the Worker as it was built there, compressed, for the tests that run two versions side by side.
#   src/tools/released.sh COMMIT
set -euo pipefail
cd "$(dirname "$0")/../.."
commit=$(git rev-parse --verify "${1:?which commit? src/tools/released.sh COMMIT}^{commit}")
tree=$(mktemp -d)
trap 'git worktree remove --force "$tree"' EXIT
git worktree add --quiet --detach "$tree" "$commit"
ln -s "$PWD/node_modules" "$tree/node_modules"
# Most of what it depends on is built already.
mkdir -p "$tree/target"
if [ -d target/wasm ]; then cp -r target/wasm "$tree/target/wasm"; fi
# Where it lay in earlier versions.
build=$tree/src/tools/build.sh
[ -x "$build" ] || build=$tree/scripts/build.sh
"$build"
out=tests/e2e/released
for file in worker.mjs homing_bg.wasm operators_bg.wasm; do
  node_modules/.bin/node -e '
    const { readFileSync, writeFileSync } = require("node:fs");
    const [from, to] = process.argv.slice(1);
    writeFileSync(to, require("node:zlib").brotliCompressSync(readFileSync(from)));' "$tree/build/$file" "$out/$file.br"
done
echo "$commit" > "$out/commit"
du -bc "$out"/*.br | tail -1
