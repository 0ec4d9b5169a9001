//! Calls that guided decoding has forced, where a parser has no grammar of its own: vLLM reads
//! them without the parser.

use crate::stand_in::parser::delta::{Delta, ToolReader, Whole};
use crate::stand_in::parser::json_calls::{Foreign, JsonCalls, JsonForm, XLAM};

/// The list that `tool_choice: "required"` forces.
pub struct GuidedCalls {
    inner: JsonCalls,
    /// A name goes out with the beginning of its arguments.
    unsent: Option<(usize, String)>,
}

const LIST: JsonForm = JsonForm {
    keys: &["parameters"],
    foreign: Foreign::Swallowed,
    ..XLAM
};

impl GuidedCalls {
    pub fn new() -> Self {
        Self {
            inner: JsonCalls::new(LIST),
            unsent: None,
        }
    }
}

impl ToolReader for GuidedCalls {
    fn read(&mut self, text: &str, delta: &mut Delta) {
        let mut heard = Delta::default();
        self.inner.read(text, &mut heard);
        for call in heard.calls {
            if let Some(name) = call.name {
                self.unsent = Some((call.index, name));
            }
            if let Some(arguments) = call.arguments {
                if let Some((index, name)) = self.unsent.take() {
                    delta.name(index, &name);
                }
                delta.arguments(call.index, &arguments);
            }
        }
    }

    fn whole(&mut self, text: &str) -> Whole {
        let mut inner = JsonCalls::new(LIST);
        Whole {
            content: None,
            calls: inner.whole(text).calls,
        }
    }
}

/// The arguments that naming a function forces.
pub struct NamedCall {
    /// Taken when it is out.
    name: Option<String>,
}

impl NamedCall {
    pub fn new(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
        }
    }
}

impl ToolReader for NamedCall {
    fn read(&mut self, text: &str, delta: &mut Delta) {
        if let Some(name) = self.name.take() {
            delta.name(0, &name);
        }
        delta.arguments(0, text);
    }

    fn whole(&mut self, text: &str) -> Whole {
        let name = self.name.take().filter(|_| !text.trim().is_empty());
        Whole {
            content: None,
            calls: name
                .into_iter()
                .map(|name| (name, text.to_owned()))
                .collect(),
        }
    }
}
