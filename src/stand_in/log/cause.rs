//! Why vLLM dies at its start, in the words of each version: the exception, where it is raised
//! and in which process. How it goes up from there is `death`'s business.

use crate::stand_in::command::settings::ConfigError;
use crate::stand_in::engine::memory::{Exhausted, FailedAllocation};
use crate::stand_in::log::size::{gib, gib_in_two_places, torch_size};
use crate::stand_in::version::VllmVersion::{
    self, V0_6_4, V0_8_5, V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0,
};
use crate::stand_in::version::{Generation, Pydantic};

const MORE: &str =
    "See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.";

/// One call of a traceback: file under vLLM's folder, line, function, code.
pub type Frame = (&'static str, u32, &'static str, &'static str);

/// Who raises an exception, and so who has to tell whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// The engine core itself.
    Core,
    /// Each worker, before it is ready.
    NewWorkers,
    /// Each worker, when it is asked for something.
    Workers,
}

/// An exception of the engine.
#[derive(Debug, Clone)]
pub struct Cause {
    pub raised: Raised,
    pub frame: Frame,
    /// Class of the exception.
    pub class: &'static str,
    pub message: String,
}

impl Cause {
    /// As the last line of a traceback.
    pub fn line(&self) -> String {
        format!("{}: {}", self.class, self.message)
    }
}

pub const LOAD_MODEL: Frame = (
    "v1/worker/gpu_model_runner.py",
    5090,
    "load_model",
    "self.model = model_loader.load_model(",
);

/// The exception of an engine that does not fit, as the worker of `rank` raises it.
pub fn cause_of(version: VllmVersion, rank: usize, why: &Exhausted) -> Cause {
    match *why {
        Exhausted::NoCacheBlocks => no_room(
            version,
            match version {
                V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 => format!("{NO_BLOCKS}."),
                V0_18_0 => format!("{NO_BLOCKS}. {MORE}"),
                V0_32_0 => format!(
                    "{NO_BLOCKS} (this flag also controls CPU memory reservation on the CPU \
                     backend, despite its name). {MORE}"
                ),
            },
        ),
        Exhausted::CacheTooSmall {
            needed,
            available,
            max_model_len,
            longest,
        } => no_room(
            version,
            too_small(version, needed, available, max_model_len, longest),
        ),
        Exhausted::SamplerWarmUp {
            max_num_seqs,
            allocation,
        } => match version.generation() {
            // V0 does not try the sampler; its card fills up when graphs are captured.
            Generation::V0 => graphs(version, rank, allocation),
            Generation::V1 => Cause {
                raised: Raised::Workers,
                frame: (
                    "v1/worker/gpu_model_runner.py",
                    5990,
                    "_dummy_sampler_run",
                    "raise RuntimeError(",
                ),
                class: "RuntimeError",
                message: format!(
                    "CUDA out of memory occurred when warming up sampler with {max_num_seqs} dummy \
                     requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when \
                     initializing the engine."
                ),
            },
        },
        Exhausted::Weights { allocation } => Cause {
            raised: Raised::NewWorkers,
            frame: LOAD_MODEL,
            class: "torch.OutOfMemoryError",
            message: torch_sentence(version, rank, allocation),
        },
        Exhausted::Graphs { allocation } => graphs(version, rank, allocation),
        Exhausted::Device { allocation } => Cause {
            raised: Raised::Workers,
            frame: match version.generation() {
                Generation::V0 => (
                    "worker/cache_engine.py",
                    88,
                    "_allocate_kv_cache",
                    "torch.zeros(kv_cache_shape,",
                ),
                Generation::V1 => (
                    "v1/worker/gpu_model_runner.py",
                    6480,
                    "_allocate_kv_cache_tensors",
                    "tensor = torch.zeros(",
                ),
            },
            class: "torch.OutOfMemoryError",
            message: torch_sentence(version, rank, allocation),
        },
    }
}

