//! The JSON Schema of a tool's arguments, compiled: is it one, and do arguments keep to it?

use std::fmt;

use boon::{CompileError, Compiler, SchemaIndex, Schemas, UrlLoader};
use serde_json::Value;

/// Where the schema stands for itself.
const NAME: &str = "gridrun:///arguments.json";

/// Most faults of one call that are told.
const TOLD: usize = 3;

/// A schema that arguments can be held against.
pub struct ArgumentSchema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl fmt::Debug for ArgumentSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgumentSchema").finish_non_exhaustive()
    }
}

/// Nothing outside of the schema is read, whatever it refers to.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("{url} lies outside of the schema").into())
    }
}

impl ArgumentSchema {
    /// Compiles a schema. Without a `$schema` of its own it is of draft 2020-12.
    ///
    /// # Errors
    /// A clause that says why the value is no schema.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(Nowhere));
        let why = |error: CompileError| told(&format!("{error:#}"));
        compiler.add_resource(NAME, schema.clone()).map_err(why)?;
        let index = compiler.compile(NAME, &mut schemas).map_err(why)?;
        Ok(Self { schemas, index })
    }

    /// What of the arguments is against the schema; `None` when nothing is.
    pub fn faults(&self, arguments: &Value) -> Option<String> {
        let error = self.schemas.validate(arguments, self.index).err()?;
        Some(told(&error.to_string()))
    }
}

/// The faults of a report, on one line: those with a place, else all that it says.
fn told(report: &str) -> String {
    let lines: Vec<&str> = report.lines().map(str::trim).collect();
    let placed: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("- at "))
        .collect();
    let faults = if placed.is_empty() { &lines } else { &placed };
    let faults: Vec<String> = faults
        .iter()
        .take(TOLD)
        .map(|line| {
            let line = line.replace(NAME, "");
            line.strip_prefix("'': ").unwrap_or(&line).to_owned()
        })
        .collect();
    faults.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weather() -> ArgumentSchema {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": { "type": "string" },
                "days": { "type": "integer", "minimum": 1 },
            },
            "required": ["city"],
            "additionalProperties": false,
        });
        ArgumentSchema::compile(&schema).unwrap()
    }

    #[test]
    fn arguments_are_held_against_the_schema_and_faults_are_told_with_their_place() {
        let schema = weather();
        assert_eq!(schema.faults(&json!({ "city": "Oslo", "days": 2 })), None);
        for (arguments, fault) in [
            (json!({}), "city"),
            (json!({ "city": 3 }), "'/city'"),
            (json!({ "city": "Oslo", "days": 0 }), "'/days'"),
            (json!({ "city": "Oslo", "place": 1 }), "place"),
            (json!("Oslo"), "object"),
        ] {
            let told = schema.faults(&arguments).unwrap();
            assert!(told.contains(fault), "{arguments}: {told}");
            assert!(!told.contains('\n') && !told.contains(NAME), "{told}");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused_and_nothing_outside_is_read() {
        assert!(ArgumentSchema::compile(&json!({})).is_ok());
        let wrong = ArgumentSchema::compile(&json!({ "type": "objekt" })).unwrap_err();
        assert!(wrong.contains("type"), "{wrong}");
        for outside in ["file:///etc/hostname", "http://localhost/x.json"] {
            let wrong = ArgumentSchema::compile(&json!({ "$ref": outside })).unwrap_err();
            assert!(wrong.contains("outside of the schema"), "{wrong}");
        }
        let within = json!({ "$defs": { "n": { "type": "integer" } }, "properties": { "a": { "$ref": "#/$defs/n" } } });
        let schema = ArgumentSchema::compile(&within).unwrap();
        assert!(schema.faults(&json!({ "a": "x" })).is_some());
    }
}
