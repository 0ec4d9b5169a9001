//! vLLM's reasoning parsers: which part of a text is thinking. Those of the `<think>` family;
//! the others look for marks that the imagined model does not write, and let it all pass.

use serde_json::Value;

use crate::stand_in::parser::delta::{Delta, find_first, partial};

/// The reasoning parsers of vLLM 0.32.
pub const REASONING_PARSERS: &[(&str, Kind)] = &[
    ("deepseek_r1", Kind::Think(R1)),
    ("deepseek_v3", Kind::IfAsked(R1)),
    ("deepseek_v4", Kind::Think(TRIMMING)),
    ("deepseek_v41", Kind::Think(TRIMMING)),
    ("poolside_v1", Kind::Deaf),
    ("cohere_command3", Kind::Deaf),
    ("cohere_command4", Kind::Deaf),
    ("ernie45", Kind::Think(R1)),
    ("gemma4", Kind::Deaf),
    ("glm45", Kind::Think(GLM)),
    ("glm47", Kind::Think(GLM)),
    ("ling3", Kind::Think(GLM)),
    ("openai_gptoss", Kind::Deaf),
    ("granite", Kind::Deaf),
    (
        "granite_thinking_parser",
        Kind::Think(Manner {
            drops_blanks: true,
            ..TRIMMING
        }),
    ),
    ("hf", Kind::Deaf),
    ("holo2", Kind::Think(R1)),
    ("hunyuan_a13b", Kind::Deaf),
    ("hy_v3", Kind::Deaf),
    ("hy_v4", Kind::Think(KEEPING)),
    ("kimi_k2", Kind::Think(TRIMMING)),
    ("kimi_k3", Kind::Deaf),
    ("k2_horizon", Kind::Deaf),
    ("mimo", Kind::Think(QWEN)),
    ("minicpmv", Kind::Think(KEEPING)),
    ("minimax_m2", Kind::Think(TRIMMING)),
    ("minimax_m2_append_think", Kind::Deaf),
    ("minimax_m3", Kind::Deaf),
    ("mistral", Kind::Deaf),
    ("nemotron_v3", Kind::Think(TRIMMING)),
    ("olmo3", Kind::Deaf),
    ("plamo3", Kind::Deaf),
    ("muse_glimmer", Kind::Deaf),
    ("qwen3", Kind::Think(QWEN)),
    (
        "seed_oss",
        Kind::Think(Manner {
            open: "<seed:think>",
            close: "</seed:think>",
            ..KEEPING
        }),
    ),
    (
        "step3",
        Kind::Think(Manner {
            open: "",
            end: End::Said,
            ..KEEPING
        }),
    ),
    ("step3p5", Kind::Think(GLM)),
    ("inkling", Kind::Deaf),
];

/// What a parser looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Think(Manner),
    /// The same, but only where a request turns thinking on.
    IfAsked(Manner),
    /// Marks that the imagined model does not write.
    Deaf,
}

/// How thinking is told from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// What may stand in front; empty where the parser does not know it.
    open: &'static str,
    close: &'static str,
    blanks: Blanks,
    /// Blanks in front of the content are dropped.
    drops_blanks: bool,
    counts: Counts,
    /// A call that ends the thinking as well; empty where the parser knows none.
    call: &'static str,
    end: End,
}

/// What the end of a text is that is thinking still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// An empty thought.
    Said,
    Unsaid,
}

/// What becomes of blanks at the end of the thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blanks {
    Kept,
    Trimmed,
}

/// Which tokens count as reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    All,
    /// Only those behind an opening mark that the model itself has written.
    Marked,
}

const KEEPING: Manner = Manner {
    open: "<think>",
    close: "</think>",
    blanks: Blanks::Kept,
    drops_blanks: false,
    counts: Counts::All,
    call: "",
    end: End::Unsaid,
};
const QWEN: Manner = Manner {
    call: "<tool_call>",
    ..KEEPING
};
const TRIMMING: Manner = Manner {
    blanks: Blanks::Trimmed,
    ..KEEPING
};
const GLM: Manner = Manner {
    call: "<tool_call>",
    ..TRIMMING
};
const R1: Manner = Manner {
    counts: Counts::Marked,
    end: End::Said,
    ..KEEPING
};

