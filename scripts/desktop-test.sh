#!/usr/bin/env bash
# Runs the test of the real window: scripts/desktop-test.sh [arguments for the test binary].
# It gets a display, a home, a session bus and an unlocked keyring of its own; nothing of the user's is touched.
set -euo pipefail
cd "$(dirname "$0")/.."

# Cargo runs outside the fresh home, so that it keeps its own folders.
cargo build --quiet --workspace --bins
test=$(cargo test --workspace --test desktop --no-run --message-format=json 2>/dev/null |
  sed -n 's/.*"name":"desktop".*"executable":"\([^"]*\)".*/\1/p' | tail -n1)
[[ -x $test ]] || { echo "desktop-test.sh: the test does not compile: cargo test --workspace --test desktop --no-run" >&2; exit 1; }

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir -p "$home"/{data,config,cache}
mkdir -m 700 "$home/run"
export HOME=$home XDG_DATA_HOME=$home/data XDG_CONFIG_HOME=$home/config XDG_CACHE_HOME=$home/cache XDG_RUNTIME_DIR=$home/run
unset WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS
xvfb-run --auto-servernum --server-args='-screen 0 1600x1000x24' dbus-run-session -- bash -c '
  printf %s pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null
  "$@"' -- "$test" --test-threads=1 "$@"
