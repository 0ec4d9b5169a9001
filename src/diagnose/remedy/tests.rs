//! What is advised, to the letter: for every class and every family of messages that matters.

use crate::diagnose::class::{FailureClass, Phase};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::{diagnose, examine};
use crate::spec::flag::FlagValue;

fn advice(log: &str) -> String {
    diagnose(&Evidence::of(log)).suggestion.unwrap()
}

fn refused_by_the_runtime(words: &str) -> String {
    let evidence = Evidence {
        runtime_error: Some(words),
        ..Evidence::of("")
    };
    diagnose(&evidence).suggestion.unwrap()
}

#[track_caller]
fn all(cases: &[(&str, &str)]) {
    for (log, expected) in cases {
        assert_eq!(advice(log), *expected, "{log}");
    }
}

/// A start of vLLM 0.11 on two cards.
const START: &str = "INFO 09-30 12:00:01 [utils.py:233] non-default args: {'model': 'Q/w', 'gpu_memory_utilization': 0.95, 'max_num_seqs': 32, 'tensor_parallel_size': 2}\n\
                     INFO 09-30 12:00:08 [scheduler.py:205] Chunked prefill is enabled with max_num_batched_tokens=2048.\n\
                     INFO 09-30 12:00:30 [gpu_model_runner.py:2602] Starting to load model Q/w...\n";
const LOADED: &str = "INFO 09-30 12:01:12 [gpu_model_runner.py:2653] Model loading took 9.0752 GiB and 41.2 seconds\n";
const SIZED: &str =
    "INFO 09-30 12:01:30 [kv_cache_utils.py:1087] GPU KV cache size: 49,152 tokens\n";
const CAPTURING: &str = "Capturing CUDA graphs (decode, FULL):   0%|          | 0/4\n";
const OOM: &str = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.19 GiB. GPU 0 has a total capacity of 23.56 GiB of which 1.02 GiB is free. ";

#[test]
fn device_memory_while_starting() {
    all(&[
        (
            &format!("{START}{OOM}"),
            "The weights do not fit beside what is already there: more GPUs (`tensor-parallel-size` above 2), a quantised model, or a part of them in host memory (`cpu-offload-gb`). `gpu-memory-utilization` limits what comes after them.",
        ),
        (
            &format!("{START}{LOADED}{OOM}"),
            "The trial run of the largest batch did not fit: `max-num-batched-tokens` below 2048 or `max-num-seqs` below 32.",
        ),
        (
            &format!("{START}{LOADED}{SIZED}{OOM}"),
            "Set `gpu-memory-utilization = 0.94` or less: with 0.95 of 23.56 GiB, 1.19 GiB were asked for where 1.02 GiB were free, 0.17 GiB too few (rounded down; what is asked for after that is not in the log).",
        ),
        (
            &format!("{START}{LOADED}{SIZED}{CAPTURING}{OOM}"),
            "CUDA graphs take memory beside the KV cache. Set `gpu-memory-utilization = 0.94` or less: with 0.95 of 23.56 GiB, 1.19 GiB were asked for where 1.02 GiB were free, 0.17 GiB too few (rounded down; what is asked for after that is not in the log). Or capture fewer (`max-cudagraph-capture-size = 8`) or none (`enforce-eager = true`).",
        ),
        (
            &format!(
                "{START}{LOADED}{SIZED}RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try"
            ),
            "Set `max-num-seqs` below 1024 (for example `max-num-seqs = 512`): that many requests at once were warmed up. Or `gpu-memory-utilization` below 0.95.",
        ),
        (
            "RuntimeError: CUDA out of memory occurred when warming up pooler (task='embed') with 64 dummy requests.",
            "Set `max-num-seqs` below 64 (for example `max-num-seqs = 32`): that many requests at once were warmed up. Or a smaller `gpu-memory-utilization`.",
        ),
        (
            OOM,
            "Use a smaller `gpu-memory-utilization`, a smaller `max-num-batched-tokens` or a smaller `max-num-seqs`; if the weights alone do not fit, more GPUs (`tensor-parallel-size`) or a quantised model.",
        ),
        (
            &format!(
                "{START}{LOADED}{OOM}Including non-PyTorch memory, this process has 9.50 GiB memory in use. Process 4711 has 12.90 GiB memory in use."
            ),
            "Process 4711 of this host holds 12.90 GiB of the GPU beside the engine: end it, or leave it that much.",
        ),
        (
            &format!(
                "{START}{LOADED}{SIZED}{OOM}Of the allocated memory 21.00 GiB is allocated by PyTorch, and 900.00 MiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True"
            ),
            "Set `gpu-memory-utilization = 0.94` or less: with 0.95 of 23.56 GiB, 1.19 GiB were asked for where 1.02 GiB were free, 0.17 GiB too few (rounded down; what is asked for after that is not in the log). 0.88 GiB were reserved and unused: `PYTORCH_ALLOC_CONF = \"expandable_segments:True\"` in `[engine.env]` can be enough.",
        ),
    ]);
}

