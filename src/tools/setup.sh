#!/usr/bin/env bash
# Installs what is missing, and nothing twice: the wasm32 target, wasm-bindgen, the npm packages (with their own Node). All but the
# compiler itself is pinned by hash: by Cargo.lock, src/tools/bindgen/Cargo.lock and package-lock.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '==> %s\n' "$*"; }
die() { printf 'set-up failed: %s\n' "$*" >&2; exit 1; }

command -v cargo >/dev/null || die "cargo was not found. Install Rust 1.91 or newer from https://rustup.rs and run this again."
command -v npm >/dev/null || die "npm was not found. Install Node.js 20 or newer (Debian: apt-get install nodejs npm) and run this again."
command -v cc >/dev/null || die "no C compiler was found (SQLite of the demo regions needs one). Debian: apt-get install gcc."

. src/tools/toolchain.sh

# Debian's security suite carries a newer compiler with the source of its standard library: built once, it is the target.
target_from_debian() {
  say "no wasm32 target and no rustup downloads: using Debian's rustc-web (about 3 minutes, once)"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends rustc-web rust-web-src rust-web-llvm rust-web-clippy lld-22 >/dev/null ||
    die "apt-get could not install rustc-web, rust-web-src, rust-web-llvm, rust-web-clippy and lld-22. Install them, or a Rust with the wasm32-unknown-unknown target."
  scratch=$(mktemp -d)
  mkdir "$scratch/src"
  printf '[package]\nname = "emptycrate"\nversion = "0.0.0"\nedition = "2021"\n' > "$scratch/Cargo.toml"
  printf '#![no_std]\n' > "$scratch/src/lib.rs"
  (cd "$scratch" && RUSTFLAGS=-Cembed-bitcode=yes RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=$scratch/target \
    cargo build --quiet -Z build-std=std,panic_abort,proc_macro --target wasm32-unknown-unknown --release) ||
    die "the standard library did not build for wasm32. Install a Rust with the target: rustup target add wasm32-unknown-unknown."
  lib=/usr/lib/rustlib/wasm32-unknown-unknown/lib
  mkdir -p "$lib"
  find "$scratch/target/wasm32-unknown-unknown/release/deps" -name '*.rlib' ! -name '*emptycrate*' -exec cp {} "$lib/" \;
  rm -rf "$scratch"
}

if [ -z "$WASM_RUSTC" ]; then
  if [ "${RUSTUP_AUTO_INSTALL:-1}" != 0 ] && command -v rustup >/dev/null && rustup target add wasm32-unknown-unknown; then
    say "added the wasm32 target with rustup"
  elif [ -f /etc/debian_version ] && [ "$(id -u)" = 0 ]; then
    target_from_debian
  else
    die "the wasm32-unknown-unknown target is missing. Run: rustup target add wasm32-unknown-unknown"
  fi
  . src/tools/toolchain.sh
  [ -n "$WASM_RUSTC" ] || die "the wasm32-unknown-unknown target is still missing. Run: rustup target add wasm32-unknown-unknown"
fi

wanted=$(sed -n 's/^wasm-bindgen = "=\(.*\)"$/\1/p' Cargo.toml)
grep -qF "wasm-bindgen-cli-support = \"=$wanted\"" src/tools/bindgen/Cargo.toml ||
  die "Cargo.toml has wasm-bindgen $wanted, src/tools/bindgen/Cargo.toml another wasm-bindgen-cli-support. Both must name the same version."
if [ ! -x "$BINDGEN" ]; then
  say "building what makes the glue of the Wasm (about a minute, once)"
  scratch=$(mktemp -d)
  cargo install --quiet --locked --path src/tools/bindgen --target-dir "$scratch" --root "$BINDGEN_ROOT" ||
    die "src/tools/bindgen did not build; cargo's words stand above."
  rm -rf "$scratch"
fi

if ! cmp -s package-lock.json node_modules/.homing-lock; then
  say "installing the npm packages"
  # By the lock alone, and without the packages' scripts, which could fetch what the lock does not name (.npmrc).
  npm ci --no-audit --no-fund --loglevel=error || die "npm ci failed; its words stand above. Run it again by hand."
  [ -x node_modules/.bin/node ] || ln -sf "../$(cd node_modules && ls -d node-*/bin/node | head -1 || true)" node_modules/.bin/node
  node_modules/.bin/node --version >/dev/null ||
    die "package.json has no Node.js for this kind of machine. Link one of version 22 or newer: ln -s \"\$(command -v node)\" node_modules/.bin/node"
  cp package-lock.json node_modules/.homing-lock
fi
