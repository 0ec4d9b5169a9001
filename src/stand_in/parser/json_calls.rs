//! Parsers of calls that are JSON objects: between tags, in a list behind a marker, or bare.

use serde_json::Value;

use crate::stand_in::model::tool_call::json;
use crate::stand_in::parser::delta::{Delta, ToolReader, Whole, find_first, partial};
use crate::stand_in::parser::json_scanner::{Bit, CallScanner};

/// What a parser of this family looks for.
#[derive(Debug, Clone, Copy)]
pub struct JsonForm {
    /// What opens a call or a list of them; empty for a text that is nothing but calls.
    pub opens: &'static [&'static str],
    /// What closes it, if anything does.
    pub closes: Option<&'static str>,
    pub body: Body,
    /// Names of the member with the arguments.
    pub keys: &'static [&'static str],
    /// What becomes of text behind the first call.
    pub rest: Rest,
    /// What becomes of a body that is none.
    pub foreign: Foreign,
    pub pace: Pace,
    /// Whether a piece without text is an empty content.
    pub nothing: Nothing,
}

/// What becomes of a piece without text, outside of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    Said,
    Unsaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Object,
    List,
    /// Objects with semicolons between them.
    Objects,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    Dropped,
    Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Streaming says nothing of it.
    Swallowed,
    Content,
}

/// When a call goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As it comes.
    Streamed,
    /// When it is complete.
    AtOnce,
}

const HERMES_KEYS: &[&str] = &["arguments"];
const EITHER_KEY: &[&str] = &["arguments", "parameters"];

pub const HERMES: JsonForm = JsonForm {
    opens: &["<tool_call>"],
    closes: Some("</tool_call>"),
    body: Body::Object,
    keys: HERMES_KEYS,
    rest: Rest::Dropped,
    foreign: Foreign::Swallowed,
    pace: Pace::Streamed,
    nothing: Nothing::Unsaid,
};
pub const LONGCAT: JsonForm = JsonForm {
    opens: &["<longcat_tool_call>"],
    closes: Some("</longcat_tool_call>"),
    ..HERMES
};
pub const GRANITE_4: JsonForm = JsonForm {
    rest: Rest::Content,
    pace: Pace::AtOnce,
    ..HERMES
};
pub const GRANITE: JsonForm = JsonForm {
    opens: &["<|tool_call|>", "<tool_call>"],
    closes: None,
    body: Body::List,
    keys: HERMES_KEYS,
    rest: Rest::Content,
    foreign: Foreign::Content,
    pace: Pace::Streamed,
    nothing: Nothing::Unsaid,
};
pub const MISTRAL: JsonForm = JsonForm {
    opens: &["[TOOL_CALLS]"],
    rest: Rest::Dropped,
    foreign: Foreign::Swallowed,
    nothing: Nothing::Said,
    ..GRANITE
};
pub const LIST_IN_TAGS: JsonForm = JsonForm {
    opens: &["<tool_calls>"],
    closes: Some("</tool_calls>"),
    ..MISTRAL
};
pub const INTERNLM: JsonForm = JsonForm {
    opens: &["<|action_start|><|plugin|>"],
    closes: Some("<|action_end|>"),
    keys: EITHER_KEY,
    nothing: Nothing::Said,
    ..HERMES
};
pub const XLAM: JsonForm = JsonForm {
    opens: &[],
    ..MISTRAL
};
pub const LLAMA: JsonForm = JsonForm {
    opens: &[],
    body: Body::Objects,
    keys: EITHER_KEY,
    ..MISTRAL
};

/// Reads calls of one [`JsonForm`].
pub struct JsonCalls {
    form: JsonForm,
    state: State,
    /// Text that may become a marker.
    buffer: String,
    scanner: CallScanner,
    calls: usize,
    /// The call that waits to be complete.
    waiting: (String, String),
    sound: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was read of a text that must begin with a call.
    Beginning,
    Text,
    /// Behind what opens.
    Opened,
    Object,
    /// Between the objects of a list.
    Between,
    /// Behind the body, before what closes.
    Closing,
    /// In a body that is none.
    Astray,
    /// Of a text that did not begin with a call.
    Plain,
}

impl JsonCalls {
    pub fn new(form: JsonForm) -> Self {
        Self {
            form,
            state: if form.opens.is_empty() {
                State::Beginning
            } else {
                State::Text
            },
            buffer: String::new(),
            scanner: CallScanner::new(form.keys),
            calls: 0,
            waiting: (String::new(), String::new()),
            sound: true,
        }
    }