#[test]
fn device_memory_while_serving() {
    let up = "INFO:     Application startup complete.\n";
    let died = "ERROR 09-30 12:09:00 [core.py:710] EngineCore encountered a fatal error.\n";
    all(&[
        (
            &format!("{START}{LOADED}{SIZED}{up}{died}{OOM}"),
            "Set `gpu-memory-utilization = 0.94` or less: with 0.95 of 23.56 GiB, 1.19 GiB were asked for where 1.02 GiB were free, 0.17 GiB too few (rounded down; what is asked for after that is not in the log). Or cut the peaks: `max-num-seqs` below 32 or `max-num-batched-tokens` below 2048.",
        ),
        (
            &format!("{up}{died}torch.AcceleratorError: CUDA error: out of memory"),
            "Leave memory for the peaks of the load: a smaller `gpu-memory-utilization`, a smaller `max-num-seqs` or a smaller `max-num-batched-tokens`.",
        ),
    ]);
}

#[test]
fn a_number_comes_from_the_log_or_the_cell_or_not_at_all() {
    let log = format!("{LOADED}{SIZED}{OOM}");
    let unknown = advice(&log);
    assert!(!unknown.contains(" = 0."), "{unknown}");
    let asked = FlagValue::Float(0.92);
    let known = Evidence {
        flags: &[("gpu-memory-utilization", &asked)],
        ..Evidence::of(&log)
    };
    let told = diagnose(&known).suggestion.unwrap();
    assert!(
        told.starts_with("Set `gpu-memory-utilization = 0.91` or less"),
        "{told}"
    );
}

