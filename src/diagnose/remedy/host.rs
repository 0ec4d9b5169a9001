//! The host and its container runtime: memory, shared memory, ports, GPUs that are not there.

use crate::diagnose::advice::{Subject, is_shared_memory};
use crate::diagnose::extract::{count_after, fraction, gib_after, number_after};
use crate::diagnose::remedy::of_family;

/// vLLM's sizes on CPU are printed in three digits at best.
const PRINTED: f64 = 0.05;

pub fn out_of_memory(subject: &Subject) -> String {
    let (cause, facts) = (subject.cause, subject.facts);
    if let Some(needed) = number_after(
        cause,
        "Insufficient space in /dev/shm for shared-memory allocation:",
    )
    .or_else(|| number_after(cause, "Insufficient space in /dev/shm:"))
    {
        return format!(
            "Set `shm = \"{}\"` in `[engine]` of the profile (more than the {needed} MiB that were \
             asked for), or `ipc = \"host\"`.",
            next_power_of_two_mib(needed)
        );
    }
    if is_shared_memory(cause, subject.evidence) {
        return "Set `shm = \"8GiB\"` in `[engine]` of the profile (Docker gives 64 MiB without it), \
                or `ipc = \"host\"`."
            .to_owned();
    }
    if let Some(advice) = swap(cause) {
        return advice;
    }
    if let (Some(asked), Some((free, _))) = (
        number_after(cause, "requested memory for kv ("),
        fraction(cause),
    ) {
        return less_cache(
            asked,
            free,
            facts.setting("kv-cache-memory-bytes").is_some(),
        );
    }
    if cause.contains("Minimum memory limit allowed")
        || cause.contains("container init was OOM-killed")
    {
        return "Set a larger `memory` in `[engine]`: the container itself does not start with so little."
            .to_owned();
    }
    if cause.contains("memory pressure (OOM)") || cause.contains("node running low on memory") {
        return "Free memory on the node, or raise what Ray allows before it kills \
                (`RAY_memory_usage_threshold = \"0.98\"` in `[engine.env]`)."
            .to_owned();
    }
    let mut less: Vec<String> = Vec::new();
    for flag in [
        "kv-cache-memory-bytes",
        "cpu-offload-gb",
        "kv-offloading-size",
        "swap-space",
    ] {
        if let Some(value) = facts.setting(flag).filter(|value| *value != "0") {
            less.push(format!("`{flag}` below {value}"));
        }
    }
    if less.is_empty() {
        less.push("a smaller or quantised model".to_owned());
    }
    format!(
        "Raise `memory` in `[engine]`, or ask for less: {}.",
        less.join(", ")
    )
}

/// `Too large swap space. 64.00 GiB out of the 62.70 GiB total CPU memory is allocated ..`.
fn swap(cause: &str) -> Option<String> {
    if !cause.contains("swap space") {
        return None;
    }
    let sizes = gib_after(cause, "swap space.").zip(gib_after(cause, "out of the"));
    Some(match sizes {
        // vLLM refuses more than 70 % of the memory, and asks for the size per GPU.
        Some((asked, total)) => format!(
            "Lower `swap-space`: {asked:.2} GiB over all GPUs are more than 0.7 of the host's \
             {total:.2} GiB, which is where vLLM refuses."
        ),
        None => "Lower `swap-space`.".to_owned(),
    })
}

/// vLLM on CPU: an explicit size of the KV cache that the container does not have.
fn less_cache(asked: f64, free: f64, by_flag: bool) -> String {
    let fits = free - PRINTED;
    let setting = if by_flag {
        let mib = (fits * 1024.0).floor().max(1.0);
        format!("`kv-cache-memory-bytes = \"{mib}M\"` or less")
    } else if fits >= 1.0 {
        format!(
            "`VLLM_CPU_KVCACHE_SPACE = \"{}\"` or less in `[engine.env]`",
            fits.floor()
        )
    } else {
        "a KV cache below 1 GiB (`kv-cache-memory-bytes`)".to_owned()
    };
    format!(
        "Set {setting}: {free} GiB were free and {asked} GiB were asked for (rounded down). Or \
         raise `memory` in `[engine]`."
    )
}

/// Twice what is needed, rounded up to a power of two, so that other users of it have room.
fn next_power_of_two_mib(needed: f64) -> String {
    let mib = (needed.clamp(1.0, 1e9) as u64 * 2).next_power_of_two();
    if mib >= 1024 {
        format!("{}GiB", mib / 1024)
    } else {
        format!("{mib}MiB")
    }
}

