//! The stand-in's tokenizer and chat template, and the words it answers with.
//!
//! A token is up to four ASCII letters or digits of one word (its leading space counts as one),
//! or one other character. The token's id spells it, so no vocabulary is needed, decoding is
//! exact, and text that is cut at a word's border tokenizes to the same ids as the whole.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// A token's id; below 2^31, as clients may read it into a signed 32-bit integer.
pub type TokenId = u32;

/// Most characters of a word in one token.
const PIECE: usize = 4;
/// Marks an id that holds one Unicode scalar value instead of ASCII characters.
const SCALAR: u32 = 1 << 30;
/// Special tokens lie behind the last Unicode scalar value.
const SPECIAL: u32 = SCALAR | 0x11_0000;

/// Opens a message in the chat template.
pub const MESSAGE_START: TokenId = SPECIAL;
/// Closes a message; a model that stops by itself ends with it.
pub const MESSAGE_END: TokenId = SPECIAL + 1;

/// Words of answers; each is one token, with or without a space in front.
const WORDS: [&str; 32] = [
    "the", "of", "and", "to", "in", "is", "for", "on", "as", "at", "by", "it", "or", "an", "be",
    "we", "all", "one", "new", "now", "two", "way", "may", "day", "use", "set", "run", "see",
    "own", "few", "low", "top",
];

/// Cuts a text into tokens.
pub fn encode(text: &str) -> Vec<TokenId> {
    let mut ids = Vec::with_capacity(text.len() / 3 + 1);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = piece_length(rest.as_bytes());
        if length == 0 {
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
fn spell(piece: &[u8]) -> TokenId {
    let letters = piece
        .iter()
        .fold(0, |id, byte| (id << 7) | u32::from(*byte));
    let count = u32::try_from(piece.len()).expect("a piece has at most four characters");
    (letters << 2) | (count - 1)
}

/// The text of one token; empty for special tokens and for numbers that are no token.
pub fn decode(id: TokenId) -> String {
    if id & SCALAR != 0 {
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

/// Renders a conversation as a chat model sees it: `START role \n content END \n` for each
/// message, then the opening of the answer if `generation_prompt` is asked for.
pub fn render_chat(
    messages: &[Value],
    tools: Option<&Value>,
    generation_prompt: bool,
) -> Vec<TokenId> {
    let mut ids = Vec::new();
    if let Some(tools) = tools {
        push_message(&mut ids, "tools", &tools.to_string());
    }
    for message in messages {
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or("user");
        push_message(&mut ids, role, &content_of(message));
    }
    if generation_prompt {
        ids.push(MESSAGE_START);
        ids.extend(encode("assistant\n"));
    }
    ids
}

fn push_message(ids: &mut Vec<TokenId>, role: &str, content: &str) {
    ids.push(MESSAGE_START);
    ids.extend(encode(role));
    ids.extend(encode("\n"));
    ids.extend(encode(content));
    ids.push(MESSAGE_END);
    ids.extend(encode("\n"));
}

/// The text of a message: its content, or the text parts of it, then any tool calls.
fn content_of(message: &Value) -> String {
    let mut text = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    };
    if let Some(calls) = message.get("tool_calls").filter(|calls| calls.is_array()) {
        text.push_str(&calls.to_string());
    }
    text
}

/// What the model says: an answer that depends on the prompt and the salt alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub tokens: Vec<TokenId>,
    /// It ends by itself (with [`MESSAGE_END`]), and is not cut by `max_tokens`.
    pub stops: bool,
}

/// Composes the answer to a prompt.
///
/// A model that may stop says between 24 and 151 tokens, the end mark included; `ignore_eos`
/// makes it go on to exactly `max_tokens`.
pub fn answer(prompt: &[TokenId], salt: u64, max_tokens: usize, ignore_eos: bool) -> Answer {
    let mut hasher = DefaultHasher::new();
    (prompt, salt).hash(&mut hasher);
    let mut state = hasher.finish();
    let natural = 24 + usize::try_from(state % 128).expect("a number below 128 is a usize");
    let stops = !ignore_eos && natural <= max_tokens;
    let words = if stops { natural - 1 } else { max_tokens };
    let mut tokens: Vec<TokenId> = (0..words)
        .map(|place| {
            // The multiplier and increment are those of Knuth's MMIX generator.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let word = WORDS[usize::try_from(state >> 59).expect("five bits are a usize")];
            if place == 0 {
                spell(word.as_bytes())
            } else {
                spell(format!(" {word}").as_bytes())
            }
        })
        .collect();
    if stops {
        tokens.push(MESSAGE_END);
    }
    Answer { tokens, stops }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn a_longer_conversation_begins_with_the_shorter_one() {
        let first = json!([{"role": "user", "content": "hello there"}]);
        let prompt = render_chat(first.as_array().unwrap(), None, true);
        let said = answer(&prompt, 0, 1000, false);
        assert!(said.stops);
        let content = text(&said.tokens);
        let second = json!([
            {"role": "user", "content": [{"type": "text", "text": "hello there"}]},
            {"role": "assistant", "content": content},
            {"role": "user", "content": "and then?"},
        ]);
        let longer = render_chat(second.as_array().unwrap(), None, true);
        let so_far = [prompt, said.tokens].concat();
        assert_eq!(longer[..so_far.len()], so_far);
    }

    #[test]
    fn answers_depend_on_prompt_and_salt_and_obey_the_limits() {
        let prompt = encode("a question");
        assert_eq!(
            answer(&prompt, 0, 500, false),
            answer(&prompt, 0, 500, false)
        );
        assert_ne!(
            answer(&prompt, 0, 500, false),
            answer(&prompt, 1, 500, false)
        );
        assert_ne!(
            answer(&prompt, 0, 500, false),
            answer(&encode("another"), 0, 500, false)
        );
        let cut = answer(&prompt, 0, 5, false);
        assert_eq!((cut.tokens.len(), cut.stops), (5, false));
        let endless = answer(&prompt, 0, 400, true);
        assert_eq!((endless.tokens.len(), endless.stops), (400, false));
        assert_eq!(encode(&text(&endless.tokens)), endless.tokens);
    }
}
