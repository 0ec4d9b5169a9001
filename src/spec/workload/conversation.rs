//! Settings of a `conversation` workload.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::workload::LongestRequest;

/// `kind = "conversation"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationSpec {
    /// Exchanges of a conversation. Default 15.
    pub turns: u32,
    /// Conversations that each user has, one after the other. Default 3.
    pub iterations: u32,
    /// Users that are there at once. Default 1.
    pub users: u32,
    /// How long a user thinks after an answer, in the time of the engine. Default not at all.
    pub think_time: Option<Duration>,
    /// Tokens that each answer has. Default 150.
    pub max_tokens: u32,
    /// Length of a system prompt that all conversations share, in tokens. Default none.
    pub system_tokens: Option<u32>,
    pub script: Script,
}

/// What the users say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Words that the seed decides, every message of this length in tokens.
    Seeded { prompt_tokens: u32 },
    /// Messages of a user's file: those of each conversation that is held, in their order.
    Given(Vec<Vec<String>>),
}

impl ConversationSpec {
    /// Conversations of all users.
    pub fn n_conversations(&self) -> u32 {
        self.users.saturating_mul(self.iterations)
    }

    /// The last turn's: no shorter than what is sent, since every message counts with the frame
    /// that a chat of it alone would have.
    pub fn longest_request(&self) -> Option<LongestRequest> {
        let Script::Seeded { prompt_tokens } = self.script else {
            return None;
        };
        let (turns, answer) = (u64::from(self.turns), u64::from(self.max_tokens));
        let system = u64::from(self.system_tokens.unwrap_or(0));
        Some(LongestRequest {
            prompt_tokens: system + turns * u64::from(prompt_tokens) + (turns - 1) * answer,
            max_tokens: answer,
        })
    }
}
