//! Right and wrong: which tool calls arrive with which parser, which tasks lose points, and the
//! answers themselves.

use crate::decide::number;
use crate::measure::kind::reasoning::AnswerDetail;
use crate::measure::kind::tool_calling::{Check, Checks, Detail, FailedAnswer};
use crate::measure::node::NodeDetail;
use crate::report::chart::matrix::{MOST, Matrix, Place};
use crate::report::html::deaths::pre;
use crate::report::html::markup::{Figure, Page};
use crate::report::html::trade_off::slug;
use crate::report::html::workload::chosen;
use crate::report::text::escape;
use crate::report::view::{View, WorkloadView};
use crate::report::workload::tool_calling::HEADERS;

/// Failed answers of one parser that are shown, each reason once.
const SHOWN: usize = 6;

/// The starts of all configurations that are given one parser.
struct Parser<'v> {
    name: &'v str,
    n_cells: usize,
    details: Vec<&'v Detail>,
}

impl Parser<'_> {
    fn checks(&self) -> Checks {
        let mut sum = Checks::default();
        for result in self.details.iter().flat_map(|detail| &detail.scenarios) {
            sum.add(&result.checks);
        }
        sum
    }
}

fn parsers(workload: &WorkloadView) -> Vec<Parser<'_>> {
    let mut parsers: Vec<Parser<'_>> = Vec::new();
    for cell in &workload.cells {
        let name = cell.tool_parser.as_deref().unwrap_or("none");
        let starts = workload.starts.iter().filter(|it| it.cell == cell.cell);
        let details = starts.filter_map(|start| match &start.detail {
            Some(NodeDetail::ToolCalling(detail)) => Some(detail),
            _ => None,
        });
        let details: Vec<&Detail> = details.collect();
        if details.is_empty() {
            continue;
        }
        match parsers.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                known.n_cells += 1;
                known.details.extend(details);
            }
            None => parsers.push(Parser {
                name,
                n_cells: 1,
                details,
            }),
        }
    }
    parsers
}

/// Leaked and swallowed calls are better the fewer they are.
fn goodness(check: Check, share: f64) -> f64 {
    match check {
        Check::Leaked | Check::Swallowed => 1.0 - share,
        Check::Solved
        | Check::Parsed
        | Check::RightFunction
        | Check::ValidArguments
        | Check::RightArguments
        | Check::ChainCompleted
        | Check::NoneCalled
        | Check::StreamAgreement => share,
    }
}

/// Parsers of tool calls against checks, over all configurations and ways of asking.
pub fn parser_matrix(workload: &WorkloadView) -> Option<Figure> {
    let parsers = parsers(workload);
    let arrive: Vec<String> = parsers
        .iter()
        .filter_map(|parser| {
            let parsed = parser.checks().get(Check::Parsed);
            let share = parsed.value()?;
            Some(format!(
                "{} with {} ({} of {})",
                number::percent(share),
                parser.name,
                parsed.n,
                parsed.of
            ))
        })
        .take(4)
        .collect();
    let title = match arrive.as_slice() {
        [] => "No call was expected that a parser could have read".to_owned(),
        told => format!("Expected tool calls arrive as calls: {}", told.join(", ")),
    };
    let matrix = Matrix {
        title: title.clone(),
        rows: parsers
            .iter()
            .map(|parser| match parser.n_cells {
                1 => parser.name.to_owned(),
                n => format!("{} ({n})", parser.name),
            })
            .collect(),
        columns: HEADERS.map(|(_, header)| header.to_owned()).into(),
        places: parsers
            .iter()
            .map(|parser| {
                let checks = parser.checks();
                let place = |(check, header): (Check, &str)| {
                    let share = checks.get(check);
                    Some(Place {
                        shown: format!("{}/{}", share.n, share.of),
                        goodness: goodness(check, share.value()?),
                        tip: format!("{}\n{header}: {} of {}", parser.name, share.n, share.of),
                    })
                };
                HEADERS.map(place).into()
            })
            .collect(),
    };
    figure(
        format!("{}-parsers", slug(&workload.node)),
        &matrix,
        "How often each check held, of how often it was asked, over all starts and ways of asking; \
         behind a parser, the number of its configurations. The darker the better; a border where \
         not all is well. Leaked and swallowed calls are better the fewer they are."
            .to_owned(),
    )
}

fn answers<'v>(
    workload: &'v WorkloadView,
    cell: &'v str,
) -> impl Iterator<Item = &'v AnswerDetail> {
    let starts = workload.starts.iter().filter(move |it| it.cell == cell);
    starts.flat_map(|start| match &start.detail {
        Some(NodeDetail::Reasoning(detail)) => detail.answers.as_slice(),
        _ => &[],
    })
}