/// A card that is full when graphs are captured.
fn graphs(version: VllmVersion, rank: usize, allocation: FailedAllocation) -> Cause {
    let frame = match version.generation() {
        Generation::V0 => (
            "worker/model_runner.py",
            1490,
            "capture_model",
            "graph_runner.capture(**capture_inputs)",
        ),
        Generation::V1 => (
            "v1/worker/gpu_model_runner.py",
            6105,
            "capture_model",
            "self._capture_cudagraphs(",
        ),
    };
    Cause {
        raised: Raised::Workers,
        frame,
        class: "torch.OutOfMemoryError",
        message: torch_sentence(version, rank, allocation),
    }
}

const NO_BLOCKS: &str = "No available memory for the cache blocks. Try increasing \
                         `gpu_memory_utilization` when initializing the engine";

/// The check of the KV cache: V1's core makes it, V0's workers do.
fn no_room(version: VllmVersion, message: String) -> Cause {
    let (raised, frame) = match version.generation() {
        Generation::V0 => (
            Raised::Workers,
            (
                "worker/worker.py",
                493,
                "raise_if_cache_size_invalid",
                "raise ValueError(\"No available memory for the cache blocks. \"",
            ),
        ),
        Generation::V1 => (
            Raised::Core,
            (
                "v1/core/kv_cache_utils.py",
                1030,
                "_check_enough_kv_cache_memory",
                "raise ValueError(",
            ),
        ),
    };
    Cause {
        raised,
        frame,
        class: "ValueError",
        message,
    }
}

/// A cache that does not hold one sequence; `longest` is the length that it would hold.
fn too_small(
    version: VllmVersion,
    needed: u64,
    available: u64,
    max_model_len: usize,
    longest: usize,
) -> String {
    let serve = |model: &str, needed: String, available: String| {
        format!(
            "To serve at least one request with the {model} max seq len ({max_model_len}), \
             ({needed} GiB KV cache is needed, which is larger than the available KV cache memory \
             ({available} GiB)."
        )
    };
    let old = |needed, available| {
        serve(
            "models's",
            gib_in_two_places(needed),
            gib_in_two_places(available),
        )
    };
    let estimate =
        format!("Based on the available memory, the estimated maximum model length is {longest}.");
    let estimate = if longest == 0 { "" } else { &estimate };
    let try_this = "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when \
                    initializing the engine.";
    match version {
        V0_6_4 => format!(
            "The model's max seq len ({max_model_len}) is larger than the maximum number of tokens \
             that can be stored in KV cache ({longest}). {try_this}"
        ),
        // A comma that became a full stop took the estimate away.
        V0_8_5 => {
            let begun = if longest == 0 {
                ""
            } else {
                " Based on the available memory,"
            };
            format!("{}{begun}  {try_this}", old(needed, available))
        }
        V0_9_2 | V0_10_1 | V0_11_0 => {
            format!("{} {estimate} {try_this}", old(needed, available))
        }
        V0_18_0 => {
            let space = if longest == 0 { "" } else { " " };
            let serve = serve("models's", gib(needed), gib(available));
            format!("{serve} {estimate}{space}{try_this} {MORE}")
        }
        V0_32_0 => {
            let space = if longest == 0 { "" } else { " " };
            let serve = serve("model's", gib(needed), gib(available));
            format!(
                "{serve} {estimate}{space}Try increasing `gpu_memory_utilization` (which also \
                 controls CPU memory on the CPU backend) or decreasing `max_model_len` when \
                 initializing the engine. {MORE}"
            )
        }
    }
}

