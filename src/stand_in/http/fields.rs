//! The fields of a request's body, read as pydantic reads them: what can be taken for the wanted
//! type is, and all that cannot is held against the request at once. Which fields there are is
//! known to those who ask.

use serde_json::{Value, json};

use crate::stand_in::http::error::{ApiError, Complaint};

/// An object on its way to typed values.
#[derive(Debug)]
pub struct Fields<'a> {
    object: &'a Value,
    /// Where the object stands, from `body` or `query`.
    at: String,
    complaints: Vec<Complaint>,
}

impl<'a> Fields<'a> {
    /// The fields of a whole body.
    pub fn of(body: &'a Value) -> Self {
        Self {
            object: body,
            at: "body".to_owned(),
            complaints: Vec::new(),
        }
    }

    /// The fields of a query.
    pub fn of_query(query: &'a Value) -> Self {
        Self {
            at: "query".to_owned(),
            ..Self::of(query)
        }
    }

    /// The value of a field, unless it is absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Holds something against a field.
    pub fn complain(&mut self, kind: &'static str, name: &str, says: &str, value: &Value) {
        let complaint = Complaint::new(kind, self.place(name), says, value);
        self.complaints.push(complaint);
    }

    /// Holds what another has found against the request.
    pub fn push(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    /// The dotted path of a field.
    pub fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }

    /// All that was found wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.complaints.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(&self.complaints))
        }
    }

    fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Result<T, (&'static str, &'static str)>,
    ) -> Option<T> {
        let value = self.get(name)?;
        match read(value) {
            Ok(read) => Some(read),
            Err((kind, says)) => {
                self.complain(kind, name, says, value);
                None
            }
        }
    }

    pub fn integer(&mut self, name: &str) -> Option<i64> {
        self.read(name, integer)
    }

    pub fn number(&mut self, name: &str) -> Option<f64> {
        self.read(name, number)
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, flag)
    }

    pub fn text(&mut self, name: &str) -> Option<&'a str> {
        self.read(name, |value| {
            let says = ("string_type", "Input should be a valid string");
            value.as_str().ok_or(says)
        })
    }

    pub fn list(&mut self, name: &str) -> Option<&'a [Value]> {
        self.read(name, |value| {
            let says = ("list_type", "Input should be a valid list");
            value.as_array().map(Vec::as_slice).ok_or(says)
        })
    }

    /// An object, the fields of which are read by `read`.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let value = self.get(name)?;
        if !value.is_object() {
            let says = "Input should be a valid dictionary or object to extract fields from";
            self.complain("model_attributes_type", name, says, value);
            return None;
        }
        let mut inner = Fields {
            object: value,
            at: self.place(name),
            complaints: Vec::new(),
        };
        let read = read(&mut inner);
        self.complaints.append(&mut inner.complaints);
        Some(read)
    }

    /// A list of integers that are at least 0.
    pub fn naturals(&mut self, name: &str) -> Option<Vec<u64>> {
        let list = self.list(name)?;
        let mut numbers = Vec::with_capacity(list.len());
        for (place, value) in list.iter().enumerate() {
            let at = format!("{name}.{place}");
            match integer(value) {
                Ok(read) => match u64::try_from(read) {
                    Ok(number) => numbers.push(number),
                    Err(_) => {
                        let says = "Input should be greater than or equal to 0";
                        let complaint =
                            Complaint::new("greater_than_equal", self.place(&at), says, value);
                        self.complaints.push(complaint.with("{'ge': 0}".to_owned()));
                    }
                },
                Err((kind, says)) => self.complain(kind, &at, says, value),
            }
        }
        Some(numbers)
    }

    /// Holds it against the body if a field is not there at all.
    pub fn require(&mut self, name: &str) {
        match self.object.get(name) {
            None => {
                let complaint = Complaint::missing(self.place(name), self.object);
                self.complaints.push(complaint);
            }
            // Null is there, and of no type that is wanted.
            Some(Value::Null) => {
                let says = "Input should be a valid list";
                self.complain("list_type", name, says, &json!(null));
            }
            Some(_) => {}
        }
    }
}

type Wrong = (&'static str, &'static str);

fn integer(value: &Value) -> Result<i64, Wrong> {
    let says = ("int_type", "Input should be a valid integer");
    match value {
        Value::Bool(flag) => Ok(i64::from(*flag)),
        Value::Number(number) => {
            if let Some(integer) = number.as_i64() {
                return Ok(integer);
            }
            let float = number.as_f64().ok_or(says)?;
            if float.fract() != 0.0 {
                return Err((
                    "int_from_float",
                    "Input should be a valid integer, got a number with a fractional part",
                ));
            }
            // Beyond 64 bits the bound is as good: no request means such a number.
            #[expect(clippy::cast_possible_truncation)]
            Ok(float as i64)
        }
        Value::String(text) => text.trim().parse().map_err(|_| {
            (
                "int_parsing",
                "Input should be a valid integer, unable to parse string as an integer",
            )
        }),
        _ => Err(says),
    }
}

