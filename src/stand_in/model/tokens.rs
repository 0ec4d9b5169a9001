//! The stand-in's tokenizer and chat template.
//!
//! A token is up to four ASCII letters or digits of one word (its leading space counts as one),
//! a mark of some model family, or one other character. The token's id spells it, so no
//! vocabulary is needed, decoding is exact, and text that is cut at a word's border tokenizes to
//! the same ids as the whole.

use serde_json::{Map, Value, json};

use crate::spec::imagined::ToolFormat;
use crate::stand_in::model::tool_call::{Call, Form};

/// A token's id; below 2^31, as clients may read it into a signed 32-bit integer.
pub type TokenId = u32;

/// Most characters of a word in one token.
const PIECE: usize = 4;
/// Marks an id that holds one Unicode scalar value instead of ASCII characters.
const SCALAR: u32 = 1 << 30;
/// Special tokens lie behind the last Unicode scalar value.
const SPECIAL: u32 = SCALAR | 0x11_0000;

/// One more than the greatest id of a token.
pub const N_TOKENS: TokenId = MESSAGE_END + 1;

/// Opens a message in the chat template.
pub const MESSAGE_START: TokenId = SPECIAL;
/// Closes a message; a model that stops by itself ends with it.
pub const MESSAGE_END: TokenId = SPECIAL + 1;

/// Marks that models write around thoughts and calls, each one token as in their own
/// vocabularies; no tokenizer has them all, but then no model has to write them all.
const MARKS: [&str; 15] = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "[TOOL_CALLS]",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
    "<|tool_call|>",
    "<|action_start|>",
    "<|action_end|>",
    "<|plugin|>",
    "<|python_tag|>",
];
/// The first mark's id; the others follow.
const MARK: TokenId = MESSAGE_END + 1;

/// Cuts a text into tokens.
pub fn encode(text: &str) -> Vec<TokenId> {
    let mut ids = Vec::with_capacity(text.len() / 3 + 1);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = piece_length(rest.as_bytes());
        if let Some((id, behind)) = mark(rest) {
            ids.push(id);
            rest = behind;
        } else if length == 0 {
            ids.push(SCALAR | u32::from(first));
            rest = &rest[first.len_utf8()..];
        } else {
            let (word, behind) = rest.split_at(length);
            ids.extend(word.as_bytes().chunks(PIECE).map(spell));
            rest = behind;
        }
    }
    ids
}

/// The mark at the front, and what follows it.
fn mark(text: &str) -> Option<(TokenId, &str)> {
    if !text.starts_with(['<', '[']) {
        return None;
    }
    (MARK..)
        .zip(MARKS)
        .find_map(|(id, mark)| text.strip_prefix(mark).map(|behind| (id, behind)))
}

/// Bytes of the word at the front, its one leading space included; 0 where none begins.
fn piece_length(bytes: &[u8]) -> usize {
    let space = usize::from(bytes.first() == Some(&b' '));
    let letters = bytes[space..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    if letters == 0 { 0 } else { space + letters }
}

/// Seven bits for each of at most four ASCII characters, then their number less one.
pub fn spell(piece: &[u8]) -> TokenId {
    let letters = piece
        .iter()
        .fold(0, |id, byte| (id << 7) | u32::from(*byte));
    let count = u32::try_from(piece.len()).expect("a piece has at most four characters");
    (letters << 2) | (count - 1)
}

/// The text of one token; empty for special tokens and for numbers that are no token.
pub fn decode(id: TokenId) -> String {
    if id & SCALAR != 0 {
        let place = id
            .checked_sub(MARK)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(mark) = place.and_then(|place| MARKS.get(place)) {
            return (*mark).to_owned();
        }
        return char::from_u32(id & !SCALAR)
            .map(String::from)
            .unwrap_or_default();
    }
    let (count, letters) = ((id & 3) + 1, id >> 2);
    (0..count)
        .rev()
        .map(|place| char::from(u8::try_from((letters >> (7 * place)) & 0x7f).unwrap_or(b'?')))
        .collect()
}

/// How a model's chat template renders what is not just text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// The format of the calls in earlier answers.
    pub calls: ToolFormat,
    /// How the answer begins; `None` leaves the conversation closed.
    pub opening: Option<&'static str>,
}

/// Renders a conversation as a chat model sees it: `START role \n content END \n` for each
/// message, then the opening of the answer if there is to be one.
pub fn render_chat(messages: &[Value], tools: Option<&Value>, template: Template) -> Vec<TokenId> {
    let mut ids = Vec::new();
    if let Some(tools) = tools {
        push_message(&mut ids, "tools", &tools.to_string());
    }
    for message in messages {
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or("user");
        let mut content = content_of(message);
        content.push_str(&calls_of(message, template.calls));
        push_message(&mut ids, role, &content);
    }
    if let Some(opening) = template.opening {
        ids.push(MESSAGE_START);
        ids.extend(encode("assistant\n"));
        ids.extend(encode(opening));
    }
    ids
}