#[test]
fn kv_cache() {
    let v085 = "INFO 05-10 12:00:30 [worker.py:287] the current vLLM instance can use total_gpu_memory (23.69GiB) x gpu_memory_utilization (0.80) = 18.95GiB\n";
    let needs = "ValueError: To serve at least one request with the models's max seq len (40960), (5.00 GiB KV cache is needed, which is larger than the available KV cache memory (4.00 GiB). ";
    all(&[
        (
            &format!(
                "{needs}Based on the available memory, the estimated maximum model length is 32768. Try"
            ),
            "Set `max-model-len = 32768` or less: vLLM's own estimate of what fits. Or make room: a higher `gpu-memory-utilization`, or `kv-cache-dtype = \"fp8\"` (halves the 5.00 GiB to 2.50 GiB, which fit).",
        ),
        (
            &format!("{v085}{needs}"),
            "Make room: `gpu-memory-utilization = 0.85` or more (1.00 GiB are missing of a device of 23.69 GiB with 0.8; rounded up), or `kv-cache-dtype = \"fp8\"` (halves the 5.00 GiB to 2.50 GiB, which fit). Or ask for less: a smaller `max-model-len`, a smaller `max-num-batched-tokens` or a smaller `max-num-seqs`.",
        ),
        (
            &format!(
                "{}{}",
                v085.replace("(0.80)", "(0.95)"),
                needs.replace("5.00", "9.00")
            ),
            "Make room: another device (5.00 GiB are missing, and `gpu-memory-utilization = 1.0` would add 1.18 GiB). Or ask for less: a smaller `max-model-len`, a smaller `max-num-batched-tokens` or a smaller `max-num-seqs`.",
        ),
        (
            &format!(
                "non-default args: {{'kv_cache_memory_bytes': 4294967296, 'kv_cache_dtype': 'fp8'}}\n{needs}"
            ),
            "Make room: `kv-cache-memory-bytes = \"5126M\"` or more (the 5.00 GiB that are needed, rounded up). Or ask for less: a smaller `max-model-len`, a smaller `max-num-batched-tokens` or a smaller `max-num-seqs`.",
        ),
        (
            "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can be stored in KV cache (11264). Try increasing `gpu_memory_utilization`",
            "Set `max-model-len = 11264` or less: vLLM's own estimate of what fits. Or make room: a higher `gpu-memory-utilization`, or `kv-cache-dtype = \"fp8\"` (halves what a token takes).",
        ),
        (
            &format!(
                "{v085}INFO 05-10 12:00:30 [worker.py:287] model weights take 18.14GiB; the rest of the memory reserved for KV Cache is -0.71GiB.\nValueError: No available memory for the cache blocks. Try"
            ),
            "Make room: `gpu-memory-utilization = 0.84` or more (0.71 GiB are missing of a device of 23.69 GiB with 0.8; rounded up), or `kv-cache-dtype = \"fp8\"` (halves what a token takes). Or ask for less: a smaller `max-model-len`, a smaller `max-num-batched-tokens` or a smaller `max-num-seqs`.",
        ),
        (
            "ValueError: Available memory on node 0 (4.7/6.0 GiB) on kv cache allocation is less than requested memory for kv (-0.08/0.48 GiB). Reduce",
            "Raise `gpu-memory-utilization` by 0.02 or more (0.08 of 6 GiB, rounded up): only beyond that is there any KV cache. Or raise `memory` in `[engine]`.",
        ),
    ]);
}

#[test]
fn memory_that_somebody_holds() {
    all(&[
        (
            "ValueError: Free memory on device cuda:1 (14.20/23.56 GiB) on startup is less than desired GPU memory utilization (0.9, 21.2 GiB). Decrease",
            "End what else uses the GPU (`nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv` lists it; 9.36 of 23.56 GiB were taken), or set `gpu-memory-utilization = 0.60` or less (what was free, rounded down).",
        ),
        (
            "ValueError: Free memory on device (23.20/23.56 GiB) on startup is less than desired GPU memory utilization (0.99, 23.32 GiB).",
            "Set `gpu-memory-utilization = 0.98` or less: 23.2 of 23.56 GiB were free, and nobody else can have held much of the rest (rounded down).",
        ),
        (
            "ValueError: Free memory on device (0.11/23.56 GiB) on startup is less than desired GPU memory utilization (0.9, 21.2 GiB).",
            "End what else uses the GPU (`nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv` lists it): 0.11 of 23.56 GiB were free.",
        ),
        (
            "AssertionError: Error in memory profiling. Initial free memory 20, current free memory 21. This happens",
            "Wait until what used the GPU before has ended (`nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv` lists it), then start again: memory was freed while the engine measured it.",
        ),
        (
            "ValueError: Available memory on node 0 (2.73/4.0 GiB) on startup is less than desired CPU memory utilization (0.95, 3.8 GiB).",
            "Set `gpu-memory-utilization = 0.68` or less: 2.73 of the container's 4 GiB were free when the worker started (rounded down). Or raise `memory` in `[engine]`.",
        ),
    ]);
}