    /// Takes text up to the first marker; false if none is there yet.
    fn text(&mut self, delta: &mut Delta) -> bool {
        let (end, marker) = match find_first(&self.buffer, self.form.opens) {
            Some((at, marker)) => (at, Some(marker)),
            None => (
                self.buffer.len() - partial(&self.buffer, self.form.opens),
                None,
            ),
        };
        if self.calls == 0 && self.sound || self.form.rest == Rest::Content {
            delta.say_some(&self.buffer[..end]);
            if self.buffer.is_empty() && delta.is_silent() && self.form.nothing == Nothing::Said {
                delta.say("");
            }
        }
        self.buffer.drain(..end + marker.map_or(0, str::len));
        if marker.is_some() {
            self.state = State::Opened;
        }
        marker.is_some()
    }

    /// Bytes of the buffer that a body may take: what closes it ends it, even within a text.
    fn free(&self) -> usize {
        match self.form.closes {
            Some(closes) if self.state == State::Object => self
                .buffer
                .find(closes)
                .unwrap_or_else(|| self.buffer.len() - partial(&self.buffer, &[closes])),
            _ => self.buffer.len(),
        }
    }

    /// Looks for what closes; false if it is not there yet.
    fn closing(&mut self) -> bool {
        let Some(closes) = self.form.closes else {
            self.state = State::Text;
            return true;
        };
        let found = self.buffer.find(closes);
        let end = found.unwrap_or_else(|| self.buffer.len() - partial(&self.buffer, &[closes]));
        // Only blanks may stand between a body and what closes it.
        self.sound &= self.buffer[..end].trim().is_empty();
        self.buffer.drain(..end + found.map_or(0, |_| closes.len()));
        if found.is_some() {
            self.state = State::Text;
        }
        found.is_some()
    }

    /// Takes one character of a body.
    fn body(&mut self, letter: char, delta: &mut Delta) {
        match self.state {
            State::Beginning => {
                let begins = match self.form.body {
                    Body::List => letter == '[',
                    Body::Object | Body::Objects => letter == '{',
                };
                self.state = if begins { State::Opened } else { State::Plain };
                self.body(letter, delta);
            }
            State::Plain => self.buffer.insert(0, letter),
            State::Opened | State::Between if letter.is_whitespace() => {}
            State::Opened if self.form.body == Body::List && letter == '[' => {
                self.state = State::Between;
            }
            State::Between
                if letter == ',' || (letter == ';' && self.form.body == Body::Objects) => {}
            State::Between if letter == ']' && self.form.body == Body::List => self.body_ends(),
            State::Opened | State::Between
                if letter == '{'
                    && (self.state == State::Between || self.form.body != Body::List) =>
            {
                self.scanner = CallScanner::new(self.form.keys);
                self.state = State::Object;
                self.body(letter, delta);
            }
            State::Object => self.object(letter, delta),
            _ => self.go_astray(letter, delta),
        }
    }

    fn object(&mut self, letter: char, delta: &mut Delta) {
        let mut bits = Vec::new();
        self.scanner.push(letter, &mut bits);
        for bit in bits {
            match (bit, self.form.pace) {
                (Bit::Name(name), Pace::Streamed) => delta.name(self.calls, &name),
                (Bit::Arguments(text), Pace::Streamed) => delta.arguments(self.calls, &text),
                (Bit::Name(name), Pace::AtOnce) => self.waiting.0 = name,
                (Bit::Arguments(text), Pace::AtOnce) => self.waiting.1.push_str(&text),
            }
        }
        if self.scanner.is_broken() {
            self.go_astray(letter, delta);
        } else if self.scanner.is_done() {
            self.sound &= self.scanner.is_call();
            self.calls += 1;
            match self.form.body {
                Body::Object => self.body_ends(),
                Body::List | Body::Objects => self.state = State::Between,
            }
        }
    }

    fn body_ends(&mut self) {
        self.state = match self.form.closes {
            Some(_) => State::Closing,
            None if self.form.opens.is_empty() => State::Astray,
            None => State::Text,
        };
    }

