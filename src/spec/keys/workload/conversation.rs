//! The keys of a `conversation` workload.

use crate::spec::keys::{COUNT, Key, Shape, default, optional};

pub const KEYS: &[Key] = &[
    default("turns", COUNT, "15", "Exchanges of a conversation."),
    default(
        "iterations",
        COUNT,
        "3",
        "Conversations that each user has, one after the other.",
    ),
    default("users", COUNT, "1", "Users that are there at once."),
    optional(
        "think-time",
        Shape::Duration,
        "How long a user thinks after an answer; not at all where it is not given.",
    ),
    default(
        "prompt-tokens",
        COUNT,
        "100",
        "Length of each user message in tokens, as a chat of it alone.",
    ),
    default("max-tokens", COUNT, "150", "Tokens that each answer has."),
    optional(
        "system-tokens",
        COUNT,
        "Length of a system prompt that all conversations share, in tokens.",
    ),
    optional(
        "data",
        Shape::File,
        "A JSONL file of conversations whose user messages are said instead, in the shape of ShareGPT or of OpenAI messages.",
    ),
];