#[test]
fn host_memory() {
    all(&[
        (
            "RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: 160 MiB required, 64 MiB free.",
            "Set `shm = \"512MiB\"` in `[engine]` of the profile (more than the 160 MiB that were asked for), or `ipc = \"host\"`.",
        ),
        (
            "OSError: [Errno 28] No space left on device: '/psm_ab12cd34'",
            "Set `shm = \"8GiB\"` in `[engine]` of the profile (Docker gives 64 MiB without it), or `ipc = \"host\"`.",
        ),
        (
            "ValueError: Too large swap space. 64.00 GiB out of the 62.70 GiB total CPU memory is allocated for the swap space.",
            "Lower `swap-space`: 64.00 GiB over all GPUs are more than 0.7 of the host's 62.70 GiB, which is where vLLM refuses.",
        ),
        (
            "ValueError: Available memory on node 0 (4.7/6.0 GiB) on kv cache allocation is less than requested memory for kv (40.0 GiB). Decrease",
            "Set `VLLM_CPU_KVCACHE_SPACE = \"4\"` or less in `[engine.env]`: 4.7 GiB were free and 40 GiB were asked for (rounded down). Or raise `memory` in `[engine]`.",
        ),
        (
            "non-default args: {'kv_cache_memory_bytes': 524288000}\nValueError: Available memory on node 0 (0.25/2.0 GiB) on kv cache allocation is less than requested memory for kv (0.49 GiB). Decrease",
            "Set `kv-cache-memory-bytes = \"204M\"` or less: 0.25 GiB were free and 0.49 GiB were asked for (rounded down). Or raise `memory` in `[engine]`.",
        ),
        (
            "node_manager.cc:3069: 1 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers",
            "Free memory on the node, or raise what Ray allows before it kills (`RAY_memory_usage_threshold = \"0.98\"` in `[engine.env]`).",
        ),
        (
            "non-default args: {'cpu_offload_gb': 40}\nMemoryError",
            "Raise `memory` in `[engine]`, or ask for less: `cpu-offload-gb` below 40.",
        ),
        (
            "MemoryError",
            "Raise `memory` in `[engine]`, or ask for less: a smaller or quantised model.",
        ),
    ]);
    assert_eq!(
        refused_by_the_runtime(
            "OCI runtime create failed: container init was OOM-killed (memory limit too low?)"
        ),
        "Set a larger `memory` in `[engine]`: the container itself does not start with so little."
    );
}

#[test]
fn arguments_by_length_and_number() {
    all(&[
        (
            "  Value error, max_num_batched_tokens (2048) is smaller than max_model_len (8192). This",
            "Without chunked prefill a batch must hold a whole prompt. Add to the experiment:\n[[when]]\nwhere = { chunked = false }\nset   = { max-num-batched-tokens = 8192 }",
        ),
        (
            "  Value error, max_num_batched_tokens (16) must be greater than or equal to max_num_seqs (32).",
            "A batch must have a token for each of its requests: `max-num-seqs = 16` or less, or `max-num-batched-tokens = 32` or more. Add to the experiment:\n[[when]]\nwhere = { max-num-seqs = 32 }\nset   = { max-num-batched-tokens = 32 }",
        ),
        (
            "ValueError: User-specified max_model_len (999999) is greater than the derived max_model_len (max_position_embeddings=8192.0 or model_max_length=None in model's config.json).",
            "Set `max-model-len = 8192` or less: the model has no more.",
        ),
        (
            "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (3).",
            "Set `tensor-parallel-size = 2`, which needs no more GPUs: 28 heads can be divided by 1, 2, 4, 7, 14, 28.",
        ),
        (
            "ValueError: World size (4) is larger than the number of available GPUs (2) in this node.",
            "Set `tensor-parallel-size = 2` or less (times `pipeline-parallel-size`), or give the container more GPUs (`gpus` in `[engine]`): it sees 2.",
        ),
        (
            "ValueError: World size (4) is larger than the number of available GPUs (0) in this node.",
            "The container sees no GPU: set `gpus = \"all\"` in `[engine]` of the profile.",
        ),
        (
            "ValueError: GPU memory utilization must be less than 1.0. Got 1.5.",
            "Set `gpu-memory-utilization` above 0 and below 1.",
        ),
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for CacheConfig\ngpu_memory_utilization\n  Input should be less than or equal to 1 [type=less_than_equal, input_value=1.5]",
            "Set `gpu-memory-utilization` to a value that is less than or equal to 1.",
        ),
        (
            "ValueError: max_lora_rank (20) must be one of (8, 16, 32, 64).",
            "Set `max-lora-rank = 32`: the next that there is.",
        ),
    ]);
}