fn number(value: &Value) -> Result<f64, Wrong> {
    match value {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::Number(number) => Ok(number.as_f64().unwrap_or(f64::INFINITY)),
        Value::String(text) => text.trim().parse().map_err(|_| {
            (
                "float_parsing",
                "Input should be a valid number, unable to parse string as a number",
            )
        }),
        _ => Err(("float_type", "Input should be a valid number")),
    }
}

fn flag(value: &Value) -> Result<bool, Wrong> {
    let parsed = match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => return Err(("bool_type", "Input should be a valid boolean")),
    };
    parsed.ok_or((
        "bool_parsing",
        "Input should be a valid boolean, unable to interpret input",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_taken_for_the_type_is() {
        let body =
            json!({"a": "12", "b": 3.0, "c": true, "d": "0.5", "e": 1, "f": "off", "g": null});
        let mut fields = Fields::of(&body);
        assert_eq!(fields.integer("a"), Some(12));
        assert_eq!(fields.integer("b"), Some(3));
        assert_eq!(fields.integer("c"), Some(1));
        assert_eq!(fields.number("d"), Some(0.5));
        assert_eq!(fields.number("e"), Some(1.0));
        assert_eq!(fields.flag("e"), Some(true));
        assert_eq!(fields.flag("f"), Some(false));
        assert_eq!(fields.text("g"), None);
        assert_eq!(fields.integer("h"), None);
        assert_eq!(fields.finish(), Ok(()));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_in_the_words_of_pydantic() {
        let body = json!({
            "a": "many", "b": 1.5, "c": [1], "d": "hot", "e": "perhaps", "f": 3, "g": "x",
            "h": ["one", -2, 3],
        });
        let mut fields = Fields::of(&body);
        fields.integer("a");
        fields.integer("b");
        fields.integer("c");
        fields.number("d");
        fields.flag("e");
        fields.text("f");
        fields.list("g");
        fields.naturals("h");
        let told = fields.finish().unwrap_err().body()["error"]["message"].clone();
        let lines = [
            "9 validation errors:",
            "  {'type': 'int_parsing', 'loc': 'body.a', 'msg': 'Input should be a valid integer, unable to parse string as an integer', 'input': 'many'}",
            "  {'type': 'int_from_float', 'loc': 'body.b', 'msg': 'Input should be a valid integer, got a number with a fractional part', 'input': '1.5'}",
            "  {'type': 'int_type', 'loc': 'body.c', 'msg': 'Input should be a valid integer', 'input': '<list of 1 items>'}",
            "  {'type': 'float_parsing', 'loc': 'body.d', 'msg': 'Input should be a valid number, unable to parse string as a number', 'input': 'hot'}",
            "  {'type': 'bool_parsing', 'loc': 'body.e', 'msg': 'Input should be a valid boolean, unable to interpret input', 'input': 'perhaps'}",
            "  {'type': 'string_type', 'loc': 'body.f', 'msg': 'Input should be a valid string', 'input': '3'}",
            "  {'type': 'list_type', 'loc': 'body.g', 'msg': 'Input should be a valid list', 'input': 'x'}",
            "  {'type': 'int_parsing', 'loc': 'body.h.0', 'msg': 'Input should be a valid integer, unable to parse string as an integer', 'input': 'one'}",
            "  {'type': 'greater_than_equal', 'loc': 'body.h.1', 'msg': 'Input should be greater than or equal to 0', 'input': '-2', 'ctx': {'ge': 0}}",
        ];
        assert_eq!(told, lines.join("\n"));
    }

    #[test]
    fn inner_objects_have_places_of_their_own_and_what_is_required_is_missed() {
        let body = json!({"options": {"usage": "x"}, "other": 3});
        let mut fields = Fields::of(&body);
        fields.require("messages");
        fields.object("options", |options| options.flag("usage"));
        fields.object("other", |other| other.flag("usage"));
        let body = fields.finish().unwrap_err().body();
        let told = body["error"]["message"].as_str().unwrap();
        assert!(told.contains("{'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', 'input': '<dict of 2 items>'}"));
        assert!(told.contains("'loc': 'body.options.usage'"));
        assert!(told.contains("'loc': 'body.other', 'msg': 'Input should be a valid dictionary or object to extract fields from', 'input': '3'"));
    }
}
