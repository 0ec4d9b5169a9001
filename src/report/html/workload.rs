//! One workload after another: its figures, its numbers, and what its kind adds to read.

use crate::decide::number;
use crate::measure::node::NodeDetail;
use crate::measure::request::CacheProof;
use crate::measure::summary::Summary;
use crate::report::chart::lines::{Line, Lines, MOST};
use crate::report::html::deaths::pre;
use crate::report::html::markup::{Figure, Page, from_markdown};
use crate::report::html::trade_off::slug;
use crate::report::table::{Table, start_names, workload_cells, workload_starts};
use crate::report::text::{Prose, escape};
use crate::report::view::{View, WorkloadView};
use crate::report::workload::part::{self, Block};

mod load;
mod quality;

/// Rows of a table that are open.
const OPEN: usize = 40;

/// Configurations that a list of attempts names before it only counts.
const NAMES: usize = 8;

/// The figures of all workloads.
pub fn figures(view: &View) -> Vec<Figure> {
    let workloads = view.workloads.iter();
    workloads.flat_map(|workload| of(view, workload)).collect()
}

fn of(view: &View, workload: &WorkloadView) -> Vec<Figure> {
    let mut figures: Vec<Figure> = [
        hits(view, workload),
        turns(view, workload),
        quality::parser_matrix(workload),
        quality::points_matrix(view, workload),
        drift(view, workload),
    ]
    .into_iter()
    .flatten()
    .collect();
    figures.extend(load::curves(view, workload));
    figures
}

pub fn workloads(page: &mut Page, view: &View) {
    if view.workloads.is_empty() {
        return;
    }
    page.section("workloads", "Workload by workload");
    for workload in &view.workloads {
        one(page, view, workload);
    }
}

fn one(page: &mut Page, view: &View, workload: &WorkloadView) {
    page.raw(format!(
        "<h3 id=\"w-{}\"><code>{}</code> <small>{}</small></h3>\n",
        slug(&workload.node),
        escape(&workload.node),
        workload.kind.name()
    ));
    if workload.cells.is_empty() {
        page.paragraph("", "It ran in no start.");
        return;
    }
    let figures = of(view, workload);
    for figure in &figures {
        page.figure(figure);
    }
    let name = format!("{}: means over starts", workload.node);
    let mut open = workload_cells(workload);
    let folded = Table {
        columns: open.columns.clone(),
        rows: open.rows.split_off(open.rows.len().min(OPEN)),
    };
    page.table(&name, &open);
    if !folded.rows.is_empty() {
        let n_more = folded.rows.len();
        page.fold(
            &format!("{}: {n_more} more configurations", workload.node),
            |page| page.table(&format!("{name}, continued"), &folded),
        );
    }
    page.paragraph(
        "cap",
        "Means over starts; where a start has many samples, their median is its number.",
    );
    let node = &workload.node;
    let n_notes = workload.notes.len();
    page.fold(
        &format!("{node}: what must be known of these samples ({n_notes})"),
        |page| notes(page, workload),
    );
    page.fold(
        &format!("{node}: start by start, and what the metrics mean"),
        |page| starts(page, workload),
    );
    quality::failed_calls(page, workload);
    page.fold(&quality::more_is(workload), |page| more(page, workload));
}

fn notes(page: &mut Page, workload: &WorkloadView) {
    for note in &workload.notes {
        page.raw(format!(
            "<p class=\"cap\"><b>{}:</b> {}</p>\n",
            escape(&start_names(&note.starts, NAMES)),
            Prose::quoted(&note.text).html()
        ));
    }
}

fn starts(page: &mut Page, workload: &WorkloadView) {
    page.table(
        &format!("{}: start by start", workload.node),
        &workload_starts(workload),
    );
    let meanings: Vec<String> = workload
        .metrics
        .iter()
        .map(|metric| {
            format!(
                "<code>{}</code>: {}",
                escape(&metric.name),
                escape(&metric.meaning)
            )
        })
        .collect();
    page.bullets(&meanings);
}

