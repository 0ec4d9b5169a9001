//! Messages of what an engine needs and the machine or the profile did not give: a model, a
//! port, a GPU, a container.

use crate::diagnose::class::FailureClass::{
    GpuUnavailable, HostOom, ModelNotFound, PortInUse, Runtime,
};
use crate::diagnose::rule::{Rule, Tier};

/// Words of a download that is tried again.
const RETRIES: &[&str] = &[
    "Retrying in",
    "retrying ",
    "Trying to resume download",
    "thrown while requesting",
];

/// Words of a port that is replaced by another.
const OTHER_PORT: &[&str] = &["Retrying with a new port", "trying port"];

pub const RULES: &[Rule] = &[
    // The container runtime.
    Rule::new(
        Tier::Command,
        GpuUnavailable,
        &["could not select device driver"],
    ),
    Rule::new(Tier::Command, GpuUnavailable, &["nvidia-container-cli:"]),
    Rule::new(
        Tier::Command,
        GpuUnavailable,
        &["failed to inject CDI devices"],
    ),
    Rule::new(Tier::Command, GpuUnavailable, &["unresolvable CDI devices"]),
    Rule::new(
        Tier::Command,
        GpuUnavailable,
        &["nvidia-container-runtime", "not found"],
    ),
    Rule::new(
        Tier::Command,
        GpuUnavailable,
        &["nknown runtime specified nvidia"],
    ),
    Rule::new(
        Tier::Command,
        GpuUnavailable,
        &["unknown or invalid runtime name: nvidia"],
    ),
    Rule::new(Tier::Command, PortInUse, &["port is already allocated"]),
    Rule::new(
        Tier::Command,
        PortInUse,
        &["failed to bind host port", "address already in use"],
    ),
    Rule::new(Tier::Command, Runtime, &["o such image"]),
    Rule::new(Tier::Command, Runtime, &["Unable to find image", "locally"]).faint(),
    Rule::new(Tier::Command, Runtime, &["pull access denied for"]),
    Rule::new(Tier::Command, Runtime, &["manifest for ", "not found"]),
    Rule::new(Tier::Command, Runtime, &["manifest unknown"]),
    Rule::new(
        Tier::Command,
        Runtime,
        &["Cannot connect to the Docker daemon"],
    ),
    // A limit below what the runtime itself needs to set the container up.
    Rule::new(Tier::Command, HostOom, &["container init was OOM-killed"]),
    Rule::new(Tier::Command, HostOom, &["Minimum memory limit allowed is"]),
    Rule::new(Tier::Container, Runtime, &["OCI runtime create failed"])
        .unless(&["nvidia", "OOM-killed"]),
    Rule::new(Tier::Command, Runtime, &["invalid mount config for type"]),
    Rule::new(
        Tier::Command,
        Runtime,
        &["executable file not found in $PATH"],
    ),
    // Ports.
    Rule::new(
        Tier::Port,
        PortInUse,
        &["error while attempting to bind on address"],
    ),
    Rule::new(
        Tier::Port,
        PortInUse,
        &["[Errno 98] Address already in use"],
    )
    .unless(OTHER_PORT),
    Rule::new(
        Tier::Port,
        PortInUse,
        &["[Errno 48] Address already in use"],
    )
    .unless(OTHER_PORT),
    Rule::new(Tier::Port, PortInUse, &["EADDRINUSE"]).unless(OTHER_PORT),
    Rule::new(
        Tier::Port,
        PortInUse,
        &["failed to listen on any local network address"],
    ),
    Rule::new(Tier::Port, PortInUse, &["ddress already in use"]).unless(OTHER_PORT),
    // Models.
    Rule::new(Tier::Model, ModelNotFound, &["Repo id must be in the form"]).unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Repo id must use alphanumeric chars"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["No supported config format found in"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Invalid repository ID or local directory"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Could not detect config format for"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Cannot find any model weights with"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Cannot find any safetensors model weights"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["does not appear to have a file named"],
    )
    .unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["is not a local folder and is not a valid model"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["is not a valid model identifier listed on"],
    ),
    Rule::new(Tier::Model, ModelNotFound, &["GatedRepoError"]).unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Cannot access gated repo for url"],
    )
    .unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["You are trying to access a gated repo"],
    ),
    Rule::new(Tier::Model, ModelNotFound, &["RepositoryNotFoundError"]).unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Repository Not Found for url"],
    )
    .unless(RETRIES),
    Rule::new(Tier::Model, ModelNotFound, &["RevisionNotFoundError"]).unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Access to model", "is restricted"],
    )
    .unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["awaiting a review from the repo authors"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["We couldn't connect to 'https://huggingface.co'"],
    )
    .unless(RETRIES),
    Rule::new(Tier::Model, ModelNotFound, &["LocalEntryNotFoundError"]).unless(RETRIES),
    Rule::new(Tier::Model, ModelNotFound, &["offline mode is enabled"]).unless(RETRIES),
    Rule::new(Tier::Model, ModelNotFound, &["OfflineModeIsEnabled"]).unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["cannot find the requested files in the disk cache"],
    )
    .unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["huggingface.co", "Max retries exceeded with url"],
    )
    .unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Max retries exceeded with url", "huggingface.co"],
    )
    .unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Temporary failure in name resolution"],
    )
    .unless(RETRIES),
    Rule::new(Tier::Model, ModelNotFound, &["Name or service not known"]).unless(&[
        "gai error",
        "Retrying in",
        "retrying ",
        "thrown while requesting",
    ]),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Client Error", "huggingface.co"],
    )
    .unless(RETRIES),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["FileNotFoundError", "No such file", ".safetensors"],
    ),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["FileNotFoundError", "No such file", "config.json"],
    ),
    Rule::new(Tier::Model, ModelNotFound, &["Can't load tokenizer for '"]),
    Rule::new(
        Tier::Model,
        ModelNotFound,
        &["Can't load the configuration of '"],
    ),
    Rule::new(Tier::Model, ModelNotFound, &["Error no file named "]),
    Rule::new(Tier::Model, ModelNotFound, &["Incorrect path_or_model_id"]),
    // GPUs.
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["Failed to infer device type"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["Device string must not be empty"],
    ),
    Rule::new(Tier::NoGpu, GpuUnavailable, &["No CUDA GPUs are available"]),
    Rule::new(Tier::NoGpu, GpuUnavailable, &["No HIP GPUs are available"]),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["Torch not compiled with CUDA enabled"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["Found no NVIDIA driver on your system"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["NVIDIA driver on your system is too old"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["Unexpected error from cudaGetDeviceCount()"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["system has unsupported display driver"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["forward compatibility was attempted on non"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["CUDA error: system not yet initialized"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["no CUDA-capable device is detected"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["CUDA error: invalid device ordinal"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["CUDA driver version is insufficient"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["CUDA-capable device(s) is/are busy or unavailable"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["devices are busy or unavailable"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["no ROCm-capable device is detected"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["HIP error: invalid device ordinal"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["Unexpected error from hipGetDeviceCount()"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["CUDA driver initialization failed"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["CUDA unknown error - this may be due to an incorrectly set up environment"],
    ),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["No XPU devices are available"],
    ),
    Rule::new(Tier::NoGpu, GpuUnavailable, &["Failed to initialize NVML"]),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["Driver/library version mismatch"],
    ),
    Rule::new(Tier::NoGpu, GpuUnavailable, &["NVMLError_"]),
    Rule::new(
        Tier::NoGpu,
        GpuUnavailable,
        &["libcuda.so.1: cannot open shared object file"],
    ),
    Rule::new(Tier::NoGpu, GpuUnavailable, &["GPU is lost"]),
    Rule::new(Tier::NoGpu, GpuUnavailable, &["has fallen off the bus"]),
];
