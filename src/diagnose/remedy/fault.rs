//! What broke: collectives, kernels, processes.

use crate::diagnose::advice::Subject;
use crate::diagnose::remedy::of_family;

pub fn collective(cause: &str) -> String {
    const FAMILIES: &[(&[&str], &str)] = &[
        (
            &["custom_all_reduce"],
            "Set `disable-custom-all-reduce = true`: vLLM's own all-reduce does not work between these GPUs.",
        ),
        (
            &["unhandled system error", "ncclSystemError"],
            "Set `shm = \"8GiB\"` or `ipc = \"host\"` in `[engine]` of the profile: NCCL's system errors \
             are shared memory more often than not. `NCCL_DEBUG = \"INFO\"` in `[engine.env]` names the \
             call.",
        ),
        (
            &[
                "Watchdog caught",
                "wait timeout",
                "waiting for clients",
                "timed out",
            ],
            "One rank hangs and the others wait for it. If it happens again, set \
             `NCCL_P2P_DISABLE = \"1\"` and `NCCL_DEBUG = \"INFO\"` in `[engine.env]`.",
        ),
        (
            &[
                "socketStartConnect",
                "Connect to ",
                "connectFullMesh",
                "failed to connect",
            ],
            "The ranks do not reach each other: name the interface with `NCCL_SOCKET_IFNAME = \"eth0\"` \
             and `GLOO_SOCKET_IFNAME = \"eth0\"` in `[engine.env]`.",
        ),
        (
            &["ibv_"],
            "InfiniBand does not work in the container: set `NCCL_IB_DISABLE = \"1\"` in `[engine.env]`.",
        ),
        (
            &["invalid usage", "ncclInvalidUsage"],
            "Two ranks were given one GPU, or one a GPU that is not there: \
             `tensor-parallel-size` may be at most the number of `gpus`.",
        ),
    ];
    of_family(cause, FAMILIES).unwrap_or_else(|| {
        "Set `NCCL_DEBUG = \"INFO\"` in `[engine.env]` and look for the first `NCCL WARN`; \
         `ipc = \"host\"`, `disable-custom-all-reduce = true` and `NCCL_P2P_DISABLE = \"1\"` are the \
         usual remedies."
            .to_owned()
    })
}

pub fn died(subject: &Subject) -> String {
    const FAMILIES: &[(&[&str], &str)] = &[
        (
            &["no kernel image"],
            "Use an `image` that is built for this GPU's architecture.",
        ),
        (
            &["out of resource"],
            "A kernel needs more on-chip memory than this GPU has: another `attention-backend`, or \
             `block-size = 16`.",
        ),
        (
            &["ECC"],
            "The GPU's memory is faulty: `nvidia-smi -q -d ECC` counts the errors; reset or replace it.",
        ),
        (
            &["Model architectures"],
            "This version of vLLM does not know the model: use an `image` of a newer one.",
        ),
        (
            &["ImportError", "ModuleNotFoundError", "undefined symbol"],
            "The image is incomplete or mixes versions: use a released `image`, without packages of your \
             own over it.",
        ),
        (
            &[
                "KeyError: 'model.",
                "KeyError: 'layers",
                "KeyError: 'lm_head",
                "size mismatch",
            ],
            "The weights do not match what this version of vLLM expects of the model: use an `image` of a \
             newer one, or another build of the weights.",
        ),
        (
            &["RPC call to"],
            "A worker hung. If it was only slow, allow more with \
             `VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS = \"900\"` in `[engine.env]`.",
        ),
        (
            &["on this OS", "operation not supported"],
            "The driver does not allow it here, as on WSL2: set `disable-custom-all-reduce = true`.",
        ),
        (
            &[
                "CUDA error",
                "illegal memory access",
                "HIP error",
                "Memory access fault",
            ],
            "Set `CUDA_LAUNCH_BLOCKING = \"1\"` in `[engine.env]` to find the kernel; \
             `enforce-eager = true` or another `attention-backend` often avoids it.",
        ),
        (
            &[
                "egfault",
                "egmentation fault",
                "SIGSEGV",
                "invalid pointer",
                "double free",
                "corrupted size",
            ],
            "Native code crashed: `PYTHONFAULTHANDLER = \"1\"` in `[engine.env]` shows where. If it does so \
             again, report it to vLLM with the log.",
        ),
    ];
    let cause = match (subject.cause, subject.evidence.exit_code) {
        ("", Some(134 | 139)) => "SIGSEGV",
        (cause, _) => cause,
    };
    if let Some(advice) = of_family(cause, FAMILIES) {
        return advice;
    }
    let killed = subject.evidence.exit_code == Some(137) && cause.is_empty();
    if killed || cause.contains("exit code: -9") || cause.contains("': -9") {
        return "Find out who sent the signal: `docker events`, the host's `dmesg`, a supervisor or a \
                person. The configuration did not do it."
            .to_owned();
    }
    "Read the log above the cause; if it happens again with the same configuration, report it to vLLM."
        .to_owned()
}
