//! Messages of arguments that vLLM refuses: argparse, its own checks, pydantic.

use crate::diagnose::class::FailureClass::{BadArgument, EngineDied};
use crate::diagnose::rule::{Rule, Tier};

const fn refused(fragments: &'static [&'static str]) -> Rule {
    Rule::new(Tier::Argument, BadArgument, fragments)
}

const fn argparse(fragments: &'static [&'static str]) -> Rule {
    Rule::new(Tier::Command, BadArgument, fragments)
}

pub const RULES: &[Rule] = &[
    argparse(&[": error: unrecognized arguments"]),
    argparse(&[": error: argument "]),
    argparse(&[": error: the following arguments are required"]),
    argparse(&[": error: ambiguous option"]),
    argparse(&[": error: one of the arguments"]),
    argparse(&[": error: ", "expected one argument"]),
    argparse(&[": error: ", "expected at least one argument"]),
    argparse(&[": error: ", "invalid choice"]),
    argparse(&["^vllm", ": error: "]),
    argparse(&["^api_server.py: error: "]),
    // Lengths and batches.
    refused(&[
        "User-specified max_model_len",
        "is greater than the derived max_model_len",
    ])
    .about(&["max-model-len"]),
    refused(&["max_num_batched_tokens (", "is smaller than max_model_len"]).about(&[
        "max-num-batched-tokens",
        "max-model-len",
        "enable-chunked-prefill",
    ]),
    refused(&[
        "max_num_batched_tokens (",
        "must be greater than or equal to max_num_seqs",
    ])
    .about(&["max-num-batched-tokens", "max-num-seqs"]),
    refused(&["must be greater than or equal to max_num_seqs"]),
    refused(&["long_prefill_token_threshold", "cannot be greater than"]),
    refused(&["max_num_active_seqs", "cannot be greater than"]),
    refused(&["GPU memory utilization must be less than 1.0"]).about(&["gpu-memory-utilization"]),
    // Parallelism.
    refused(&[
        "Total number of attention heads",
        "must be divisible by tensor parallel size",
    ])
    .about(&["tensor-parallel-size"]),
    refused(&["is not divisible by", "tensor parallel"]).about(&["tensor-parallel-size"]),
    refused(&[
        "World size (",
        "is larger than the number of available GPUs",
    ])
    .about(&["tensor-parallel-size", "pipeline-parallel-size"]),
    refused(&["please ensure that", "max local gpu count"])
        .about(&["tensor-parallel-size", "pipeline-parallel-size"]),
    refused(&[
        "local_world_size (",
        "must be less than or equal to the number of visible",
    ])
    .about(&["tensor-parallel-size", "pipeline-parallel-size"]),
    refused(&["The number of required GPUs exceeds the total number of available GPUs"])
        .about(&["tensor-parallel-size", "pipeline-parallel-size"]),
    refused(&["Pipeline parallelism is not supported"]).about(&["pipeline-parallel-size"]),
    refused(&["Pipeline parallelism is only supported"]).about(&["pipeline-parallel-size"]),
    // Types and quantisation.
    refused(&["is not supported for quantization method"]).about(&["quantization", "dtype"]),
    refused(&["Unknown quantization method"]).about(&["quantization"]),
    refused(&["Quantization method specified in the model config"]).about(&["quantization"]),
    refused(&[
        "The quantization method",
        "is not supported for the current GPU",
    ])
    .about(&["quantization"]),
    refused(&["quantization is currently not supported"]).about(&["quantization"]),
    refused(&["Cannot find the config file for"]).about(&["quantization"]),
    refused(&["Bfloat16 is only supported on GPUs with compute capability"]).about(&["dtype"]),
    refused(&["Unknown dtype"]).about(&["dtype"]),
    refused(&["Unknown kv cache dtype"]).about(&["kv-cache-dtype"]),
    refused(&["Unknown load format"]).about(&["load-format"]),
    // Attention backends.
    refused(&["No valid attention backend found for"]).about(&[
        "attention-backend",
        "kv-cache-dtype",
        "block-size",
        "dtype",
    ]),
    refused(&["Selected backend", "is not valid for this configuration"]).about(&[
        "attention-backend",
        "kv-cache-dtype",
        "block-size",
        "dtype",
    ]),
    refused(&["Invalid attention backend for"]).about(&["attention-backend"]),
    // Tools and reasoning.
    refused(&["--enable-auto-tool-choice requires --tool-call-parser"]),
    refused(&["invalid tool call parser"]).about(&["tool-call-parser"]),
    refused(&["nvalid reasoning parser"]).about(&["reasoning-parser"]),
    refused(&["has not been registered in the tool parser"]).about(&["tool-call-parser"]),
    refused(&["tool parser:", "not found in tool_parsers"]).about(&["tool-call-parser"]),
    refused(&["easoning parser", "not found in reasoning_parsers"]).about(&["reasoning-parser"]),
    // Features that do not go together.
    refused(&["max_lora_rank (", "must be one of"]),
    refused(&["Prefix caching is not supported with"]).about(&["enable-prefix-caching"]),
    refused(&["Chunked prefill is not supported"]).about(&["enable-chunked-prefill"]),
    // The configuration is read before the model is, so that this can stand inside pydantic.
    Rule::new(
        Tier::Unsupported,
        EngineDied,
        &["Model architectures [", "are not supported"],
    ),
    // pydantic; the messages above stand inside it and are earlier or equal in rank.
    refused(&["alidation error for "]).unless(&["RequestValidationError", "CompletionRequest"]),
    refused(&["alidation errors for "]).unless(&["RequestValidationError", "CompletionRequest"]),
    // What is left of such an error when its heading is lost.
    refused(&["^  Value error, "]),
    refused(&["^  Assertion failed, "]),
    refused(&["^  Input should be "]),
    refused(&["^  Extra inputs are not permitted"]),
    refused(&["^Value error, "]),
    refused(&["^Input should be "]),
];
