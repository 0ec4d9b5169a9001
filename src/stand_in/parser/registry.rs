//! vLLM's tool call parsers by name: what each reads, how its deltas look, and what its grammar
//! forces a model to write. A name without a reader of its own here reads nothing.

use std::hash::{BuildHasher, RandomState};

use serde_json::Value;

use crate::stand_in::model::tool_call::Form;
use crate::stand_in::parser::delta::{Deaf, ToolReader};
use crate::stand_in::parser::json_calls::{
    GRANITE, GRANITE_4, HERMES, INTERNLM, JsonCalls, JsonForm, LIST_IN_TAGS, LLAMA, LONGCAT,
    MISTRAL, XLAM,
};
use crate::stand_in::parser::marked::{Fence, MarkedCalls};
use crate::stand_in::parser::parameters::{ParameterCalls, Thoughts};
use crate::stand_in::parser::pythonic::PythonCalls;

/// A tool call parser.
#[derive(Debug, Clone, Copy)]
pub struct ToolParser {
    pub name: &'static str,
    reads: Reads,
    pub look: Look,
    pub forces: Forces,
}

#[derive(Debug, Clone, Copy)]
enum Reads {
    Json(JsonForm),
    Parameters,
    Python,
    Marked(Fence),
    Nothing,
}

/// How a parser's deltas look; the parsers of vLLM leave different fields unset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// A delta with calls says that there is no content.
    pub content: Unsaid,
    /// A delta that goes on with a call says that there is no id.
    pub id: Unsaid,
    /// A delta that goes on with a call says that there is no name.
    pub function_name: Unsaid,
    pub ids: Ids,
}

/// What becomes of a field without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaid {
    Null,
    Absent,
}

/// What the ids of calls look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    Plain,
    /// Nine letters or digits.
    Mistral,
    /// With the place of the call.
    Numbered,
}

impl Ids {
    /// A new id.
    pub fn make(self, index: usize) -> String {
        let number = RandomState::new().hash_one(index);
        match self {
            Self::Plain => format!("chatcmpl-tool-{number:016x}"),
            Self::Numbered => format!("call_{index}_{number:016x}"),
            Self::Mistral => {
                const LETTERS: &[u8; 62] =
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
                let mut rest = number;
                (0..9)
                    .map(|_| {
                        let place =
                            usize::try_from(rest % 62).expect("a number below 62 is a usize");
                        rest /= 62;
                        char::from(LETTERS[place])
                    })
                    .collect()
            }
        }
    }
}

/// What a parser makes of a demand for calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forces {
    /// Its grammar: the model writes calls in this form, whatever it was trained on.
    Grammar(Form),
    /// A JSON list, which is read without the parser.
    List,
    /// Nothing: the model writes as it likes.
    Nothing,
}

const PLAIN: Look = Look {
    content: Unsaid::Absent,
    id: Unsaid::Absent,
    function_name: Unsaid::Absent,
    ids: Ids::Plain,
};
const HERMES_LOOK: Look = Look {
    content: Unsaid::Null,
    ..PLAIN
};
/// Of calls in a forced JSON list.
pub const GUIDED_LOOK: Look = Look {
    function_name: Unsaid::Null,
    ..PLAIN
};
/// Of the arguments of a forced function.
pub const NAMED_LOOK: Look = PLAIN;

const fn json(name: &'static str, form: JsonForm, look: Look, forces: Forces) -> ToolParser {
    ToolParser {
        name,
        reads: Reads::Json(form),
        look,
        forces,
    }
}

const fn parser(name: &'static str, reads: Reads, forces: Forces) -> ToolParser {
    let look = match reads {
        Reads::Python => Look {
            id: Unsaid::Null,
            ..PLAIN
        },
        _ => PLAIN,
    };
    ToolParser {
        name,
        reads,
        look,
        forces,
    }
}

const fn deaf(name: &'static str) -> ToolParser {
    parser(name, Reads::Nothing, Forces::Nothing)
}

const TAGS: Forces = Forces::Grammar(Form::Tagged("<tool_call>", "</tool_call>"));
const LONGCAT_TAGS: Forces =
    Forces::Grammar(Form::Tagged("<longcat_tool_call>", "</longcat_tool_call>"));