/// What the kind adds, as `report.md` has it.
fn more(page: &mut Page, workload: &WorkloadView) {
    let mut n_tables = 0;
    for block in part::of(workload) {
        match block {
            Block::Paragraph(text) => page.raw(format!("<p>{}</p>\n", from_markdown(&text))),
            Block::Table(table) => {
                n_tables += 1;
                page.table(&format!("{}: table {n_tables}", workload.node), &table);
            }
            Block::Bullets(items) => {
                let items: Vec<String> = items.iter().map(|item| from_markdown(item)).collect();
                page.bullets(&items);
            }
            Block::Quotation(lines) => pre(page, lines.iter().map(String::as_str)),
        }
    }
}

/// Cells that a figure shows: the first, its ties, the baseline, then by place.
fn chosen<'v>(view: &'v View, workload: &WorkloadView) -> Vec<&'v str> {
    let ran = |name: &str| workload.cells.iter().any(|cell| cell.cell == name);
    let first = view.cells.iter().filter(|row| row.rank == Some(1));
    let ties = view.cells.iter().filter(|row| row.same_as_first);
    let base = view
        .cells
        .iter()
        .filter(|row| Some(&row.cell) == view.baseline.as_ref());
    let mut names: Vec<&str> = Vec::new();
    for row in first.chain(ties).chain(base).chain(&view.cells) {
        let name = row.cell.as_str();
        if ran(name) && !names.contains(&name) && names.len() < MOST {
            names.push(name);
        }
    }
    names
}

fn left_out(workload: &WorkloadView, shown: usize) -> String {
    match workload.cells.len().saturating_sub(shown) {
        0 => String::new(),
        n => format!(" {n} more configurations are not drawn; the table has them."),
    }
}

fn figure(id: String, lines: &Lines, caption: String) -> Option<Figure> {
    Some(Figure {
        id,
        title: lines.title.clone(),
        wide: lines.draw(960.0)?,
        narrow: lines.draw(360.0)?,
        caption,
    })
}

/// How first requests and repeats are distributed in the first cell that ran it: proved misses
/// against proved hits where the engine proves them.
fn hits(view: &View, workload: &WorkloadView) -> Option<Figure> {
    let cell = *chosen(view, workload).first()?;
    let mut sides: [Vec<f64>; 4] = Default::default();
    for start in workload.starts.iter().filter(|start| start.cell == cell) {
        let Some(NodeDetail::KvCache(detail)) = &start.detail else {
            continue;
        };
        for pair in &detail.pairs {
            sides[0].extend(pair.first_ms);
            sides[1].extend(pair.repeat_ms);
            if matches!(pair.first_proof, Some(CacheProof::Miss { .. })) {
                sides[2].extend(pair.first_ms);
            }
            if matches!(pair.repeat_proof, Some(CacheProof::Hit { .. })) {
                sides[3].extend(pair.repeat_ms);
            }
        }
    }
    let [first, repeat, miss, hit] = sides;
    let is_proved = miss.len() > 1 && hit.len() > 1;
    let (names, slow, fast) = match is_proved {
        true => (["proved misses", "proved hits"], miss, hit),
        false => (["first requests", "repeats"], first, repeat),
    };
    let (of_slow, of_fast) = (Summary::of(&slow)?, Summary::of(&fast)?);
    let line = |name: &str, values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let steps = sorted.iter().enumerate();
        let steps = steps.map(|(at, &value)| (value, 100.0 * (at as f64 + 1.0) / n));
        Line {
            name: format!("{name} (n {})", values.len()),
            points: std::iter::once((sorted[0], 0.0)).chain(steps).collect(),
            band: Vec::new(),
        }
    };
    let (a, b) = (
        number::significant(of_slow.p50),
        number::significant(of_fast.p50),
    );
    let lines = Lines {
        title: match is_proved {
            true => format!(
                "{cell}: a proved hit takes {b} ms to its first token, a proved miss {a} ms (medians)"
            ),
            false => format!(
                "{cell}: a repeat takes {b} ms to its first token, a first request {a} ms (medians); the engine proves no hit"
            ),
        },
        x: "time to first token, ms".to_owned(),
        y: "% of requests that were faster".to_owned(),
        lines: vec![line(names[1], &fast), line(names[0], &slow)],
        limit: None,
        is_share: true,
    };
    figure(
        format!("{}-hits", slug(&workload.node)),
        &lines,
        "Every request of all starts of this configuration, at most a hundred pairs of each."
            .to_owned(),
    )
}

