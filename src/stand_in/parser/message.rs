//! One message on its way from text to reasoning, content and calls: the reasoning parser
//! first, then the tool call parser, as vLLM chains them.

use crate::stand_in::parser::delta::{Delta, ToolReader, Whole};
use crate::stand_in::parser::reasoning::Reasoner;

/// What becomes of an empty text that no parser of calls reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// It is told as an empty content.
    Told,
    Untold,
}

/// Reads one message.
pub struct MessageReader {
    nothing: Nothing,
    reasoner: Option<Reasoner>,
    tools: Option<Box<dyn ToolReader>>,
}

impl MessageReader {
    pub fn new(
        reasoner: Option<Reasoner>,
        tools: Option<Box<dyn ToolReader>>,
        nothing: Nothing,
    ) -> Self {
        Self {
            nothing,
            reasoner,
            tools,
        }
    }

    /// Reads the text of one token; an empty one at the end.
    pub fn read(&mut self, text: &str) -> Delta {
        let mut delta = Delta::default();
        let rest = match &mut self.reasoner {
            Some(reasoner) if reasoner.is_thinking() => {
                let rest = reasoner.read(text, &mut delta);
                if rest.is_empty() {
                    return delta;
                }
                rest
            }
            Some(reasoner) => {
                let rest = reasoner.read(text, &mut delta);
                if rest.is_empty() && !text.is_empty() {
                    return delta;
                }
                rest
            }
            None => text.to_owned(),
        };
        match &mut self.tools {
            Some(tools) => tools.read(&rest, &mut delta),
            None if rest.is_empty() && self.nothing == Nothing::Untold => {}
            None => delta.say(&rest),
        }
        delta
    }

    /// Nothing more comes.
    pub fn end(&mut self, delta: &mut Delta) {
        if let Some(reasoner) = &mut self.reasoner {
            reasoner.end(delta);
            if reasoner.is_thinking() {
                return;
            }
        }
        if let Some(tools) = &mut self.tools {
            tools.end(delta);
        }
    }

    /// Reads a whole text, token by token so that those of the reasoning are counted; asked of
    /// a fresh reader only.
    pub fn whole<'t>(&mut self, tokens: impl Iterator<Item = &'t str>) -> (Option<String>, Whole) {
        let mut delta = Delta::default();
        let mut rest = String::new();
        for text in tokens {
            match &mut self.reasoner {
                Some(reasoner) => rest.push_str(&reasoner.read(text, &mut delta)),
                None => rest.push_str(text),
            }
        }
        if let Some(reasoner) = &mut self.reasoner {
            reasoner.end(&mut delta);
        }
        let reasoning = delta.reasoning.filter(|text| !text.is_empty());
        if self.reasoner.is_some() && rest.is_empty() {
            return (reasoning, Whole::default());
        }
        let whole = match &mut self.tools {
            Some(tools) => tools.whole(&rest),
            None if self.reasoner.is_some() => Whole::untouched(&rest),
            // Without any parser, an empty text is an empty content.
            None => Whole {
                content: Some(rest),
                calls: Vec::new(),
            },
        };
        (reasoning, whole)
    }

    /// Tokens of reasoning so far.
    pub fn reasoning_tokens(&self) -> usize {
        self.reasoner.as_ref().map_or(0, Reasoner::tokens)
    }
}