const PARAMETERS: Forces = Forces::Grammar(Form::Parameters);
const OBJECTS: Forces = Forces::Grammar(Form::Objects);
const V3: Forces = Forces::Grammar(Form::DeepSeek { fenced: true });
const V31: Forces = Forces::Grammar(Form::DeepSeek { fenced: false });
const MISTRAL_LIST: Forces = Forces::Grammar(Form::List("[TOOL_CALLS]"));
const MISTRAL_LOOK: Look = Look {
    ids: Ids::Mistral,
    ..PLAIN
};
const XLAM_LOOK: Look = Look {
    ids: Ids::Numbered,
    ..PLAIN
};

/// The tool call parsers of vLLM 0.32.
pub const TOOL_PARSERS: &[ToolParser] = &[
    deaf("apertus"),
    deaf("cohere_command3"),
    deaf("cohere_command4"),
    parser("deepseek_v3", Reads::Marked(Fence::Json), V3),
    parser("deepseek_v31", Reads::Marked(Fence::None), V31),
    deaf("deepseek_v32"),
    deaf("deepseek_v4"),
    deaf("deepseek_v41"),
    deaf("dots"),
    deaf("ernie45"),
    deaf("functiongemma"),
    deaf("gemma4"),
    deaf("gigachat3"),
    deaf("glm45"),
    deaf("glm47"),
    json("granite", GRANITE, PLAIN, Forces::List),
    deaf("granite-20b-fc"),
    json("granite4", GRANITE_4, HERMES_LOOK, Forces::List),
    json("hermes", HERMES, HERMES_LOOK, TAGS),
    deaf("hf"),
    json("hunyuan_a13b", LIST_IN_TAGS, PLAIN, Forces::List),
    deaf("hy_v3"),
    deaf("hy_v4"),
    deaf("inkling"),
    json("internlm", INTERNLM, PLAIN, Forces::List),
    json("jamba", LIST_IN_TAGS, PLAIN, Forces::List),
    deaf("k2_horizon"),
    deaf("kimi_k2"),
    deaf("kimi_k3"),
    deaf("lfm2"),
    deaf("ling3"),
    json("llama3_json", LLAMA, PLAIN, OBJECTS),
    json("llama4_json", LLAMA, PLAIN, OBJECTS),
    parser("llama4_pythonic", Reads::Python, Forces::List),
    json("longcat", LONGCAT, HERMES_LOOK, LONGCAT_TAGS),
    deaf("mimo"),
    deaf("minicpm5"),
    deaf("minimax_m2"),
    deaf("minimax_m3"),
    json("mistral", MISTRAL, MISTRAL_LOOK, MISTRAL_LIST),
    deaf("muse_glimmer"),
    deaf("olmo3"),
    deaf("openai"),
    deaf("phi4_mini_json"),
    deaf("plamo3"),
    deaf("poolside_v1"),
    parser("pythonic", Reads::Python, Forces::List),
    parser("qwen3_coder", Reads::Parameters, PARAMETERS),
    json("qwen3_json", HERMES, HERMES_LOOK, TAGS),
    parser("qwen3_xml", Reads::Parameters, PARAMETERS),
    deaf("seed_oss"),
    deaf("step3"),
    parser("step3p5", Reads::Parameters, PARAMETERS),
    json("xlam", XLAM, XLAM_LOOK, Forces::List),
];

/// The parser of that name.
pub fn tool_parser(name: &str) -> Option<&'static ToolParser> {
    TOOL_PARSERS.iter().find(|parser| parser.name == name)
}

impl ToolParser {
    /// A reader for one answer; `tools` as the request has them.
    pub fn reader(&self, tools: &[Value], thoughts: Thoughts) -> Box<dyn ToolReader> {
        match self.reads {
            Reads::Json(form) => Box::new(JsonCalls::new(form)),
            Reads::Parameters => Box::new(ParameterCalls::new(tools, thoughts)),
            Reads::Python => Box::new(PythonCalls::new()),
            Reads::Marked(fence) => Box::new(MarkedCalls::new(fence)),
            Reads::Nothing => Box::new(Deaf),
        }
    }
}
