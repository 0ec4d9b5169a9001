//! DeepSeek's parsers: calls between markers, with the function's name in front of its
//! arguments. V3 puts the arguments into a fence, V3.1 does not.

use crate::stand_in::parser::delta::{Delta, ToolReader, Whole, partial};

const CALLS_BEGIN: &str = "<｜tool▁calls▁begin｜>";
const CALLS_END: &str = "<｜tool▁calls▁end｜>";
const CALL_BEGIN: &str = "<｜tool▁call▁begin｜>";
const CALL_END: &str = "<｜tool▁call▁end｜>";
const SEPARATOR: &str = "<｜tool▁sep｜>";
const FENCE: &str = "```json\n";

/// Whether the arguments stand in a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// V3: `function<sep>NAME`, then the fence.
    Json,
    /// V3.1: `NAME<sep>`.
    None,
}

/// Reads calls between DeepSeek's markers.
pub struct MarkedCalls {
    fence: Fence,
    state: State,
    buffer: String,
    calls: usize,
    /// Calls that have begun well and are none.
    lost: Vec<usize>,
    /// End of the arguments so far that may be the fence's.
    held: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first call.
    Text,
    /// Between calls and behind them.
    Between,
    /// What stands in front of V3's separator.
    Kind,
    Name,
    /// Between V3's name and the arguments.
    Fence,
    Arguments,
    /// A call whose form is not the parser's.
    Astray,
}

impl MarkedCalls {
    pub fn new(fence: Fence) -> Self {
        Self {
            fence,
            state: State::Text,
            buffer: String::new(),
            calls: 0,
            lost: Vec::new(),
            held: String::new(),
        }
    }

    /// Takes the buffer up to a marker and the marker with it; `None` if it is not there yet.
    fn until(&mut self, marker: &str) -> Option<String> {
        let at = self.buffer.find(marker)?;
        let before = self.buffer[..at].to_owned();
        self.buffer.drain(..at + marker.len());
        Some(before)
    }

    /// Takes what is certainly no part of a marker.
    fn certain(&mut self, markers: &[&str]) -> String {
        let end = self.buffer.len() - partial(&self.buffer, markers);
        self.buffer.drain(..end).collect()
    }

    /// One step; false when more text is needed.
    fn step(&mut self, delta: &mut Delta) -> bool {
        match self.state {
            State::Text => {
                if let Some(before) = self.until(CALLS_BEGIN) {
                    delta.say(&before);
                    self.state = State::Between;
                    return true;
                }
                let text = self.certain(&[CALLS_BEGIN]);
                if !text.is_empty() || self.buffer.is_empty() {
                    delta.say(&text);
                }
                false
            }
            State::Between => {
                if let Some(before) = self.until(CALL_BEGIN) {
                    delta.say_some(&before.replace(CALLS_END, ""));
                    self.state = match self.fence {
                        Fence::Json => State::Kind,
                        Fence::None => State::Name,
                    };
                    return true;
                }
                if let Some(before) = self.until(CALLS_END) {
                    delta.say(&before);
                    return true;
                }
                let text = self.certain(&[CALL_BEGIN, CALLS_END]);
                delta.say_some(&text);
                false
            }
            State::Kind => self.until(SEPARATOR).is_some_and(|_| {
                self.state = State::Name;
                true
            }),
            State::Name => {
                let border = match self.fence {
                    Fence::Json => "\n",
                    Fence::None => SEPARATOR,
                };
                // A call that ends before its name does is not this parser's.
                let ends = self.buffer.find(CALL_END);
                if ends.is_some_and(|end| self.buffer.find(border).is_none_or(|at| end < at)) {
                    self.state = State::Astray;
                    return true;
                }
                self.until(border).is_some_and(|name| {
                    delta.name(self.calls, &name);
                    self.state = match self.fence {
                        Fence::Json => State::Fence,
                        Fence::None => State::Arguments,
                    };
                    true
                })
            }
            State::Fence => {
                if self.buffer.len() < FENCE.len() && FENCE.starts_with(self.buffer.as_str()) {
                    return false;
                }
                if self.buffer.starts_with(FENCE) {
                    self.buffer.drain(..FENCE.len());
                    self.state = State::Arguments;
                } else {
                    self.state = State::Astray;
                }
                true
            }
            State::Arguments => {
                let (text, ended) = match self.until(CALL_END) {
                    Some(text) => (text, true),
                    None => (self.certain(&[CALL_END]), false),
                };
                self.held.push_str(&text);
                if self.fence == Fence::None {
                    // V3.1 reads one line of arguments, and no call with more.
                    let text = std::mem::take(&mut self.held);
                    match text.split_once('\n') {
                        Some((line, _)) => {
                            delta.arguments(self.calls, line);
                            self.buffer.insert_str(0, if ended { CALL_END } else { "" });
                            self.lost.push(self.calls);
                            self.calls += 1;
                            self.state = State::Astray;
                            return true;
                        }
                        None => delta.arguments(self.calls, &text),
                    }
                } else {
                    let end = self.held.trim_end_matches(['\n', '`']).len();
                    delta.arguments(self.calls, &self.held[..end]);
                    self.held.drain(..end);
                }
                if ended {
                    self.held.clear();
                    self.calls += 1;
                    self.state = State::Between;
                }
                ended
            }
            State::Astray => {
                if self.until(CALL_END).is_some() {
                    self.state = State::Between;
                    return true;
                }
                self.certain(&[CALL_END]);
                false
            }
        }
    }
}

impl ToolReader for MarkedCalls {
    fn read(&mut self, text: &str, delta: &mut Delta) {
        let behind = self.state == State::Between && self.calls > 0 && self.buffer.is_empty();
        if behind && text.is_empty() {
            delta.say("");
        }
        self.buffer.push_str(text);
        while self.step(delta) {}
    }

    fn end(&mut self, delta: &mut Delta) {
        if matches!(self.state, State::Text | State::Between) {
            delta.say_some(&std::mem::take(&mut self.buffer));
        }
    }

    fn whole(&mut self, text: &str) -> Whole {
        let Some(begin) = text.find(CALLS_BEGIN) else {
            return Whole::untouched(text);
        };
        let mut all = Delta::default();
        self.read(&text[begin..], &mut all);
        // A call that was cut off is no call.
        all.calls.truncate(self.calls);
        all.calls.retain(|call| !self.lost.contains(&call.index));
        Whole {
            content: Some(text[..begin].to_owned()).filter(|content| !content.trim().is_empty()),
            calls: all
                .calls
                .into_iter()
                .filter_map(|call| Some((call.name?, call.arguments.unwrap_or_default())))
                .collect(),
        }
    }
}