/// Tells thinking from the rest of a text that comes in pieces.
#[derive(Debug)]
pub struct Reasoner {
    manner: Manner,
    state: State,
    buffer: String,
    /// Blanks that are nothing unless something follows them.
    held: String,
    opened: bool,
    tokens: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Thinking,
    /// Behind the thinking, where blanks may be dropped.
    Blanks,
    Over,
}

/// Whether a reasoning parser is of the make that Qwen's tool call parser is of.
pub fn is_engine(name: &str) -> bool {
    REASONING_PARSERS.iter().any(|(known, kind)| {
        *known == name && matches!(kind, Kind::Think(manner) if manner.end == End::Unsaid)
    })
}

/// Whether the prompt has already ended the thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompted {
    /// It holds an empty thought, because thinking was turned off.
    Ended,
    Open,
}

impl Reasoner {
    /// The parser of that name for one request; `None` if it lets everything pass. `kwargs` are
    /// the request's `chat_template_kwargs`.
    pub fn new(name: &str, kwargs: &Value, prompted: Prompted) -> Option<Self> {
        let kind = REASONING_PARSERS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)?;
        let asked = |key: &str| kwargs[key].as_bool();
        let manner = match kind {
            Kind::Deaf => return None,
            Kind::IfAsked(manner) => {
                let thinking = asked("thinking").or(asked("enable_thinking"));
                thinking.unwrap_or(false).then_some(manner)?
            }
            Kind::Think(manner) => manner,
        };
        // R1's parser does not look at the request: only the prompt tells it.
        let off = manner.counts == Counts::All && asked("enable_thinking") == Some(false);
        (!off && prompted == Prompted::Open).then(|| Self {
            manner,
            state: State::Thinking,
            buffer: String::new(),
            held: String::new(),
            opened: false,
            tokens: 0,
        })
    }

    /// Whether what comes is thinking still.
    pub fn is_thinking(&self) -> bool {
        self.state == State::Thinking
    }

    /// Tokens of thinking so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Reads the text of one token: thinking goes to the delta, what is behind it comes back.
    pub fn read(&mut self, text: &str, delta: &mut Delta) -> String {
        match self.state {
            State::Over => text.to_owned(),
            State::Blanks => {
                let rest = text.trim_start();
                if !rest.is_empty() {
                    self.state = State::Over;
                }
                rest.to_owned()
            }
            State::Thinking => self.think(text, delta),
        }
    }

    fn think(&mut self, text: &str, delta: &mut Delta) -> String {
        self.buffer.push_str(text);
        let Manner {
            open, close, call, ..
        } = self.manner;
        let mut markers = vec![close, open, call];
        markers.retain(|marker| !marker.is_empty());
        let mut marked = false;
        loop {
            let Some((at, marker)) = find_first(&self.buffer, &markers) else {
                let end = self.buffer.len() - partial(&self.buffer, &markers);
                let thought: String = self.buffer.drain(..end).collect();
                self.thought(&thought, delta);
                let counted = self.manner.counts == Counts::All || self.opened;
                self.tokens += usize::from(counted && !marked && !text.is_empty());
                return String::new();
            };
            let thought = self.buffer[..at].to_owned();
            self.thought(&thought, delta);
            marked = true;
            if marker == open {
                self.opened = true;
                self.buffer.drain(..at + marker.len());
                continue;
            }
            let behind = if marker == call {
                at
            } else {
                at + marker.len()
            };
            let rest = self.buffer.split_off(behind);
            self.buffer.clear();
            self.state = if self.manner.drops_blanks {
                State::Blanks
            } else {
                State::Over
            };
            let mut nothing = Delta::default();
            return self.read(&rest, &mut nothing);
        }
    }

    fn thought(&mut self, text: &str, delta: &mut Delta) {
        if self.manner.blanks == Blanks::Kept {
            delta.think(text);
            return;
        }
        self.held.push_str(text);
        let end = self.held.trim_end().len();
        let sure: String = self.held.drain(..end).collect();
        delta.think(&sure);
    }

    /// Nothing more comes: what looked like the beginning of a mark is none.
    pub fn end(&mut self, delta: &mut Delta) {
        if self.is_thinking() {
            let rest = std::mem::take(&mut self.buffer);
            self.thought(&rest, delta);
            if self.manner.end == End::Said {
                delta.reasoning.get_or_insert_default();
            }
        }
    }
}
