//! What a parser hears in a piece of text, and what all readers of tool calls have in common.

/// What one piece of a model's text adds to the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    pub reasoning: Option<String>,
    /// An empty text is something that vLLM says, `None` is not.
    pub content: Option<String>,
    pub calls: Vec<CallDelta>,
}

/// What one piece adds to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallDelta {
    /// 0 for the first call of a message.
    pub index: usize,
    /// Set where the call begins.
    pub name: Option<String>,
    pub arguments: Option<String>,
}

impl Delta {
    /// Adds to the content.
    pub fn say(&mut self, text: &str) {
        self.content.get_or_insert_default().push_str(text);
    }

    /// Adds to the content unless there is nothing to add.
    pub fn say_some(&mut self, text: &str) {
        if !text.is_empty() {
            self.say(text);
        }
    }

    /// Adds to the reasoning unless there is nothing to add.
    pub fn think(&mut self, text: &str) {
        if !text.is_empty() {
            self.reasoning.get_or_insert_default().push_str(text);
        }
    }

    /// Begins a call.
    pub fn name(&mut self, index: usize, name: &str) {
        self.call(index).name = Some(name.to_owned());
    }

    /// Adds to a call's arguments unless there is nothing to add.
    pub fn arguments(&mut self, index: usize, text: &str) {
        if !text.is_empty() {
            let call = self.call(index);
            call.arguments.get_or_insert_default().push_str(text);
        }
    }

    fn call(&mut self, index: usize) -> &mut CallDelta {
        let place = self.calls.iter().position(|call| call.index == index);
        let place = place.unwrap_or_else(|| {
            self.calls.push(CallDelta {
                index,
                name: None,
                arguments: None,
            });
            self.calls.len() - 1
        });
        &mut self.calls[place]
    }

    /// Nothing was heard, and no event is sent.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads tool calls out of a text that comes in pieces.
pub trait ToolReader: Send {
    /// Reads the next piece.
    fn read(&mut self, text: &str, delta: &mut Delta);

    /// Nothing more comes.
    fn end(&mut self, _delta: &mut Delta) {}

    /// Whether all that was read makes sense. Where it does not, vLLM's reading of a whole
    /// text finds no call in it and leaves it as it was, although its streaming has sent what
    /// it had.
    fn is_sound(&self) -> bool {
        true
    }

    /// Reads a whole text at once; asked of a fresh reader only.
    fn whole(&mut self, text: &str) -> Whole {
        let mut all = Delta::default();
        self.read(text, &mut all);
        self.end(&mut all);
        if !self.is_sound() {
            return Whole::untouched(text);
        }
        Whole {
            content: all.content.filter(|content| !content.trim().is_empty()),
            calls: all
                .calls
                .into_iter()
                .filter_map(|call| Some((call.name?, call.arguments.unwrap_or_default())))
                .collect(),
        }
    }
}

/// What a whole text is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    pub content: Option<String>,
    /// Name and arguments of each call.
    pub calls: Vec<(String, String)>,
}

impl Whole {
    /// A text in which nothing was found.
    pub fn untouched(text: &str) -> Self {
        Self {
            content: (!text.is_empty()).then(|| text.to_owned()),
            calls: Vec::new(),
        }
    }
}

/// Reads nothing: all text is content.
pub struct Deaf;

impl ToolReader for Deaf {
    fn read(&mut self, text: &str, delta: &mut Delta) {
        delta.say(text);
    }

    fn whole(&mut self, text: &str) -> Whole {
        Whole::untouched(text)
    }
}

/// Where the first of some markers begins in a text, and which it is.
pub fn find_first<'m>(text: &str, markers: &[&'m str]) -> Option<(usize, &'m str)> {
    markers
        .iter()
        .filter_map(|marker| text.find(marker).map(|at| (at, *marker)))
        .min_by_key(|(at, _)| *at)
}

/// Bytes at the end of a text that could be the beginning of one of some markers.
pub fn partial(text: &str, markers: &[&str]) -> usize {
    let longest = markers.iter().map(|marker| marker.len()).max().unwrap_or(0);
    (1..longest.min(text.len() + 1))
        .rev()
        .find(|length| {
            let start = text.len() - length;
            text.is_char_boundary(start)
                && markers
                    .iter()
                    .any(|marker| marker.starts_with(&text[start..]))
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_become_a_marker_is_known_to_the_byte() {
        assert_eq!(partial("abc<", &["<tool>", "<|x|>"]), 1);
        assert_eq!(partial("abc<tool", &["<tool>", "<|x|>"]), 5);
        assert_eq!(partial("abc<tool>", &["<tool>"]), 0);
        assert_eq!(partial("<｜", &["<｜tool"]), "<｜".len());
        assert_eq!(partial("", &["<"]), 0);
        assert_eq!(find_first("a<b><a>", &["<a>", "<b>"]), Some((1, "<b>")));
    }

    #[test]
    fn one_delta_has_one_entry_for_each_call() {
        let mut delta = Delta::default();
        assert!(delta.is_silent());
        delta.say_some("");
        assert!(delta.is_silent());
        delta.name(0, "f");
        delta.arguments(0, "{");
        delta.arguments(1, "x");
        delta.arguments(0, "}");
        let shown: Vec<_> = delta
            .calls
            .iter()
            .map(|call| call.arguments.as_deref())
            .collect();
        assert_eq!(shown, [Some("{}"), Some("x")]);
    }
}