pub fn port(cause: &str) -> String {
    let port = count_after(cause, "', ")
        .or_else(|| {
            // `Bind for 0.0.0.0:8000 failed`, `:8000: bind: address already in use`.
            let (_, rest) = cause.split_once("Bind for ")?;
            count_after(rest, ":")
        })
        .filter(|port| (1..=65_535).contains(port));
    let who = match port {
        Some(port) => format!("`ss -ltnp | grep :{port}` shows who holds port {port}"),
        None => "`ss -ltnp` shows who holds which port".to_owned(),
    };
    format!(
        "{who}: end it, or serve on another port. gridrun itself picks a free one for every start, \
         so that a new attempt has another."
    )
}

pub fn no_gpu(cause: &str) -> String {
    const FAMILIES: &[(&[&str], &str)] = &[
        (
            &["unsatisfied condition: cuda"],
            "The driver is too old for the image: install a newer one, or use an `image` built for an \
             older CUDA.",
        ),
        (
            &[
                "could not select device driver",
                "nvidia-container-cli",
                "nvidia-container-runtime",
                "runtime specified nvidia",
                "runtime name: nvidia",
                "CDI",
            ],
            "Install or repair the NVIDIA container toolkit (`nvidia-ctk runtime configure \
             --runtime=docker`, then restart Docker); `docker run --rm --gpus all IMAGE nvidia-smi` \
             must work.",
        ),
        (
            &["version mismatch"],
            "The driver was updated under a running kernel: reboot the host.",
        ),
        (
            &[
                "unsupported display driver",
                "forward compatibility",
                "too old",
                "insufficient",
            ],
            "Bring driver and image together: a newer driver (and a reboot), or an `image` built for an \
             older CUDA.",
        ),
        (
            &["not yet initialized"],
            "Start the fabric manager (`systemctl start nvidia-fabricmanager`): GPUs behind an NVSwitch \
             need it.",
        ),
        (
            &["lost", "fallen off"],
            "The GPU has to be reset or the machine restarted; `dmesg` says why it vanished.",
        ),
        (
            &["busy or unavailable"],
            "Another process has the GPU for itself: end it, or allow several \
             (`nvidia-smi -c DEFAULT`).",
        ),
        (
            &["invalid device ordinal"],
            "`CUDA_VISIBLE_DEVICES` or `gpus` names a GPU that is not there: set `gpus = \"all\"` in \
             `[engine]`, or indices that `nvidia-smi -L` lists.",
        ),
        (
            &["not compiled with CUDA"],
            "The image holds a build without CUDA: set `image = \"vllm/vllm-openai:v0.11.0\"` or another \
             one for GPUs.",
        ),
        (
            &["ROCm", "HIP GPUs"],
            "Give the container its GPUs (`/dev/kfd` and `/dev/dri`); `rocm-smi` must list them on the \
             host.",
        ),
    ];
    of_family(cause, FAMILIES).unwrap_or_else(|| {
        "Set `gpus = \"all\"` in `[engine]` of the profile, and check that `nvidia-smi` lists the GPU on \
         the host and `CUDA_VISIBLE_DEVICES` is not empty."
            .to_owned()
    })
}

pub fn runtime(cause: &str) -> String {
    const FAMILIES: &[(&[&str], &str)] = &[
        (
            &[
                "pull access denied",
                "unauthorized",
                "authentication required",
            ],
            "Check the name in `image`; if it is right, log in to its registry (`docker login`), or pull \
             it by hand.",
        ),
        (
            &["such image", "manifest", "Unable to find image"],
            "Check `image`: there is none of that name and tag. Pull or build it first.",
        ),
        (
            &["toomanyrequests"],
            "The registry allows no more pulls for now: log in (`docker login`), or pull the image later.",
        ),
        (
            &["o space left on device"],
            "Free disk space on the host: `docker system df` shows what Docker holds.",
        ),
        (
            &["Docker daemon"],
            "Start Docker (`systemctl start docker`), and check that you may use its socket.",
        ),
        (
            &["invalid mount config", "bind source path does not exist"],
            "Correct `volumes` in `[engine]`: what is mounted must be on the host.",
        ),
        (
            &["executable file not found"],
            "The image has no such command: use one whose entry point is `vllm serve`.",
        ),
    ];
    of_family(cause, FAMILIES)
        .unwrap_or_else(|| "Put right what the runtime reports and resume the run.".to_owned())
}
