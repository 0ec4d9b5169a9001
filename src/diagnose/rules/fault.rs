//! Messages of things that broke: collectives, kernels, processes.

use crate::diagnose::class::FailureClass::{EngineDied, NcclFailure};
use crate::diagnose::rule::{Names, Rule, Tier};

/// Words of a shutdown in which collectives complain.
pub const TEARDOWN: &[&str] = &[
    "destroy_process_group",
    "_shutdown_backend",
    "process group has NOT been destroyed",
];

pub const RULES: &[Rule] = &[
    Rule::new(
        Tier::Aftermath,
        NcclFailure,
        &[
            "NCCL error",
            "remote process exited or there was a network error",
        ],
    )
    .unless(TEARDOWN),
    Rule::new(Tier::Aftermath, NcclFailure, &["ncclRemoteError"]).unless(TEARDOWN),
    Rule::new(Tier::Aftermath, NcclFailure, &["Connection closed by peer"]).unless(TEARDOWN),
    Rule::new(Tier::Fault, NcclFailure, &["NCCL error: "]).unless(&[
        "remote process exited",
        "destroy_process_group",
        "_shutdown_backend",
    ]),
    Rule::new(Tier::Fault, NcclFailure, &["NCCL error in: "]).unless(&[
        "remote process exited",
        "destroy_process_group",
        "_shutdown_backend",
    ]),
    Rule::new(Tier::Fault, NcclFailure, &["NCCL Error "]).unless(&["remote process exited"]),
    Rule::new(Tier::Fault, NcclFailure, &["RCCL error"]).unless(TEARDOWN),
    Rule::new(Tier::Fault, NcclFailure, &["^ncclSystemError"]),
    Rule::new(Tier::Fault, NcclFailure, &["^ncclInternalError"]),
    Rule::new(Tier::Fault, NcclFailure, &["^ncclInvalidUsage"]),
    Rule::new(Tier::Fault, NcclFailure, &["^ncclUnhandledCudaError"]).unless(&["out of memory"]),
    Rule::new(
        Tier::Fault,
        NcclFailure,
        &["Watchdog caught collective operation timeout"],
    ),
    Rule::new(Tier::Fault, NcclFailure, &["DistStoreError"]).unless(&["EADDRINUSE"]),
    Rule::new(
        Tier::Fault,
        NcclFailure,
        &["wait timeout after ", "ms, keys: "],
    ),
    Rule::new(Tier::Fault, NcclFailure, &["waiting for clients"]),
    Rule::new(
        Tier::Fault,
        NcclFailure,
        &["The client socket has timed out after"],
    ),
    Rule::new(
        Tier::Fault,
        NcclFailure,
        &["The client socket has failed to connect to any"],
    ),
    Rule::new(Tier::Fault, NcclFailure, &["Gloo connectFullMesh failed"]),
    Rule::new(
        Tier::Fault,
        NcclFailure,
        &["custom_all_reduce.cuh", "'invalid argument'"],
    ),
    Rule::new(Tier::Fault, NcclFailure, &["DistNetworkError"]).unless(&[
        "EADDRINUSE",
        "Connection was likely closed",
        "ailed to recv",
        "Broken pipe",
        "onnection reset by peer",
    ]),
    Rule::new(Tier::Aftermath, NcclFailure, &["DistNetworkError"]).unless(&["EADDRINUSE"]),
    Rule::new(
        Tier::Aftermath,
        NcclFailure,
        &["gloo", "onnection reset by peer"],
    ),
    Rule::new(Tier::Fault, NcclFailure, &["NCCL WARN Cuda failure"])
        .unless(&["out of memory"])
        .faint(),
    Rule::new(
        Tier::Fault,
        NcclFailure,
        &["NCCL WARN", "Connect to ", "failed"],
    )
    .faint(),
    Rule::new(Tier::Fault, NcclFailure, &["NCCL WARN Call to ibv_"]).faint(),
    Rule::new(Tier::Fault, NcclFailure, &["NCCL WARN"])
        .unless(&["shared memory", "/dev/shm", "out of memory"])
        .faint(),
    // Kernels and devices.
    Rule::new(
        Tier::Fault,
        EngineDied,
        &["an illegal memory access was encountered"],
    ),
    Rule::new(
        Tier::Fault,
        EngineDied,
        &["CUDA error: unspecified launch failure"],
    ),
    Rule::new(Tier::Fault, EngineDied, &["device-side assert triggered"]),
    Rule::new(Tier::Fault, EngineDied, &["CUDA error: misaligned address"]),
    Rule::new(
        Tier::Fault,
        EngineDied,
        &["OS call failed or operation not supported on this OS"],
    ),
    Rule::new(
        Tier::Fault,
        EngineDied,
        &["uncorrectable ECC error encountered"],
    ),
    Rule::new(
        Tier::Fault,
        EngineDied,
        &["no kernel image is available for execution"],
    ),
    Rule::new(Tier::Fault, EngineDied, &["CUDA error: "])
        .unless(&["out of memory", "STATUS_ALLOC_FAILED"]),
    Rule::new(Tier::Fault, EngineDied, &["HIP error: "]).unless(&["out of memory"]),
    Rule::new(
        Tier::Fault,
        EngineDied,
        &["Memory access fault by GPU node"],
    ),
    Rule::new(
        Tier::Fault,
        EngineDied,
        &["triton.runtime.errors.OutOfResources"],
    ),
    Rule::new(Tier::Fault, EngineDied, &["out of resource: shared memory"]).faint(),
    // Processes.
    Rule::new(Tier::Crash, EngineDied, &["Fatal Python error: "]).unless(&["Bus error"]),
    Rule::new(Tier::Crash, EngineDied, &["Segfault encountered"]),
    Rule::new(Tier::Crash, EngineDied, &["*** SIGSEGV received"]),
    Rule::new(
        Tier::Crash,
        EngineDied,
        &["Segmentation fault (core dumped)"],
    ),
    Rule::new(Tier::Crash, EngineDied, &["^Segmentation fault"]),
    Rule::new(Tier::Crash, EngineDied, &["realloc(): invalid pointer"]),
    Rule::new(Tier::Crash, EngineDied, &["free(): invalid pointer"]),
    Rule::new(Tier::Crash, EngineDied, &["double free or corruption"]),
    Rule::new(Tier::Crash, EngineDied, &["corrupted size vs. prev_size"]),
    Rule::naming(
        Tier::Aftermath,
        Names::HungWorker,
        &["TimeoutError: RPC call to", "timed out"],
    ),
];
