//! The prompts of a completion: a text, tokens, or several of either, read or refused as vLLM
//! does it.

use serde_json::Value;

use crate::stand_in::http::error::ApiError;
use crate::stand_in::http::fields::Fields;
use crate::stand_in::model::tokens::{TokenId, encode};

/// A prompt must be there and say something.
pub fn verify_prompt(body: &Value) -> Result<(), ApiError> {
    match body.get("prompt") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::Array(prompts)) if prompts.is_empty() => {
            return Err(ApiError::bad("You must pass at least one prompt", None));
        }
        Some(_) => return Ok(()),
    }
    let message = "Either prompt or prompt_embeds must be provided and non-empty.";
    Err(ApiError::of("prompt", message))
}

/// Reads the prompts; what is of no form is held against the request once for each form.
pub fn prompts(fields: &mut Fields) -> Vec<Vec<TokenId>> {
    let prompt = match fields.get("prompt") {
        None => return Vec::new(),
        Some(Value::String(text)) => return vec![encode(text)],
        Some(prompt) => prompt,
    };
    let items = prompt.as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = |items: &[Value]| -> Option<Vec<TokenId>> {
        let ids = items.iter().map(|id| id.as_u64().map(token));
        ids.collect()
    };
    let texts = || items.iter().map(|text| text.as_str().map(encode)).collect();
    let lists = || {
        let lists = items.iter().map(|list| ids(list.as_array()?));
        lists.collect::<Option<Vec<_>>>()
    };
    let read = ids(items)
        .map(|ids| vec![ids])
        .or_else(texts)
        .or_else(lists);
    if let Some(prompts) = read.filter(|_| prompt.is_array()) {
        return prompts;
    }
    fields.naturals("prompt");
    each(
        fields,
        prompt,
        "list_type",
        "Input should be a valid list",
        Value::is_array,
    );
    fields.complain(
        "string_type",
        "prompt",
        "Input should be a valid string",
        prompt,
    );
    each(
        fields,
        prompt,
        "string_type",
        "Input should be a valid string",
        Value::is_string,
    );
    Vec::new()
}

/// Holds all items against a request that are not of a type, or that there are none.
fn each(
    fields: &mut Fields,
    prompt: &Value,
    kind: &'static str,
    says: &str,
    fits: fn(&Value) -> bool,
) {
    let Some(items) = prompt.as_array() else {
        return fields.complain(
            "list_type",
            "prompt",
            "Input should be a valid list",
            prompt,
        );
    };
    for (place, item) in items.iter().enumerate().filter(|(_, item)| !fits(item)) {
        fields.complain(kind, &format!("prompt.{place}"), says, item);
    }
}

/// An id that is no token of the stand-in decodes to nothing, so that the largest may stand for
/// all that are too large.
pub fn token(id: u64) -> TokenId {
    TokenId::try_from(id).unwrap_or(TokenId::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(prompt: &Value) -> Result<Vec<Vec<TokenId>>, String> {
        let body = json!({"prompt": prompt});
        let told = |error: ApiError| {
            error.body()["error"]["message"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        verify_prompt(&body).map_err(told)?;
        let mut fields = Fields::of(&body);
        let prompts = prompts(&mut fields);
        fields.finish().map(|()| prompts).map_err(told)
    }

    #[test]
    fn prompts_have_four_forms() {
        let one = || encode("one two");
        for (prompt, read_as) in [
            (json!("one two"), vec![one()]),
            (json!(["one two", "x"]), vec![one(), encode("x")]),
            (json!([7, 8]), vec![vec![7, 8]]),
            (json!([[7, 8], [9]]), vec![vec![7, 8], vec![9]]),
        ] {
            assert_eq!(read(&prompt), Ok(read_as), "{prompt}");
        }
    }

    #[test]
    fn what_is_of_no_form_is_told_so_once_for_each() {
        let number = "{'type': 'list_type', 'loc': 'body.prompt', 'msg': 'Input should be a valid list', 'input': '3'}";
        let lines = [
            "4 validation errors:",
            number,
            number,
            "{'type': 'string_type', 'loc': 'body.prompt', 'msg': 'Input should be a valid string', 'input': '3'}",
            number,
        ];
        assert_eq!(read(&json!(3)), Err(lines.join("\n  ")));
        let lines = [
            "4 validation errors:",
            "{'type': 'greater_than_equal', 'loc': 'body.prompt.0', 'msg': 'Input should be greater than or equal to 0', 'input': '-1', 'ctx': {'ge': 0}}",
            "{'type': 'list_type', 'loc': 'body.prompt.0', 'msg': 'Input should be a valid list', 'input': '-1'}",
            "{'type': 'string_type', 'loc': 'body.prompt', 'msg': 'Input should be a valid string', 'input': '<list of 1 items>'}",
            "{'type': 'string_type', 'loc': 'body.prompt.0', 'msg': 'Input should be a valid string', 'input': '-1'}",
        ];
        assert_eq!(read(&json!([-1])), Err(lines.join("\n  ")));
        for (prompt, says) in [
            (json!(null), "must be provided"),
            (json!(""), "must be provided"),
            (json!([]), "at least one prompt"),
            (json!(["x", 3]), "validation errors"),
        ] {
            assert!(read(&prompt).unwrap_err().contains(says), "{prompt}");
        }
    }
}
