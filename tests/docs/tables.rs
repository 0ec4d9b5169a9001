//! The generated tables of the page, as Markdown: keys, flags, metrics and cells.

use gridrun::matrix::cell::{Cell, SetBy};
use gridrun::measure::metric::{Availability, Scale, Shape as MetricShape, Stat, WorkloadKind};
use gridrun::spec::flag::{FlagName, FlagValue};
use gridrun::spec::keys::{self, Each, Key, Presence, Shape};
use gridrun::spec::scenario::FaultKind;
use gridrun::spec::vllm_flags::{self, Rendered};

/// The keys of one kind of file: its top level, then every table under it, each once.
pub fn keys(top: &'static [Key]) -> String {
    KeyTables::default().under("", "the top level", top)
}

#[derive(Default)]
struct KeyTables {
    /// Tables that have their place, with their titles.
    done: Vec<(&'static [Key], String)>,
}

impl KeyTables {
    /// A table with those under it; `path` is where it stands in the file.
    fn under(&mut self, path: &str, title: &str, keys: &'static [Key]) -> String {
        self.done.push((keys, title.to_owned()));
        let rows = keys.iter().map(|key| {
            let presence = match key.presence {
                Presence::Required => "required".to_owned(),
                Presence::Optional => "optional".to_owned(),
                Presence::Default(value) => format!("`{value}`"),
            };
            vec![
                format!("`{}`", key.name),
                self.shape(key.shape),
                presence,
                key.help.to_owned(),
            ]
        });
        let header = ["key", "type", "required, or default", "meaning"];
        let mut text = format!(
            "**{}**\n\n{}\n",
            capital(title),
            table(&header, rows.collect())
        );
        for key in keys {
            let path = if path.is_empty() {
                key.name.to_owned()
            } else {
                format!("{path}.{}", key.name)
            };
            let (title, inner) = match key.shape {
                Shape::Table(inner) => (format!("`[{path}]`"), inner),
                Shape::Tables(inner) | Shape::Workloads(inner) | Shape::Faults(inner) => {
                    (format!("`[[{path}]]`"), inner)
                }
                Shape::Env => (
                    format!("a variable of `[{path}]` from the environment"),
                    keys::FROM_ENV,
                ),
                Shape::Ulimits => (
                    format!("a limit of `[{path}]` with both bounds"),
                    keys::ULIMIT,
                ),
                _ => continue,
            };
            if self.title(inner).is_none() {
                text.push_str(&self.under(&path, &title, inner));
            }
            let kinds: Vec<(&str, &'static [Key])> = match key.shape {
                Shape::Workloads(_) => WorkloadKind::ALL
                    .map(|kind| (kind.name(), keys::workload::of_kind(kind)))
                    .to_vec(),
                Shape::Faults(_) => FaultKind::ALL
                    .map(|kind| (kind.name(), keys::scenario::of_kind(kind)))
                    .to_vec(),
                _ => Vec::new(),
            };
            for (kind, own) in kinds.into_iter().filter(|(_, own)| !own.is_empty()) {
                let title = format!("{title} with kind = \"{kind}\"");
                text.push_str(&self.under(&path, &title, own));
            }
        }
        text
    }

    fn title(&self, keys: &[Key]) -> Option<&str> {
        self.done
            .iter()
            .find(|(done, _)| *done == keys)
            .map(|(_, title)| title.as_str())
    }

