//! Reads the settings of a `command` workload.

use toml::de::DeTable;

use crate::measure::kind::command::{VLLM_BENCH_SERVE, metric};
use crate::measure::metric::{MetricDef, Scale, Unit};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::keys::workload::command::METRIC;
use crate::spec::near::suggestion;
use crate::spec::read::scalar::is_env_name;
use crate::spec::read::walk::{Fields, Reader, with_help};
use crate::spec::workload::command::{CommandSpec, Mapped, Output, PLACEHOLDERS, Place};

pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<CommandSpec> {
    let run = arguments(reader, fields);
    let pass_env = variables(reader, fields);
    let declared = declared(reader, fields);
    let output = match fields.text("output")?.as_str() {
        "file" => Output::File,
        _ => Output::Stdout,
    };
    let (run, pass_env, declared) = (run?, pass_env?, declared?);
    let at = fields.get("kind")?.at;
    if output == Output::File && !run.iter().any(|argument| argument.contains("{out}")) {
        reader.report(
            Diagnostic::error(at, "the command is not told to write the file `{out}`")
                .help("give it as an argument in `run`"),
        );
        return None;
    }
    let mut metrics: Vec<MetricDef> = Vec::new();
    let mut mapping = Vec::new();
    if fields.text("mapping").is_some() {
        for ready in VLLM_BENCH_SERVE {
            metrics.push(metric(ready.name, ready.unit, ready.scale, ready.meaning));
            mapping.push(Mapped {
                name: ready.name.to_owned(),
                pointer: format!("/{}", ready.member),
                factor: 1.0,
            });
        }
        metrics.push(MetricDef::SUCCESS_RATE);
    }
    for Declared { def, mapped, at } in declared {
        if metrics.iter().any(|known| known.name == def.name) {
            reader.report(Diagnostic::error(
                at,
                format!("the metric `{}` is there already", def.name),
            ));
            return None;
        }
        metrics.push(def);
        mapping.push(mapped);
    }
    if mapping.is_empty() {
        reader.report(
            Diagnostic::error(at, "the command yields no metric")
                .help("give a `mapping`, or a [[workload.metric]] with `name` and `path`"),
        );
        return None;
    }
    Some(CommandSpec {
        run,
        place: match fields.text("where")?.as_str() {
            "host" => Place::Host,
            _ => Place::Engine,
        },
        timeout: fields.duration("timeout")?,
        output,
        pass_env,
        mapping,
        metrics,
    })
}

fn arguments(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<String>> {
    let field = fields.get("run")?;
    let texts = reader.texts(field);
    let items = field.node.get_ref().as_array()?;
    if texts
        .first()
        .is_none_or(|(program, _)| program.trim().is_empty())
    {
        let found = reader.mismatch("run", field.node, "a program and its arguments");
        reader.report(found.help("write run = [\"vllm\", \"bench\", \"serve\"]"));
        return None;
    }
    let mut sound = texts.len() == items.len();
    for (text, node) in &texts {
        for word in braced(text) {
            if PLACEHOLDERS.contains(&word) {
                continue;
            }
            let at = reader.span(node.span());
            let help = suggestion(word, PLACEHOLDERS, "the placeholders");
            let found = Diagnostic::error(at, format!("`{word}` stands for nothing"));
            reader.report(with_help(found, help));
            sound = false;
        }
    }
    sound.then(|| texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}

/// Words in braces; JSON in an argument has other characters between them.
fn braced(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        rest = &rest[start..];
        let Some(end) = rest.find('}') else { break };
        let inside = &rest[1..end];
        let is_word = !inside.is_empty()
            && inside
                .chars()
                .all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
        if is_word {
            words.push(&rest[..=end]);
        }
        rest = &rest[1..];
    }
    words
}

fn variables(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<String>> {
    let Some(field) = fields.get("pass-env") else {
        return Some(Vec::new());
    };
    let items = field.node.get_ref().as_array();
    let texts = reader.texts(field);
    for (text, node) in &texts {
        if !is_env_name(text) {
            // Somebody may have put the secret where its variable's name belongs.
            let at = reader.span(node.span());
            reader.report(
                Diagnostic::error(at, "`pass-env` takes the names of variables")
                    .label("expected letters, digits and `_`"),
            );
            return None;
        }
    }
    (items?.len() == texts.len())
        .then(|| texts.iter().map(|(text, _)| (*text).to_owned()).collect())
}

struct Declared {
    def: MetricDef,
    mapped: Mapped,
    at: Span,
}

fn declared(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Declared>> {
    let Some(field) = fields.get("metric") else {
        return Some(Vec::new());
    };
    let is_list = field.node.get_ref().as_array().is_some();
    let tables = reader.tables(field);
    let n_tables = tables.len();
    let all: Vec<Declared> = tables
        .into_iter()
        .filter_map(|(table, at)| one(reader, table, at))
        .collect();
    (is_list && all.len() == n_tables).then_some(all)
}

fn one(reader: &mut Reader<'_>, table: &DeTable<'_>, at: Span) -> Option<Declared> {
    let fields = reader.walk(table, "a metric", at, &[METRIC]);
    let name = fields.text("name")?;
    let path = fields.text("path")?;
    if name.contains('-') {
        let node = fields.get("name")?.node;
        let found = reader
            .mismatch("name", node, "small letters, digits and `_`")
            .help(format!("write \"{}\"", name.replace('-', "_")));
        reader.report(found);
        return None;
    }
    let pointer = match path.starts_with('/') {
        true => path,
        false => path
            .split('.')
            .map(|part| format!("/{}", part.replace('~', "~0")))
            .collect(),
    };
    let (unit, factor) = match fields.text("unit")?.as_str() {
        "ms" => (Unit::Milliseconds, 1.0),
        "s" => (Unit::Milliseconds, 1000.0),
        "tok/s" => (Unit::TokensPerSecond, 1.0),
        "req/s" => (Unit::RequestsPerSecond, 1.0),
        "tok" => (Unit::Tokens, 1.0),
        "%" => (Unit::Percent, 1.0),
        _ => (Unit::One, 1.0),
    };
    let scale = match fields.text("scale")?.as_str() {
        "proportion" => Scale::Proportion,
        "signed" => Scale::Signed,
        _ => Scale::Ratio,
    };
    let meaning = fields
        .text("meaning")
        .unwrap_or_else(|| format!("`{pointer}` of the command's JSON"));
    Some(Declared {
        def: metric(&name, unit, scale, &meaning),
        mapped: Mapped {
            name,
            pointer,
            factor,
        },
        at,
    })
}

#[cfg(test)]
mod tests;
