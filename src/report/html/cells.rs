//! All configurations in one table: bars on axes that all rows share, the first and its ties
//! marked, and at the end, hatched, what missed a gate, died or was not started, with its cause.

use std::fmt::Write;

use crate::decide::number;
use crate::decide::wanted::Role;
use crate::outcome::Standing;
use crate::report::chart::interval::{Axis, Tone};
use crate::report::html::markup::Page;
use crate::report::measures::{Estimated, MeasureView};
use crate::report::table::{death, proved};
use crate::report::text::{Prose, escape, shorten};
use crate::report::view::{Place, Row, View};
use crate::report::wording::better;

/// Rows that are open; further ones are one click away, with their count.
const OPEN: usize = 40;

/// Columns of bars beside that of the score.
const BARS: usize = 3;

/// Between two ticks of an axis, in hundredths of its width.
const TICK_ROOM: f64 = 22.0;

/// Length at which a cause is cut in its row.
const CAUSE_LIMIT: usize = 160;

/// Length at which the gates that were missed are cut; they stand in full in `report.md`.
const OUTCOME_LIMIT: usize = 110;

/// One column of bars.
struct Column<'a> {
    id: String,
    header: Vec<String>,
    axis: Axis,
    of: Of<'a>,
}

enum Of<'a> {
    Measure(&'a MeasureView),
    /// How much worse the weighted score is than the first's.
    Score,
}

pub fn cells(page: &mut Page, view: &View) {
    page.section("cells", "All configurations");
    let columns = columns(view);
    legend(page, view, &columns);
    if view.cells.is_empty() {
        page.paragraph("", "There are none.");
        return;
    }
    controls(page, view);
    let n_more = view.cells.len().saturating_sub(OPEN);
    if n_more > 0 {
        page.raw(format!(
            "<p class=\"fold\"><input type=\"checkbox\" id=\"all\"><label for=\"all\"> show the \
             other {n_more} of {} configurations</label></p>\n",
            view.cells.len()
        ));
    }
    let mut html = String::from("<svg class=\"defs\" aria-hidden=\"true\">");
    for column in &columns {
        html += &column.axis.ground(&column.id);
    }
    html += match columns.len() {
        // With many columns the numbers stand below their bars.
        0..=2 => "</svg>\n<table id=\"cells-table\"><thead><tr>",
        _ => "</svg>\n<table id=\"cells-table\" class=\"many\"><thead><tr>",
    };
    html += "<th scope=\"col\" data-s=\"n\"><button type=\"button\">configuration</button></th>";
    for (at, column) in columns.iter().enumerate() {
        let _ = write!(
            html,
            "<th scope=\"col\" data-s=\"v{at}\"><button type=\"button\">{}</button>{}</th>",
            lines(&column.header),
            ticks(column)
        );
    }
    html += "<th scope=\"col\" data-s=\"r\" aria-sort=\"ascending\"><button \
             type=\"button\">outcome</button></th></tr></thead><tbody>\n";
    for (position, row) in view.cells.iter().enumerate() {
        html += &self::row(view, &columns, position, row);
    }
    html += "</tbody></table>\n";
    page.raw(html);
    page.raw(
        "<p class=\"key\">★ champion · ☆ leader · ≈ the same to you as the first · ● ranked · ▲ \
         missed a gate · ✕ died · ⊘ not started, because it would die · ? undecided</p>\n",
    );
}

