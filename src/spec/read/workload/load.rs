//! Reads the settings of a `load` workload.

use std::time::Duration;

use crate::spec::diagnostic::Diagnostic;
use crate::spec::keys::workload::load::SEARCH;
use crate::spec::read::walk::{Field, Fields, Reader};
use crate::spec::read::workload::demand::{arrival, extent, only_one};
use crate::spec::workload::load::{Demand, Extent, Levels, LoadSpec};

/// How long a rung is measured where the file does not say: twice the time before which
/// over-saturation cannot be told.
const RUNG: Duration = Duration::from_secs(60);

pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<LoadSpec> {
    let before = reader.diagnostics.len();
    let levels = levels(reader, fields);
    let at_rate = levels.as_ref().is_some_and(|(_, at_rate)| *at_rate);
    let arrival = match levels.is_some() {
        true => arrival(reader, fields, at_rate),
        false => None,
    };
    let rung = extent(reader, fields, "requests-per-rung", "rung-duration");
    let slo = match fields.get("slo") {
        Some(field) => reader.slos(field),
        None => Some(Vec::new()),
    };
    if let Some(field) = fields.get("search").filter(|_| fields.get("slo").is_none()) {
        reader.report(
            Diagnostic::error(field.at, "a search needs bounds to keep")
                .help("add\nslo = [\"ttft.p95 < 1500 ms\"]"),
        );
    }
    let start_from = start_from(reader, fields);
    if reader.diagnostics.len() > before {
        return None;
    }
    let (levels, at_rate) = levels?;
    Some(LoadSpec {
        demand: match at_rate {
            true => Demand::Rate { arrival: arrival? },
            false => Demand::Concurrency,
        },
        levels,
        rung: rung.unwrap_or(Extent::Lasting(RUNG)),
        slo: slo?,
        prompt_tokens: fields.count("prompt-tokens")?,
        max_tokens: fields.count("max-tokens")?,
        probes: fields.bool("probes")?,
        start_from,
    })
}

/// The levels, and whether they are rates.
fn levels(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<(Levels, bool)> {
    let names = ["concurrency", "rates", "search"];
    let Some(field) = only_one(reader, fields, &names) else {
        reader.report_absence(
            Diagnostic::error(
                fields.place(),
                "a load workload needs `concurrency`, `rates` or `search`",
            )
            .help("add\nconcurrency = [1, 2, 4, 8]"),
        );
        return None;
    };
    if field.key.name == "search" {
        return search(reader, field);
    }
    let numbers = reader.numbers(field)?;
    for pair in numbers.windows(2) {
        if pair[1].0 <= pair[0].0 {
            reader.report(
                Diagnostic::error(pair[1].1, format!("`{}` is no ladder", field.key.name))
                    .label(format!("expected more than {}", pair[0].0)),
            );
            return None;
        }
    }
    let levels = numbers.into_iter().map(|(number, _)| number).collect();
    Some((Levels::Ladder(levels), field.key.name == "rates"))
}

fn search(reader: &mut Reader<'_>, field: Field<'_>) -> Option<(Levels, bool)> {
    let table = reader.table(field)?;
    let fields = reader.walk(table, "`search`", field.at, &[SEARCH]);
    let at_rate = fields.text("over")? == "rate";
    let (from, to) = (fields.number("from")?, fields.number("to")?);
    for name in ["from", "to"] {
        let whole = fields
            .number(name)
            .is_some_and(|number| number.fract() == 0.0);
        if let Some(end) = fields.get(name).filter(|_| !at_rate && !whole) {
            let found = reader.mismatch(name, end.node, "a whole number of users");
            reader.report(found.help("for requests per second write over = \"rate\""));
            return None;
        }
    }
    if to <= from {
        let at = fields.get("to").map(|end| reader.span(end.node.span()));
        reader.report(
            Diagnostic::error(at, "`to` is not above `from`")
                .label(format!("expected more than {from}")),
        );
        return None;
    }
    Some((Levels::Search { from, to }, at_rate))
}

/// The former node, which must be in `after`; of which kind it is, is checked when all are known.
fn start_from(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<String> {
    let field = fields.get("start-from")?;
    let name = fields.text("start-from")?;
    let comes_after = fields
        .get("after")
        .and_then(|after| after.node.get_ref().as_array())
        .is_some_and(|after| {
            let mut names = after.iter().filter_map(|node| node.get_ref().as_str());
            names.any(|after| after == name)
        });
    if !comes_after {
        let at = reader.span(field.node.span());
        reader.report(
            Diagnostic::error(at, format!("`{name}` may not have run before this node"))
                .help(format!("add\nafter = [\"{name}\"]")),
        );
    }
    Some(name)
}
