//! The parser of Python calls: `[f(a="x", b=3), g()]` and nothing around it.

use serde_json::{Map, Number, Value};

use crate::stand_in::model::tool_call::json;
use crate::stand_in::parser::delta::{Delta, ToolReader};
use crate::stand_in::parser::parameters::inside;

/// Reads a list of Python calls.
pub struct PythonCalls {
    state: State,
    calls: usize,
    name: String,
    named: bool,
    arguments: usize,
    /// A literal that is not a string, until it is complete.
    literal: String,
    /// Brackets that are open in it.
    depth: usize,
    quote: char,
    escape: String,
    /// JSON that goes out with what follows it.
    unsent: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Beginning,
    /// The text is no list.
    Plain,
    /// Behind `[` or a call.
    Call,
    Name,
    /// Behind `(` or an argument.
    Key,
    InKey,
    Value,
    Text,
    /// In a literal, or in a string within it.
    Literal,
    TextInLiteral,
    /// Behind a string.
    BehindText,
    Done,
    Broken,
}

impl PythonCalls {
    pub fn new() -> Self {
        Self {
            state: State::Beginning,
            calls: 0,
            name: String::new(),
            named: false,
            arguments: 0,
            literal: String::new(),
            depth: 0,
            quote: '"',
            escape: String::new(),
            unsent: String::new(),
        }
    }

    fn push(&mut self, letter: char, delta: &mut Delta) {
        match self.state {
            State::Beginning if letter == '[' => self.state = State::Call,
            State::Beginning => {
                self.state = State::Plain;
                delta.say(letter.encode_utf8(&mut [0; 4]));
            }
            State::Plain => delta.say(letter.encode_utf8(&mut [0; 4])),
            State::Call if letter.is_whitespace() => {}
            State::Call if letter == ',' && self.calls > 0 => {}
            State::Call if letter == ']' && self.calls > 0 => self.state = State::Done,
            State::Call if letter.is_alphabetic() || letter == '_' => {
                self.name = letter.to_string();
                self.named = false;
                self.arguments = 0;
                self.state = State::Name;
            }
            State::Name if letter == '(' => {
                self.unsent = "{".to_owned();
                self.state = State::Key;
            }
            State::Name if letter.is_alphanumeric() || letter == '_' => self.name.push(letter),
            State::Key if letter.is_whitespace() => {}
            State::Key if letter == ',' && self.arguments > 0 => {}
            State::Key if letter == ')' => self.finish(delta),
            State::Key if letter.is_alphabetic() || letter == '_' => {
                self.literal = letter.to_string();
                self.state = State::InKey;
            }
            State::InKey if letter == '=' => {
                let comma = if self.arguments > 0 { ", " } else { "" };
                let key = Value::String(self.literal.trim_end().to_owned());
                self.unsent.push_str(&format!("{comma}{key}: "));
                self.arguments += 1;
                self.literal.clear();
                self.state = State::Value;
            }
            State::InKey if letter.is_alphanumeric() || letter == '_' || letter == ' ' => {
                self.literal.push(letter);
            }
            State::Value if letter.is_whitespace() => {}
            State::Value if letter == '"' || letter == '\'' => {
                self.quote = letter;
                self.unsent.push('"');
                self.send(delta);
                self.state = State::Text;
            }
            State::Value => {
                self.depth = 0;
                self.state = State::Literal;
                self.literal(letter, delta);
            }
            State::Text => self.text(letter, delta),
            State::BehindText if letter.is_whitespace() => {}
            State::BehindText if letter == ',' => self.state = State::Key,
            State::BehindText if letter == ')' => self.finish(delta),
            State::Literal | State::TextInLiteral => self.literal(letter, delta),
            State::Done if letter.is_whitespace() => {}
            State::Call
            | State::Name
            | State::Key
            | State::InKey
            | State::BehindText
            | State::Done
            | State::Broken => self.state = State::Broken,
        }
    }

    fn text(&mut self, letter: char, delta: &mut Delta) {
        if !self.escape.is_empty() {
            self.escape.push(letter);
            if let Some(plain) = unescaped(&self.escape) {
                self.escape.clear();
                self.unsent.push_str(&inside(&plain));
                self.send(delta);
            }
        } else if letter == '\\' {
            self.escape.push(letter);
        } else if letter == self.quote {
            self.unsent.push('"');
            self.state = State::BehindText;
        } else {
            self.unsent
                .push_str(&inside(letter.encode_utf8(&mut [0; 4])));
            self.send(delta);
        }
    }

