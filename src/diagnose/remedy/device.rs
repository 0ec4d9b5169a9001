//! Memory of the device: what would have fitted, by the numbers that the log gives.

use crate::diagnose::advice::{Subject, nearly_all_free};
use crate::diagnose::extract::{
    between, count_after, fraction, gib_after, gib_before, number_after,
};
use crate::diagnose::facts::Facts;
use crate::diagnose::rules::memory::CPU_TAKEN;
use crate::diagnose::stage::Stage;

/// Two shares of memory are never asked closer than this to what is free.
const STEP: f64 = 0.01;

/// What is printed with two decimals can be this much more or less, in GiB.
const PRINTED: f64 = 0.005;

/// A binary fraction of a step is no step.
const ROUNDING: f64 = 1e-6;

/// A share of memory that is surely no larger.
fn below(share: f64) -> f64 {
    ((share / STEP) + ROUNDING).floor() * STEP
}

/// A share of memory that is surely no smaller.
fn above(share: f64) -> f64 {
    ((share / STEP) - ROUNDING).ceil() * STEP
}

/// An allocation that failed, in the words of torch, in GiB.
#[derive(Debug, Default)]
struct Allocation<'a> {
    asked: Option<f64>,
    total: Option<f64>,
    free: Option<f64>,
    /// Reserved by torch and not in use.
    idle: Option<f64>,
    /// The variable that configures the allocator, as the message names it.
    variable: Option<&'a str>,
    /// Another process on the device, and what it holds.
    tenant: Option<(u64, f64)>,
}

impl<'a> Allocation<'a> {
    fn of(cause: &'a str) -> Self {
        let total = ["total capacity of", "total capacty of"]
            .iter()
            .find_map(|words| gib_after(cause, words))
            .or_else(|| gib_before(cause, " total capacity"));
        // Only where torch knows its own process is another one somebody else's.
        let tenant = cause
            .contains("this process has ")
            .then(|| {
                let pid = count_after(cause, " Process ")?;
                let held = gib_after(cause, &format!(" Process {pid} has"))?;
                Some((pid, held))
            })
            .flatten();
        Self {
            asked: gib_after(cause, "Tried to allocate"),
            total,
            free: gib_after(cause, "of which").or_else(|| gib_before(cause, " free;")),
            idle: gib_before(cause, " is reserved by PyTorch but unallocated"),
            variable: [
                "PYTORCH_CUDA_ALLOC_CONF",
                "PYTORCH_HIP_ALLOC_CONF",
                "PYTORCH_ALLOC_CONF",
            ]
            .into_iter()
            .find(|name| cause.contains(name)),
            tenant,
        }
    }

    /// How much was missing.
    fn short(&self) -> Option<f64> {
        Some(self.asked? - self.free?).filter(|short| *short > 0.0)
    }

    /// The share of the device that would have left room for what was asked; what came after it
    /// is not known.
    fn share(&self, facts: &Facts) -> Option<String> {
        let (used, total) = (facts.utilisation?, self.total.or(facts.total)?);
        let (short, asked, free) = (self.short()?, self.asked?, self.free?);
        let fits = below(used - (short + 2.0 * PRINTED) / total);
        (fits > 0.0 && total > 0.0).then(|| {
            format!(
                "Set `gpu-memory-utilization = {fits:.2}` or less: with {used} of {total:.2} GiB, \
                 {asked:.2} GiB were asked for where {free:.2} GiB were free, {short:.2} GiB too few \
                 (rounded down; what is asked for after that is not in the log)"
            )
        })
    }

    /// The allocator had it, in pieces.
    fn defragmented(&self) -> Option<String> {
        let (idle, short, variable) = (self.idle?, self.short()?, self.variable?);
        (idle >= short).then(|| {
            format!(
                " {idle:.2} GiB were reserved and unused: `{variable} = \"expandable_segments:True\"` \
                 in `[engine.env]` can be enough."
            )
        })
    }

    fn evicted(&self) -> Option<String> {
        let (pid, held) = self.tenant?;
        Some(format!(
            "Process {pid} of this host holds {held:.2} GiB of the GPU beside the engine: end it, or \
             leave it that much."
        ))
    }
}

/// `` `max-num-seqs` below 32 ``, or the name alone where its value is not known.
fn less(flag: &str, value: Option<impl std::fmt::Display>) -> String {
    match value {
        Some(value) => format!("`{flag}` below {value}"),
        None => format!("a smaller `{flag}`"),
    }
}

fn less_utilisation(facts: &Facts) -> String {
    less("gpu-memory-utilization", facts.utilisation)
}

fn less_batch(facts: &Facts) -> String {
    let tokens = facts
        .count("max-num-batched-tokens")
        .or(facts.batched_tokens);
    less("max-num-batched-tokens", tokens)
}

