//! How the model that a stand-in imagines writes: its format for tool calls, and whether it
//! thinks first. Named after the parsers of vLLM that fit; what such text looks like is the
//! stand-in's business.

use serde::{Deserialize, Serialize};

/// The format in which a model writes its tool calls, as its chat template taught it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolFormat {
    /// It never calls a tool.
    None,
    #[default]
    Hermes,
    Qwen3Xml,
    /// The same text as [`Self::Qwen3Xml`]; vLLM has two names for its parser.
    Qwen3Coder,
    #[serde(rename = "llama3_json")]
    Llama3Json,
    Mistral,
    Pythonic,
    DeepseekV3,
    DeepseekV31,
    Granite,
    Internlm,
    Xlam,
}

impl ToolFormat {
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::Hermes,
        Self::Qwen3Xml,
        Self::Qwen3Coder,
        Self::Llama3Json,
        Self::Mistral,
        Self::Pythonic,
        Self::DeepseekV3,
        Self::DeepseekV31,
        Self::Granite,
        Self::Internlm,
        Self::Xlam,
    ];

    pub const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut place = 0;
        while place < names.len() {
            names[place] = Self::ALL[place].name();
            place += 1;
        }
        names
    };

    /// As profiles, options and stored results write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hermes => "hermes",
            Self::Qwen3Xml => "qwen3_xml",
            Self::Qwen3Coder => "qwen3_coder",
            Self::Llama3Json => "llama3_json",
            Self::Mistral => "mistral",
            Self::Pythonic => "pythonic",
            Self::DeepseekV3 => "deepseek_v3",
            Self::DeepseekV31 => "deepseek_v31",
            Self::Granite => "granite",
            Self::Internlm => "internlm",
            Self::Xlam => "xlam",
        }
    }

    /// The format of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Whether and how a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    #[default]
    None,
    /// It writes `<think>` itself, unless a request turns thinking off.
    Qwen3,
    /// Its chat template writes `<think>` for it, so that its text begins inside.
    #[serde(rename = "deepseek_r1")]
    DeepseekR1,
}

impl Thinking {
    pub const ALL: [Self; 3] = [Self::None, Self::Qwen3, Self::DeepseekR1];

    pub const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut place = 0;
        while place < names.len() {
            names[place] = Self::ALL[place].name();
            place += 1;
        }
        names
    };

    /// As profiles, options and stored results write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Qwen3 => "qwen3",
            Self::DeepseekR1 => "deepseek_r1",
        }
    }

    /// The way of thinking of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_stored_alike() {
        for format in ToolFormat::ALL {
            assert_eq!(ToolFormat::named(format.name()), Some(format));
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
        }
        for way in Thinking::ALL {
            assert_eq!(Thinking::named(way.name()), Some(way));
            assert_eq!(serde_json::to_value(way).unwrap(), way.name());
        }
        assert_eq!(ToolFormat::named("hermess"), None);
    }
}