    fn literal(&mut self, letter: char, delta: &mut Delta) {
        if self.state == State::TextInLiteral {
            self.literal.push(letter);
            if self.escape.is_empty() && letter == '\\' {
                self.escape.push(letter);
            } else if self.escape.is_empty() && letter == self.quote {
                self.state = State::Literal;
            } else {
                self.escape.clear();
            }
            return;
        }
        if self.depth == 0 && matches!(letter, ',' | ')') {
            let Some(value) = python_value(&self.literal) else {
                self.state = State::Broken;
                return;
            };
            self.unsent.push_str(&json(&value));
            self.state = State::Key;
            if letter == ')' {
                self.finish(delta);
            }
            return;
        }
        match letter {
            '"' | '\'' => {
                self.quote = letter;
                self.state = State::TextInLiteral;
            }
            '[' | '{' | '(' => self.depth += 1,
            ']' | '}' | ')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.literal.push(letter);
    }

    fn send(&mut self, delta: &mut Delta) {
        if !std::mem::replace(&mut self.named, true) {
            delta.name(self.calls, &self.name);
        }
        let unsent = std::mem::take(&mut self.unsent);
        delta.arguments(self.calls, &unsent);
    }

    fn finish(&mut self, delta: &mut Delta) {
        self.unsent.push('}');
        self.send(delta);
        self.calls += 1;
        self.state = State::Call;
    }
}

impl ToolReader for PythonCalls {
    fn read(&mut self, text: &str, delta: &mut Delta) {
        for letter in text.chars() {
            self.push(letter, delta);
        }
        if delta.is_silent() && (self.state == State::Done || self.state == State::Plain) {
            delta.say("");
        }
    }

    fn is_sound(&self) -> bool {
        self.state == State::Done
    }
}

/// What an escape that began with a backslash stands for; `None` until it is complete.
fn unescaped(escape: &str) -> Option<String> {
    let kind = escape.chars().nth(1)?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let code = escape.get(2..2 + digits)?;
        let letter = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        return Some(letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string());
    }
    Some(match kind {
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        'r' => "\r".to_owned(),
        'b' => "\u{8}".to_owned(),
        'f' => "\u{c}".to_owned(),
        '\\' | '\'' | '"' => kind.to_string(),
        other => format!("\\{other}"),
    })
}

/// Reads a Python literal.
pub fn python_value(text: &str) -> Option<Value> {
    let mut letters: Vec<char> = text.trim().chars().collect();
    letters.reverse();
    let value = literal(&mut letters)?;
    letters.is_empty().then_some(value)
}

/// Reads a literal from the end of `rest`, where the text's beginning is.
fn literal(rest: &mut Vec<char>) -> Option<Value> {
    skip_blanks(rest);
    match *rest.last()? {
        quote @ ('"' | '\'') => {
            rest.pop();
            let mut text = String::new();
            let mut escape = String::new();
            loop {
                let letter = rest.pop()?;
                if !escape.is_empty() {
                    escape.push(letter);
                    if let Some(plain) = unescaped(&escape) {
                        text.push_str(&plain);
                        escape.clear();
                    }
                } else if letter == '\\' {
                    escape.push(letter);
                } else if letter == quote {
                    return Some(Value::String(text));
                } else {
                    text.push(letter);
                }
            }
        }
        open @ ('[' | '(') => {
            let close = if open == '[' { ']' } else { ')' };
            rest.pop();
            let mut items = Vec::new();
            loop {
                skip_blanks(rest);
                if *rest.last()? == close {
                    rest.pop();
                    return Some(Value::Array(items));
                }
                items.push(literal(rest)?);
                skip_comma(rest);
            }
        }
        '{' => {
            rest.pop();
            let mut members = Map::new();
            loop {
                skip_blanks(rest);
                if *rest.last()? == '}' {
                    rest.pop();
                    return Some(Value::Object(members));
                }
                let Value::String(key) = literal(rest)? else {
                    return None;
                };
                skip_blanks(rest);
                if rest.pop()? != ':' {
                    return None;
                }
                members.insert(key, literal(rest)?);
                skip_comma(rest);
            }
        }
        _ => {
            let mut word = String::new();
            while let Some(letter) = rest.last().copied()
                && (letter.is_alphanumeric() || "+-._".contains(letter))
            {
                word.push(letter);
                rest.pop();
            }
            match word.as_str() {
                "True" => Some(Value::Bool(true)),
                "False" => Some(Value::Bool(false)),
                "None" => Some(Value::Null),
                number => match number.parse::<i64>() {
                    Ok(whole) => Some(Value::from(whole)),
                    Err(_) => Number::from_f64(number.parse().ok()?).map(Value::Number),
                },
            }
        }
    }
}

fn skip_blanks(rest: &mut Vec<char>) {
    while rest.last().is_some_and(|letter| letter.is_whitespace()) {
        rest.pop();
    }
}

fn skip_comma(rest: &mut Vec<char>) {
    skip_blanks(rest);
    if rest.last() == Some(&',') {
        rest.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn python_literals_are_read() {
        for (text, value) in [
            ("True", json!(true)),
            ("None", json!(null)),
            ("-3", json!(-3)),
            ("4.5", json!(4.5)),
            ("'it\\'s \\u00e9\\n'", json!("it's é\n")),
            (
                "[1, ('a', 'b'), {'k': [None]}]",
                json!([1, ["a", "b"], {"k": [null]}]),
            ),
        ] {
            assert_eq!(python_value(text), Some(value), "{text}");
        }
        for bad in ["", "f(x)", "[1", "{1: 2}", "nan"] {
            assert_eq!(python_value(bad), None, "{bad}");
        }
    }
}
