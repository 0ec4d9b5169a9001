//! A schema as text that people can read and version control can compare: what fits on a line
//! stands on one.

use serde_json::Value;

/// Wide enough for a flag with its help.
const WIDTH: usize = 220;

pub(super) fn lay_out(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, 0, &mut text);
    text.push('\n');
    text
}

/// Appends a value; `taken` is the width of what stands before it on its line.
fn write(value: &Value, indent: usize, taken: usize, text: &mut String) {
    let line = on_one_line(value);
    let members: Vec<(Option<String>, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (Some(Value::from(name.as_str()).to_string()), value))
            .collect(),
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        _ => Vec::new(),
    };
    // The comma behind it counts.
    if members.is_empty() || taken + line.chars().count() < WIDTH {
        text.push_str(&line);
        return;
    }
    let (open, close) = if value.is_object() {
        ('{', '}')
    } else {
        ('[', ']')
    };
    text.push(open);
    let within = indent + 2;
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push('\n');
        let front = name
            .as_ref()
            .map_or_else(String::new, |name| format!("{name}: "));
        text.push_str(&" ".repeat(within));
        text.push_str(&front);
        write(value, within, within + front.chars().count(), text);
    }
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    text.push(close);
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    format!("{}: {}", Value::from(name.as_str()), on_one_line(value))
                })
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<String> = items.iter().map(on_one_line).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_stands_on_one_line_and_reads_back_as_it_was() {
        let long = "x".repeat(150);
        let value = json!({ "a": { "b": [1, 2], "c": {} }, "d": [long, { "e": long }, []] });
        let text = lay_out(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let expected = format!(
            "{{\n  \"a\": {{ \"b\": [1, 2], \"c\": {{}} }},\n  \"d\": [\n    \"{long}\",\n    \
             {{ \"e\": \"{long}\" }},\n    []\n  ]\n}}\n"
        );
        assert_eq!(text, expected);
    }
}
