#!/usr/bin/env bash
# Runs the fuzz targets, two at a time: scripts/fuzz.sh [SECONDS [TARGET...]]. Without arguments all, 30 minutes each.
# What was found before is kept in target/fuzz/corpus and is where the next run begins.
#
# libFuzzer on a stable compiler: cargo-fuzz would ask for a nightly one only to turn on a sanitizer, and safe Rust has
# little for one to find. The flags below count edges and compared values, which is what guides the mutations.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-1800}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
  for file in fuzz/src/bin/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

triple=$(rustc -vV | sed -n 's/^host: //p')
coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters'
coverage+=' -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1'
out=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
export CARGO_TARGET_DIR=$out
# Without --target the flags would be the build scripts' as well.
RUSTFLAGS="$coverage --cfg fuzzing" cargo build --quiet --release --locked --manifest-path fuzz/Cargo.toml --target "$triple"
cargo run --quiet --locked --manifest-path fuzz/seeds/Cargo.toml -- "$out/seeds" crates/rdb/fixtures
bin=$out/$triple/release

# fuzz TARGET: for that long. Of the fixtures, which have up to 330 KB, mutations see the beginning: small inputs are
# fast, and find more. Whole they are run once.
fuzz() {
  local target=$1 longest=4096 status=0
  mkdir -p "$out/corpus/$target" "$out/seeds/$target" "$out/findings"
  : >"$out/$target.log"
  if [[ $target == rdb_decoder ]]; then
    longest=16384
    "$bin/$target" crates/rdb/fixtures/*.rdb >"$out/$target.log" 2>&1 || status=$?
  fi
  "$bin/$target" -max_total_time="$seconds" -max_len="$longest" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$out/findings/$target-" "$out/corpus/$target" "$out/seeds/$target" >>"$out/$target.log" 2>&1 || status=$?
  if ((status == 0)); then
    awk -v target="$target" '
      /cov: / {for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1); else if ($i == "corp:") inputs = $(i + 1)}
      /number_of_executed_units/ {runs = $2}
      /peak_rss_mb/ {peak = $2}
      END {printf "%s: %d executions, %d edges, corpus %s, peak %d MiB: nothing found\n", target, runs, edges, inputs, peak}
    ' "$out/$target.log"
  else
    # What it said, where, and the input: libFuzzer's own frames are of no use.
    grep --max-count=1 --after-context=12 -e 'panicked at' -e 'ERROR: libFuzzer' "$out/$target.log" || tail -n 30 "$out/$target.log"
    echo "$target: failed. Again with: $bin/$target $(sed -n 's/.*Test unit written to //p' "$out/$target.log" | tail -n 1)"
  fi
  return "$status"
}

export -f fuzz
export bin out seconds
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'fuzz {}'
