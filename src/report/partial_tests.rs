//! Reports of runs that were stopped, or measured nothing, as a reader gets them.

use crate::decide::fixture::{self, Numbers};
use crate::diagnose::FailureClass;
use crate::manifest::{Engines, RunEnding};
use crate::report::build;

#[test]
fn single_starts_of_stand_ins_that_were_stopped() {
    let mut record = fixture::record(vec![
        fixture::measured("a", 1, Numbers::new(1305.0, 142.0)),
        fixture::measured("b", 1, Numbers::new(1298.0, 141.0)),
        fixture::measured("c", 1, Numbers::new(1310.0, 1302.0).no_hits()),
        fixture::died("d", 1, FailureClass::KvCacheTooSmall),
    ]);
    record.manifest.experiment.run.repeats = 1;
    record.manifest.engines = Engines::ProcessStandIn;
    record.manifest.runtime.stand_in = true;
    record.manifest.runtime.runtime = "process".to_owned();
    record.manifest.runtime.image_digest = None;
    record.manifest.host.gpus.clear();
    record.ending = RunEnding::Stopped {
        at: fixture::at(900),
        because: "interrupted by Ctrl-C".to_owned(),
    };
    insta::assert_snapshot!(build(&record).markdown(), @r#"
**STAND-IN RESULTS: gridrun's own stand-in engines answered, no real model. No number here says anything about a model or a GPU.**

# gridrun: medium

**This run is not complete.** What follows rests on what has settled.

- The run was stopped: interrupted by Ctrl-C.
- 4 starts have settled, 6 were planned.
- Not measured yet: `e`, `f`.
- 2 starts are left; by what attempts took so far, that is about 3 min.
- Not decided, by the objectives: probabilities would take 3 more repeats than planned.

Run `20261124T044826Z-3f9a` of `Qwen/Qwen3-32B-AWQ`, started at 2026-11-24T04:48:26Z, stopped at 2026-11-24T05:03:26Z. Configurations: 6; starts asked for: 6; starts settled: 4.

## Verdict (**STAND-IN RESULTS**)

**So far: `b` is the leader of single starts, `a` is the same to you; no confidence can be stated.**

- `b` is `gpu-mem = 0.9`, `prefix = true`, `max-num-seqs = 32`.
- `kv-cache.ttft_repeat_ms.p50` (lower is better): `b` has 141 ms (1 start), `a` 142 ms (1 start).
- `a` follows 0.71 % behind: closer than the margin of 2 %, so the two are the same to you; let other reasons decide.
- How much starts of one and the same configuration differ is not known from single starts: raise `repeats` to see it.
- Against the baseline `a` (the first of the file that lived) it is 1.01 times as good.
- Survival: 0 deaths in 1 start; the chance that it dies in a start can still be as high as 95.0 % (95 % bound).
- The engine's own state confirms 1 of its 2 varied flags; not confirmed: `max-num-seqs`.
- 6 configurations: 3 ranked, 0 rejected, 1 infeasible, 2 undecided.

## What to run for what (**STAND-IN RESULTS**)

- over all: `b`: first of single starts, which do not say how sure.

## All configurations (**STAND-IN RESULTS**)

The same in all of them: `max-num-seqs = 32`.

|   # | configuration | gpu-mem | prefix | kv-cache<br>ttft_repeat_ms<br>p50, ms, lower is better | behind #1 | vs baseline | measured | outcome |
| --: | ------------- | ------: | -----: | -----------------------------------------------------: | --------: | ----------: | -------: | --- |
|   1 | `b`           |     0.9 |   true |                                              141 (n 1) |       0 % |       x1.01 |   1 of 1 | leader |
|   2 | `a`           |    0.85 |   true |                                              142 (n 1) |    0.71 % |       x1.00 |   1 of 1 | the same to you as #1 (within 2 %) |
|   3 | `c`           |    0.85 |  false |                                             1302 (n 1) |     823 % |       x0.11 |   1 of 1 | ranked |
|   - | `d`           |    0.95 |   true |                                                      - |         - |           - |   0 of 1 | died 1 of 1: kv_cache_too_small while starting (kv_profile): ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is neede… |
|   - | `e`           |    0.95 |  false |                                                      - |         - |           - |   0 of 0 | undecided: no start of it has settled |
|   - | `f`           |     0.9 |  false |                                                      - |         - |           - |   0 of 0 | undecided: no start of it has settled |

- Numbers are means over engine starts; sd is the sample standard deviation between starts, n their count.
- vs baseline: how many times as good as `a`, the first of the file that lived; above 1 is better.
- measured: starts that led to numbers, of starts that settled.

## Strengths and weaknesses (**STAND-IN RESULTS**)

Of the configurations that live, against each other: told is what is clearly better or worse (the 95 % intervals of the means do not touch, and the difference is above the margin) than in at least half of the others.

`b`:

- strength: KV cache of 71872 tokens (1.75 requests of full length): clearly better than 2 of 2 others

`a`:

- weakness: KV cache of 64896 tokens (1.58 requests of full length): clearly worse than 1 of 2 others

`c`:

- weakness: KV cache of 64896 tokens (1.58 requests of full length): clearly worse than 1 of 2 others

## Workload kv-cache (**STAND-IN RESULTS**)

Medians with the number of samples behind them:

| configuration | start | ttft_first_ms (ms) | ttft_repeat_ms (ms) | ttft_miss_ms (ms) | ttft_hit_ms (ms) | acceleration | tokens_per_second (tok/s) | hit_rate | success_rate | failed requests |
| ------------- | ----: | -----------------: | ------------------: | ----------------: | ---------------: | -----------: | ------------------------: | -------: | -----------: | --: |
| `b`           |     1 |         1298 (n 5) |           141 (n 5) |        1298 (n 5) |        141 (n 5) |         9.21 |                45.0 (n 5) |    0.960 |            1 | 0 of 10 |
| `a`           |     1 |         1305 (n 5) |           142 (n 5) |        1305 (n 5) |        142 (n 5) |         9.19 |                45.0 (n 5) |    0.960 |            1 | 0 of 10 |
| `c`           |     1 |         1310 (n 5) |          1302 (n 5) |        1310 (n 5) |                - |         1.01 |                45.0 (n 5) |        0 |            1 | 0 of 10 |

- `ttft_first_ms`: time to first token of each prompt's first request
- `ttft_repeat_ms`: time to first token when the same prompt is sent again
- `ttft_miss_ms`: time to first token of the first requests that the engine's counters prove to be misses
- `ttft_hit_ms`: time to first token of the repeated requests that the engine's counters prove to be hits
- `acceleration`: median ttft_first_ms divided by median ttft_repeat_ms of the attempt
- `tokens_per_second`: (output tokens - 1) / (last token - first token) of each request
- `hit_rate`: cached prompt tokens over prompt tokens of the repeated requests, by the engine's counters
- `success_rate`: requests that ended as they should over requests sent

## Crash atlas: where configurations die (**STAND-IN RESULTS**)

| configuration | class              | phase                       | evidence |
| ------------- | ------------------ | --------------------------- | --- |
| `d`           | kv_cache_too_small | while starting (kv_profile) | ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is neede… |

With all else equal, along each axis:

- `gpu-mem`: between 0.9 (lives) and 0.95 (dies), with prefix = true, max-num-seqs = 32

## Deaths: why configurations are infeasible (**STAND-IN RESULTS**)

### `d`: kv_cache_too_small while starting (kv_profile)

- Attempts: `18ac3e7343f0-1`
- What happened: The KV cache that fits into the memory left over cannot hold one request of the full length.
- What to change: raise gpu-memory-utilization or lower max-model-len
- Cause, in the engine's words: `ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is needed, which is larger than the available KV cache memory (7.82 GiB).`
- End: exit code 1, not killed by the kernel for memory.

Last lines of the last attempt's log:

```text
INFO 11-24 04:50:01 [gpu_worker.py:298] Available KV cache memory: 7.82 GiB
ERROR 11-24 04:50:01 [core.py:708] EngineCore failed to start.
```

## Do the engines run what was asked? (**STAND-IN RESULTS**)

Per varied flag, in how many measured starts the engine's own state showed the value (confirmed), only its arguments did (accepted), its state showed another value (contradicted), or nothing spoke of it (unattested).

| flag                     | confirmed | accepted | contradicted | unattested | evidence, for example |
| ------------------------ | --------: | -------: | -----------: | ---------: | --- |
| `gpu-memory-utilization` |         3 |        0 |            0 |          0 | `vllm:cache_config_info{gpu_memory_utilization="0.9"}` |
| `max-num-seqs`           |         0 |        3 |            0 |          0 | `non-default args: {'max_num_seqs': 32}` |

## Warnings of the engines (**STAND-IN RESULTS**)

- `Casting torch.bfloat16 to torch.float16.` (in every measured start)

## How it was measured (**STAND-IN RESULTS**)

- gridrun 0.1.0
- Model: `Qwen/Qwen3-32B-AWQ`
- Engine version: `0.11.0`
- Image: `vllm/vllm-openai:v0.11.0` (not used: a stand-in answered)
- Runtime: process
- Host: gpu-1, Debian GNU/Linux 12, kernel 6.1.0, AMD EPYC 7313, 16 CPUs, 128 GiB memory
- GPUs: none could be seen
- Flags of the profile: `max-model-len = 40960`
- Plan: repeats 1, seed 1, exhaustive, equivalence margin 2 %
- File: `experiments/medium.toml` (SHA-256 5f5f5f5f5f5f5f5f…)

What the engines said of themselves:

| configuration | start to ready (s) | KV cache (tokens) | longest request (tokens) | cache block (tokens) |
| ------------- | -----------------: | ----------------: | -----------------------: | --: |
| `b`           |         61.6 (n 1) |             71872 |                    40960 | 16 |
| `a`           |         61.6 (n 1) |             64896 |                    40960 | 16 |
| `c`           |         61.6 (n 1) |             64896 |                    40960 | 16 |

Order in which the starts settled. Every block has a shuffled order of its own, so that a slow hour does not hit one configuration alone.

- Block 1: `a`, `b`, `c`, `d`

p50, p95 and p99 are percentiles over the samples of one start, interpolated linearly between order statistics (Hyndman and Fan, type 7); with few samples the high ones are close to the maximum. The unit of the statistics is the start: samples of one start only form its numbers.

## Run `b` by hand

- Stand-in engines were measured: this is the command that the profile would run for real, and nothing here says how it would fare.
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

## Before `b` serves (**STAND-IN RESULTS**)

Open:

- [ ] Nothing was measured on a real engine: every number here is a stand-in's. Run the experiment itself.
- [ ] The run is not complete: go on with `gridrun resume`.
- [ ] `b` leads and is not settled.
- [ ] No gate was asked: nothing says from when on it would be too slow, or wrong too often.
- [ ] The engine's own state does not show: `max-num-seqs`.
- [ ] No soak was run: whether it stays as good for hours is not known (a workload of kind stability or age).
- [ ] No load was tried: how many users at once it carries is not known (a workload of kind load).

Yours to do:

- [ ] Watch its first starts: after 1 start without a death it may still die in up to 95.0 % of them (95 % bound).
- [ ] Set an API key (`VLLM_API_KEY`) and the limits of your network before others reach it.
- [ ] Put it in force: `gridrun promote results/medium/20261124T044826Z-3f9a --accept-leader`.
- [ ] Write its alert rules, dashboard and Compose file: `gridrun pack results/medium/champion.toml`.
- [ ] Let every night say whether it still holds: `gridrun schedule`.
- [ ] Know the way back: `gridrun rollback medium`.

Shown by this run:

- [x] 0 of 10 requests failed.

## Figures (**STAND-IN RESULTS**)

- [b is the best of 3 ranked configurations in both kv-cache.ttft_repeat_ms.p50 and kv-cache.ttft_first_ms.p50](figures/trade-off-kv-cache-ttft-repeat-ms-p50-kv-cache-ttft-first-ms-p50.svg)
- [b is the best of 3 ranked configurations in both kv-cache.ttft_repeat_ms.p50 and kv-cache.tokens_per_second.p50](figures/trade-off-kv-cache-ttft-repeat-ms-p50-kv-cache-tokens-per-second-p50.svg)
- [b is the best of 3 ranked configurations in both kv-cache.ttft_first_ms.p50 and kv-cache.tokens_per_second.p50](figures/trade-off-kv-cache-ttft-first-ms-p50-kv-cache-tokens-per-second-p50.svg)
- [1 of 6 configurations died: along gpu-mem they live up to 0.9 and die at 0.95](figures/where-it-dies.svg)
- [Of 11.6 min, 9 % went into measuring, 27 % into starting engines, 14 % into starts that died](figures/the-night.svg)
- [What the night was spent on](figures/the-night-spent.svg)

[report.html](report.html) has them all beside what they show.

## Go on from here

```sh
gridrun resume results/medium/20261124T044826Z-3f9a   # starts only what is missing
gridrun report results/medium/20261124T044826Z-3f9a   # makes this report again from the stored data
```
"#);
}

#[test]
fn a_run_without_any_measurement_says_why() {
    let mut record = fixture::record(vec![
        fixture::died("a", 1, FailureClass::KvCacheTooSmall),
        fixture::failed("b", 1, FailureClass::GpuUnavailable),
    ]);
    record.ending = RunEnding::Open;
    let report = build(&record);
    assert!(!report.measured_anything());
    assert_eq!(report.best(), None);
    insta::assert_snapshot!(report.terminal(100, false), @r#"
This run is not complete.
- Nothing says how this run ended: it still runs, or it was killed.
- 2 starts have settled, 12 were planned.
- Not measured yet: b, c, d, e, f.

Nothing could be measured, so no configuration can be recommended.
- Why: of 6 configurations, 1 infeasible (died of its own making), 5 never measured.
- Starts that ended without a measurement, of 2 settled: kv_cache_too_small 1, gpu_unavailable 1.

All configurations
The same in all of them: max-num-seqs = 32.
                                kv-cache
                                   ttft_
                                 repeat_
                                      ms
                  gpu-          p50, ms,  behind
#  configuration   mem  prefix     lower      #1  measured  outcome
-  a              0.85    true         -       -    0 of 1  died 1 of 1: kv_cache_too_small while
                                                            starting (kv_profile)
-  b               0.9    true         -       -    0 of 1  undecided
-  c              0.85   false         -       -    0 of 0  undecided
-  d              0.95    true         -       -    0 of 0  undecided
-  e              0.95   false         -       -    0 of 0  undecided
-  f               0.9   false         -       -    0 of 0  undecided

Not ranked, because
a: ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV c…
b: 1 of 1 starts failed (gpu_unavailable)
c, d, e and 1 more: no start of it has settled
"#);
    let nothing = build(&fixture::record(vec![]));
    insta::assert_snapshot!(nothing.terminal(100, false), @r#"
Nothing could be measured, so no configuration can be recommended.
- Why: no start of an engine has settled.

All configurations
The same in all of them: max-num-seqs = 32.
                                      kv-cache
                  gpu-          ttft_repeat_ms  behind
#  configuration   mem  prefix  p50, ms, lower      #1  measured  outcome
-  a              0.85    true               -       -    0 of 0  undecided
-  b               0.9    true               -       -    0 of 0  undecided
-  c              0.85   false               -       -    0 of 0  undecided
-  d              0.95    true               -       -    0 of 0  undecided
-  e              0.95   false               -       -    0 of 0  undecided
-  f               0.9   false               -       -    0 of 0  undecided

Not ranked, because
a, b, c and 3 more: no start of it has settled
"#);
    assert!(!nothing.markdown().contains("docker run"));
}
