#!/usr/bin/env bash
# The tests that copy data and those of faults, at SCALE times the size of `make test`, with the release build: with 10, the
# process is killed 900 times, in every phase, and the destination is gone for a minute under 20,000 writes a second.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
cargo build --release --package tributary-cli
TRIBUTARY_BIN=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/tributary
export TRIBUTARY_BIN SCALE=${SCALE:-10}
exec cargo test --package tributary-tests --no-fail-fast --test content --test verify --test memory --test outages --test faults --test spool --test many --test versions -- --nocapture --test-threads=1
