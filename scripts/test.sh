#!/usr/bin/env bash
# Every check and every test. Goes on after a failure, so that one run tells all, and closes with "N passed, N failed".
# A check counts as one; so does a test program that breaks off without a result.
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0
failed=0
failures=()
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

# count NAME STATUS: adds up the result lines of cargo test and vitest in the step's output.
count() {
  local ok bad
  ok=$(sed 's/\x1b\[[0-9;]*m//g' "$log/out" | awk '/^test result:/ {n += $4} /^ +Tests .* passed/ {for (i = 2; i <= NF; i++) if ($i ~ /^passed/) n += $(i-1)} END {print n + 0}')
  bad=$(sed 's/\x1b\[[0-9;]*m//g' "$log/out" | awk '/^test result:/ {n += $6} /^ +Tests .* failed/ {for (i = 2; i <= NF; i++) if ($i ~ /^failed/) n += $(i-1)} END {print n + 0}')
  if ((ok + bad == 0 && $2 == 0)); then ok=1; fi
  if ((bad == 0 && $2 != 0)); then bad=1; fi
  ((passed += ok, failed += bad))
  if ((bad > 0)); then failures+=("$1 ($bad)"); fi
}

# step NAME COMMAND...: runs it, shows what it says, and counts.
step() {
  local name=$1 from=$SECONDS status
  shift
  echo "== $name"
  "$@" </dev/null 2>&1 | tee "$log/out"
  status=${PIPESTATUS[0]}
  count "$name" "$status"
  echo "-- $name: $((SECONDS - from)) s"
  return "$status"
}

close() {
  if ((failed > 0)); then printf 'failed: %s\n' "${failures[@]}"; fi
  echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
  echo "$passed passed, $failed failed"
  ((failed == 0))
  exit
}

in_ui() { (cd ui && "$@"); }

step 'setup' scripts/setup.sh test || close
step 'rustfmt' cargo fmt --all --check
step 'dependency rules' scripts/dependencies.py
step 'prettier' in_ui npm run --silent format:check
step 'eslint' in_ui npm run --silent lint
step 'svelte-check' in_ui npm run --silent check
step 'vitest' in_ui npm run --silent test
step 'clippy' cargo clippy --quiet --workspace --all-targets -- --deny warnings
# The black-box tests look for the binary beside themselves.
if step 'build' cargo build --quiet --workspace --bins; then
  # Always the whole workspace, and then the targets: with fewer packages cargo would choose other features for
  # shared dependencies, and build them once more.
  step 'unit tests' cargo test --quiet --workspace --lib --bins --no-fail-fast
  step 'decoder and console' cargo test --quiet --workspace --test fixtures --test hostile --test hostile_values --test old_versions --test bindings --test replicas --test intents --test sources --test cycles --test transfer --test file_load --test comparisons --test compare --test lockdown --test handshakes --test options --test links --test plain --test compressed --test limits --test log --no-fail-fast
  # Enough to see that no target has been broken: `make fuzz` is the long run.
  step 'fuzz targets, 10 s each' scripts/fuzz.sh 10
  for name in refusals check errors outages sentinel expiry faults spool many content values versions load_file verify memory tls relayed headless; do
    step "$name" cargo test --quiet --workspace --test "$name"
  done
  step 'desktop' scripts/desktop-test.sh
fi
close