fn less_requests(facts: &Facts) -> String {
    less("max-num-seqs", facts.count("max-num-seqs"))
}

pub fn out_of_memory_starting(subject: &Subject) -> String {
    let (cause, facts) = (subject.cause, subject.facts);
    if let Some(requests) = count_after(cause, "warming up sampler with").or_else(|| {
        between(cause, "warming up pooler", "dummy").and_then(|text| count_after(text, "with"))
    }) {
        return format!(
            "Set `max-num-seqs` below {requests} (for example `max-num-seqs = {}`): that many requests \
             at once were warmed up. Or {}.",
            (requests / 2).max(1),
            less_utilisation(facts)
        );
    }
    let failed = Allocation::of(cause);
    if let Some(evicted) = failed.evicted() {
        return evicted;
    }
    let share = failed.share(facts);
    let text = match subject.stage {
        Some(Stage::Weights) => {
            return match facts.count("tensor-parallel-size") {
                Some(gpus) => format!(
                    "The weights do not fit beside what is already there: more GPUs \
                     (`tensor-parallel-size` above {gpus}), a quantised model, or a part of them in \
                     host memory (`cpu-offload-gb`). `gpu-memory-utilization` limits what comes after them."
                ),
                None => "The weights do not fit beside what is already there: more GPUs \
                         (`tensor-parallel-size`), a quantised model, or a part of them in host \
                         memory (`cpu-offload-gb`). `gpu-memory-utilization` limits what comes after them."
                    .to_owned(),
            };
        }
        Some(Stage::KvProfile) if !facts.is_cache_sized => format!(
            "The trial run of the largest batch did not fit: {} or {}.",
            less_batch(facts),
            less_requests(facts)
        ),
        Some(Stage::GraphCapture) => {
            let room = share.unwrap_or_else(|| format!("Leave room: {}", less_utilisation(facts)));
            match facts.is_on("enforce-eager") {
                Some(true) => format!("{room}."),
                _ => format!(
                    "CUDA graphs take memory beside the KV cache. {room}. Or capture fewer \
                     (`max-cudagraph-capture-size = 8`) or none (`enforce-eager = true`)."
                ),
            }
        }
        _ => match share {
            Some(share) => format!("{share}."),
            None => format!(
                "Use {}, {} or {}; if the weights alone do not fit, more GPUs \
                 (`tensor-parallel-size`) or a quantised model.",
                less_utilisation(facts),
                less_batch(facts),
                less_requests(facts)
            ),
        },
    };
    text + &failed.defragmented().unwrap_or_default()
}

pub fn out_of_memory_serving(subject: &Subject) -> String {
    let facts = subject.facts;
    let failed = Allocation::of(subject.cause);
    if let Some(evicted) = failed.evicted() {
        return evicted;
    }
    let smaller = format!("{} or {}", less_requests(facts), less_batch(facts));
    let text = match failed.share(facts) {
        Some(share) => format!("{share}. Or cut the peaks: {smaller}."),
        None => format!(
            "Leave memory for the peaks of the load: {}, {smaller}.",
            less_utilisation(facts)
        ),
    };
    text + &failed.defragmented().unwrap_or_default()
}

pub fn cache_too_small(subject: &Subject) -> String {
    let (cause, facts) = (subject.cause, subject.facts);
    if let Some(advice) = cache_of_a_container(cause, facts) {
        return advice;
    }
    let needed = gib_before(cause, " KV cache is needed")
        .or_else(|| number_after(cause, "), (").filter(|_| cause.contains("KV cache is needed")));
    let available = gib_after(cause, "available KV cache memory");
    let explicit = facts.setting("kv-cache-memory-bytes");
    let more = match (needed, available) {
        // The utilisation says nothing where the size is given.
        (Some(needed), Some(_)) if explicit.is_some() => Some(format!(
            "`kv-cache-memory-bytes = \"{}M\"` or more (the {needed:.2} GiB that are needed, rounded up)",
            ((needed + PRINTED) * 1024.0).ceil()
        )),
        _ if explicit.is_some() => Some("a larger `kv-cache-memory-bytes`".to_owned()),
        (Some(needed), Some(available)) => {
            more_utilisation(needed - available, facts).or_else(|| higher(facts))
        }
        _ => match facts.cache_room.filter(|room| *room <= 0.0) {
            Some(room) => more_utilisation(-room, facts).or_else(|| higher(facts)),
            None => higher(facts),
        },
    };
    let is_halved = facts
        .setting("kv-cache-dtype")
        .is_some_and(|dtype| dtype != "auto" && !dtype.contains("16") && !dtype.contains("32"));
    let halved = match (needed, available) {
        _ if is_halved => None,
        (Some(needed), Some(available)) => {
            let fits = (needed + PRINTED) / 2.0 <= available - PRINTED;
            fits.then(|| {
                format!(
                    "`kv-cache-dtype = \"fp8\"` (halves the {needed:.2} GiB to {:.2} GiB, which fit)",
                    needed / 2.0
                )
            })
        }
        _ => Some("`kv-cache-dtype = \"fp8\"` (halves what a token takes)".to_owned()),
    };
    let fits = count_after(cause, "estimated maximum model length is")
        .or_else(|| count_after(cause, "can be stored in KV cache"))
        .filter(|length| *length > 0);
    let room: Vec<String> = more.into_iter().chain(halved).collect();
    match (fits, room.is_empty()) {
        (Some(length), true) => {
            format!("Set `max-model-len = {length}` or less: vLLM's own estimate of what fits.")
        }
        (Some(length), false) => format!(
            "Set `max-model-len = {length}` or less: vLLM's own estimate of what fits. Or make room: {}.",
            room.join(", or ")
        ),
        (None, true) => format!(
            "Set a smaller `max-model-len`, {} or {}.",
            less_batch(facts),
            less_requests(facts)
        ),
        (None, false) => format!(
            "Make room: {}. Or ask for less: a smaller `max-model-len`, {} or {}.",
            room.join(", or "),
            less_batch(facts),
            less_requests(facts)
        ),
    }
}

