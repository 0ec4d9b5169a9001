//! One JSON object that names a function and holds its arguments, read character by character.

/// Reads the object; what it finds goes out as it is found.
#[derive(Debug)]
pub struct CallScanner {
    /// Members that hold the arguments.
    keys: &'static [&'static str],
    state: State,
    /// Brackets that are open within the value.
    depth: usize,
    in_string: bool,
    escaped: bool,
    key: String,
    /// The value of the name, quotes included.
    value: String,
    has_name: bool,
    has_arguments: bool,
    /// Arguments that may not go out yet: the name comes first, and blanks wait for what
    /// follows them.
    held: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Behind `{` or `,`.
    Key,
    InKey,
    Colon,
    Value(Member),
    InValue(Member),
    Done,
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Name,
    Arguments,
    Other,
}

/// What came out with one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bit {
    Name(String),
    Arguments(String),
}

impl CallScanner {
    pub fn new(keys: &'static [&'static str]) -> Self {
        Self {
            keys,
            state: State::Start,
            depth: 0,
            in_string: false,
            escaped: false,
            key: String::new(),
            value: String::new(),
            has_name: false,
            has_arguments: false,
            held: String::new(),
        }
    }

    /// The object is closed.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// This is no JSON object.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Both a name and arguments were there.
    pub fn is_call(&self) -> bool {
        self.has_name && self.has_arguments
    }

    /// Takes the next character; none is taken once the object is closed or broken.
    pub fn push(&mut self, letter: char, out: &mut Vec<Bit>) {
        match self.state {
            State::Done | State::Broken => {}
            State::Start if letter == '{' => self.state = State::Key,
            State::Key if letter == '"' => {
                self.key.clear();
                self.state = State::InKey;
            }
            State::Key if letter == '}' => self.state = State::Done,
            State::InKey => self.in_key(letter),
            State::Colon if letter == ':' => self.state = State::Value(self.member()),
            State::Start | State::Key | State::Colon if letter.is_whitespace() => {}
            State::Start | State::Key | State::Colon => self.state = State::Broken,
            State::Value(_) if letter.is_whitespace() => {}
            State::Value(member) => {
                self.state = State::InValue(member);
                self.value.clear();
                self.in_value(member, letter, out);
            }
            State::InValue(member) => self.in_value(member, letter, out),
        }
    }

    fn in_key(&mut self, letter: char) {
        if self.escaped {
            self.escaped = false;
        } else if letter == '\\' {
            self.escaped = true;
        } else if letter == '"' {
            self.state = State::Colon;
            return;
        }
        self.key.push(letter);
    }

    fn member(&self) -> Member {
        if self.key == "name" {
            Member::Name
        } else if self.keys.contains(&self.key.as_str()) {
            Member::Arguments
        } else {
            Member::Other
        }
    }

    fn in_value(&mut self, member: Member, letter: char, out: &mut Vec<Bit>) {
        if !self.in_string && self.depth == 0 && matches!(letter, ',' | '}') {
            self.end_value(member, out);
            self.state = if letter == ',' {
                State::Key
            } else {
                State::Done
            };
            return;
        }
        if self.in_string {
            if self.escaped {
                self.escaped = false;
            } else if letter == '\\' {
                self.escaped = true;
            } else if letter == '"' {
                self.in_string = false;
            }
        } else {
            match letter {
                '"' => self.in_string = true,
                '{' | '[' => self.depth += 1,
                '}' | ']' => match self.depth.checked_sub(1) {
                    Some(depth) => self.depth = depth,
                    None => {
                        self.state = State::Broken;
                        return;
                    }
                },
                _ => {}
            }
        }
        match member {
            Member::Name => {
                self.value.push(letter);
                // The name is known at its closing quote.
                if !self.in_string && letter == '"' && self.value.len() > 1 {
                    self.name(out);
                }
            }
            Member::Arguments => {
                self.has_arguments = true;
                self.held.push(letter);
                if !letter.is_whitespace() {
                    self.release(out);
                }
            }
            Member::Other => {}
        }
    }

    fn end_value(&mut self, member: Member, out: &mut Vec<Bit>) {
        if member == Member::Arguments {
            // Blanks behind the value are not part of it.
            let kept = self.held.trim_end().len();
            self.held.truncate(kept);
            self.release(out);
        }
    }

    fn name(&mut self, out: &mut Vec<Bit>) {
        match serde_json::from_str::<String>(&self.value) {
            Ok(name) if !name.is_empty() && !self.has_name => {
                self.has_name = true;
                out.push(Bit::Name(name));
                self.release(out);
            }
            _ => self.state = State::Broken,
        }
    }

    fn release(&mut self, out: &mut Vec<Bit>) {
        if self.has_name && !self.held.is_empty() {
            out.push(Bit::Arguments(std::mem::take(&mut self.held)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> (Vec<Bit>, bool, bool) {
        let mut scanner = CallScanner::new(&["arguments", "parameters"]);
        let mut bits: Vec<Bit> = Vec::new();
        for letter in text.chars() {
            let mut out = Vec::new();
            scanner.push(letter, &mut out);
            for bit in out {
                match (bits.last_mut(), bit) {
                    (Some(Bit::Arguments(last)), Bit::Arguments(more)) => last.push_str(&more),
                    (_, bit) => bits.push(bit),
                }
            }
        }
        (bits, scanner.is_done(), scanner.is_broken())
    }

    fn call(name: &str, arguments: &str) -> Vec<Bit> {
        vec![
            Bit::Name(name.to_owned()),
            Bit::Arguments(arguments.to_owned()),
        ]
    }

    #[test]
    fn name_and_arguments_come_out_as_they_stand_in_the_text() {
        for (text, arguments) in [
            (
                r#"{"name": "f", "arguments": {"a": "}\" ,"}}"#,
                r#"{"a": "}\" ,"}"#,
            ),
            (r#" {"name":"f","parameters":{} }"#, "{}"),
            (
                r#"{"parameters" : {"x": [1, {"name": "g"}]} , "name": "f"}"#,
                r#"{"x": [1, {"name": "g"}]}"#,
            ),
            (
                r#"{"id": {"name": "g"}, "name": "f", "arguments": "x"}"#,
                r#""x""#,
            ),
        ] {
            assert_eq!(scanned(text), (call("f", arguments), true, false), "{text}");
        }
    }

    #[test]
    fn what_is_no_call_is_told_from_what_is_not_yet_one() {
        assert_eq!(scanned("<function=f>"), (Vec::new(), false, true));
        assert_eq!(scanned(r#"{"name": "#), (Vec::new(), false, false));
        assert_eq!(scanned(r#"{name: 1}"#), (Vec::new(), false, true));
        assert_eq!(scanned("{}"), (Vec::new(), true, false));
    }
}
