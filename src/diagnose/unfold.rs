//! Records of collectors and of loggers that write JSON or logfmt: the text inside them.

use serde_json::Value;

use crate::diagnose::head::level_named;
use crate::diagnose::line::Level;

/// What a record holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The message, then what stands apart from it: a traceback.
    pub texts: Vec<String>,
    /// As vLLM's own logger stated it. What a collector states tells the stream, not the level.
    pub level: Level,
}

/// Fields that hold a message, the likeliest first: Docker, vLLM's JSON logger, and others.
const MESSAGES: [&str; 9] = [
    "log",
    "message",
    "msg",
    "MESSAGE",
    "textPayload",
    "line",
    "text",
    "event",
    "body",
];

/// Fields that hold a traceback.
const TRACEBACKS: [&str; 6] = [
    "exc_info",
    "exc_text",
    "exception",
    "stack_trace",
    "stack_info",
    "traceback",
];

/// The record that a line is; `None` where it is plain text.
pub fn unfold(line: &str) -> Option<Record> {
    if line.starts_with("{\"") {
        return json(line);
    }
    let is_logfmt = ["time=", "ts=", "level="]
        .iter()
        .any(|key| line.starts_with(key));
    if is_logfmt { logfmt(line) } else { None }
}

fn json(line: &str) -> Option<Record> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |key: &&str| value.get(*key)?.as_str();
    let message = MESSAGES.iter().find_map(text)?;
    let mut texts = vec![message.trim_end_matches('\n').to_owned()];
    texts.extend(TRACEBACKS.iter().filter_map(text).map(str::to_owned));
    let by_vllm = ["name", "logger", "logger_name"]
        .iter()
        .filter_map(text)
        .any(|name| name.starts_with("vllm"));
    let level = ["levelname", "level", "severity"]
        .iter()
        .find_map(text)
        .and_then(level_named)
        .filter(|_| by_vllm)
        .unwrap_or(Level::Unmarked);
    Some(Record { texts, level })
}

/// `time=".." level=info msg="a \"b\""`.
fn logfmt(line: &str) -> Option<Record> {
    let at = line.find(" msg=\"")? + " msg=".len();
    // The value is written as a JSON string is, and more fields may follow it.
    let value = serde_json::Deserializer::from_str(&line[at..])
        .into_iter::<String>()
        .next()?
        .ok()?;
    Some(Record {
        texts: vec![value],
        level: Level::Unmarked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(texts: &[&str], level: Level) -> Option<Record> {
        Some(Record {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            level,
        })
    }

    #[test]
    fn the_message_of_a_record_is_found() {
        let cases = [
            (
                r#"{"log":"a\n","stream":"stderr","level":"info"}"#,
                record(&["a"], Level::Unmarked),
            ),
            (
                r#"{"levelname":"ERROR","name":"vllm.v1.engine.core","message":"a","exc_info":"T\nE: x"}"#,
                record(&["a", "T\nE: x"], Level::Error),
            ),
            (
                r#"{"severity":"ERROR","textPayload":"INFO: a"}"#,
                record(&["INFO: a"], Level::Unmarked),
            ),
            (
                r#"time="2026-08-25T11:01:02Z" level=error msg="a \"b\"" pod=x"#,
                record(&["a \"b\""], Level::Unmarked),
            ),
            ("{\"cut short", None),
            ("{\"a\":1}", None),
            ("time=", None),
            ("level=info msg=\"open", None),
            ("plain", None),
        ];
        for (line, found) in cases {
            assert_eq!(unfold(line), found, "{line}");
        }
    }
}