    fn go_astray(&mut self, letter: char, delta: &mut Delta) {
        match self.form.foreign {
            Foreign::Swallowed => {
                self.sound &= self.state == State::Astray && self.calls > 0;
                self.state = State::Astray;
            }
            Foreign::Content => {
                self.state = State::Text;
                delta.say(letter.encode_utf8(&mut [0; 4]));
            }
        }
    }

    /// Sends the call that waited to be complete.
    fn send(&mut self, delta: &mut Delta) {
        if self.form.pace == Pace::AtOnce && self.calls > 0 && !self.waiting.0.is_empty() {
            let (name, arguments) = std::mem::take(&mut self.waiting);
            delta.name(self.calls - 1, &name);
            delta.arguments(self.calls - 1, &arguments);
        }
    }
}

impl ToolReader for JsonCalls {
    fn read(&mut self, text: &str, delta: &mut Delta) {
        self.buffer.push_str(text);
        loop {
            let goes_on = match self.state {
                State::Text => self.text(delta),
                State::Closing => {
                    let closed = self.closing();
                    if closed {
                        self.send(delta);
                    }
                    closed
                }
                State::Astray if self.form.closes.is_some() => self.closing(),
                State::Plain => {
                    delta.say(&std::mem::take(&mut self.buffer));
                    false
                }
                _ => match self.buffer.chars().next() {
                    Some(letter) if self.free() > 0 => {
                        self.buffer.drain(..letter.len_utf8());
                        self.body(letter, delta);
                        true
                    }
                    Some(_)
                        if self
                            .form
                            .closes
                            .is_some_and(|tag| self.buffer.starts_with(tag)) =>
                    {
                        self.sound = false;
                        self.state = State::Closing;
                        true
                    }
                    _ => false,
                },
            };
            if !goes_on {
                break;
            }
        }
    }

    fn end(&mut self, delta: &mut Delta) {
        match self.state {
            // What looked like the beginning of a marker is none, as vLLM finds out too late
            // where it drops the rest.
            State::Text if self.form.foreign == Foreign::Content => {
                delta.say_some(&std::mem::take(&mut self.buffer));
            }
            State::Closing => {
                self.sound &= self.buffer.is_empty() && self.form.pace == Pace::Streamed;
            }
            State::Opened | State::Object | State::Between => {
                self.sound &= self.form.foreign == Foreign::Content
                    || (self.state == State::Between && self.form.body == Body::Objects);
            }
            State::Beginning | State::Text | State::Astray | State::Plain => {}
        }
    }

    fn is_sound(&self) -> bool {
        self.sound
    }

    fn whole(&mut self, text: &str) -> Whole {
        if self.form.body == Body::Objects {
            return objects_anywhere(text);
        }
        let mut all = Delta::default();
        self.read(text, &mut all);
        // A whole text has no beginnings of markers.
        if self.state == State::Text && (self.calls == 0 || self.form.rest == Rest::Content) {
            all.say_some(&std::mem::take(&mut self.buffer));
        }
        self.end(&mut all);
        if !self.sound || (self.calls == 0 && self.form.foreign == Foreign::Swallowed) {
            return Whole::untouched(text);
        }
        let calls = all.calls.into_iter();
        let content = all.content.filter(|content| !content.trim().is_empty());
        Whole {
            content: match self.form.foreign {
                // Granite's parser takes the blanks around calls for nothing.
                Foreign::Content if self.calls > 0 => content.map(|text| text.trim().to_owned()),
                Foreign::Content | Foreign::Swallowed => content,
            },
            calls: calls
                .filter_map(|call| Some((call.name?, call.arguments.unwrap_or_default())))
                .collect(),
        }
    }
}

/// Llama's reading of a whole text: every JSON object in it that could be a call, whatever
/// stands around.
fn objects_anywhere(text: &str) -> Whole {
    let mut calls = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|open| at + open) {
        let mut stream = serde_json::Deserializer::from_str(&text[open..]).into_iter::<Value>();
        let Some(Ok(object)) = stream.next() else {
            return Whole::untouched(text);
        };
        let arguments = object.get("arguments").or_else(|| object.get("parameters"));
        let (Some(name), Some(arguments)) = (object["name"].as_str(), arguments) else {
            return Whole::untouched(text);
        };
        calls.push((name.to_owned(), json(arguments)));
        at = open + stream.byte_offset();
    }
    if calls.is_empty() {
        return Whole::untouched(text);
    }
    Whole {
        content: None,
        calls,
    }
}
