//! Messages of memory that ran out: on the device, in the KV cache, on the host, in /dev/shm.

use crate::diagnose::class::FailureClass::{
    GpuMemoryTaken, GpuOomStartup, HostOom, KvCacheTooSmall,
};
use crate::diagnose::rule::{Names, Rule, Tier};

/// Marks the CPU form of a memory that is taken at the start: the only one whose limit belongs
/// to the engine's own container.
pub const CPU_TAKEN: &str = "is less than desired CPU memory utilization";

pub const RULES: &[Rule] = &[
    // /dev/shm.
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["Insufficient space in /dev/shm"],
    ),
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["No space left on device", "/dev/shm"],
    ),
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["/dev/shm", "No space left on device"],
    ),
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["No space left on device", "psm_"],
    ),
    Rule::new(Tier::SharedMemory, HostOom, &["failed to extend /dev/shm/"]),
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["Error while creating shared memory segment"],
    ),
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["insufficient shared memory (shm)"],
    ),
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["unable to write to file </torch_"],
    ),
    Rule::new(
        Tier::SharedMemory,
        HostOom,
        &["Fatal Python error: Bus error"],
    ),
    Rule::new(Tier::SharedMemory, HostOom, &["SIGBUS"]),
    Rule::new(Tier::SharedMemory, HostOom, &["^Bus error"]),
    Rule::new(Tier::SharedMemory, HostOom, &["Bus error (core dumped)"]),
    // Memory that somebody else holds at the start.
    Rule::new(
        Tier::MemoryTaken,
        GpuMemoryTaken,
        &[
            "Free memory on device",
            "is less than desired GPU memory utilization",
        ],
    ),
    Rule::new(
        Tier::MemoryTaken,
        GpuMemoryTaken,
        &["Free memory on device", "is less than the engine's budget"],
    ),
    // What is left of these where the line's beginning is lost.
    Rule::new(
        Tier::MemoryTaken,
        GpuMemoryTaken,
        &["is less than desired GPU memory utilization ("],
    ),
    Rule::new(
        Tier::MemoryTaken,
        GpuMemoryTaken,
        &["or reduce GPU memory used by other processes"],
    ),
    Rule::new(
        Tier::MemoryTaken,
        GpuMemoryTaken,
        &["Error in memory profiling."],
    ),
    Rule::new(
        Tier::MemoryTaken,
        GpuMemoryTaken,
        &["Available memory on node", CPU_TAKEN],
    ),
    // KV cache.
    Rule::new(
        Tier::KvCache,
        KvCacheTooSmall,
        &["No available memory for the cache blocks"],
    ),
    Rule::new(
        Tier::KvCache,
        KvCacheTooSmall,
        &["larger than the maximum number of tokens that can be stored in KV cache"],
    ),
    Rule::new(
        Tier::KvCache,
        KvCacheTooSmall,
        &["To serve at least one request with the model"],
    ),
    Rule::new(
        Tier::KvCache,
        KvCacheTooSmall,
        &["KV cache is needed, which is larger than the available"],
    ),
    Rule::new(
        Tier::KvCache,
        KvCacheTooSmall,
        &["Cannot auto-fit max_model_len"],
    ),
    // What is left of these where the line's beginning is lost.
    Rule::new(
        Tier::KvCache,
        KvCacheTooSmall,
        &["Try increasing `gpu_memory_utilization` "],
    ),
    Rule::naming(
        Tier::KvCache,
        Names::CpuKvCache,
        &[
            "Available memory on node",
            "is less than requested memory for kv (",
        ],
    ),
    // Device memory, always while starting.
    Rule::new(
        Tier::GpuMemory,
        GpuOomStartup,
        &["CUDA out of memory occurred when warming up"],
    ),
    Rule::new(
        Tier::GpuMemory,
        GpuOomStartup,
        &["out of memory occurred when warming up"],
    ),
    Rule::new(
        Tier::GpuMemory,
        GpuOomStartup,
        &["Failed to load model - not enough GPU memory"],
    ),
    // Device memory, the phase decides.
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["CUDA out of memory"]),
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["OutOfMemoryError('CUDA"]),
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["OutOfMemoryError(\"CUDA"]),
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["HIP out of memory"]),
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["XPU out of memory"]),
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["error: out of memory"]),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["CUDA Error: out of memory"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["Triton Error", "out of memory"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["Cuda failure", "'out of memory'"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["ncclUnhandledCudaError", "out of memory"],
    ),
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["STATUS_ALLOC_FAILED"]),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["CUDA_ERROR_OUT_OF_MEMORY"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["cudaErrorMemoryAllocation"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY"],
    ),
    Rule::naming(Tier::GpuMemory, Names::GpuOom, &["^torch.OutOfMemoryError"]),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["^torch.cuda.OutOfMemoryError"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["RESOURCE_EXHAUSTED", "hbm"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["RESOURCE_EXHAUSTED", "Attempting to "],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["RESOURCE_EXHAUSTED", "ut of memory"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["out of memory. Tried to allocate"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["RayTaskError(OutOfMemoryError)"],
    ),
    // What is left of the allocator's message where the line's beginning is lost.
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["is reserved by PyTorch but unallocated"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["If reserved but unallocated memory is large try setting"],
    ),
    Rule::naming(
        Tier::GpuMemory,
        Names::GpuOom,
        &["Tried to allocate ", " total capacity"],
    ),
    // Host memory.
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["killed due to memory pressure (OOM)"],
    ),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["ray.exceptions.OutOfMemoryError"],
    ),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["due to the node running low on memory"],
    ),
    Rule::new(Tier::HostMemory, HostOom, &["^MemoryError"]),
    Rule::new(Tier::HostMemory, HostOom, &["_ArrayMemoryError"]),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["DefaultCPUAllocator: can't allocate memory"],
    ),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["DefaultCPUAllocator: not enough memory"],
    ),
    Rule::new(Tier::HostMemory, HostOom, &["Cannot allocate memory"]),
    Rule::new(Tier::HostMemory, HostOom, &["std::bad_alloc"]),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["Out of memory: Killed process"],
    ),
    Rule::new(Tier::HostMemory, HostOom, &["Memory cgroup out of memory"]),
    Rule::new(Tier::HostMemory, HostOom, &["Too large swap space."]).about(&["swap-space"]),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["SIGKILL by OOM killer due to high memory usage"],
    )
    .faint(),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["killed by the OOM killer due to high memory usage"],
    )
    .faint(),
    Rule::new(
        Tier::HostMemory,
        HostOom,
        &["^numpy", "MemoryError: Unable to allocate"],
    ),
];
