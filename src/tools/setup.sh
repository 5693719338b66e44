#!/usr/bin/env bash
# Installs what is missing, and nothing twice. All but the compiler itself is pinned by hash: by Cargo.lock, src/tools/bindgen/Cargo.lock
# and package-lock.json.
#   src/tools/setup.sh            all of it, the parts side by side
#   src/tools/setup.sh target     the wasm32 target: from rustup, else from Debian
#   src/tools/setup.sh packages   the npm packages (with their own Node), and what makes the glue of the Wasm
set -euo pipefail
cd "$(dirname "$0")/../.."
. src/tools/say.sh
. src/tools/toolchain.sh

# Debian's security suite carries a newer compiler with the source of its standard library: built once, it is the target.
install_from_debian() {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends rustc-web rust-web-src rust-web-llvm lld-22 >/dev/null ||
    die "apt-get could not install rustc-web, rust-web-src, rust-web-llvm and lld-22. Install them, or a Rust with the wasm32-unknown-unknown target."
}

build_std() {
  local scratch lib; scratch=$(mktemp -d)
  mkdir "$scratch/src"
  printf '[package]\nname = "emptycrate"\nversion = "0.0.0"\nedition = "2021"\n' > "$scratch/Cargo.toml"
  printf '#![no_std]\n' > "$scratch/src/lib.rs"
  (cd "$scratch" && RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=$scratch/target \
    cargo build --quiet -Z build-std=std,panic_abort,proc_macro --target wasm32-unknown-unknown --release) ||
    die "the standard library did not build for wasm32. Install a Rust with the target: rustup target add wasm32-unknown-unknown."
  lib=/usr/lib/rustlib/wasm32-unknown-unknown/lib
  mkdir -p "$lib"
  find "$scratch/target/wasm32-unknown-unknown/release/deps" -name '*.rlib' ! -name '*emptycrate*' -exec cp {} "$lib/" \;
  rm -rf "$scratch"
}

target() {
  [ -z "$WASM_RUSTC" ] || return 0
  if [ "${RUSTUP_AUTO_INSTALL:-1}" != 0 ] && command -v rustup >/dev/null && rustup target add wasm32-unknown-unknown; then
    say "added the wasm32 target with rustup"
  elif [ -f /etc/debian_version ] && [ "$(id -u)" = 0 ]; then
    timed "no wasm32 target and no rustup downloads: installing Debian's rustc-web" "about 45 s, once" install_from_debian
    timed "building the standard library for wasm32" "about 90 s, once" build_std
  else
    die "the wasm32-unknown-unknown target is missing. Run: rustup target add wasm32-unknown-unknown"
  fi
  . src/tools/toolchain.sh
  [ -n "$WASM_RUSTC" ] || die "the wasm32-unknown-unknown target is still missing. Run: rustup target add wasm32-unknown-unknown"
}

# Without optimisation: it runs for a second, and is built three times as fast.
build_glue_maker() {
  local scratch; scratch=$(mktemp -d)
  cargo install --quiet --locked --debug --path src/tools/bindgen --target-dir "$scratch" --root "$BINDGEN_ROOT" ||
    die "src/tools/bindgen did not build; cargo's error is above."
  rm -rf "$scratch"
}

# By the lock alone, and without the packages' scripts, which could fetch what the lock does not name (.npmrc).
install_npm() {
  npm ci --no-audit --no-fund --loglevel=error || die "npm ci failed; its error is above. Run it by hand."
  [ -x node_modules/.bin/node ] || ln -sf "../$(cd node_modules && ls -d node-*/bin/node | head -1 || true)" node_modules/.bin/node
  node_modules/.bin/node --version >/dev/null ||
    die "package.json has no Node.js for this kind of machine. Link one of version 22 or newer: ln -s \"\$(command -v node)\" node_modules/.bin/node"
  cp package-lock.json node_modules/.homing-lock
}

packages() {
  local wanted; wanted=$(sed -n 's/^wasm-bindgen = "=\(.*\)"$/\1/p' Cargo.toml)
  grep -qF "wasm-bindgen-cli-support = \"=$wanted\"" src/tools/bindgen/Cargo.toml ||
    die "Cargo.toml has wasm-bindgen $wanted, src/tools/bindgen/Cargo.toml another wasm-bindgen-cli-support. Both must name the same version."
  cmp -s package-lock.json node_modules/.homing-lock || timed "installing the npm packages" "about 20 s" install_npm
  [ -x "$BINDGEN" ] || timed "building the generator of the Wasm bindings" "about 30 s, once" build_glue_maker
}

command -v cargo >/dev/null || die "cargo was not found. Install Rust 1.91 or newer from https://rustup.rs and run this again."
command -v npm >/dev/null || die "npm was not found. Install Node.js 20 or newer (Debian: apt-get install nodejs npm) and run this again."
command -v cc >/dev/null || die "no C compiler was found (SQLite of the demo regions needs one). Debian: apt-get install gcc."

case ${1:-all} in
  target) target ;;
  packages) packages ;;
  all) side_by_side target packages ;;
  *) die "unknown part '$1': expected target or packages, or nothing for both" ;;
esac
