//! The form that a chat's answer must have: `response_format`, read or refused as vLLM does it,
//! and what the model says in that form.

use serde_json::{Value, json};

use crate::stand_in::http::error::{ApiError, Complaint, repr};
use crate::stand_in::http::fields::Fields;
use crate::stand_in::model::fill::fill;
use crate::stand_in::model::tokens::content_of;

/// What an answer must be.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerForm {
    Free,
    /// Any JSON object.
    Object,
    /// JSON that fits a schema.
    Schema(Value),
}

/// A schema must be there where one is announced.
pub fn verify_response_format(body: &Value) -> Result<(), ApiError> {
    let form = &body["response_format"];
    if form["type"] == "json_schema" && form["json_schema"].is_null() {
        let message = "When response_format type is 'json_schema', the 'json_schema' field must be \
                       provided.";
        return Err(ApiError::of("response_format", message));
    }
    Ok(())
}

/// Reads `response_format`.
pub fn answer_form(fields: &mut Fields) -> AnswerForm {
    let form = fields.get("response_format");
    let kind = fields.object("response_format", |_| ()).and(form);
    let Some(form) = kind else {
        return AnswerForm::Free;
    };
    match form["type"].as_str() {
        Some("json_object") => AnswerForm::Object,
        Some("json_schema") if form["json_schema"]["schema"].is_object() => {
            AnswerForm::Schema(form["json_schema"]["schema"].clone())
        }
        Some("json_schema" | "text" | "structural_tag") => AnswerForm::Free,
        _ => {
            refuse(fields, form);
            AnswerForm::Free
        }
    }
}

/// One complaint for each field that each of the three forms misses.
fn refuse(fields: &mut Fields, form: &Value) {
    let at = |name: &str| format!("body.response_format.{name}");
    let kind = |words: &str| {
        let says = format!("Input should be {words}");
        let complaint = match form.get("type") {
            Some(given) => Complaint::new("literal_error", at("type"), &says, given),
            None => return Complaint::missing(at("type"), form),
        };
        complaint.with(format!("{{'expected': {}}}", repr(words)))
    };
    fields.push(kind("'text', 'json_object' or 'json_schema'"));
    for missing in [&["format"][..], &["structures", "triggers"]] {
        fields.push(kind("'structural_tag'"));
        for name in missing {
            fields.push(Complaint::missing(at(name), form));
        }
    }
}

impl AnswerForm {
    /// What the model says in this form; `None` where it may say anything. What fits a schema
    /// is taken from the conversation, the last message first.
    pub fn text(&self, messages: &[Value]) -> Option<String> {
        let said: Vec<String> = messages.iter().rev().map(content_of).collect();
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        match self {
            Self::Free => None,
            Self::Object => Some(json!({"answer": "the way of it"}).to_string()),
            Self::Schema(schema) if schema["properties"].is_object() => {
                Some(Value::Object(fill(schema, &said)).to_string())
            }
            Self::Schema(schema) => {
                // What is no object is filled as the one property of one.
                let around = json!({
                    "properties": {"value": schema},
                    "required": ["value"],
                    "$defs": schema["$defs"],
                });
                fill(&around, &said).get("value").map(Value::to_string)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &Value) -> Result<AnswerForm, String> {
        let body = json!({"response_format": form});
        let told = |error: ApiError| error.body()["error"]["message"].to_string();
        verify_response_format(&body).map_err(told)?;
        let mut fields = Fields::of(&body);
        let form = answer_form(&mut fields);
        fields.finish().map(|()| form).map_err(told)
    }

    #[test]
    fn forms_are_read_or_refused() {
        let schema = json!({"type": "object", "properties": {}});
        for (form, read_as) in [
            (json!(null), AnswerForm::Free),
            (json!({"type": "text"}), AnswerForm::Free),
            (json!({"type": "json_object"}), AnswerForm::Object),
            (
                json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
                AnswerForm::Schema(schema.clone()),
            ),
        ] {
            assert_eq!(read(&form), Ok(read_as), "{form}");
        }
        for (form, says) in [
            (json!({"type": "nothing"}), "6 validation errors"),
            (json!({}), "6 validation errors"),
            (json!("text"), "1 validation error"),
            (json!({"type": "json_schema"}), "must be provided"),
        ] {
            assert!(read(&form).unwrap_err().contains(says), "{form}");
        }
    }

    #[test]
    fn what_is_said_fits_the_schema() {
        let messages = [json!({"role": "user", "content": "Tell me of Oslo, please."})];
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "capital": {"type": "boolean"},
                "people": {"type": "integer"},
            },
            "required": ["city", "capital", "people"],
        });
        let text = AnswerForm::Schema(schema).text(&messages).unwrap();
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(said["city"], "Oslo");
        assert!(
            said["capital"].is_boolean() && said["people"].is_i64(),
            "{said}"
        );

        let list = AnswerForm::Schema(json!({"enum": ["red", "green"]}));
        let text = list.text(&messages).unwrap();
        assert!(["\"red\"", "\"green\""].contains(&text.as_str()), "{text}");
        let object = AnswerForm::Object.text(&messages).unwrap();
        assert!(serde_json::from_str::<Value>(&object).unwrap().is_object());
        assert_eq!(AnswerForm::Free.text(&messages), None);
    }
}
