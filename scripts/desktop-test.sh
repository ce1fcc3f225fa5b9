#!/usr/bin/env bash
# Runs the test of the real window: a virtual display, a session bus of its own, a fresh home and an unlocked keyring.
set -euo pipefail
cd "$(dirname "$0")/.."

# Built before the home is exchanged, with the toolchain of the real one.
export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
cargo build --workspace --bins --locked
cargo test --workspace --locked --test desktop --no-run

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_CACHE_HOME="$home/cache"
export XDG_RUNTIME_DIR="$home/runtime"
mkdir -p "$XDG_CONFIG_HOME" "$XDG_DATA_HOME" "$XDG_CACHE_HOME"
mkdir -m 700 -p "$XDG_RUNTIME_DIR"
# The keyring's password protects nothing: home and keyring are gone after the test.
# shellcheck disable=SC2016
exec xvfb-run --auto-servernum --server-args '-screen 0 1280x820x24' dbus-run-session -- bash -c '
  printf %s test | gnome-keyring-daemon --unlock --components=secrets >/dev/null
  exec cargo test --workspace --locked --test desktop -- --test-threads 1
'
