//! The errors that vLLM answers: objects with message, type, parameter and code, in its own words
//! and, where a body has the wrong form, in those of pydantic. Which requests are wrong is known
//! elsewhere.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

/// Most complaints about one body that are told; the others are counted.
const MOST_COMPLAINTS: usize = 10;
/// Longest text of a request that is told back, in characters.
const LONGEST_INPUT: usize = 200;

/// An error answer. Its body is an object, as all of vLLM's are but the one to a missing key and
/// those of its router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    message: String,
    kind: &'static str,
    param: Option<String>,
}

impl ApiError {
    /// A request of the right form that vLLM does not take.
    pub fn bad(message: impl Into<String>, param: Option<&str>) -> Self {
        Self {
            status: 400,
            message: message.into(),
            kind: "BadRequestError",
            param: param.map(str::to_owned),
        }
    }

    /// [`Self::bad`] with the parameter named in the message too.
    pub fn of(param: &str, message: &str) -> Self {
        Self::bad(format!("{message} (parameter={param})"), Some(param))
    }

    /// [`Self::of`] with the parameter's value as Python writes it.
    pub fn of_value(param: &str, value: impl Display, message: &str) -> Self {
        let message = format!("{message} (parameter={param}, value={value})");
        Self::bad(message, Some(param))
    }

    /// `names` are those that the engine serves.
    pub fn no_such_model(name: &str, names: &[String]) -> Self {
        Self {
            status: 404,
            message: format!(
                "The model `{name}` does not exist. Valid aliases: {}.",
                names.join(", ")
            ),
            kind: "NotFoundError",
            param: Some("model".to_owned()),
        }
    }

    /// A body of the wrong form. There is at least one complaint.
    pub fn invalid(complaints: &[Complaint]) -> Self {
        let label = if complaints.len() == 1 {
            "error"
        } else {
            "errors"
        };
        let mut message = format!("{} validation {label}:", complaints.len());
        for complaint in complaints.iter().take(MOST_COMPLAINTS) {
            message.push_str(&format!("\n  {complaint}"));
        }
        if let Some(untold @ 1..) = complaints.len().checked_sub(MOST_COMPLAINTS) {
            message.push_str(&format!("\n  ...and {untold} more {label}"));
        }
        Self {
            status: 400,
            message,
            kind: "Bad Request",
            param: complaints.first().map(|complaint| complaint.at.clone()),
        }
    }

    /// A body that is not declared as JSON is not looked at.
    pub fn media_type() -> Self {
        Self {
            status: 400,
            message: "1 validation error:\n  Unsupported Media Type: Only 'application/json' is \
                      allowed"
                .to_owned(),
            kind: "Bad Request",
            param: None,
        }
    }

    pub fn body(&self) -> Value {
        json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.status,
        }})
    }
}

/// What pydantic holds against one place of a body. Displays as a Python dict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    kind: &'static str,
    /// Dotted path from `body`.
    at: String,
    says: String,
    /// The value, as it is told back.
    input: String,
    /// Further facts, as a Python dict.
    context: Option<String>,
}

impl Complaint {
    pub fn new(kind: &'static str, at: impl Into<String>, says: &str, input: &Value) -> Self {
        Self {
            kind,
            at: at.into(),
            says: says.to_owned(),
            input: told_back(input),
            context: None,
        }
    }

    /// A field that must be there and is not; `among` holds it.
    pub fn missing(at: impl Into<String>, among: &Value) -> Self {
        Self::new("missing", at, "Field required", among)
    }

    /// `context` is a Python dict.
    pub fn with(mut self, context: String) -> Self {
        self.context = Some(context);
        self
    }
}

impl Display for Complaint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            at,
            says,
            input,
            context,
        } = self;
        let (says, input) = (repr(says), repr(input));
        write!(
            f,
            "{{'type': '{kind}', 'loc': {}, 'msg': {says}, 'input': {input}",
            repr(at)
        )?;
        if let Some(context) = context {
            write!(f, ", 'ctx': {context}")?;
        }
        f.write_str("}")
    }
}

/// A value in few words: containers by their size, everything else as Python's `str`.
fn told_back(value: &Value) -> String {
    let text = match value {
        Value::Array(items) => return format!("<list of {} items>", items.len()),
        Value::Object(fields) => return format!("<dict of {} items>", fields.len()),
        Value::String(text) => text.clone(),
        other => python(other),
    };
    match text.char_indices().nth(LONGEST_INPUT) {
        Some((end, _)) => format!("{}...[truncated]", &text[..end]),
        None => text,
    }
}

/// A value as Python's `repr` writes it.
pub fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => repr(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", repr(name), python(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// A text as Python's `repr` writes it: in single quotes, unless it holds some and no double
/// ones.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut written = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            letter if letter == quote => written.extend(['\\', letter]),
            letter if letter.is_ascii_control() => {
                written.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            letter => written.push(letter),
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_python_writes_them() {
        for (text, written) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("\"it's\"", "'\"it\\'s\"'"),
            ("a\\b\n\t\u{1}é", "'a\\\\b\\n\\t\\x01é'"),
        ] {
            assert_eq!(repr(text), written);
        }
        let value = json!({"a": [1, 1.5, null, true, "x"]});
        assert_eq!(python(&value), "{'a': [1, 1.5, None, True, 'x']}");
    }

    #[test]
    fn many_complaints_are_counted_and_some_told() {
        let complaints: Vec<Complaint> = (0..12)
            .map(|n| Complaint::new("int_type", format!("body.{n}"), "no", &json!([n])))
            .collect();
        let error = ApiError::invalid(&complaints);
        assert_eq!(error.param.as_deref(), Some("body.0"));
        let lines: Vec<&str> = error.message.lines().collect();
        assert_eq!(lines[0], "12 validation errors:");
        assert_eq!(
            lines[10],
            "  {'type': 'int_type', 'loc': 'body.9', 'msg': 'no', 'input': '<list of 1 items>'}"
        );
        assert_eq!(lines[11..], ["  ...and 2 more errors"]);
        let long = Complaint::new("k", "body", "m", &json!("é".repeat(300)));
        assert!(long.to_string().ends_with("éé...[truncated]'}"));
        assert!(long.to_string().chars().count() < 300);
    }
}
