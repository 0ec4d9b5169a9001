//! A place in a JSON document, by which mistakes are named.

use serde_json::Value;

/// A value, or its absence, with its path.
#[derive(Debug, Clone)]
pub struct At<'v> {
    value: Option<&'v Value>,
    path: String,
}

impl<'v> At<'v> {
    pub fn root(value: &'v Value) -> Self {
        Self {
            value: Some(value),
            path: "$".to_owned(),
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// A member of a member, by names between points; absent where one of them is.
    pub fn at(&self, members: &str) -> Self {
        let mut value = self.value;
        for member in members.split('.') {
            value = value.and_then(|value| value.get(member));
        }
        Self {
            value: value.filter(|value| !value.is_null()),
            path: format!("{}.{members}", self.path),
        }
    }

    /// The elements of a list.
    pub fn list(&self) -> Result<Vec<Self>, String> {
        let list = self.value.and_then(Value::as_array);
        let list = list.ok_or_else(|| self.expected("a list"))?;
        let elements = list.iter().enumerate().map(|(at, value)| Self {
            value: Some(value),
            path: format!("{}[{at}]", self.path),
        });
        Ok(elements.collect())
    }

    /// A number; `None` where there is nothing.
    pub fn number(&self) -> Result<Option<f64>, String> {
        match self.value {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|number| number.is_finite()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.expected("a number")),
            },
        }
    }

    /// Text; a number as it is written.
    pub fn text(&self) -> Option<String> {
        match self.value? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub fn is(&self, wanted: bool) -> bool {
        self.value.and_then(Value::as_bool) == Some(wanted)
    }

    /// What stands here, and what should.
    pub fn expected(&self, what: &str) -> String {
        /// Characters of what was found.
        const SHOWN: usize = 40;
        let found = self
            .value
            .map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let short: String = found.chars().take(SHOWN).collect();
        let more = if short.len() < found.len() { "…" } else { "" };
        format!("{}: found {short}{more}, expected {what}", self.path)
    }
}
