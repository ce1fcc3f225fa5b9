#!/usr/bin/env bash
# Builds and opens the window; where there is no display, runs the demo in the terminal.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh build
export PATH="$HOME/.cargo/bin:$PATH"
npm run build --prefix ui --silent
# The whole workspace at once, as the tests build it: one set of artifacts serves both.
cargo build --workspace --bins
if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then
  exec target/debug/tributary-desktop
fi
echo "No display: running the demo in the terminal."
exec target/debug/tributary demo
