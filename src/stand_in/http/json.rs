//! Bodies that are no JSON, and what Python's parser says of them and where: clients that log an
//! error show it to people.

use serde_json::{Value, json};

use crate::stand_in::http::error::{ApiError, Complaint};

/// Reads a body that must hold an object.
pub fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(body) if body.is_object() => Ok(body),
        Ok(Value::Null) => Err(nothing()),
        Ok(other) => Err(ApiError::invalid(&[Complaint::new(
            "model_attributes_type",
            "body",
            "Input should be a valid dictionary or object to extract fields from",
            &other,
        )])),
        Err(_) if bytes.is_empty() => Err(nothing()),
        Err(_) => Err(broken(&String::from_utf8_lossy(bytes))),
    }
}

fn nothing() -> ApiError {
    ApiError::invalid(&[Complaint::missing("body", &Value::Null)])
}

fn broken(text: &str) -> ApiError {
    let letters: Vec<char> = text.chars().collect();
    let mut scanner = Scanner {
        letters: &letters,
        at: 0,
    };
    // What serde refuses and Python takes: half of a surrogate pair, nesting that is very deep.
    let (says, at) = scanner.text().err().unwrap_or(("Expecting value", 0));
    let complaint = Complaint::new(
        "json_invalid",
        format!("body.{at}"),
        "JSON decode error",
        &json!({}),
    );
    let says = crate::stand_in::http::error::repr(says);
    ApiError::invalid(&[complaint.with(format!("{{'error': {says}}}"))])
}

/// What is wrong, and at which character.
type Broken = (&'static str, usize);

/// Walks over JSON as Python's parser does, for the first thing that it does not take.
struct Scanner<'a> {
    letters: &'a [char],
    at: usize,
}

impl Scanner<'_> {
    fn text(&mut self) -> Result<(), Broken> {
        self.space();
        self.value()?;
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(("Extra data", self.at)),
        }
    }

    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn take(&mut self, letter: char) -> bool {
        let found = self.peek() == Some(letter);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<(), Broken> {
        match self.peek() {
            Some('{') => self.object(),
            Some('[') => self.list(),
            Some('"') => self.string(),
            Some('-' | '0'..='9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<(), Broken> {
        for word in ["null", "true", "false", "NaN", "Infinity", "-Infinity"] {
            let end = self.at + word.len();
            let letters = self.letters.get(self.at..end);
            if letters.is_some_and(|letters| letters.iter().copied().eq(word.chars())) {
                self.at = end;
                return Ok(());
            }
        }
        Err(("Expecting value", self.at))
    }

    /// What follows a number that has ended early is said to be extra, not that it is wrong.
    fn number(&mut self) -> Result<(), Broken> {
        let start = self.at;
        self.take('-');
        let whole = self.at;
        if !self.take('0') {
            self.digits();
        }
        if self.at == whole {
            self.at = start;
            return self.word();
        }
        let whole_end = self.at;
        if self.take('.') && self.digits() == 0 {
            self.at = whole_end;
            return Ok(());
        }
        let fraction_end = self.at;
        if self.take('e') || self.take('E') {
            let _ = self.take('+') || self.take('-');
            if self.digits() == 0 {
                self.at = fraction_end;
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(("Unterminated string starting at", start)),
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => self.escape(start)?,
                Some('\0'..='\u{1f}') => return Err(("Invalid control character at", self.at)),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, start: usize) -> Result<(), Broken> {
        let at = self.at;
        self.at += 2;
        match self.letters.get(at + 1) {
            None => Err(("Unterminated string starting at", start)),
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => Ok(()),
            Some('u') => {
                let hex = self.letters.get(at + 2..at + 6);
                if hex.is_some_and(|hex| hex.iter().all(char::is_ascii_hexdigit)) {
                    self.at = at + 6;
                    Ok(())
                } else {
                    Err(("Invalid \\uXXXX escape", at + 1))
                }
            }
            Some(_) => Err(("Invalid \\escape", at)),
        }
    }

    fn list(&mut self) -> Result<(), Broken> {
        self.at += 1;
        self.space();
        if self.take(']') {
            return Ok(());
        }
        loop {
            self.value()?;
            self.space();
            if self.take(']') {
                return Ok(());
            }
            if !self.take(',') {
                return Err(("Expecting ',' delimiter", self.at));
            }
            self.space();
        }
    }

    fn object(&mut self) -> Result<(), Broken> {
        self.at += 1;
        self.space();
        if self.take('}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some('"') {
                let says = "Expecting property name enclosed in double quotes";
                return Err((says, self.at));
            }
            self.string()?;
            self.space();
            if !self.take(':') {
                return Err(("Expecting ':' delimiter", self.at));
            }
            self.space();
            self.value()?;
            self.space();
            if self.take('}') {
                return Ok(());
            }
            if !self.take(',') {
                return Err(("Expecting ',' delimiter", self.at));
            }
            self.space();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_says_what_is_wrong_and_where() {
        // What Python 3.11 says of each.
        for (text, says, at) in [
            (
                "{bad json",
                "Expecting property name enclosed in double quotes",
                1,
            ),
            (
                "{\"a\": 1,}",
                "Expecting property name enclosed in double quotes",
                8,
            ),
            ("{\"a\": [{\"role\"", "Expecting ':' delimiter", 14),
            ("{} {}", "Extra data", 3),
            ("{\"a\": 1 \"b\": 2}", "Expecting ',' delimiter", 8),
            ("{\"a\": nope}", "Expecting value", 6),
            ("{\"a\": \"b", "Unterminated string starting at", 6),
            ("{\"a\": \"é\nb\"}", "Invalid control character at", 8),
            ("{\"a\": \"\\x\"}", "Invalid \\escape", 7),
            ("{\"a\": \"\\u12\"}", "Invalid \\uXXXX escape", 8),
            ("{\"a\": [1, 2", "Expecting ',' delimiter", 11),
            ("{\"a\": [1,]}", "Expecting value", 9),
            ("{\"a\": 01}", "Expecting ',' delimiter", 7),
            ("{\"a\": 1.}", "Expecting ',' delimiter", 7),
            ("{\"a\": -}", "Expecting value", 6),
            ("  ", "Expecting value", 2),
        ] {
            let letters: Vec<char> = text.chars().collect();
            let mut scanner = Scanner {
                letters: &letters,
                at: 0,
            };
            assert_eq!(scanner.text(), Err((says, at)), "{text}");
            assert_eq!(parse(text.as_bytes()).unwrap_err().status, 400);
        }
    }

    #[test]
    fn whole_json_is_walked_over_to_its_end() {
        let text = r#" {"a": [1, -2.5e+3, "\u00e9\n", true, null, {}, []], "b": {"c": 0}} "#;
        let letters: Vec<char> = text.chars().collect();
        let mut scanner = Scanner {
            letters: &letters,
            at: 0,
        };
        assert_eq!(scanner.text(), Ok(()));
        assert_eq!(parse(text.as_bytes()).unwrap()["b"]["c"], 0);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (text, says) in [
            ("[1]", "'input': '<list of 1 items>'"),
            ("\"x\"", "'input': 'x'"),
            ("null", "'msg': 'Field required', 'input': 'None'"),
            ("", "'msg': 'Field required', 'input': 'None'"),
        ] {
            let body = parse(text.as_bytes()).unwrap_err().body();
            assert!(body["error"]["message"].as_str().unwrap().contains(says));
            assert_eq!(body["error"]["param"], "body");
        }
    }
}