/// What torch says when the card of a worker refuses it.
pub fn torch_sentence(version: VllmVersion, rank: usize, allocation: FailedAllocation) -> String {
    let FailedAllocation { tried, total, free } = allocation;
    let used = total - free;
    let old_page = "https://pytorch.org/docs/stable/notes/cuda.html#environment-variables";
    // As the torch that each version comes with says it.
    let (setting, page) = match version {
        V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 => ("PYTORCH_CUDA_ALLOC_CONF", old_page),
        V0_18_0 => ("PYTORCH_ALLOC_CONF", old_page),
        V0_32_0 => (
            "PYTORCH_CUDA_ALLOC_CONF",
            "https://docs.pytorch.org/docs/stable/notes/cuda.html\
             #optimizing-memory-usage-with-pytorch-cuda-alloc-conf",
        ),
    };
    format!(
        "CUDA out of memory. Tried to allocate {}. GPU {rank} has a total capacity of {} of which \
         {} is free. Including non-PyTorch memory, this process has {} memory in use. Of the \
         allocated memory {} is allocated by PyTorch, and {} is reserved by PyTorch but \
         unallocated. If reserved but unallocated memory is large try setting \
         {setting}=expandable_segments:True to avoid fragmentation.  See documentation for Memory \
         Management  ({page})",
        torch_size(tried),
        torch_size(total),
        torch_size(free),
        torch_size(used),
        torch_size(used),
        torch_size(0)
    )
}

/// What newer versions say beside, when it is the weights that do not fit.
pub fn advice_on_weights(version: VllmVersion, message: &str) -> Option<String> {
    match version {
        V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 => None,
        V0_18_0 | V0_32_0 => Some(format!(
            "Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization \
             to free memory for weights, increasing --tensor-parallel-size, or using \
             --quantization. See \
             https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more tips. \
             (original error: {message})"
        )),
    }
}

/// A refused configuration as the end of a traceback.
pub fn refusal(version: VllmVersion, error: &ConfigError) -> String {
    match error {
        ConfigError::OutOfRange {
            field,
            kind: "less_than_equal",
            value,
            ..
        } if field == "gpu_memory_utilization" => {
            let complaint = format!("GPU memory utilization must be less than 1.0. Got {value}.");
            match version {
                V0_6_4 | V0_8_5 => format!("ValueError: {complaint}"),
                V0_9_2 | V0_10_1 | V0_11_0 => format!(
                    "pydantic_core._pydantic_core.ValidationError: 1 validation error for \
                     CacheConfig\n  Value error, {complaint} [type=value_error, \
                     input_value=ArgsKwargs((), {{'block_size...hash_algo': 'sha256'}}), \
                     input_type=ArgsKwargs]\n    For further information visit \
                     https://errors.pydantic.dev/2.11/v/value_error"
                ),
                V0_18_0 | V0_32_0 => pydantic(version, error),
            }
        }
        ConfigError::Batch { complaint } => match version.pydantic() {
            Pydantic::None => format!("ValueError: {complaint}"),
            Pydantic::Version(_) => pydantic(version, error),
        },
        ConfigError::OutOfRange { .. }
        | ConfigError::NoToolParser
        | ConfigError::UnknownParser { .. } => pydantic(version, error),
    }
}