#[test]
fn arguments_by_choice_and_form() {
    all(&[
        (
            "vllm serve: error: argument --kv-cache-dtype: invalid choice: 'fp7' (choose from 'auto', 'bfloat16', 'fp8')",
            "Set `kv-cache-dtype = \"fp8\"`. There are: auto, bfloat16, fp8.",
        ),
        (
            "vllm serve: error: argument --dtype: invalid choice: 'fp16' (choose from auto, bfloat16, float, float16)",
            "Set `dtype = \"float16\"`. There are: auto, bfloat16, float, float16.",
        ),
        (
            "vllm serve: error: argument --load-format: invalid choice: 'quick' (choose from 'auto', 'dummy')",
            "Set `load-format` to one of auto, dummy.",
        ),
        (
            "vllm serve: error: argument --max-num-seqs: invalid int value: 'abc'",
            "Set `max-num-seqs` to a whole number: `abc` is none.",
        ),
        (
            "vllm serve: error: argument --tensor-parallel-size/-tp: expected one argument",
            "Give `tensor-parallel-size` a value.",
        ),
        (
            "vllm: error: unrecognized arguments: --max-num-seq 3 --no-such-flag",
            "This version of vLLM does not know `max-num-seq`, `no-such-flag`: `max-num-seq` is perhaps `max-num-seqs`.",
        ),
        (
            "vllm: error: unrecognized arguments: --max-cudagraph-capture-size 8",
            "Take `max-cudagraph-capture-size` out: this version of vLLM does not know it.",
        ),
        (
            "vllm serve: error: ambiguous option: --max-num=3 could match --max-num-seqs, --max-num-batched-tokens",
            "Write `max-num` out: it could be --max-num-seqs, --max-num-batched-tokens.",
        ),
        (
            "vllm serve: error: the following arguments are required: model_tag",
            "Give what is missing: model_tag.",
        ),
    ]);
}

#[test]
fn arguments_of_features() {
    let missing = advice("TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser");
    assert!(
        missing.starts_with("Set `tool-call-parser` to the format of the model, one of apertus, "),
        "{missing}"
    );
    assert!(
        missing.ends_with("xlam (vLLM 0.32.0); or leave `enable-auto-tool-choice` out."),
        "{missing}"
    );
    all(&[
        (
            "KeyError: 'invalid tool call parser: qwen3xml (chose from { deepseek_v3,hermes,qwen3_xml })'",
            "Set `tool-call-parser = \"qwen3_xml\"`. There are: deepseek_v3, hermes, qwen3_xml.",
        ),
        (
            "KeyError: 'invalid reasoning parser: quen3 (chose from { deepseek_r1,qwen3 })'",
            "Set `reasoning-parser = \"qwen3\"`. There are: deepseek_r1, qwen3.",
        ),
        (
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5.",
            "Set `dtype = \"half\"`, or use a newer GPU.",
        ),
        (
            "ValueError: Quantization method specified in the model config (awq) does not match the quantization method specified in the `quantization` argument (gptq).",
            "Set `quantization = \"awq\"`, or leave it out: the model's files say what it is.",
        ),
        (
            "ValueError: torch.bfloat16 is not supported for quantization method awq. Supported dtypes: [torch.float16]",
            "Set `dtype = \"float16\"`: the quantised weights take torch.float16.",
        ),
        (
            "ValueError: Unknown quantization method: awk. Must be one of ['awq', 'gptq'].",
            "Set `quantization = \"awq\"`. There are: awq, gptq.",
        ),
        (
            "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum capability: 80. Current capability: 75.",
            "The method needs a GPU of compute capability 8.0, and this one has 7.5: use a model that is quantised otherwise.",
        ),
        (
            "ValueError: Selected backend AttentionBackendEnum.FLASHINFER is not valid for this configuration. Reason: ['kv_cache_dtype not supported']",
            "Leave `attention-backend` out, so that vLLM chooses one, or change what it gives as the reason: kv_cache_dtype not supported.",
        ),
        (
            "ValueError: Prefix caching is not supported with sliding window.",
            "Set `enable-prefix-caching = false` for this model.",
        ),
        (
            "NotImplementedError: Pipeline parallelism is not supported for this model.",
            "Set `pipeline-parallel-size = 1`, and `tensor-parallel-size` to the number of GPUs.",
        ),
    ]);
}

