#!/usr/bin/env bash
# Opens the window, or without a display runs the demo in the terminal.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then
  scripts/setup.sh build
  exec cargo run --package tributary-desktop
fi
echo "No display: this is the demo in the terminal. It ends with Ctrl+C."
scripts/setup.sh demo
exec cargo run --package tributary-cli -- demo