/// The words of the newest version with the page of the library that this one uses.
fn pydantic(version: VllmVersion, error: &ConfigError) -> String {
    let words = error.to_string();
    match version.pydantic() {
        Pydantic::None => words,
        Pydantic::Version(number) => words.replace(
            "https://errors.pydantic.dev/2.14/",
            &format!("https://errors.pydantic.dev/{number}/"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn message(version: VllmVersion, why: &Exhausted) -> String {
        cause_of(version, 0, why).line()
    }

    #[test]
    fn a_cache_that_is_too_small_is_told_of_as_each_age_does() {
        let why = Exhausted::CacheTooSmall {
            needed: 193_273_528,
            available: 96_636_764,
            max_model_len: 8192,
            longest: 4352,
        };
        let old = "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when \
                   initializing the engine.";
        let page = "See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more \
                    details.";
        let estimate = "Based on the available memory, the estimated maximum model length is 4352.";
        let serve = |model| {
            format!(
                "ValueError: To serve at least one request with the {model} max seq len (8192), \
                 (0.18 GiB KV cache is needed, which is larger than the available KV cache memory \
                 (0.09 GiB)."
            )
        };
        assert_eq!(
            message(V0_6_4, &why),
            format!(
                "ValueError: The model's max seq len (8192) is larger than the maximum number of \
                 tokens that can be stored in KV cache (4352). {old}"
            )
        );
        assert_eq!(
            message(V0_8_5, &why),
            format!(
                "{} Based on the available memory,  {old}",
                serve("models's")
            )
        );
        for version in [V0_9_2, V0_10_1, V0_11_0] {
            let expected = format!("{} {estimate} {old}", serve("models's"));
            assert_eq!(message(version, &why), expected);
        }
        assert_eq!(
            message(V0_18_0, &why),
            format!("{} {estimate} {old} {page}", serve("models's"))
        );
        assert_eq!(
            message(V0_32_0, &why),
            format!(
                "{} {estimate} Try increasing `gpu_memory_utilization` (which also controls CPU \
                 memory on the CPU backend) or decreasing `max_model_len` when initializing the \
                 engine. {page}",
                serve("model's")
            )
        );
    }

    #[test]
    fn torch_says_how_full_the_card_is() {
        let allocation = FailedAllocation {
            tried: 3 * GIB / 2,
            total: 24 * GIB,
            free: GIB + GIB / 5,
        };
        let why = Exhausted::Device { allocation };
        assert_eq!(
            cause_of(V0_32_0, 1, &why).line(),
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB. GPU 1 has a \
             total capacity of 24.00 GiB of which 1.20 GiB is free. Including non-PyTorch memory, \
             this process has 22.80 GiB memory in use. Of the allocated memory 22.80 GiB is \
             allocated by PyTorch, and 0 bytes is reserved by PyTorch but unallocated. If reserved \
             but unallocated memory is large try setting \
             PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See \
             documentation for Memory Management  \
             (https://docs.pytorch.org/docs/stable/notes/cuda.html#optimizing-memory-usage-with-pytorch-cuda-alloc-conf)"
        );
        assert!(message(V0_18_0, &why).contains(" PYTORCH_ALLOC_CONF=expandable"));
    }

    #[test]
    fn the_sampler_is_tried_by_v1_alone() {
        let why = Exhausted::SamplerWarmUp {
            max_num_seqs: 48,
            allocation: FailedAllocation {
                tried: GIB,
                total: 24 * GIB,
                free: GIB / 2,
            },
        };
        assert_eq!(
            message(V0_8_5, &why),
            "RuntimeError: CUDA out of memory occurred when warming up sampler with 48 dummy \
             requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when \
             initializing the engine."
        );
        assert!(message(V0_6_4, &why).starts_with("torch.OutOfMemoryError: CUDA out of memory."));
    }

    #[test]
    fn refusals_got_their_form_from_pydantic() {
        let high = ConfigError::OutOfRange {
            class: "CacheConfig",
            field: "gpu_memory_utilization".to_owned(),
            bound: "less than or equal to 1".to_owned(),
            kind: "less_than_equal",
            value: "1.5".to_owned(),
            value_type: "float",
        };
        let words = "GPU memory utilization must be less than 1.0. Got 1.5.";
        assert_eq!(refusal(V0_8_5, &high), format!("ValueError: {words}"));
        assert!(refusal(V0_11_0, &high).contains(&format!("\n  Value error, {words} [type=")));
        assert!(refusal(V0_18_0, &high).contains(
            "Input should be less than or equal to 1 [type=less_than_equal, input_value=1.5, \
             input_type=float]\n    For further information visit \
             https://errors.pydantic.dev/2.12/v/less_than_equal"
        ));
        let batch = ConfigError::Batch {
            complaint: "max_num_batched_tokens (16) must be more.".to_owned(),
        };
        assert_eq!(
            refusal(V0_6_4, &batch),
            "ValueError: max_num_batched_tokens (16) must be more."
        );
        assert!(refusal(V0_9_2, &batch).starts_with(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig\n  \
             Value error, max_num_batched_tokens (16) must be more. ["
        ));
    }
}
