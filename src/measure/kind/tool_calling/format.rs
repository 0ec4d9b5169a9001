//! The formats in which models write tool calls, and the parsers of vLLM that read each.
//!
//! How a format is recognised in a text is not known here.

use serde::{Deserialize, Serialize};

/// A format in which models write their tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallFormat {
    /// `<tool_call>{"name": .., "arguments": {..}}</tool_call>`
    Hermes,
    /// `<tool_call><function=NAME><parameter=KEY>..</parameter></function></tool_call>`
    QwenXml,
    /// `{"name": .., "parameters": {..}}`, bare
    LlamaJson,
    /// `[TOOL_CALLS][{"name": .., "arguments": {..}}]`
    Mistral,
    /// `[NAME(KEY=VALUE)]`
    Pythonic,
    /// DeepSeek's marks, the arguments in a fence
    DeepseekV3,
    /// DeepSeek's marks, the arguments bare
    DeepseekV31,
    /// `<|tool_call|>[{"name": .., "arguments": {..}}]`
    Granite,
    /// `<|action_start|><|plugin|>{..}<|action_end|>`
    Internlm,
    /// `[{"name": .., "arguments": {..}}]`, bare
    JsonList,
    /// `<tool_calls>[{"name": .., "arguments": {..}}]</tool_calls>`
    TaggedList,
    /// `<longcat_tool_call>{..}</longcat_tool_call>`
    Longcat,
    /// `<tool_call>NAME<arg_key>..</arg_key><arg_value>..</arg_value></tool_call>`
    Glm,
    /// `<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0..`
    KimiK2,
    /// `<minimax:tool_call><invoke name="NAME">..`
    MinimaxM2,
    /// `functools[{"name": .., "arguments": {..}}]`
    Phi4Mini,
    /// `<seed:tool_call><function=NAME>..`
    SeedOss,
    /// `<|tool_call_start|>[NAME(KEY=VALUE)]<|tool_call_end|>`
    Lfm2,
    /// A declared tool with arguments, in a form of the model's own making.
    Other,
}

impl CallFormat {
    pub const ALL: [Self; 19] = [
        Self::Hermes,
        Self::QwenXml,
        Self::LlamaJson,
        Self::Mistral,
        Self::Pythonic,
        Self::DeepseekV3,
        Self::DeepseekV31,
        Self::Granite,
        Self::Internlm,
        Self::JsonList,
        Self::TaggedList,
        Self::Longcat,
        Self::Glm,
        Self::KimiK2,
        Self::MinimaxM2,
        Self::Phi4Mini,
        Self::SeedOss,
        Self::Lfm2,
        Self::Other,
    ];

    /// As a sentence names it: "the call is in .. form".
    pub fn name(self) -> &'static str {
        match self {
            Self::Hermes => "Hermes",
            Self::QwenXml => "Qwen XML",
            Self::LlamaJson => "Llama JSON",
            Self::Mistral => "Mistral",
            Self::Pythonic => "pythonic",
            Self::DeepseekV3 => "DeepSeek V3",
            Self::DeepseekV31 => "DeepSeek V3.1",
            Self::Granite => "Granite",
            Self::Internlm => "InternLM",
            Self::JsonList => "JSON list",
            Self::TaggedList => "tagged JSON list",
            Self::Longcat => "LongCat",
            Self::Glm => "GLM",
            Self::KimiK2 => "Kimi K2",
            Self::MinimaxM2 => "MiniMax M2",
            Self::Phi4Mini => "Phi-4-mini",
            Self::SeedOss => "Seed-OSS",
            Self::Lfm2 => "LFM2",
            Self::Other => "no known",
        }
    }

    /// The parsers of vLLM that read it, streamed and whole: the one to try first at the front.
    ///
    /// For the first ten formats that is what vLLM 0.32's own parsers made of such texts
    /// (`tests/data/vllm/tool-parsers.json`); for the others it follows from the names and the
    /// marks in its source. Parsers of vLLM that have other names in other versions are all
    /// there: an engine refuses a name that it does not know.
    pub fn parsers(self) -> &'static [&'static str] {
        match self {
            Self::Hermes => &["hermes", "qwen3_json", "granite4"],
            Self::QwenXml => &["qwen3_xml", "qwen3_coder", "step3p5"],
            Self::LlamaJson => &["llama3_json", "llama4_json"],
            Self::Mistral => &["mistral"],
            Self::Pythonic => &["pythonic", "llama4_pythonic"],
            Self::DeepseekV3 => &["deepseek_v3"],
            Self::DeepseekV31 => &["deepseek_v31"],
            Self::Granite => &["granite"],
            Self::Internlm => &["internlm"],
            Self::JsonList => &["xlam"],
            Self::TaggedList => &["jamba", "hunyuan_a13b"],
            Self::Longcat => &["longcat"],
            Self::Glm => &["glm45", "glm47"],
            Self::KimiK2 => &["kimi_k2"],
            Self::MinimaxM2 => &["minimax_m2"],
            Self::Phi4Mini => &["phi4_mini_json"],
            Self::SeedOss => &["seed_oss"],
            Self::Lfm2 => &["lfm2"],
            Self::Other => &[],
        }
    }

    /// The parser to try first; `None` where no parser of vLLM reads it.
    pub fn parser(self) -> Option<&'static str> {
        self.parsers().first().copied()
    }

    /// Whether that parser of vLLM reads it.
    pub fn is_read_by(self, parser: &str) -> bool {
        self.parsers().contains(&parser)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spec::vllm_flags;

    #[test]
    fn every_format_has_a_name_of_its_own_and_parsers_that_vllm_has() {
        let names: BTreeSet<&str> = CallFormat::ALL.map(CallFormat::name).into();
        assert_eq!(names.len(), CallFormat::ALL.len());
        let help = include_str!("../../../../docs/vllm-flags/vllm-serve-help.txt");
        assert!(vllm_flags::lookup("tool-call-parser").is_some());
        for format in CallFormat::ALL {
            for parser in format.parsers() {
                assert!(help.contains(parser), "{format:?}: {parser}");
                assert!(format.is_read_by(parser));
            }
            assert_eq!(format.parser().is_none(), format == CallFormat::Other);
        }
        assert!(!CallFormat::Hermes.is_read_by("qwen3_xml"));
    }
}