/// The utilisation that gives this much more, in GiB; `None` where the log lacks a number for it.
fn more_utilisation(missing: f64, facts: &Facts) -> Option<String> {
    let (used, total) = (
        facts.utilisation?,
        facts.total.filter(|total| *total > 0.0)?,
    );
    let enough = above(used + (missing + 2.0 * PRINTED) / total);
    Some(if enough <= 1.0 {
        format!(
            "`gpu-memory-utilization = {enough:.2}` or more ({missing:.2} GiB are missing of a device \
             of {total:.2} GiB with {used}; rounded up)"
        )
    } else {
        format!(
            "another device ({missing:.2} GiB are missing, and `gpu-memory-utilization = 1.0` would \
             add {:.2} GiB)",
            (1.0 - used).max(0.0) * total
        )
    })
}

fn higher(facts: &Facts) -> Option<String> {
    match facts.utilisation {
        Some(used) if used >= 1.0 => None,
        Some(used) => Some(format!("`gpu-memory-utilization` above {used}")),
        None => Some("a higher `gpu-memory-utilization`".to_owned()),
    }
}

/// vLLM on CPU: the utilisation is one of its container's limit, and left nothing.
fn cache_of_a_container(cause: &str, facts: &Facts) -> Option<String> {
    let asked = number_after(cause, "requested memory for kv (").filter(|asked| *asked <= 0.0)?;
    let (_, limit) = fraction(cause)?;
    let more = above((-asked + PRINTED) / limit);
    Some(match facts.utilisation {
        Some(used) => format!(
            "Set `gpu-memory-utilization = {:.2}` or more: {used} of {limit} GiB is {:.2} GiB less than \
             the engine takes without any KV cache (rounded up). Or raise `memory` in `[engine]`.",
            above(used + (-asked + PRINTED) / limit),
            -asked
        ),
        None => format!(
            "Raise `gpu-memory-utilization` by {more:.2} or more ({:.2} of {limit} GiB, rounded up): only \
             beyond that is there any KV cache. Or raise `memory` in `[engine]`.",
            -asked
        ),
    })
}

pub fn memory_taken(subject: &Subject) -> String {
    const SHOWN_BY: &str =
        "`nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv`";
    let cause = subject.cause;
    if cause.contains("Error in memory profiling") {
        return format!(
            "Wait until what used the GPU before has ended ({SHOWN_BY} lists it), then start again: \
             memory was freed while the engine measured it."
        );
    }
    let Some((free, total)) = fraction(cause) else {
        return format!("End what else uses the GPU: {SHOWN_BY} lists it.");
    };
    let share = below((free - PRINTED) / total);
    let fits = format!("`gpu-memory-utilization = {share:.2}`");
    if cause.contains(CPU_TAKEN) {
        return format!(
            "Set {fits} or less: {free} of the container's {total} GiB were free when the worker \
             started (rounded down). Or raise `memory` in `[engine]`."
        );
    }
    if share <= 0.0 {
        return format!(
            "End what else uses the GPU ({SHOWN_BY} lists it): {free} of {total} GiB were free."
        );
    }
    if nearly_all_free(cause) {
        return format!(
            "Set {fits} or less: {free} of {total} GiB were free, and nobody else can have held much \
             of the rest (rounded down)."
        );
    }
    format!(
        "End what else uses the GPU ({SHOWN_BY} lists it; {:.2} of {total} GiB were taken), or set {fits} \
         or less (what was free, rounded down).",
        total - free
    )
}