fn columns(view: &View) -> Vec<Column<'_>> {
    let objectives: Vec<(&MeasureView, Vec<String>)> = view
        .measures
        .iter()
        .filter(|measure| measure.role == Role::Objective)
        .take(BARS)
        .zip(&view.objectives)
        .map(|(measure, objective)| {
            let unit = match objective.unit {
                "" => better(objective.goal).to_owned(),
                unit => format!("{unit}, {}", better(objective.goal)),
            };
            (measure, vec![objective.metric.clone(), unit])
        })
        .collect();
    let several = view.objectives.len() > 1;
    let equivalence = (!several).then_some(view.equivalence);
    let mut columns = Vec::new();
    if several {
        let ratios = view.cells.iter().flat_map(|row| {
            let interval = row
                .behind_interval
                .map(|(low, high)| [1.0 + low, 1.0 + high]);
            let ends = interval.into_iter().flatten();
            row.behind_first
                .map(|behind| 1.0 + behind)
                .into_iter()
                .chain(ends)
        });
        let ratios: Vec<f64> = ratios.collect();
        if !ratios.is_empty() {
            columns.extend(
                Axis::of_ratios(ratios, view.equivalence).map(|axis| Column {
                    id: "gs".to_owned(),
                    header: vec!["behind the first".to_owned(), "weighted score".to_owned()],
                    axis,
                    of: Of::Score,
                }),
            );
        }
    }
    for (at, (measure, header)) in objectives.into_iter().enumerate() {
        columns.extend(Axis::of(measure, equivalence).map(|axis| Column {
            id: format!("g{at}"),
            header,
            axis,
            of: Of::Measure(measure),
        }));
    }
    columns
}

fn legend(page: &mut Page, view: &View, columns: &[Column<'_>]) {
    let fixed: Vec<String> = view
        .axes
        .iter()
        .filter_map(|axis| {
            let value = axis.everywhere.as_ref()?;
            Some(format!("{} = {value}", axis.short_name))
        })
        .collect();
    if !fixed.is_empty() {
        let fixed = fixed.iter().map(String::as_str);
        page.prose(
            "cap",
            &Prose::new("The same in all of them: ")
                .names(fixed)
                .words("."),
        );
    }
    let mut told = vec![
        "Dot: mean over starts; bar: its 95 % interval. Dashed: the first-placed one.".to_owned(),
    ];
    told.push(format!(
        "Blue band: within {} of it, the same to you.",
        number::chosen_percent(view.equivalence)
    ));
    let noisy = |column: &&Column<'_>| match &column.of {
        Of::Measure(measure) => measure.noise.is_some(),
        Of::Score => false,
    };
    if columns.iter().any(|column| noisy(&column)) {
        told.push(
            "Grey band: what two starts of one configuration differ by (95 % of pairs).".to_owned(),
        );
    }
    if columns.iter().any(|column| column.axis.limit().is_some()) {
        told.push("Orange line: the limit of a gate.".to_owned());
    }
    if columns
        .iter()
        .any(|column| column.axis.scale().is_logarithmic())
    {
        told.push("Axes of numbers that lie far apart are logarithmic.".to_owned());
    }
    page.paragraph("cap", &told.join(" "));
}

fn controls(page: &mut Page, view: &View) {
    let count = |key: &str| {
        view.cells
            .iter()
            .filter(|row| keys(row).contains(&key))
            .count()
    };
    let mut html = String::from(
        "<div class=\"ctl\" id=\"ctl\" role=\"group\" aria-label=\"Filter\" hidden><input id=\"q\" \
         type=\"search\" placeholder=\"filter, such as prefix on\" aria-label=\"Filter configurations\">",
    );
    let all = view.cells.len();
    let buttons = [
        ("all", "all", all),
        ("ranked", "ranked", count("ranked")),
        ("tie", "≈ same to you", count("tie")),
        ("rejected", "▲ missed a gate", count("rejected")),
        ("dead", "✕ dead", count("dead")),
        ("undecided", "? undecided", count("undecided")),
    ];
    for (key, words, n) in buttons {
        if n > 0 {
            let _ = write!(
                html,
                "<button type=\"button\" data-m=\"{key}\" aria-pressed=\"{}\">{words} {n}</button>",
                key == "all"
            );
        }
    }
    let _ = writeln!(
        html,
        "<span id=\"count\" role=\"status\">{all} of {all} configurations</span></div>"
    );
    page.raw(html);
}

/// What a row can be filtered by.
fn keys(row: &Row) -> Vec<&'static str> {
    match &row.standing {
        Standing::Ranked if row.same_as_first => vec!["ranked", "tie"],
        Standing::Ranked => vec!["ranked"],
        Standing::Rejected { .. } => vec!["rejected"],
        Standing::Infeasible { .. } | Standing::Skipped { .. } => vec!["dead"],
        Standing::Undecided { .. } => vec!["undecided"],
    }
}

