#!/usr/bin/env bash
# Measure an engine with vLLM's own load generator, `vllm bench serve`, out of the image that
# docs/validation/vllm-cpu/build-image.sh makes.
#
#   docs/validation/vllm_bench_serve.sh BASE_URL [OPTION OF bench serve]...
#
# The engine serves the model `m` with the key $VLLM_API_KEY on this host. Exits with 1 unless all
# requests succeeded. The generator cuts its prompts with the engine's own /tokenize, so that they
# have the length that was asked for in the stand-in's tokens too; what the engine itself counted
# is printed beside. Appended options win: `--backend openai --endpoint /v1/completions`, say.
set -euo pipefail
url=${1:?usage: $0 BASE_URL [OPTION]...}
shift
image=${VLLM_IMAGE:-vllm-cpu:0.32.0}
prompts=$(curl -fsS "$url/metrics" | awk '/^vllm:prompt_tokens_total/ {print $2}')
out=$(mktemp)
trap 'rm -f "$out"' EXIT
docker run --rm --network host --entrypoint vllm -e OPENAI_API_KEY="${VLLM_API_KEY:-}" -e HF_HUB_OFFLINE=1 "$image" \
    bench serve --backend openai-chat --base-url "$url" --endpoint /v1/chat/completions \
    --model m --tokenizer /models/smollm2 --dataset-name random --random-input-len 200 --random-output-len 24 \
    --num-prompts 24 --max-concurrency 8 --ignore-eos --seed 1 --percentile-metrics ttft,tpot,itl,e2el "$@" 2>/dev/null |
    tee "$out" | sed -n '/Serving Benchmark Result/,$p'
now=$(curl -fsS "$url/metrics" | awk '/^vllm:prompt_tokens_total/ {print $2}')
echo "prompt tokens by the engine's own count: $(awk "BEGIN {print $now - $prompts}")"
grep -q '^Failed requests: *0 *$' "$out"
