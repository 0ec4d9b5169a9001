//! What a conversation's body holds beside sampling: messages, tools and the choice among them,
//! read or refused as vLLM does it. What the model makes of them is decided elsewhere.

use serde_json::Value;

use crate::stand_in::http::error::{ApiError, python};
use crate::stand_in::http::fields::Fields;

/// The messages of a conversation. A message may be of a role that nobody knows, but not be
/// without one.
pub fn messages<'a>(fields: &mut Fields<'a>) -> &'a [Value] {
    /// The forms of a message that vLLM tries one after the other.
    const FORMS: [&str; 7] = [
        "ChatCompletionDeveloperMessageParam",
        "ChatCompletionSystemMessageParam",
        "ChatCompletionUserMessageParam",
        "ChatCompletionAssistantMessageParam",
        "ChatCompletionToolMessageParam",
        "ChatCompletionFunctionMessageParam",
        "CustomChatCompletionMessageParam",
    ];
    fields.require("messages");
    let messages = fields.list("messages").unwrap_or_default();
    for (place, message) in messages.iter().enumerate() {
        let at = |form: &str| format!("messages.{place}.{form}");
        if !message.is_object() {
            let says = "Input should be a valid dictionary";
            for form in FORMS {
                fields.complain("dict_type", &at(form), says, message);
            }
            let says = "Input should be a valid dictionary or object to extract fields from";
            fields.complain("model_attributes_type", &at("Message"), says, message);
        } else if message.get("role").is_none_or(|role| !role.is_string()) {
            for form in FORMS {
                let at = at(&format!("{form}.role"));
                fields.complain("missing", &at, "Field required", message);
            }
        } else if let Some(content) = message.get("content")
            && !(content.is_null() || content.is_string() || content.is_array())
        {
            for form in FORMS {
                let at = at(&format!("{form}.content"));
                let says = "Input should be a valid string";
                fields.complain("string_type", &at, says, content);
                fields.complain("iterable_type", &at, "Input should be iterable", content);
            }
        }
    }
    messages
}

/// The tools of a conversation, if there are any.
pub fn tools<'a>(fields: &mut Fields<'a>) -> Option<&'a Value> {
    for (place, tool) in fields.list("tools")?.iter().enumerate() {
        let at = format!("tools.{place}");
        if !tool.is_object() {
            let says = "Input should be a valid dictionary or object to extract fields from";
            fields.complain("model_attributes_type", &at, says, tool);
            continue;
        }
        match tool.get("function") {
            None => fields.complain("missing", &format!("{at}.function"), "Field required", tool),
            Some(function) if function.get("name").is_none() => {
                let at = format!("{at}.function.name");
                fields.complain("missing", &at, "Field required", function);
            }
            Some(_) => {}
        }
    }
    fields.get("tools")
}

/// Alternatives are shown with the logprobs only.
pub fn verify_top_logprobs(body: &Value) -> Result<(), ApiError> {
    let wanted = body
        .get("top_logprobs")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    if wanted != 0 && body.get("logprobs").and_then(Value::as_bool) != Some(true) {
        let message = "when using `top_logprobs`, `logprobs` must be set to true.";
        return Err(ApiError::of("top_logprobs", message));
    }
    Ok(())
}