#[test]
fn models() {
    all(&[
        (
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/models/nope'. Use `repo_type` argument if needed.",
            "The container has no model at `/models/nope`: correct `model` in `[engine]`, or mount its folder: `volumes = [{ from = \"FOLDER-ON-THIS-HOST\", to = \"/models\" }]`.",
        ),
        (
            "ValueError: Invalid repository ID or local directory specified: 'Qwen3'.",
            "Correct `model` in `[engine]`: `Qwen3` is neither a folder in the container nor `owner/name` of a model at the hub.",
        ),
        (
            "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. Repository Not Found for url: https://huggingface.co/api/models/Qwen/Qwen9-32B.",
            "The hub shows no model `Qwen/Qwen9-32B`: correct `model` in `[engine]`, or, if it is private, hand your token over: `HF_TOKEN = { from-env = \"HF_TOKEN\" }` in `[engine.env]`.",
        ),
        (
            "huggingface_hub.errors.GatedRepoError: 403 Client Error. Cannot access gated repo for url https://huggingface.co/meta/llama/resolve/main/config.json.",
            "Ask for access at the hub page of `meta/llama`, and hand your token over: `HF_TOKEN = { from-env = \"HF_TOKEN\" }` in `[engine.env]`.",
        ),
        (
            "non-default args: {'model': 'Q/w'}\nhuggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the specified revision on the local disk and outgoing traffic has been disabled.",
            "The hub may not be asked and the cache lacks the model `Q/w`: mount a cache that holds it (`volumes`), or take `HF_HUB_OFFLINE` out of `[engine.env]`.",
        ),
        (
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.",
            "The hub was not reached: give the container a way to the network, or mount a cache that holds the model (`volumes`) and set `HF_HUB_OFFLINE = \"1\"` in `[engine.env]`.",
        ),
        (
            "RuntimeError: Cannot find any model weights with `/models/half`",
            "`/models/half` holds no weights that vLLM loads: finish its download (`*.safetensors`), or name their form with `load-format`.",
        ),
        (
            "ValueError: No supported config format found in /models/empty",
            "`/models/empty` holds no `config.json`: finish its download, or point `model` in `[engine]` at the folder that does.",
        ),
        (
            "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error. Revision Not Found for url: https://huggingface.co/Q/w/resolve/v9/config.json.",
            "The hub has no such revision of `Q/w`: correct `revision`, or leave it out.",
        ),
    ]);
}

#[test]
fn ports_and_gpus() {
    const HOLDER: &str = "end it, or serve on another port. gridrun itself picks a free one for every start, so that a new attempt has another.";
    all(&[
        (
            "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
            &format!("`ss -ltnp | grep :8000` shows who holds port 8000: {HOLDER}"),
        ),
        (
            "OSError: [Errno 98] Address already in use",
            &format!("`ss -ltnp` shows who holds which port: {HOLDER}"),
        ),
        (
            "RuntimeError: Failed to infer device type, please set the environment variable",
            "Set `gpus = \"all\"` in `[engine]` of the profile, and check that `nvidia-smi` lists the GPU on the host and `CUDA_VISIBLE_DEVICES` is not empty.",
        ),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            "Bring driver and image together: a newer driver (and a reboot), or an `image` built for an older CUDA.",
        ),
        (
            "RuntimeError: Failed to initialize NVML: Driver/library version mismatch",
            "The driver was updated under a running kernel: reboot the host.",
        ),
        (
            "RuntimeError: CUDA error: system not yet initialized",
            "Start the fabric manager (`systemctl start nvidia-fabricmanager`): GPUs behind an NVSwitch need it.",
        ),
        (
            "RuntimeError: CUDA error: invalid device ordinal",
            "`CUDA_VISIBLE_DEVICES` or `gpus` names a GPU that is not there: set `gpus = \"all\"` in `[engine]`, or indices that `nvidia-smi -L` lists.",
        ),
        (
            "AssertionError: Torch not compiled with CUDA enabled",
            "The image holds a build without CUDA: set `image = \"vllm/vllm-openai:v0.11.0\"` or another one for GPUs.",
        ),
    ]);
    for (words, expected) in [
        (
            "could not select device driver \"\" with capabilities: [[gpu]]",
            "Install or repair the NVIDIA container toolkit (`nvidia-ctk runtime configure --runtime=docker`, then restart Docker); `docker run --rm --gpus all IMAGE nvidia-smi` must work.",
        ),
        (
            "OCI runtime create failed: nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8",
            "The driver is too old for the image: install a newer one, or use an `image` built for an older CUDA.",
        ),
        (
            "Bind for 0.0.0.0:18010 failed: port is already allocated",
            &format!("`ss -ltnp | grep :18010` shows who holds port 18010: {HOLDER}"),
        ),
        (
            "No such image: vllm/vllm-openai:v9",
            "Check `image`: there is none of that name and tag. Pull or build it first.",
        ),
        (
            "pull access denied for nobody/nothing, repository does not exist or may require 'docker login'",
            "Check the name in `image`; if it is right, log in to its registry (`docker login`), or pull it by hand.",
        ),
        (
            "write /var/lib/docker/x: no space left on device",
            "Free disk space on the host: `docker system df` shows what Docker holds.",
        ),
        (
            "something new",
            "Put right what the runtime reports and resume the run.",
        ),
    ] {
        assert_eq!(refused_by_the_runtime(words), expected, "{words}");
    }
}

