//! What an argument must be to be right.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Numbers that differ by less than this share are the same: what is left of a decimal number
/// when it was written and read again.
const SAME: f64 = 1e-9;

/// What one argument must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    pub rule: Rule,
    #[serde(default)]
    pub letters: Letters,
    /// Whether the argument may be absent.
    #[serde(default)]
    pub presence: Presence,
}

/// Which values are right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// This value; `3` and `3.0` are one, and so are texts but for the space around them.
    Equals(Value),
    /// One of these.
    AnyOf(Vec<Value>),
    /// A number no further away than that.
    Near { number: f64, within: f64 },
    /// A text with this in it.
    Contains(String),
    /// Anything.
    Anything,
}

/// Whether the case of letters counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Letters {
    #[default]
    Exact,
    AnyCase,
}

/// Whether an argument must be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    #[default]
    Required,
    Optional,
}

impl Expectation {
    /// Exactly this value.
    pub fn equals(value: Value) -> Self {
        Self {
            rule: Rule::Equals(value),
            letters: Letters::default(),
            presence: Presence::default(),
        }
    }

    /// Whether an argument that is there is right.
    pub fn accepts(&self, value: &Value) -> bool {
        match &self.rule {
            Rule::Equals(wanted) => self.same(wanted, value),
            Rule::AnyOf(choices) => choices.iter().any(|wanted| self.same(wanted, value)),
            Rule::Near { number, within } => value
                .as_f64()
                .is_some_and(|value| (value - number).abs() <= *within),
            Rule::Contains(part) => value
                .as_str()
                .is_some_and(|text| self.folded(text).contains(&self.folded(part))),
            Rule::Anything => true,
        }
    }

    fn same(&self, wanted: &Value, value: &Value) -> bool {
        match (wanted, value) {
            (Value::String(wanted), Value::String(value)) => {
                self.folded(wanted) == self.folded(value)
            }
            (Value::Number(wanted), Value::Number(value)) => {
                wanted == value
                    || match (wanted.as_f64(), value.as_f64()) {
                        (Some(a), Some(b)) => (a - b).abs() <= SAME * a.abs().max(b.abs()),
                        (None, _) | (_, None) => false,
                    }
            }
            (Value::Array(wanted), Value::Array(value)) => {
                wanted.len() == value.len()
                    && wanted.iter().zip(value).all(|(a, b)| self.same(a, b))
            }
            (Value::Object(wanted), Value::Object(value)) => self.same_members(wanted, value),
            (wanted, value) => wanted == value,
        }
    }

    fn same_members(&self, wanted: &Map<String, Value>, value: &Map<String, Value>) -> bool {
        wanted.len() == value.len()
            && wanted
                .iter()
                .all(|(key, wanted)| value.get(key).is_some_and(|value| self.same(wanted, value)))
    }

    fn folded(&self, text: &str) -> String {
        match self.letters {
            Letters::Exact => text.trim().to_owned(),
            Letters::AnyCase => text.trim().to_lowercase(),
        }
    }

    /// What is right, in words.
    pub fn describe(&self) -> String {
        match &self.rule {
            Rule::Equals(value) => value.to_string(),
            Rule::AnyOf(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                values.join(" or ")
            }
            Rule::Near { number, within } => format!("{number} within {within}"),
            Rule::Contains(part) => format!("a text with {part:?}"),
            Rule::Anything => "anything".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_the_same_whatever_their_writing() {
        for (wanted, value, same) in [
            (json!("Oslo"), json!(" Oslo "), true),
            (json!("Oslo"), json!("oslo"), false),
            (json!(3), json!(3.0), true),
            (json!(0.3), json!(0.1 + 0.2), true),
            (json!(3), json!("3"), false),
            (json!(3), json!(4), false),
            (json!(0), json!(0.0), true),
            (json!([1, "a"]), json!([1.0, "a"]), true),
            (json!([1, 2]), json!([2, 1]), false),
            (json!([1]), json!([1, 2]), false),
            (json!({"a": 1}), json!({"a": 1.0}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!(true), json!(true), true),
            (json!(true), json!("true"), false),
            (json!(null), json!(null), true),
        ] {
            let accepts = Expectation::equals(wanted.clone()).accepts(&value);
            assert_eq!(accepts, same, "{wanted} {value}");
        }
    }

    #[test]
    fn each_rule_says_what_it_takes() {
        let rule = |rule| Expectation {
            rule,
            ..Expectation::equals(Value::Null)
        };
        let any = rule(Rule::AnyOf(vec![json!("EUR"), json!(978)]));
        assert!(any.accepts(&json!("EUR")) && any.accepts(&json!(978)));
        assert!(!any.accepts(&json!("eur")));
        let near = rule(Rule::Near {
            number: 20.0,
            within: 0.5,
        });
        assert!(near.accepts(&json!(20.5)) && near.accepts(&json!(20)));
        assert!(!near.accepts(&json!(21)) && !near.accepts(&json!("20")));
        let part = Expectation {
            letters: Letters::AnyCase,
            ..rule(Rule::Contains("lisbon".to_owned()))
        };
        assert!(part.accepts(&json!("Lisbon, Portugal")));
        assert!(!part.accepts(&json!("Porto")) && !part.accepts(&json!(3)));
        assert!(rule(Rule::Anything).accepts(&json!([])));
        assert_eq!(any.describe(), "\"EUR\" or 978");
        assert_eq!(near.describe(), "20 within 0.5");
        assert_eq!(part.describe(), "a text with \"lisbon\"");
    }
}
