#!/usr/bin/env bash
# Installs what is missing: scripts/setup.sh build|demo|test|bundle. Fast when nothing is.
#   demo    what the terminal demo needs    build   the window as well
#   test    everything `make test` runs     bundle  packages of the window
set -euo pipefail
cd "$(dirname "$0")/.."
goal=${1:?build, demo, test or bundle}

# libdbus: the keyring talks to the Secret Service. build-essential also brings g++, for libFuzzer.
compile=(build-essential pkg-config curl libdbus-1-dev)
window=(libwebkit2gtk-4.1-dev libayatana-appindicator3-1)
packages=("${compile[@]}" redis-server)
case $goal in
  demo) ;;
  build) packages+=("${window[@]}") ;;
  test) packages+=("${window[@]}" xvfb xauth webkit2gtk-driver gnome-keyring dbus dbus-bin openssl procps redis-tools python3 python3-venv) ;;
  bundle) packages+=("${window[@]}" libayatana-appindicator3-dev) ;;
  *) echo "setup.sh: unknown goal '$goal'" >&2; exit 2 ;;
esac
# Node may come from elsewhere; Debian's is taken only when there is none.
if [[ $goal != demo ]] && ! command -v npm >/dev/null; then
  packages+=(nodejs npm)
fi

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

if command -v dpkg-query >/dev/null; then
  missing=()
  for package in "${packages[@]}"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  if ((${#missing[@]})); then
    echo "Installing ${missing[*]}"
    # RUNLEVEL=1: the packaged Redis must not start as a service, only its binary is wanted.
    log=$(mktemp)
    if ! { as_root apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends "${missing[@]}"; } \
      >"$log" 2>&1 </dev/null; then
      cat "$log" >&2
      exit 1
    fi
    rm -f "$log"
  fi
else
  echo "setup.sh: not a Debian system; these packages are expected under its names: ${packages[*]}" >&2
fi

if ! command -v cargo >/dev/null; then
  echo "setup.sh: cargo is missing. Install Rust 1.95 or later (https://rustup.rs), then run this again." >&2
  exit 1
fi
want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
have=$(rustc --version | cut -d' ' -f2)
if [[ $(printf '%s\n' "$want" "$have" | sort -V | head -n1) != "$want" ]]; then
  echo "setup.sh: Rust $want or later is needed, this is $have (rustup update)." >&2
  exit 1
fi

if [[ $goal != demo ]]; then
  # npm ci only when the lock file is not the one that was installed.
  lock=$(sha256sum ui/package-lock.json | cut -d' ' -f1)
  stamp=ui/node_modules/.tributary-lock
  if [[ ! -f $stamp || $(<"$stamp") != "$lock" ]]; then
    (cd ui && npm ci --no-audit --no-fund --loglevel=error)
    echo "$lock" >"$stamp"
  fi
  # The app embeds ui/dist when it is compiled.
  if [[ ! -f ui/dist/index.html || -n $(find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -type f -newer ui/dist/index.html -print -quit) ]]; then
    (cd ui && npm run --silent build)
  fi
fi
if [[ $goal == test ]]; then
  scripts/servers.sh
fi
