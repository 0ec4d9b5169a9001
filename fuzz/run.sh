#!/usr/bin/env bash
# Fuzzes every target, or those named, for SECONDS each (default 600), from the project's own
# files. Needs cargo-fuzz and a nightly toolchain.
#   fuzz/run.sh [SECONDS] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(diagnose sse journal spec)

# The corpus starts from what the tests hold; each target finds its way from there.
seed() { # TARGET SUFFIX FILE...: files as they are, then bytes that the target reads from the end
  local target=$1 suffix=$2 file
  shift 2
  mkdir -p "fuzz/corpus/$target"
  for file in "$@"; do
    { head -c 60000 "$file"; printf '%b' "$suffix"; } >"fuzz/corpus/$target/$(echo "$file" | sha256sum | head -c 16)"
  done
}
shopt -s globstar nullglob
seed diagnose '' tests/data/vllm/logs/**/*.log tests/data/vllm/logs/**/*.txt
seed sse '' tests/data/**/*sse*.txt
seed journal '' results/quickstart/*/journal.jsonl
seed spec '' tests/bad/**/*.toml experiments/*.toml
for experiment in experiments/*.toml; do
  name=$(sed -n 's/^profile *= *"\(.*\)"/\1/p' "$experiment")
  [ -f "profiles/$name.toml" ] || continue
  cat "$experiment" "profiles/$name.toml" >"fuzz/corpus/spec/pair-$name"
done

for target in "${targets[@]}"; do
  echo "== $target, $seconds s"
  cargo +nightly fuzz run --dev --sanitizer none "$target" -- \
    -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1
done