    fn shape(&self, shape: Shape) -> String {
        let inner = |inner| match self.title(inner) {
            Some(title) => format!("keys of {title}"),
            None => "keys below".to_owned(),
        };
        match shape {
            Shape::Text => "text".to_owned(),
            Shape::File => "path of a file, from the experiment's own folder".to_owned(),
            Shape::Anything => "see the text".to_owned(),
            Shape::Name { dots: true } => {
                "name: up to 64 of `a-z 0-9 _ . -`, a letter or digit first".to_owned()
            }
            Shape::Name { dots: false } => {
                "name: up to 64 of `a-z 0-9 _ -`, a letter or digit first".to_owned()
            }
            Shape::Bool => "true or false".to_owned(),
            Shape::Whole { min, .. } => format!("whole number, at least {min}"),
            Shape::Positive => "number above 0".to_owned(),
            Shape::Bytes { zero: false } => "size above 0, as `\"24GiB\"`".to_owned(),
            Shape::Bytes { zero: true } => "size, as `\"24GiB\"` or `\"0B\"`".to_owned(),
            Shape::Duration => "time above 0, as `\"90s\"`".to_owned(),
            Shape::Percent => "at least 0 % and below 100 %, as `\"2%\"`".to_owned(),
            Shape::Choice(words) => words
                .iter()
                .map(|word| format!("`\"{word}\"`"))
                .collect::<Vec<_>>()
                .join(" or "),
            Shape::EnvName => "name of an environment variable".to_owned(),
            Shape::Texts => "list of texts".to_owned(),
            Shape::Numbers { whole: true } => "list of whole numbers, at least 1".to_owned(),
            Shape::Numbers { whole: false } => "list of numbers above 0".to_owned(),
            Shape::Kind => WorkloadKind::ALL
                .map(|kind| format!("`\"{}\"`", kind.name()))
                .join(" or "),
            Shape::Metric => "`NODE.METRIC[.STAT]`".to_owned(),
            Shape::Condition => "`NODE.METRIC[.STAT] OP NUMBER UNIT`".to_owned(),
            Shape::Table(keys) => format!("table, {}", inner(keys)),
            Shape::Tables(keys) => format!("list of tables, {}", inner(keys)),
            Shape::Workloads(keys) | Shape::Faults(keys) => {
                format!("list of tables, {}, and those of the kind", inner(keys))
            }
            Shape::FaultKind => "a kind of fault".to_owned(),
            Shape::Starts => {
                "`\"every\"`, `\"first\"`, or a list of numbers from 1, as `[1, 2]`".to_owned()
            }
            Shape::Knobs { each, env } => {
                let each = match each {
                    Each::Axis => "a list of values",
                    Each::AnyOf => "a value or a list of values",
                    Each::One => "a value",
                };
                let env = if env { "; variables under `env`" } else { "" };
                format!("table of flags, each with {each}{env}")
            }
            Shape::Env => "table of variables, each a text or `{ from-env = \"NAME\" }`".to_owned(),
            Shape::Gpus => {
                "`\"all\"`, `\"none\"`, a count, or a list of indices or UUIDs".to_owned()
            }
            Shape::Ulimits => "table of limits, each a number or `{ soft, hard }`".to_owned(),
        }
    }
}

/// gridrun's short names of flags.
pub fn short_flags() -> String {
    let names: Vec<FlagName> = vllm_flags::names()
        .map(|name| FlagName(name.to_owned()))
        .collect();
    let rows = names
        .iter()
        .filter(|name| vllm_flags::short_name(name) != name.as_str())
        .map(|name| {
            vec![
                format!("`{}`", vllm_flags::short_name(name)),
                format!("`{name}`"),
            ]
        });
    table(&["short", "flag"], rows.collect())
}

/// The flags that a file must not set.
pub fn reserved_flags() -> String {
    let names = vllm_flags::names().map(|name| FlagName(name.to_owned()));
    let rows = names.filter_map(|name| {
        Some(vec![
            format!("`{name}`"),
            vllm_flags::reserved(&name)?.to_owned(),
        ])
    });
    table(&["flag", "why a file cannot set it"], rows.collect())
}

/// What a kind of workload yields.
pub fn metrics(kind: WorkloadKind) -> String {
    let rows = kind.metrics().iter().map(|metric| {
        let scale = match metric.scale {
            Scale::Ratio => "ratio",
            Scale::Proportion => "proportion",
            Scale::Signed => "signed",
        };
        let shape = match metric.shape {
            MetricShape::Scalar => "one number".to_owned(),
            MetricShape::Distribution => Stat::ALL.map(Stat::name).join(" "),
        };
        let cells = match metric.availability {
            Availability::EveryCell => "every cell",
            Availability::ProvedOnly => "where proved",
        };
        let objective =
            metric.scale == Scale::Ratio && metric.availability == Availability::EveryCell;
        let unit = match metric.unit.symbol() {
            "" => "none",
            symbol => symbol,
        };
        vec![
            format!("`{}`", metric.name),
            unit.to_owned(),
            scale.to_owned(),
            shape,
            cells.to_owned(),
            if objective { "yes" } else { "no" }.to_owned(),
            metric.meaning.to_string(),
        ]
    });
    let header = [
        "metric",
        "unit",
        "scale",
        "statistics",
        "which cells have it",
        "objective",
        "meaning",
    ];
    table(&header, rows.collect())
}

/// Cells with what the experiment gives their engines.
pub fn cells(cells: &[Cell]) -> String {
    let rows = cells.iter().map(|cell| {
        vec![
            format!("`{}`", cell.name),
            format!("`{}`", cell.id),
            given(cell).join(", "),
        ]
    });
    let header = [
        "cell",
        "id",
        "what its engine is given beside the base flags, and who set it",
    ];
    table(&header, rows.collect())
}

fn given(cell: &Cell) -> Vec<String> {
    let flags = cell
        .flags
        .iter()
        .map(|(name, setting)| (vllm_flags::render(name, &setting.value), name, setting));
    let flags = flags
        .filter(|(_, _, setting)| setting.by != SetBy::Base)
        .map(|(rendered, name, setting)| match rendered {
            Rendered::Args(args) => format!("`{}` ({})", args.join(" "), setting.by),
            Rendered::LeftOut { .. } => format!("no `--{name}` ({})", setting.by),
        });
    let env = cell.env.iter().map(|(name, setting)| match setting.value {
        FlagValue::Default => format!("no `{name}` ({})", setting.by),
        _ => format!("`{name}={}` ({})", setting.value, setting.by),
    });
    let memory = cell
        .memory
        .map(|bytes| format!("{} MiB of memory", bytes >> 20));
    flags.chain(env).chain(memory).collect()
}

pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let rule = vec!["---".to_owned(); header.len()];
    [header, rule].into_iter().chain(rows).map(line).collect()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