#[test]
fn faults() {
    all(&[
        (
            "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)",
            "Set `shm = \"8GiB\"` or `ipc = \"host\"` in `[engine]` of the profile: NCCL's system errors are shared memory more often than not. `NCCL_DEBUG = \"INFO\"` in `[engine.env]` names the call.",
        ),
        (
            "RuntimeError: custom_all_reduce.cuh:455 'invalid argument'",
            "Set `disable-custom-all-reduce = true`: vLLM's own all-reduce does not work between these GPUs.",
        ),
        (
            "torch.distributed.DistStoreError: wait timeout after 600000ms, keys: /default_pg/0//cuda//0",
            "One rank hangs and the others wait for it. If it happens again, set `NCCL_P2P_DISABLE = \"1\"` and `NCCL_DEBUG = \"INFO\"` in `[engine.env]`.",
        ),
        (
            "RuntimeError: NCCL error: internal error - please report this issue to the NCCL developers",
            "Set `NCCL_DEBUG = \"INFO\"` in `[engine.env]` and look for the first `NCCL WARN`; `ipc = \"host\"`, `disable-custom-all-reduce = true` and `NCCL_P2P_DISABLE = \"1\"` are the usual remedies.",
        ),
        (
            "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
            "Set `CUDA_LAUNCH_BLOCKING = \"1\"` in `[engine.env]` to find the kernel; `enforce-eager = true` or another `attention-backend` often avoids it.",
        ),
        (
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            "Use an `image` that is built for this GPU's architecture.",
        ),
        (
            "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 131072, Hardware limit: 101376.",
            "A kernel needs more on-chip memory than this GPU has: another `attention-backend`, or `block-size = 16`.",
        ),
        (
            "ValueError: Model architectures ['QwenFuture'] are not supported for now.",
            "This version of vLLM does not know the model: use an `image` of a newer one.",
        ),
    ]);
    let ended = |exit_code, oom_killed| {
        diagnose(&Evidence {
            exit_code: Some(exit_code),
            oom_killed,
            ..Evidence::of("")
        })
        .suggestion
        .unwrap()
    };
    assert_eq!(
        ended(137, Some(false)),
        "Find out who sent the signal: `docker events`, the host's `dmesg`, a supervisor or a person. The configuration did not do it."
    );
    assert_eq!(
        ended(139, None),
        "Native code crashed: `PYTHONFAULTHANDLER = \"1\"` in `[engine.env]` shows where. If it does so again, report it to vLLM with the log."
    );
    assert_eq!(
        ended(1, None),
        "Read the last lines of the log; `VLLM_LOGGING_LEVEL = \"DEBUG\"` in `[engine.env]` says more."
    );
}

#[test]
fn nothing_is_advised_where_nothing_failed() {
    let healthy = examine(&Evidence {
        phase: Some(Phase::Serving),
        ..Evidence::of("INFO:     Application startup complete.")
    });
    assert_eq!(healthy.failure.class, FailureClass::Healthy);
    assert_eq!(healthy.failure.suggestion, None);
}
