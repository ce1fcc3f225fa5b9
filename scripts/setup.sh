#!/usr/bin/env bash
# Installs what is missing on a Debian or Ubuntu machine: `setup.sh build` for running, `setup.sh test` for the tests too.
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(build-essential pkg-config curl ca-certificates libwebkit2gtk-4.1-dev libayatana-appindicator3-1 redis-server)
test_packages=(xvfb xauth webkit2gtk-driver gnome-keyring dbus python3 python3-venv)
minimum_rust=1.95
minimum_node=20.19

say() { printf '%s\n' "$*" >&2; }

# at_least HAVE WANT: whether one version is not older than the other.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    say "Root or sudo is needed to install: $*"
    exit 1
  fi
}

install_packages() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [[ ${#missing[@]} == 0 ]] && return
  say "Installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  # A package that starts a server of its own would only be in the way of ours.
  if [[ " ${missing[*]} " == *" redis-server "* ]] && command -v systemctl >/dev/null; then
    as_root systemctl disable --now redis-server >/dev/null 2>&1 || true
  fi
}

need_rust() {
  export PATH="$HOME/.cargo/bin:$PATH"
  if ! command -v cargo >/dev/null && apt-cache show rustup >/dev/null 2>&1; then
    install_packages rustup
    rustup default stable
  fi
  local have
  have=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
  if [[ -z $have ]] || ! at_least "$have" "$minimum_rust"; then
    say "Rust $minimum_rust or later is needed (found: ${have:-none}). Install it from https://rustup.rs, then run this again."
    exit 1
  fi
}

need_node() {
  command -v node >/dev/null && command -v npm >/dev/null || install_packages nodejs npm
  local have
  have=$(node --version 2>/dev/null | tr -d v || true)
  if [[ -z $have ]] || ! at_least "$have" "$minimum_node"; then
    say "Node.js $minimum_node or later is needed (found: ${have:-none}). Install it from https://nodejs.org, then run this again."
    exit 1
  fi
}

install_npm() {
  local stamp=ui/node_modules/.lock-hash want
  want=$(sha256sum ui/package-lock.json | cut -d' ' -f1)
  [[ -f $stamp && $(<"$stamp") == "$want" ]] && return
  say "Installing the npm packages"
  npm ci --prefix ui --no-audit --no-fund --loglevel error
  echo "$want" >"$stamp"
}

install_packages "${build_packages[@]}"
need_rust
need_node
install_npm
if [[ ${1:-build} == test ]]; then
  install_packages "${test_packages[@]}"
  scripts/servers.sh
fi
