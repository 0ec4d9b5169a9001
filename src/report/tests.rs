//! Whole reports of hand-made runs, as a reader gets them.

use crate::decide::fixture;
use crate::report::build;

#[test]
fn a_complete_run_with_every_kind_of_outcome() {
    let report = build(&fixture::full());
    assert!(report.measured_anything());
    insta::assert_snapshot!(report.markdown(), @r#"
# gridrun: medium

Run `20261124T044826Z-3f9a` of `Qwen/Qwen3-32B-AWQ`, started at 2026-11-24T04:48:26Z, complete at 2026-11-24T06:18:26Z. Configurations: 6; starts asked for: 12; starts settled: 12.

## Verdict

**`b` leads by its mean over 2 starts; too few starts to say how sure that is.**

- `b` is `gpu-mem = 0.9`, `prefix = true`, `max-num-seqs = 32`.
- `kv-cache.ttft_repeat_ms.p50` (lower is better): `b` has 132 ms (mean of 2 starts, sd 2.12 ms), `a` 144 ms (mean of 2 starts, sd 2.83 ms).
- `a` follows 8.68 % behind (95 % interval 6.35 % to 11.1 %), which is more than the margin of 2 % below which a difference does not matter to you.
- Starts of one and the same configuration differ by 0.50 % (sd, pooled over all ranked ones, with 2 degrees of freedom).
- No probability is stated from 2 degrees of freedom; from 6 on there is one: more configurations, or more `repeats`.
- Against the baseline `a` (the first of the file that lived) it is 1.09 times as good.
- Survival: 0 deaths in 2 starts; the chance that it dies in a start can still be as high as 77.6 % (95 % bound).
- The engine's own state confirms 1 of its 2 varied flags; not confirmed: `max-num-seqs`.
- 6 configurations: 3 ranked, 1 rejected, 1 infeasible, 1 undecided.

## What to run for what

- over all: `b`: first by its mean, from too few starts to say how sure.
- `long-answers`: `c`: first by its mean, from too few starts to say how sure. `b`, first over all, costs 3.46 % here (95 % interval 2.05 % to 4.89 %).

## All configurations

The same in all of them: `max-num-seqs = 32`.

|   # | configuration | gpu-mem | prefix | kv-cache<br>ttft_repeat_ms<br>p50, ms, lower is better | behind #1 |    95 % interval | vs baseline | measured | outcome |
| --: | ------------- | ------: | -----: | -----------------------------------------------------: | --------: | ---------------: | ----------: | -------: | --- |
|   1 | `b`           |     0.9 |   true |                                     132 (sd 2.12, n 2) |       0 % |                - |       x1.09 |   2 of 2 | leader |
|   2 | `a`           |    0.85 |   true |                                     144 (sd 2.83, n 2) |    8.68 % | 6.35 % to 11.1 % |       x1.00 |   2 of 2 | ranked |
|   3 | `c`           |    0.85 |  false |                                    1311 (sd 12.7, n 2) |     889 % |   868 % to 911 % |       x0.11 |   2 of 2 | ranked |
|   - | `f`           |     0.9 |  false |                                   1298 (sd 0.707, n 2) |         - |                - |           - |   2 of 2 | rejected: kv-cache.success_rate \>= 0.95: 0.800 (in start 1, the worst of 2) |
|   - | `d`           |    0.95 |   true |                                                      - |         - |                - |           - |   0 of 2 | died 2 of 2: kv_cache_too_small while starting (kv_profile): ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is neede… |
|   - | `e`           |    0.95 |  false |                                                      - |         - |                - |           - |   0 of 2 | undecided: 2 of 2 starts failed (engine_died) |

- Numbers are means over engine starts; sd is the sample standard deviation between starts, n their count.
- vs baseline: how many times as good as `a`, the first of the file that lived; above 1 is better.
- measured: starts that led to numbers, of starts that settled.

## Gates

- `kv-cache.success_rate >= 0.95`: held in 3 configurations, missed by `f`: 0.800 (in start 1, the worst of 2).

## Use case long-answers

**`c` leads by its mean over 2 starts, `a` is the same to you; too few starts to say how sure that is.**

- `kv-cache.tokens_per_second.p50` (higher is better): `c` has 44.8 tok/s (mean of 2 starts, sd 0.0707 tok/s), `a` 44.4 tok/s (mean of 2 starts, sd 0.354 tok/s).
- `a` follows 1.13 % behind (95 % interval -0.25 % to 2.53 %): closer than the margin of 2 %, so the two are the same to you; let other reasons decide.
- Starts of one and the same configuration differ by 0.32 % (sd, pooled over all ranked ones, with 2 degrees of freedom).
- No probability is stated from 2 degrees of freedom; from 6 on there is one: more configurations, or more `repeats`.

|   # | configuration | kv-cache<br>tokens_per_second<br>p50, tok/s, higher is better | behind #1 |     95 % interval | outcome |
| --: | ------------- | ------------------------------------------------------------: | --------: | ----------------: | --- |
|   1 | `c`           |                                         44.8 (sd 0.0707, n 2) |       0 % |                 - | leader |
|   2 | `a`           |                                          44.4 (sd 0.354, n 2) |    1.13 % | -0.25 % to 2.53 % | the same to you as #1 (within 2 %) |
|   3 | `b`           |                                          43.4 (sd 0.212, n 2) |    3.46 % |  2.05 % to 4.89 % | ranked |

## Trade-offs

`kv-cache.ttft_repeat_ms.p50` against `kv-cache.tokens_per_second.p50`: of 3 configurations, by their means,

| nothing beats it in both | kv-cache.ttft_repeat_ms.p50 | 95 % interval | kv-cache.tokens_per_second.p50 | 95 % interval |
| ------------------------ | --------------------------: | ------------: | -----------------------------: | --: |
| `b`                      |                      132 ms |    130 to 135 |                     43.4 tok/s | 43.0 to 43.7 |
| `a`                      |                      144 ms |    141 to 147 |                     44.4 tok/s | 44.0 to 44.7 |
| `c`                      |                     1311 ms |  1287 to 1336 |                     44.8 tok/s | 44.5 to 45.2 |

## Strengths and weaknesses

Of the configurations that live, against each other: told is what is clearly better or worse (the 95 % intervals of the means do not touch, and the difference is above the margin) than in at least half of the others.

`b`:

- strength: `kv-cache.ttft_repeat_ms.p50` 132 ms: clearly better than 3 of 3 others
- strength: KV cache of 71872 tokens (1.75 requests of full length): clearly better than 2 of 3 others
- weakness: `kv-cache.tokens_per_second.p50` 43.4 tok/s: clearly worse than 3 of 3 others

`a`:

- strength: `kv-cache.ttft_repeat_ms.p50` 144 ms: clearly better than 2 of 3 others
- weakness: KV cache of 64896 tokens (1.58 requests of full length): clearly worse than 2 of 3 others

`c`:

- weakness: `kv-cache.ttft_repeat_ms.p50` 1311 ms: clearly worse than 2 of 3 others
- weakness: KV cache of 64896 tokens (1.58 requests of full length): clearly worse than 2 of 3 others

`f`:

- strength: KV cache of 71872 tokens (1.75 requests of full length): clearly better than 2 of 3 others
- weakness: misses the gate `kv-cache.success_rate >= 0.95`: 0.800 (in start 1, the worst of 2)
- weakness: `kv-cache.ttft_repeat_ms.p50` 1298 ms: clearly worse than 2 of 3 others
- weakness: 2 of 20 requests failed

## What mattered

How many times as much a number is after a change of one flag, as the mean over all pairs of ranked configurations that are alike in everything else; with two changes, how many times as much the one does where the other was made too (1 is: no more than by itself). What died or missed a gate is in no pair.

On `kv-cache.ttft_repeat_ms.p50`:

| change                 | times as much |    95 % interval | pairs or squares | clear |
| ---------------------- | ------------: | ---------------: | ---------------: | --- |
| `gpu-mem 0.85 -> 0.9`  |        x0.920 | x0.900 to x0.940 |                1 | yes |
| `prefix true -> false` |        x9.105 | x8.910 to x9.304 |                1 | yes |

## Workload kv-cache

Means over starts; where a start has many samples, their median is its number.

| configuration |  ttft_first_ms (ms) |  ttft_repeat_ms (ms) |   ttft_miss_ms (ms) |   ttft_hit_ms (ms) |            acceleration | tokens_per_second (tok/s) |          hit_rate |          success_rate | failed requests |
| ------------- | ------------------: | -------------------: | ------------------: | -----------------: | ----------------------: | ------------------------: | ----------------: | --------------------: | --: |
| `b`           | 1314 (sd 23.3, n 2) |   132 (sd 2.12, n 2) | 1314 (sd 23.3, n 2) | 132 (sd 2.12, n 2) |   9.92 (sd 0.0173, n 2) |      43.4 (sd 0.212, n 2) | 0.960 (sd 0, n 2) |         1 (sd 0, n 2) | 0 of 20 |
| `a`           | 1308 (sd 4.24, n 2) |   144 (sd 2.83, n 2) | 1308 (sd 4.24, n 2) | 144 (sd 2.83, n 2) |    9.08 (sd 0.149, n 2) |      44.4 (sd 0.354, n 2) | 0.960 (sd 0, n 2) |         1 (sd 0, n 2) | 0 of 20 |
| `c`           | 1316 (sd 8.49, n 2) |  1311 (sd 12.7, n 2) | 1316 (sd 8.49, n 2) |                  - |  1.00 (sd 0.00327, n 2) |     44.8 (sd 0.0707, n 2) |     0 (sd 0, n 2) |         1 (sd 0, n 2) | 0 of 20 |
| `f`           |    1300 (sd 0, n 2) | 1298 (sd 0.707, n 2) |    1300 (sd 0, n 2) |                  - | 1.00 (sd 0.000545, n 2) |          45.0 (sd 0, n 2) |     0 (sd 0, n 2) | 0.900 (sd 0.141, n 2) | 2 of 20 |

### Workload kv-cache, start by start

Medians with the number of samples behind them:

| configuration | start | ttft_first_ms (ms) | ttft_repeat_ms (ms) | ttft_miss_ms (ms) | ttft_hit_ms (ms) | acceleration | tokens_per_second (tok/s) | hit_rate | success_rate | failed requests |
| ------------- | ----: | -----------------: | ------------------: | ----------------: | ---------------: | -----------: | ------------------------: | -------: | -----------: | --: |
| `b`           |     1 |         1298 (n 5) |           131 (n 5) |        1298 (n 5) |        131 (n 5) |         9.91 |                43.2 (n 5) |    0.960 |            1 | 0 of 10 |
| `b`           |     2 |         1331 (n 5) |           134 (n 5) |        1331 (n 5) |        134 (n 5) |         9.93 |                43.5 (n 5) |    0.960 |            1 | 0 of 10 |
| `a`           |     1 |         1305 (n 5) |           142 (n 5) |        1305 (n 5) |        142 (n 5) |         9.19 |                44.1 (n 5) |    0.960 |            1 | 0 of 10 |
| `a`           |     2 |         1311 (n 5) |           146 (n 5) |        1311 (n 5) |        146 (n 5) |         8.98 |                44.6 (n 5) |    0.960 |            1 | 0 of 10 |
| `c`           |     1 |         1310 (n 5) |          1302 (n 5) |        1310 (n 5) |                - |         1.01 |                44.8 (n 5) |        0 |            1 | 0 of 10 |
| `c`           |     2 |         1322 (n 5) |          1320 (n 5) |        1322 (n 5) |                - |         1.00 |                44.9 (n 5) |        0 |            1 | 0 of 10 |
| `f`           |     1 |         1300 (n 5) |          1298 (n 5) |        1300 (n 5) |                - |         1.00 |                45.0 (n 5) |        0 |        0.800 | 2 of 10 |
| `f`           |     2 |         1300 (n 5) |          1299 (n 5) |        1300 (n 5) |                - |         1.00 |                45.0 (n 5) |        0 |            1 | 0 of 10 |

- `ttft_first_ms`: time to first token of each prompt's first request
- `ttft_repeat_ms`: time to first token when the same prompt is sent again
- `ttft_miss_ms`: time to first token of the first requests that the engine's counters prove to be misses
- `ttft_hit_ms`: time to first token of the repeated requests that the engine's counters prove to be hits
- `acceleration`: median ttft_first_ms divided by median ttft_repeat_ms of the attempt
- `tokens_per_second`: (output tokens - 1) / (last token - first token) of each request
- `hit_rate`: cached prompt tokens over prompt tokens of the repeated requests, by the engine's counters
- `success_rate`: requests that ended as they should over requests sent

What must be known of these samples:

- b (2): 1 of 5 repeated requests kept out of hits: cached 512 of 1184 eligible tokens
- f (1): 2 of 10 requests failed: stalled after 600000 ms

## Crash atlas: where configurations die

| configuration | class              | phase                       | evidence |
| ------------- | ------------------ | --------------------------- | --- |
| `d`           | kv_cache_too_small | while starting (kv_profile) | ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is neede… |

With all else equal, along each axis:

- `gpu-mem`: between 0.9 (lives) and 0.95 (dies), with prefix = true, max-num-seqs = 32

## Deaths: why configurations are infeasible

### `d`: kv_cache_too_small while starting (kv_profile)

- Attempts: `18ac3e7343f0-1`, `18ac3e7343f0-2`
- What happened: The KV cache that fits into the memory left over cannot hold one request of the full length.
- What to change: raise gpu-memory-utilization or lower max-model-len
- Cause, in the engine's words: `ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is needed, which is larger than the available KV cache memory (7.82 GiB).`
- End: exit code 1, not killed by the kernel for memory.

Last lines of the last attempt's log:

```text
INFO 11-24 04:50:01 [gpu_worker.py:298] Available KV cache memory: 7.82 GiB
ERROR 11-24 04:50:01 [core.py:708] EngineCore failed to start.
```

## Starts that failed for other reasons

### `e`: engine_died while serving (under_load), during `kv-cache`

- Attempts: `3f79bb7b435b-1`, `3f79bb7b435b-2`
- What happened: The engine ended without saying why.
- End: exit code 0, not killed by the kernel for memory.

Last lines of the last attempt's log:

```text
INFO 11-24 04:50:01 [gpu_worker.py:298] Available KV cache memory: 7.82 GiB
ERROR 11-24 04:50:01 [core.py:708] EngineCore failed to start.
```

## Do the engines run what was asked?

Per varied flag, in how many measured starts the engine's own state showed the value (confirmed), only its arguments did (accepted), its state showed another value (contradicted), or nothing spoke of it (unattested).

| flag                     | confirmed | accepted | contradicted | unattested | evidence, for example |
| ------------------------ | --------: | -------: | -----------: | ---------: | --- |
| `gpu-memory-utilization` |         8 |        0 |            0 |          0 | `vllm:cache_config_info{gpu_memory_utilization="0.9"}` |
| `max-num-seqs`           |         0 |        8 |            0 |          0 | `non-default args: {'max_num_seqs': 32}` |

## Warnings of the engines

- `Casting torch.bfloat16 to torch.float16.` (in every measured start)

## How it was measured

- gridrun 0.1.0
- Model: `Qwen/Qwen3-32B-AWQ`
- Engine version: `0.11.0`
- Image: `vllm/vllm-openai:v0.11.0`
- Image digest: `vllm/vllm-openai@sha256:abababababababababababababababababababababababababababababababab`
- Runtime: docker 20.10.24, API 1.41
- Host: gpu-1, Debian GNU/Linux 12, kernel 6.1.0, AMD EPYC 7313, 16 CPUs, 128 GiB memory
- GPUs: NVIDIA GeForce RTX 4090, driver 570.86; NVIDIA GeForce RTX 4090, driver 570.86
- Flags of the profile: `max-model-len = 40960`
- Plan: repeats 2, seed 1, exhaustive, equivalence margin 2 %
- File: `experiments/medium.toml` (SHA-256 5f5f5f5f5f5f5f5f…)

What the engines said of themselves:

| configuration |   start to ready (s) | KV cache (tokens) | longest request (tokens) | cache block (tokens) |
| ------------- | -------------------: | ----------------: | -----------------------: | --: |
| `b`           | 61.8 (sd 0.283, n 2) |             71872 |                    40960 | 16 |
| `a`           | 61.8 (sd 0.283, n 2) |             64896 |                    40960 | 16 |
| `c`           | 61.8 (sd 0.283, n 2) |             64896 |                    40960 | 16 |
| `f`           | 61.8 (sd 0.283, n 2) |             71872 |                    40960 | 16 |

Order in which the starts settled. Every block has a shuffled order of its own, so that a slow hour does not hit one configuration alone.

- Block 1: `c`, `d`, `a`, `e`, `b`, `f`
- Block 2: `b`, `e`, `f`, `c`, `a`, `d`

p50, p95 and p99 are percentiles over the samples of one start, interpolated linearly between order statistics (Hyndman and Fan, type 7); with few samples the high ones are close to the maximum. The unit of the statistics is the start: samples of one start only form its numbers.

## Run `b` by hand

- A tag can move; the image that was measured is `vllm/vllm-openai@sha256:abababababababababababababababababababababababababababababababab`.
- Set `VLLM_API_KEY` in the shell first: without it the server asks for no key.
- These variables must be set in the shell: `HF_TOKEN`, `MY_LICENCE`.

```sh
LICENCE="${MY_LICENCE}" docker run --rm \
  --gpus '"device=0,1"' \
  --shm-size 8g \
  --memory 64g --memory-swap 64g \
  --ulimit 'memlock=-1:-1' \
  --mount 'type=bind,source=/home/ana/.cache/hugging face,target=/root/.cache/huggingface,readonly' \
  -p 127.0.0.1:8000:8000 \
  -e 'HF_HUB_OFFLINE=1' \
  -e HF_TOKEN \
  -e LICENCE \
  -e VLLM_API_KEY \
  --entrypoint vllm \
  vllm/vllm-openai:v0.11.0 serve Qwen/Qwen3-32B-AWQ \
  --port 8000 \
  --enable-prefix-caching \
  --gpu-memory-utilization 0.9 \
  --max-model-len 40960 \
  --max-num-seqs 32
```

## Before `b` serves

Open:

- [ ] `b` leads and is not settled. No probability is stated from 2 degrees of freedom; from 6 on there is one: more configurations, or more `repeats`.
- [ ] The engine's own state does not show: `max-num-seqs`.
- [ ] No soak was run: whether it stays as good for hours is not known (a workload of kind stability or age).
- [ ] No load was tried: how many users at once it carries is not known (a workload of kind load).

Yours to do:

- [ ] Watch its first starts: after 2 starts without a death it may still die in up to 77.6 % of them (95 % bound).
- [ ] Pin the image that was measured, `vllm/vllm-openai@sha256:abababababababababababababababababababababababababababababababab`: a tag can move.
- [ ] Set an API key (`VLLM_API_KEY`) and the limits of your network before others reach it.
- [ ] Put it in force: `gridrun promote results/medium/20261124T044826Z-3f9a --accept-leader`.
- [ ] Write its alert rules, dashboard and Compose file: `gridrun pack results/medium/champion.toml`.
- [ ] Let every night say whether it still holds: `gridrun schedule`.
- [ ] Know the way back: `gridrun rollback medium`.

Shown by this run:

- [x] The gate holds.
- [x] 0 of 20 requests failed.

## Figures

- [No ranked configuration beats b, a, c in both kv-cache.ttft_repeat_ms.p50 and kv-cache.tokens_per_second.p50](figures/trade-off-kv-cache-ttft-repeat-ms-p50-kv-cache-tokens-per-second-p50.svg)
- [1 of 6 configurations died: along gpu-mem they live up to 0.9 and die at 0.95](figures/where-it-dies.svg)
- [Of 21.6 min, 13 % went into measuring, 38 % into starting engines, 15 % into starts that died](figures/the-night.svg)
- [What the night was spent on](figures/the-night-spent.svg)

[report.html](report.html) has them all beside what they show.

## Go on from here

```sh
gridrun report results/medium/20261124T044826Z-3f9a   # makes this report again from the stored data
```
"#);
}

#[test]
fn the_terminal_shows_verdict_and_table() {
    let report = build(&fixture::full());
    insta::assert_snapshot!(report.terminal(140, false), @r#"
b leads by its mean over 2 starts; too few starts to say how sure that is.
- b is gpu-mem = 0.9, prefix = true, max-num-seqs = 32.
- a follows 8.68 % behind (95 % interval 6.35 % to 11.1 %), which is more than the margin of 2 % below which a difference does not matter to
  you.
- Starts of one and the same configuration differ by 0.50 % (sd, pooled over all ranked ones, with 2 degrees of freedom).
- No probability is stated from 2 degrees of freedom; from 6 on there is one: more configurations, or more repeats.
- The engine's own state confirms 1 of its 2 varied flags; not confirmed: max-num-seqs.
(4 more in report.md)

All configurations
The same in all of them: max-num-seqs = 32. Means over n = 2 starts, ± the standard deviation between starts.
                                      kv-cache
                  gpu-          ttft_repeat_ms  behind        vs
#  configuration   mem  prefix  p50, ms, lower      #1  baseline  measured  outcome
1  b               0.9    true         132 ±2      0 %     x1.09    2 of 2  leader
2  a              0.85    true         144 ±3   8.68 %     x1.00    2 of 2  ranked
3  c              0.85   false        1311 ±13   889 %     x0.11    2 of 2  ranked
-  f               0.9   false        1298 ±1        -         -    2 of 2  rejected
-  d              0.95    true           -           -         -    0 of 2  died 2 of 2: kv_cache_too_small while starting (kv_profile)
-  e              0.95   false           -           -         -    0 of 2  undecided
vs baseline: how many times as good as a; above 1 is better.

Not ranked, because
f: kv-cache.success_rate >= 0.95: 0.800 (in start 1, the worst of 2)
d: ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is needed, which is larger than the…
e: 2 of 2 starts failed (engine_died)
"#);
    insta::assert_snapshot!(report.terminal(80, false), @r#"
b leads by its mean over 2 starts; too few starts to say how sure that is.
- b is gpu-mem = 0.9, prefix = true, max-num-seqs = 32.
- a follows 8.68 % behind (95 % interval 6.35 % to 11.1 %), which is more than
  the margin of 2 % below which a difference does not matter to you.
- Starts of one and the same configuration differ by 0.50 % (sd, pooled over all
  ranked ones, with 2 degrees of freedom).
- No probability is stated from 2 degrees of freedom; from 6 on there is one:
  more configurations, or more repeats.
- The engine's own state confirms 1 of its 2 varied flags; not confirmed:
  max-num-seqs.
(4 more in report.md)

All configurations
The same in all of them: max-num-seqs = 32. Means over n = 2 starts, ± the
standard deviation between starts.
                                kv-cache
                                   ttft_
                                 repeat_
                                      ms
                  gpu-          p50, ms,  behind
#  configuration   mem  prefix     lower      #1  measured  outcome
1  b               0.9    true   132 ±2      0 %    2 of 2  leader
2  a              0.85    true   144 ±3   8.68 %    2 of 2  ranked
3  c              0.85   false  1311 ±13   889 %    2 of 2  ranked
-  f               0.9   false  1298 ±1        -    2 of 2  rejected
-  d              0.95    true     -           -    0 of 2  died 2 of 2:
                                                            kv_cache_too_small
                                                            while starting
                                                            (kv_profile)
-  e              0.95   false     -           -    0 of 2  undecided
Left out for want of width: vs baseline.

Not ranked, because
f: kv-cache.success_rate >= 0.95: 0.800 (in start 1, the worst of 2)
d: ValueError: To serve at least one request with the models's max seq len (409…
e: 2 of 2 starts failed (engine_died)
"#);
}
