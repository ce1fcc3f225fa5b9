#!/usr/bin/env bash
# Full sync, stream and latency against native REPLICAOF, with release builds, on servers of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
cargo build --release --package tributary-cli --package tributary-bench
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
exec "$target/release/tributary-bench" "$@"