fn mark(row: &Row) -> &'static str {
    match &row.standing {
        Standing::Ranked => match row.place {
            Some(Place::Champion) => "★",
            Some(Place::Leader) => "☆",
            Some(Place::BestMean | Place::SameAsFirst) => "≈",
            Some(Place::Ranked) | None => "●",
        },
        Standing::Rejected { .. } => "▲",
        Standing::Infeasible { .. } => "✕",
        Standing::Skipped { .. } => "⊘",
        Standing::Undecided { .. } => "?",
    }
}

fn row(view: &View, columns: &[Column<'_>], position: usize, row: &Row) -> String {
    let mut classes = Vec::new();
    let is_first = row.rank == Some(1);
    if is_first {
        classes.push("first");
    }
    if matches!(
        row.standing,
        Standing::Infeasible { .. } | Standing::Skipped { .. }
    ) {
        classes.push("dead");
    }
    if position >= OPEN {
        classes.push("more");
    }
    let class = match classes.is_empty() {
        true => String::new(),
        false => format!(" class=\"{}\"", classes.join(" ")),
    };
    let mut html = format!(
        "<tr{class} data-k=\"{}\" data-n=\"{}\" data-r=\"{position}\"",
        keys(row).join(" "),
        escape(&row.cell),
    );
    let numbers: Vec<Option<Estimated>> = columns
        .iter()
        .map(|column| estimated(column, position, row))
        .collect();
    for (at, number) in numbers.iter().enumerate() {
        let value = number.map_or(String::new(), |it| format!("{:.6e}", it.mean));
        let _ = write!(html, " data-v{at}=\"{value}\"");
    }
    let _ = write!(
        html,
        "><th scope=\"row\"><span class=\"mark\">{}</span><code>{}</code><small>{}</small></th>",
        mark(row),
        escape(&row.cell),
        settings(view, row)
    );
    if numbers.iter().all(Option::is_none) && !columns.is_empty() {
        let _ = write!(
            html,
            "<td class=\"cause\" colspan=\"{}\"><span>{}</span></td>",
            columns.len(),
            cause(row)
        );
    } else {
        for (column, number) in columns.iter().zip(&numbers) {
            html += &bar(column, row, *number, is_first);
        }
    }
    let _ = writeln!(html, "<td class=\"o\">{}</td></tr>", outcome(view, row));
    html
}

fn estimated(column: &Column<'_>, position: usize, row: &Row) -> Option<Estimated> {
    match &column.of {
        Of::Measure(measure) => measure.estimates[position],
        Of::Score => Some(Estimated {
            n: row.tally.n_measured,
            mean: 1.0 + row.behind_first?,
            interval: row
                .behind_interval
                .map(|(low, high)| (1.0 + low, 1.0 + high)),
        }),
    }
}

fn bar(column: &Column<'_>, row: &Row, number: Option<Estimated>, is_first: bool) -> String {
    let label = escape(&column.header.join(", "));
    let Some(estimated) = number else {
        return format!("<td class=\"b\" data-l=\"{label}\">-</td>");
    };
    let tone = match &row.standing {
        Standing::Rejected { .. } => Tone::Rejected,
        _ if is_first => Tone::First,
        _ if row.same_as_first => Tone::Tie,
        _ => Tone::Plain,
    };
    let (value, below, tip) = match &column.of {
        Of::Measure(measure) => {
            let definition = measure.definition.as_ref();
            let shown = |value: f64| number::of_metric(value, definition);
            let interval = estimated
                .interval
                .map(|(low, high)| format!("{} to {}", shown(low), shown(high)));
            let tip = format!(
                "{}: {} {}\nmean of {} start{}{}",
                row.cell,
                shown(estimated.mean),
                measure.unit,
                estimated.n,
                if estimated.n == 1 { "" } else { "s" },
                interval.as_ref().map_or(String::new(), |it| format!(
                    "\n95 % interval {it} {}",
                    measure.unit
                ))
            );
            (shown(estimated.mean), interval, tip)
        }
        Of::Score => {
            let interval = row.behind_interval.map(|(low, high)| {
                format!("{} to {}", number::percent(low), number::percent(high))
            });
            let value = match estimated.mean == 1.0 {
                true => "0 %".to_owned(),
                false => number::percent(estimated.mean - 1.0),
            };
            let tip = format!(
                "{}: {value} behind the first{}",
                row.cell,
                interval
                    .as_ref()
                    .map_or(String::new(), |it| format!("\n95 % interval {it}"))
            );
            (value, interval, tip)
        }
    };
    format!(
        "<td class=\"b\" data-l=\"{label}\">{}<span class=\"n\"><b>{value}</b>{}</span></td>",
        column.axis.bar(&column.id, &estimated, tone, &tip),
        below.map_or(String::new(), |below| format!("<br>{}", escape(&below)))
    )
}

/// `gpu-mem 0.9 · prefix on`: what varies.
fn settings(view: &View, row: &Row) -> String {
    let varied = view.axes.iter().zip(&row.axes).filter_map(|(axis, value)| {
        if axis.everywhere.is_some() {
            return None;
        }
        let value = value.as_ref()?.to_string();
        let value = match value.as_str() {
            "true" => "on",
            "false" => "off",
            other => other,
        };
        Some(format!("{} {}", escape(&axis.short_name), escape(value)))
    });
    let varied: Vec<String> = varied.collect();
    varied.join(" · ")
}

/// Why there are no bars.
fn cause(row: &Row) -> String {
    let text = match (&row.standing, &row.death) {
        (Standing::Skipped { witness }, _) => return Prose::quoted(&proved(witness)).html(),
        (_, Some(death)) => death
            .cause
            .clone()
            .unwrap_or_else(|| death.explanation.clone()),
        (Standing::Undecided { because }, None) => because.clone(),
        (Standing::Ranked | Standing::Rejected { .. } | Standing::Infeasible { .. }, None) => {
            "no objective was measured".to_owned()
        }
    };
    escape(&shorten(&text, CAUSE_LIMIT))
}

fn outcome(view: &View, row: &Row) -> String {
    let behind = || {
        row.behind_first
            .filter(|behind| *behind != 0.0)
            .map(|behind| format!("{} behind", number::percent(behind)))
    };
    let text = match &row.standing {
        Standing::Ranked if row.is_champion => "champion".to_owned(),
        Standing::Ranked if row.place == Some(Place::Leader) => "leader".to_owned(),
        Standing::Ranked if row.place == Some(Place::BestMean) => "best mean".to_owned(),
        Standing::Ranked if row.same_as_first => format!(
            "same to you: {}",
            behind().unwrap_or_else(|| "equal".to_owned())
        ),
        Standing::Ranked => match view.objectives.len() {
            1 => {
                let interval = row.behind_interval.map_or(String::new(), |(low, high)| {
                    format!(" ({} to {})", number::percent(low), number::percent(high))
                });
                behind().unwrap_or_default() + &interval
            }
            _ => format!("rank {}", row.rank.unwrap_or_default()),
        },
        Standing::Rejected { gates } => {
            shorten(&format!("missed {}", gates.join("; ")), OUTCOME_LIMIT)
        }
        Standing::Infeasible { died, of } => death(row, *died, *of),
        Standing::Skipped { witness } => format!("not started: {}", witness.class),
        Standing::Undecided { because } => format!("undecided: {because}"),
    };
    escape(&text)
}

/// Round values of an axis, over its column; none over another.
fn ticks(column: &Column<'_>) -> String {
    let scale = column.axis.scale();
    let mut html = String::from("<svg class=\"sc\" aria-hidden=\"true\">");
    let mut last = f64::NEG_INFINITY;
    for (value, text) in scale.ticks(3) {
        let x = scale.at(value);
        let text = match column.of {
            Of::Measure(_) => text,
            Of::Score => format!("{:.0} %", (value - 1.0) * 100.0),
        };
        // Text at the edge would leave the column.
        if (4.0..=96.0).contains(&x) && x - last >= TICK_ROOM {
            last = x;
            let _ = write!(
                html,
                "<text x=\"{x:.1}%\" y=\"11\" text-anchor=\"middle\">{}</text>",
                escape(&text)
            );
        }
    }
    html + "</svg>"
}

fn lines(header: &[String]) -> String {
    let lines: Vec<String> = header.iter().map(|line| escape(line)).collect();
    lines.join("<br>")
}
