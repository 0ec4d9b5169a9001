//! Log probabilities: made up, since no model has computed any, but in the right shapes. Equal
//! tokens at equal places have equal ones.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::stand_in::model::answer::WORDS;
use crate::stand_in::model::tokens::{TokenId, decode};

/// The log probability of a token at a place, and of the most probable ones there; the token
/// itself is the first of them.
fn made_up(token: TokenId, place: usize, n: usize) -> Vec<(String, f64)> {
    let mut hasher = DefaultHasher::new();
    (token, place).hash(&mut hasher);
    let state = hasher.finish();
    let thousandths = u32::try_from(state % 1500).expect("a number below 1500 is a u32");
    let own = -f64::from(thousandths) / 1000.0 - 0.001;
    let text = decode(token);
    let start = usize::try_from(state % 32).expect("a number below 32 is a usize");
    let others = WORDS
        .iter()
        .cycle()
        .skip(start)
        .map(|word| format!(" {word}"))
        .filter(|word| *word != text)
        .take(n.saturating_sub(1).min(WORDS.len() - 1))
        .zip(1..)
        .map(|(word, rank)| (word, own - f64::from(rank) * 0.75));
    std::iter::once((text.clone(), own)).chain(others).collect()
}

/// `logprobs` of a chat choice: one entry for each token, `top` alternatives in each.
pub fn chat(tokens: &[TokenId], place: usize, top: usize) -> Value {
    let entry = |(text, logprob): &(String, f64)| json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()});
    let content: Vec<Value> = tokens
        .iter()
        .zip(place..)
        .map(|(token, place)| {
            let all = made_up(*token, place, top.max(1));
            let mut content = entry(&all[0]);
            content["top_logprobs"] = all.iter().take(top).map(entry).collect();
            content
        })
        .collect();
    json!({"content": content})
}

/// `logprobs` of a completion choice. `offset` is where the first token's text begins; the
/// first token of a prompt that is echoed has none.
pub fn completion(
    tokens: &[TokenId],
    place: usize,
    top: usize,
    offset: usize,
    bare: usize,
) -> Value {
    let (mut offsets, mut own, mut texts, mut tops) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut at = offset;
    for (nth, (token, place)) in tokens.iter().zip(place..).enumerate() {
        let text = decode(*token);
        offsets.push(at);
        at += text.chars().count();
        if nth < bare {
            own.push(Value::Null);
            tops.push(Value::Null);
        } else {
            // One more than asked for where the token is not among the most probable.
            let all = made_up(*token, place, top.max(1));
            own.push(json!(all[0].1));
            tops.push(Value::Object(
                all.into_iter()
                    .map(|(text, logprob)| (text, json!(logprob)))
                    .collect::<Map<String, Value>>(),
            ));
        }
        texts.push(text);
    }
    json!({"text_offset": offsets, "token_logprobs": own, "tokens": texts, "top_logprobs": tops})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::model::tokens::encode;

    #[test]
    fn every_token_has_one_and_its_alternatives_are_less_probable() {
        let tokens = encode("the of");
        let value = chat(&tokens, 3, 2);
        let content = value["content"].as_array().unwrap();
        assert_eq!(content.len(), 2);
        let first = &content[0];
        assert_eq!(
            (&first["token"], &first["bytes"]),
            (&json!("the"), &json!([116, 104, 101]))
        );
        let top = first["top_logprobs"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["token"]), (2, &json!("the")));
        assert!(top[0]["logprob"].as_f64().unwrap() < 0.0);
        assert!(top[1]["logprob"].as_f64() < top[0]["logprob"].as_f64());
        assert_eq!(chat(&tokens, 3, 0)["content"][0]["top_logprobs"], json!([]));
        assert_eq!(chat(&tokens, 3, 2), value);
    }

    #[test]
    fn offsets_go_on_and_the_first_of_a_prompt_has_none() {
        let tokens = encode("one two");
        let value = completion(&tokens, 0, 1, 10, 1);
        assert_eq!(value["text_offset"], json!([10, 13]));
        assert_eq!(value["tokens"], json!(["one", " two"]));
        assert_eq!(value["token_logprobs"][0], Value::Null);
        assert!(value["top_logprobs"][1][" two"].as_f64().unwrap() < 0.0);
    }
}