/// What a prompt in the chat template says: its messages, and its tools. `None` for a prompt
/// that is none or that does not open an answer.
pub fn read_chat(ids: &[TokenId]) -> Option<(Vec<Value>, Vec<Value>)> {
    let text = |ids: &[TokenId]| -> String { ids.iter().copied().map(decode).collect() };
    let mut parts = ids.split(|id| *id == MESSAGE_START);
    parts.next().filter(|before| before.is_empty())?;
    let mut parts: Vec<&[TokenId]> = parts.collect();
    let opening = parts.pop()?;
    if opening.contains(&MESSAGE_END) || !text(opening).starts_with("assistant\n") {
        return None;
    }
    let (mut messages, mut tools) = (Vec::new(), Vec::new());
    for part in parts {
        let end = part.iter().position(|id| *id == MESSAGE_END)?;
        let said = text(&part[..end]);
        let (role, content) = said.split_once('\n')?;
        match role {
            "tools" => tools = serde_json::from_str(content).ok()?,
            _ => messages.push(json!({ "role": role, "content": content })),
        }
    }
    Some((messages, tools))
}

fn push_message(ids: &mut Vec<TokenId>, role: &str, content: &str) {
    ids.push(MESSAGE_START);
    ids.extend(encode(role));
    ids.extend(encode("\n"));
    ids.extend(encode(content));
    ids.push(MESSAGE_END);
    ids.extend(encode("\n"));
}

/// The text of a message: its content, or the text parts of it.
pub fn content_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}

/// The calls of an earlier answer as the model wrote them, so that what it said is found in the
/// prefix cache.
fn calls_of(message: &Value, format: ToolFormat) -> String {
    let listed = message.get("tool_calls").and_then(Value::as_array);
    let calls: Vec<Call> = listed
        .into_iter()
        .flatten()
        .map(|call| {
            let function = &call["function"];
            let arguments: Option<Map<String, Value>> = match &function["arguments"] {
                Value::String(text) => serde_json::from_str(text).ok(),
                Value::Object(members) => Some(members.clone()),
                _ => None,
            };
            Call {
                name: function["name"].as_str().unwrap_or_default().to_owned(),
                arguments: arguments.unwrap_or_default(),
            }
        })
        .collect();
    match Form::of(format) {
        Some(form) if !calls.is_empty() => form.write(&calls),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Template = Template {
        calls: ToolFormat::Hermes,
        opening: Some(""),
    };

    fn text(ids: &[TokenId]) -> String {
        ids.iter().copied().map(decode).collect()
    }

    #[test]
    fn every_text_survives_encoding() {
        for sample in [
            "",
            "a",
            "  two  spaces",
            "Configuration, twice: 12345!",
            "é 漢字 🦀\n\tx",
            "\u{0}\u{7f}",
        ] {
            let ids = encode(sample);
            assert_eq!(text(&ids), sample);
            assert!(ids.iter().all(|id| *id < 1 << 31));
        }
    }

    #[test]
    fn pieces_have_at_most_four_characters() {
        let pieces: Vec<String> = encode("the capital, now").into_iter().map(decode).collect();
        assert_eq!(pieces, ["the", " cap", "ital", ",", " now"]);
    }

    #[test]
    fn text_cut_at_a_word_tokenizes_to_the_same_front() {
        let whole = encode("one two three four");
        let front = encode("one two three");
        assert_eq!(whole[..front.len()], front);
        assert_eq!([front, encode(" four")].concat(), whole);
    }

    #[test]
    fn marks_are_one_token_each_and_special_tokens_are_no_text() {
        let text = "<think>a</think><|tool_call|><｜tool▁sep｜>[TOOL_CALLS]";
        let pieces: Vec<String> = encode(text).into_iter().map(decode).collect();
        assert_eq!(
            pieces,
            [
                "<think>",
                "a",
                "</think>",
                "<|tool_call|>",
                "<｜tool▁sep｜>",
                "[TOOL_CALLS]"
            ]
        );
        assert_eq!(decode(MESSAGE_START) + &decode(MESSAGE_END), "");
        assert_eq!(decode(u32::MAX >> 1), "");
    }

    #[test]
    fn a_prompt_in_the_template_is_read_back() {
        let messages = json!([
            {"role": "system", "content": "be\nbrief"},
            {"role": "user", "content": "hello"},
        ]);
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let listed = messages.as_array().unwrap();
        let prompt = render_chat(listed, Some(&tools), OPEN);
        let read = read_chat(&prompt).unwrap();
        assert_eq!(json!([read.0, read.1]), json!([messages, tools]));
        let closed = Template {
            opening: None,
            ..OPEN
        };
        assert_eq!(read_chat(&render_chat(listed, None, closed)), None);
        assert_eq!(read_chat(&encode("the capital of")), None);
        assert_eq!(read_chat(&[]), None);
    }

    #[test]
    fn a_longer_conversation_begins_with_the_shorter_one_and_what_was_said() {
        let first = json!([{"role": "user", "content": "hello there"}]);
        let said = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";
        let prompt = render_chat(first.as_array().unwrap(), None, OPEN);
        let call =
            json!({"type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}});
        let second = json!([
            {"role": "user", "content": [{"type": "text", "text": "hello there"}]},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "content": "and then?"},
        ]);
        let longer = render_chat(second.as_array().unwrap(), None, OPEN);
        let so_far = [prompt, encode(said), vec![MESSAGE_END]].concat();
        assert_eq!(longer[..so_far.len()], so_far);
    }
}