/// Tasks against configurations: the mean of their points.
pub fn points_matrix(view: &View, workload: &WorkloadView) -> Option<Figure> {
    let cells = chosen(view, workload);
    let mut tasks: Vec<&str> = Vec::new();
    for answer in cells.iter().flat_map(|cell| answers(workload, cell)) {
        if !tasks.contains(&answer.task.as_str()) {
            tasks.push(&answer.task);
        }
    }
    let place = |task: &str, cell: &str| -> Option<Place> {
        let of_task = answers(workload, cell).filter(|answer| answer.task == task);
        let shares: Option<Vec<f64>> = of_task.map(|answer| answer.share).collect();
        let shares = shares.filter(|shares| !shares.is_empty())?;
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        Some(Place {
            shown: number::significant(mean),
            goodness: mean,
            tip: format!(
                "{task}\n{cell}: {} of 1, mean of {} answers",
                number::significant(mean),
                shares.len()
            ),
        })
    };
    let places: Vec<Vec<Option<Place>>> = tasks
        .iter()
        .map(|task| cells.iter().map(|cell| place(task, cell)).collect())
        .collect();
    let least = |row: &[Option<Place>]| {
        let graded = row.iter().flatten().map(|place| place.goodness);
        graded.reduce(f64::min)
    };
    let worst: Vec<(&str, f64)> = tasks
        .iter()
        .zip(&places)
        .filter_map(|(task, row)| Some((*task, least(row)?)))
        .collect();
    let title = points_title(&worst)?;
    let matrix = Matrix {
        title,
        rows: tasks.iter().map(|task| (*task).to_owned()).collect(),
        columns: cells.iter().map(|cell| (*cell).to_owned()).collect(),
        places,
    };
    let mut caption = "Points of a task, from 0 to 1, as the mean over its answers in all starts; \
                       a dash where an answer is missing or could not be graded."
        .to_owned();
    let n_cells = workload.cells.len().saturating_sub(cells.len());
    if n_cells > 0 {
        caption += &format!(" {n_cells} more configurations are in the table below.");
    }
    figure(format!("{}-points", slug(&workload.node)), &matrix, caption)
}

/// Which tasks lost points; of each, what it had where it went worst. `None` where none was
/// graded.
fn points_title(worst: &[(&str, f64)]) -> Option<String> {
    let lowest = worst.iter().map(|(_, least)| *least).reduce(f64::min)?;
    let n_lost = worst.iter().filter(|(_, least)| *least < 1.0).count();
    let lost = match (n_lost, worst.len()) {
        (0, _) => return Some("No task lost a point".to_owned()),
        (lost, n) => format!("{lost} of {n} tasks lost points"),
    };
    let mut lowest_ones = worst.iter().filter(|(_, least)| *least == lowest);
    Some(match (lowest_ones.next(), lowest_ones.count()) {
        (Some((task, _)), 0) => format!(
            "{lost}; {task} most, with {} of 1 where it went worst",
            number::significant(lowest)
        ),
        _ => lost,
    })
}

fn figure(id: String, matrix: &Matrix, mut caption: String) -> Option<Figure> {
    if matrix.left_out() > 0 {
        caption += &format!(" At most {MOST} rows and columns are drawn.");
    }
    Some(Figure {
        id,
        title: matrix.title.clone(),
        wide: matrix.draw(960.0)?,
        narrow: matrix.draw(360.0)?,
        caption,
    })
}

/// What failed with each parser, to read: each scenario and reason once.
pub fn failed_calls(page: &mut Page, workload: &WorkloadView) {
    for parser in parsers(workload) {
        let kept = parser.details.iter().flat_map(|detail| &detail.failures);
        let n: usize = parser
            .details
            .iter()
            .map(|detail| detail.failures.len() + detail.n_more_failures as usize)
            .sum();
        let mut told: Vec<(&FailedAnswer, usize)> = Vec::new();
        for failure in kept {
            let same = told
                .iter_mut()
                .find(|(known, _)| known.why == failure.why && known.scenario == failure.scenario);
            match same {
                Some((_, count)) => *count += 1,
                None => told.push((failure, 1)),
            }
        }
        let name = parser.name;
        page.fold(
            &format!("Parser {name}: failed answers, to read ({n})"),
            |page| {
                for (failure, count) in told.iter().take(SHOWN) {
                    failed(page, failure, *count);
                }
                if told.len() > SHOWN {
                    let n_more = told.len() - SHOWN;
                    page.paragraph("cap", &format!("{n_more} other kinds are in report.json."));
                }
            },
        );
    }
}

fn failed(page: &mut Page, failure: &FailedAnswer, count: usize) {
    let times = match count {
        1 => String::new(),
        n => format!(" ({n} times)"),
    };
    page.raw(format!(
        "<p><code>{}</code>, {}, answer {}{times}: {}</p>\n",
        escape(&failure.scenario),
        failure.way.name(),
        failure.step,
        escape(&failure.why)
    ));
    let calls: Vec<String> = failure
        .calls
        .iter()
        .map(|call| format!("call: {call}"))
        .collect();
    let lines = failure.text.lines().chain(calls.iter().map(String::as_str));
    let lines: Vec<&str> = lines.collect();
    if !lines.is_empty() {
        pre(page, lines.into_iter());
    }
}

