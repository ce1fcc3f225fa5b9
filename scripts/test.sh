#!/usr/bin/env bash
# Format, lints and all tests. Ends with one line that counts what passed and failed; fails when anything did.
set -uo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test || exit 1
export PATH="$HOME/.cargo/bin:$PATH"
# A colour code within a count could not be read.
export CARGO_TERM_COLOR=never NO_COLOR=1

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0
failed=0

# check NAME COMMAND…: a check that counts as one.
check() {
  local name=$1 began=$SECONDS
  shift
  if "$@" >"$log/out" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name ($((SECONDS - began)) s)"
  else
    failed=$((failed + 1))
    echo "FAILED  $name ($((SECONDS - began)) s)"
    tail -n 60 "$log/out"
  fi
}

# count PATTERN: the sum of the numbers before a word, over the summary lines of a test runner.
count() { grep -E "$1" "$log/out" | grep -oE "[0-9]+ $2" | awk '{ sum += $1 } END { print sum + 0 }'; }

# tests NAME SUMMARY COMMAND…: a test run whose own counts are added up. A run that fails without a count, or
# passes without one, has failed.
tests() {
  local name=$1 summary=$2 began=$SECONDS code good bad
  shift 2
  "$@" >"$log/out" 2>&1
  code=$?
  good=$(count "$summary" passed)
  bad=$(count "$summary" failed)
  if [[ $bad == 0 && ($code != 0 || $good == 0) ]]; then bad=1; fi
  passed=$((passed + good))
  failed=$((failed + bad))
  if [[ $bad == 0 ]]; then
    echo "ok      $name: $good passed ($((SECONDS - began)) s)"
  else
    echo "FAILED  $name: $good passed, $bad failed ($((SECONDS - began)) s)"
    grep -vE '^test .* \.\.\. ok$' "$log/out" | tail -n 200
  fi
}

cargo_summary='^test result:'
vitest_summary='^ *Tests '

# The suites against real servers, one line each: all but the window's, which needs a session of its own.
suites=()
for file in tests/tests/*.rs; do suites+=(--test "$(basename "$file" .rs)"); done

check "rustfmt" cargo fmt --all --check
check "prettier" npm run format:check --prefix ui --silent
check "eslint" npm run lint --prefix ui --silent
check "svelte-check" npm run check --prefix ui --silent
tests "vitest" "$vitest_summary" npm run test --prefix ui --silent
check "ui build" npm run build --prefix ui --silent
check "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
check "build" cargo build --workspace --bins --locked
tests "unit tests" "$cargo_summary" cargo test --workspace --lib --bins --locked
tests "decoder, console" "$cargo_summary" cargo test --workspace --locked --test fixtures --test replicas
tests "engine against real servers" "$cargo_summary" cargo test --workspace --locked "${suites[@]}" -- --test-threads 2
tests "the window" "$cargo_summary" scripts/desktop-test.sh

echo "$((passed)) passed, $((failed)) failed"
[[ $failed == 0 ]]
