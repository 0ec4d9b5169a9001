//! The prompts of a run: cut once to an exact token length, written and hashed before the
//! first measured request, and the same for every cell.

use serde::{Deserialize, Serialize};

/// One prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The user message of a chat with that one message.
    pub text: String,
    /// Length of the rendered chat in tokens, as the engine's `/tokenize` counted it.
    pub tokens: u64,
}

/// The prompts of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePrompts {
    pub node: String,
    /// Sent before anything is measured, where the workload warms up.
    pub warm_up: Option<Prompt>,
    pub prompts: Vec<Prompt>,
}

/// All prompts of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptBook {
    /// Version of this format.
    pub version: u32,
    /// The model whose tokenizer measured them.
    pub model: String,
    pub seed: u64,
    pub nodes: Vec<NodePrompts>,
}

impl PromptBook {
    pub const VERSION: u32 = 1;

    pub fn node(&self, name: &str) -> Option<&NodePrompts> {
        self.nodes.iter().find(|node| node.node == name)
    }
}