/// What the fold with the rest is called: what there is to read in it.
pub fn more_is(workload: &WorkloadView) -> String {
    let node = &workload.node;
    let mut n_lost = 0;
    let mut is_graded = false;
    for start in &workload.starts {
        if let Some(NodeDetail::Reasoning(detail)) = &start.detail {
            is_graded = true;
            let lost = detail.answers.iter().filter(|it| !it.lost.is_empty());
            n_lost += lost.count();
        }
    }
    match is_graded {
        true => format!("{node}: answers that lost points, to read ({n_lost})"),
        false => format!("{node}: what it adds, to read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;
    use crate::measure::kind::reasoning;
    use crate::measure::kind::tool_calling::{ScenarioResult, Way};
    use crate::measure::metric::WorkloadKind;
    use crate::report::view_of;
    use crate::report::workload::fixture::workload;
    use crate::spec::workload::tool_calling::ScenarioClass;

    fn tools(n_parsed: u32) -> Option<NodeDetail> {
        let mut checks = Checks::default();
        for at in 0..4 {
            checks.count(Check::Parsed, at < n_parsed);
            checks.count(Check::Swallowed, at >= n_parsed);
        }
        Some(NodeDetail::ToolCalling(Detail {
            scenarios: vec![ScenarioResult {
                scenario: "weather".to_owned(),
                class: ScenarioClass::Simple,
                way: Way::Streamed,
                checks,
            }],
            failures: vec![FailedAnswer {
                scenario: "weather".to_owned(),
                way: Way::Streamed,
                step: 1,
                why: "no <call>".to_owned(),
                text: "<tool_call>".to_owned(),
                calls: Vec::new(),
            }],
            n_more_failures: 2,
            ..Detail::default()
        }))
    }

    #[test]
    fn parsers_are_held_against_each_other_over_all_their_configurations() {
        let mut workload = workload(
            WorkloadKind::ToolCalling,
            vec![("a", 1, tools(4)), ("b", 1, tools(4)), ("c", 1, tools(1))],
        );
        for (cell, parser) in workload.cells.iter_mut().zip(["hermes", "hermes", "xml"]) {
            cell.tool_parser = Some(parser.to_owned());
        }
        let figure = parser_matrix(&workload).unwrap();
        assert_eq!(
            figure.title,
            "Expected tool calls arrive as calls: 100 % with hermes (8 of 8), 25.0 % with xml (1 \
             of 4)"
        );
        let text = figure.wide.inline("m", "c");
        assert!(
            text.contains(">hermes (2)<") && text.contains(">8/8<"),
            "{text}"
        );
        let mut page = Page::new(None);
        failed_calls(&mut page, &workload);
        assert!(page.out.contains("Parser xml: failed answers, to read (3)"));
        assert!(page.out.contains("no &lt;call&gt;") && !page.out.contains("<tool_call>"));
    }

    fn answers_of(shares: &[(&str, Option<f64>)]) -> Option<NodeDetail> {
        let answers = shares.iter().map(|(task, share)| AnswerDetail {
            task: (*task).to_owned(),
            category: "logic".to_owned(),
            iteration: 0,
            share: *share,
            output_tokens: Some(9),
            finish_reason: Some("stop".to_owned()),
            failure: None,
            answer: None,
            lost: Vec::new(),
        });
        Some(NodeDetail::Reasoning(reasoning::Detail {
            answers: answers.collect(),
        }))
    }

    #[test]
    fn points_are_means_and_what_is_not_graded_has_none() {
        let view = view_of(&fixture::full());
        let shares = [("vase", Some(1.0)), ("tank", Some(0.5)), ("club", None)];
        let workload = workload(WorkloadKind::Reasoning, vec![("a", 1, answers_of(&shares))]);
        let figure = points_matrix(&view, &workload).unwrap();
        assert_eq!(
            figure.title,
            "1 of 2 tasks lost points; tank most, with 0.500 of 1 where it went worst"
        );
        let text = figure.wide.inline("m", "c");
        assert!(text.contains(">–<") && text.contains(">0.500<"), "{text}");
    }

    #[test]
    fn the_title_claims_no_worst_task_where_several_are() {
        let title = |worst: &[(&str, f64)]| points_title(worst);
        assert_eq!(title(&[]), None);
        assert_eq!(title(&[("a", 1.0)]).unwrap(), "No task lost a point");
        assert_eq!(
            title(&[("a", 0.0), ("b", 0.0)]).unwrap(),
            "2 of 2 tasks lost points"
        );
    }
}