/// What vLLM says to tools and the choice among them before it looks at anything else.
pub fn verify_tool_choice(body: &Value) -> Result<(), ApiError> {
    const USAGE: &str = "Correct usage: `{\"type\": \"function\", \"function\": {\"name\": \
                         \"my_function\"}}`";
    let tools = body.get("tools").filter(|tools| !tools.is_null());
    if tools.and_then(Value::as_array).is_some_and(Vec::is_empty) {
        let message = "`tools` must not be an empty array. Either provide at least one tool or \
                       omit the field entirely.";
        return Err(ApiError::of("tools", message));
    }
    let choice = match body.get("tool_choice") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(word)) if word == "none" => return Ok(()),
        Some(choice) => choice,
    };
    let Some(tools) = tools else {
        let message = "When using `tool_choice`, `tools` must be set.";
        return Err(ApiError::of("tool_choice", message));
    };
    if !choice.is_object() {
        return match choice.as_str() {
            Some("auto" | "required") => Ok(()),
            other => {
                let told = other.map_or_else(|| python(choice), str::to_owned);
                let message = format!(
                    "Invalid value for `tool_choice`: {told}! Only named tools, \"none\", \
                     \"auto\" or \"required\" are supported."
                );
                Err(ApiError::of("tool_choice", &message))
            }
        };
    }
    let function = choice.get("function").unwrap_or(&Value::Null);
    if !function.is_object() {
        let message = format!(
            "Invalid value for `function`: `{}` in `tool_choice`! {USAGE}",
            python(function)
        );
        return Err(ApiError::of("tool_choice.function", &message));
    }
    let Some(name) = function.get("name") else {
        let message = format!("Expected field `name` in `function` in `tool_choice`! {USAGE}");
        return Err(ApiError::of("tool_choice.function.name", &message));
    };
    let Some(name) = name.as_str().filter(|name| !name.is_empty()) else {
        let told = name.as_str().map_or_else(|| python(name), str::to_owned);
        let message = format!("Invalid `name` in `function`: `{told}` in `tool_choice`! {USAGE}");
        return Err(ApiError::of("tool_choice.function.name", &message));
    };
    let named = |tool: &Value| {
        tool.get("function")
            .and_then(|function| function.get("name"))
            .and_then(Value::as_str)
            == Some(name)
    };
    if !tools
        .as_array()
        .is_some_and(|tools| tools.iter().any(named))
    {
        let message =
            "The tool specified in `tool_choice` does not match any of the specified `tools`";
        return Err(ApiError::of("tool_choice", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(result: Result<(), ApiError>) -> String {
        match result {
            Ok(()) => String::new(),
            Err(error) => error.body()["error"]["message"]
                .as_str()
                .unwrap()
                .to_owned(),
        }
    }

    #[test]
    fn the_choice_among_tools_must_be_one_that_there_is() {
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        for (choice, says) in [
            (json!("auto"), ""),
            (json!("required"), ""),
            (json!("none"), ""),
            (json!(null), ""),
            (json!({"type": "function", "function": {"name": "f"}}), ""),
            (
                json!("sometimes"),
                "Invalid value for `tool_choice`: sometimes! Only named tools, \"none\", \"auto\" or \"required\" are supported. (parameter=tool_choice)",
            ),
            (
                json!({"type": "function"}),
                "Invalid value for `function`: `None` in `tool_choice`! Correct usage: `{\"type\": \"function\", \"function\": {\"name\": \"my_function\"}}` (parameter=tool_choice.function)",
            ),
            (
                json!({"function": {}}),
                "Expected field `name` in `function` in `tool_choice`! Correct usage: `{\"type\": \"function\", \"function\": {\"name\": \"my_function\"}}` (parameter=tool_choice.function.name)",
            ),
            (
                json!({"function": {"name": "g"}}),
                "The tool specified in `tool_choice` does not match any of the specified `tools` (parameter=tool_choice)",
            ),
        ] {
            let body = json!({"tools": tools, "tool_choice": choice});
            assert_eq!(told(verify_tool_choice(&body)), says, "{choice}");
        }
        let without = json!({"tool_choice": "auto"});
        assert_eq!(
            told(verify_tool_choice(&without)),
            "When using `tool_choice`, `tools` must be set. (parameter=tool_choice)"
        );
        assert!(
            told(verify_tool_choice(&json!({"tools": []}))).contains("must not be an empty array")
        );
    }

    #[test]
    fn messages_and_tools_have_their_forms() {
        for (body, says) in [
            (
                json!({"messages": [{"role": "nobody"}], "tools": [{"function": {"name": "f"}}]}),
                "",
            ),
            (
                json!({}),
                "1 validation error:\n  {'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', 'input': '<dict of 0 items>'}",
            ),
            (
                json!({"messages": "x"}),
                "1 validation error:\n  {'type': 'list_type', 'loc': 'body.messages', 'msg': 'Input should be a valid list', 'input': 'x'}",
            ),
            (
                json!({"messages": [], "tools": "x"}),
                "1 validation error:\n  {'type': 'list_type', 'loc': 'body.tools', 'msg': 'Input should be a valid list', 'input': 'x'}",
            ),
            (
                json!({"messages": [], "tools": [{"type": "function"}]}),
                "1 validation error:\n  {'type': 'missing', 'loc': 'body.tools.0.function', 'msg': 'Field required', 'input': '<dict of 1 items>'}",
            ),
        ] {
            let mut fields = Fields::of(&body);
            messages(&mut fields);
            tools(&mut fields);
            assert_eq!(told(fields.finish()), says, "{body}");
        }
        for bad in [
            json!(3),
            json!({"content": "x"}),
            json!({"role": "user", "content": 3}),
        ] {
            let body = json!({"messages": [bad]});
            let mut fields = Fields::of(&body);
            messages(&mut fields);
            assert!(fields.finish().is_err(), "{body}");
        }
    }

    #[test]
    fn alternatives_need_logprobs() {
        assert!(verify_top_logprobs(&json!({"top_logprobs": 2})).is_err());
        assert!(verify_top_logprobs(&json!({"top_logprobs": 2, "logprobs": true})).is_ok());
        assert!(verify_top_logprobs(&json!({"top_logprobs": 0})).is_ok());
    }
}
