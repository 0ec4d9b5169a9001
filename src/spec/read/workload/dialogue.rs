//! Conversations of a JSONL file, in the shape of ShareGPT (`conversations` with `from` and
//! `value`) or of OpenAI (`messages` with `role` and `content`).

use std::ops::Range;

use serde_json::Value;

/// So many mistakes of a file are told; a file of another kind has one in every line.
const MOST_MISTAKES: usize = 5;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialogues {
    /// The user messages of every conversation that has enough of them, cut to that number.
    pub long: Vec<Vec<String>>,
    /// Conversations that have fewer.
    pub n_short: usize,
}

/// A line that is no conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Of the line, in bytes.
    pub range: Range<usize>,
    pub message: String,
}

/// Reads a file. Empty lines are passed over, and so is what system and assistant said: the
/// engine under test gives the answers.
///
/// # Errors
/// The first lines that are no conversations.
pub fn read(text: &str, turns: usize) -> Result<Dialogues, Vec<Mistake>> {
    let mut found = Dialogues {
        long: Vec::new(),
        n_short: 0,
    };
    let mut mistakes = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.trim_end().len();
        start += line.len();
        if line.trim().is_empty() {
            continue;
        }
        match user_messages(line) {
            Ok(mut messages) if messages.len() >= turns => {
                messages.truncate(turns);
                found.long.push(messages);
            }
            Ok(_) => found.n_short += 1,
            Err(message) => mistakes.push(Mistake { range, message }),
        }
        if mistakes.len() == MOST_MISTAKES {
            break;
        }
    }
    if mistakes.is_empty() {
        Ok(found)
    } else {
        Err(mistakes)
    }
}

fn user_messages(line: &str) -> Result<Vec<String>, String> {
    let value: Value =
        serde_json::from_str(line).map_err(|error| format!("this line is not JSON: {error}"))?;
    let shapes = [
        ("messages", "role", "content", ["user", "user"]),
        ("conversations", "from", "value", ["human", "user"]),
    ];
    let (list, who, what, users) = shapes
        .into_iter()
        .find(|(list, ..)| value.get(list).is_some())
        .ok_or("this line has neither `messages` nor `conversations`")?;
    let messages = value[list]
        .as_array()
        .ok_or_else(|| format!("`{list}` is not a list"))?;
    let mut said = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let speaker = message
            .get(who)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("`{list}[{place}]` has no text `{who}`"))?;
        if !users.contains(&speaker) {
            continue;
        }
        let text = message
            .get(what)
            .and_then(content)
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| format!("`{list}[{place}]` has no text `{what}`"))?;
        said.push(text);
    }
    Ok(said)
}

/// A text, or the texts of a list of parts.
fn content(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let parts = value.as_array()?;
    parts
        .iter()
        .map(|part| part.get("text").and_then(Value::as_str))
        .collect::<Option<Vec<&str>>>()
        .map(|texts| texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_give_what_the_users_said() {
        let text = concat!(
            r#"{"id":"a","conversations":[{"from":"system","value":"s"},{"from":"human","value":"one"},{"from":"gpt","value":"x"},{"from":"human","value":"two"}]}"#,
            "\n\n",
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"more"}]},{"role":"assistant","content":null},{"role":"user","content":"two"},{"role":"user","content":"three"}]}"#,
            "\r\n",
            r#"{"messages":[{"role":"user","content":"alone"}]}"#,
        );
        let found = read(text, 2).unwrap();
        assert_eq!(found.long, [["one", "two"], ["one\nmore", "two"]]);
        assert_eq!(found.n_short, 1);
    }

    #[test]
    fn every_line_that_is_none_is_named_with_its_place() {
        let lines = [
            (r#"{"messages":[{"role":"user","content":"ok"}]}"#, None),
            ("{", Some("this line is not JSON")),
            ("[]", Some("neither `messages` nor `conversations`")),
            (r#"{"messages":3}"#, Some("`messages` is not a list")),
            (
                r#"{"conversations":[{"value":"x"}]}"#,
                Some("`conversations[0]` has no text `from`"),
            ),
            (
                r#"{"messages":[{"role":"user","content":" "}]}"#,
                Some("`messages[0]` has no text `content`"),
            ),
            ("nor is this one told", Some("")),
        ];
        let text = lines.map(|(line, _)| line).join("\n");
        let mistakes = read(&text, 1).unwrap_err();
        assert_eq!(mistakes.len(), MOST_MISTAKES);
        let wrong = lines.iter().filter_map(|(line, why)| Some((line, (*why)?)));
        for (mistake, (line, why)) in mistakes.iter().zip(wrong) {
            assert_eq!(&text[mistake.range.clone()], *line);
            assert!(mistake.message.contains(why), "{}", mistake.message);
        }
    }
}