/// Time to first token from turn to turn.
fn turns(view: &View, workload: &WorkloadView) -> Option<Figure> {
    let names = chosen(view, workload);
    let lines: Vec<Line> = names
        .iter()
        .filter_map(|name| {
            let starts = workload.starts.iter().filter(|start| start.cell == *name);
            let starts: Vec<Vec<(f64, f64)>> = starts
                .filter_map(|start| match &start.detail {
                    Some(NodeDetail::Conversation(detail)) => Some(
                        detail
                            .turns
                            .iter()
                            .map(|turn| (f64::from(turn.turn), turn.ttft_ms))
                            .collect(),
                    ),
                    _ => None,
                })
                .collect();
            over_starts(name, &starts)
        })
        .collect();
    let first = lines.first()?;
    let (from, to) = (first.points.first()?, first.points.last()?);
    let lines = Lines {
        title: format!(
            "{}: the time to first token goes from {} ms in turn {:.0} to {} ms in turn {:.0}",
            first.name,
            number::significant(from.1),
            from.0,
            number::significant(to.1),
            to.0
        ),
        x: "turn".to_owned(),
        y: "time to first token, ms".to_owned(),
        limit: None,
        is_share: false,
        lines,
    };
    let caption = "Median of a turn over the conversations, then the middle of the starts; band: from the lowest start to the highest.".to_owned();
    let n = lines.lines.len();
    figure(
        format!("{}-turns", slug(&workload.node)),
        &lines,
        caption + &left_out(workload, n),
    )
}

/// The middle over starts at each x, with lowest and highest.
fn over_starts(name: &str, starts: &[Vec<(f64, f64)>]) -> Option<Line> {
    let mut xs: Vec<f64> = starts.iter().flatten().map(|point| point.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let at = |x: f64| -> Option<Summary> {
        let of = starts.iter().flatten().filter(|point| point.0 == x);
        let values: Vec<f64> = of.map(|point| point.1).collect();
        Summary::of(&values)
    };
    let found: Vec<(f64, Summary)> = xs.into_iter().filter_map(|x| Some((x, at(x)?))).collect();
    let several = starts.len() > 1;
    (found.len() > 1).then(|| Line {
        name: name.to_owned(),
        points: found.iter().map(|(x, it)| (*x, it.p50)).collect(),
        band: match several {
            true => found.iter().map(|(_, it)| (it.min, it.max)).collect(),
            false => Vec::new(),
        },
    })
}

/// Time to first token over the course of a soak.
fn drift(view: &View, workload: &WorkloadView) -> Option<Figure> {
    let names = chosen(view, workload);
    let mut failures = 0;
    let lines: Vec<Line> = names
        .iter()
        .filter_map(|name| {
            let starts = workload.starts.iter().filter(|start| start.cell == *name);
            let mut points: Vec<(f64, f64)> = Vec::new();
            let mut n_starts = 0;
            for start in starts {
                let Some(NodeDetail::Stability(detail)) = &start.detail else {
                    continue;
                };
                failures += detail.failures.iter().map(|it| it.n).sum::<u32>();
                n_starts += 1;
                // The first start alone: parts of starts of other lengths do not lie together.
                if n_starts == 1 {
                    points.extend(detail.parts.iter().filter_map(|part| {
                        Some(((part.from_h + part.to_h) * 30.0, part.ttft_ms?))
                    }));
                }
            }
            (points.len() > 1).then(|| Line {
                name: (*name).to_owned(),
                points,
                band: Vec::new(),
            })
        })
        .collect();
    let first = lines.first()?;
    let (from, to) = (first.points.first()?, first.points.last()?);
    let lines = Lines {
        title: format!(
            "{}: the median time to first token is {} ms in the first part of the soak, {} ms in the last; {}",
            first.name,
            number::significant(from.1),
            number::significant(to.1),
            match failures {
                0 => "no request failed in what is drawn".to_owned(),
                n => format!("{n} requests failed in what is drawn"),
            }
        ),
        x: "minutes since its start".to_owned(),
        y: "time to first token, median, ms".to_owned(),
        limit: None,
        is_share: false,
        lines,
    };
    let n = lines.lines.len();
    figure(
        format!("{}-drift", slug(&workload.node)),
        &lines,
        "Medians of equal parts of the first start. Whether it drifts is told by the slope with its interval, below.".to_owned()
            + &left_out(workload, n),
    )
}
