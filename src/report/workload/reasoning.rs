//! The part of a `reasoning` workload: how each task went in each cell, and the answers that
//! lost points, so that a check that is too strict is seen for what it is.

use crate::decide::number;
use crate::measure::kind::reasoning::AnswerDetail;
use crate::measure::node::NodeDetail;
use crate::measure::rubric::{CheckGrade, Verdict};
use crate::report::table::{Kind, MISSING, Table};
use crate::report::text::{code, inline};
use crate::report::view::WorkloadView;
use crate::report::workload::part::Block;

/// Different answers that are shown; `report.json` has them all.
const SHOWN: usize = 20;

/// Lines of one answer that are shown.
const SHOWN_LINES: usize = 40;

/// An answer and who gave it.
struct Given<'a> {
    cell: &'a str,
    start: u32,
    answer: &'a AnswerDetail,
}

pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let given: Vec<Given<'_>> = workload
        .starts
        .iter()
        .filter_map(|start| match &start.detail {
            Some(NodeDetail::Reasoning(detail)) => Some((start, detail)),
            _ => None,
        })
        .flat_map(|(start, detail)| {
            detail.answers.iter().map(|answer| Given {
                cell: &start.cell,
                start: start.start,
                answer,
            })
        })
        .collect();
    if given.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        Block::Paragraph(
            "Points of each task, from 0 to 1, as means over its answers in all starts:".to_owned(),
        ),
        Block::Table(points(&given)),
    ];
    blocks.extend(lost(&given));
    blocks
}

/// A row per task, a column per cell.
fn points(given: &[Given<'_>]) -> Table {
    let mut table = Table::default();
    table.column("task", Kind::Name);
    table.column("category", Kind::Words);
    let (cells, tasks) = (
        distinct(given.iter().map(|given| given.cell)),
        distinct(given.iter().map(|given| given.answer.task.as_str())),
    );
    for cell in &cells {
        table.column(*cell, Kind::Number);
    }
    for task in tasks {
        let of_task = || given.iter().filter(|given| given.answer.task == task);
        let category = of_task().next().map(|given| given.answer.category.clone());
        let mut row = vec![task.to_owned(), category.unwrap_or_default()];
        for cell in &cells {
            let shares: Option<Vec<f64>> = of_task()
                .filter(|given| given.cell == *cell)
                .map(|given| given.answer.share)
                .collect();
            row.push(match shares.filter(|shares| !shares.is_empty()) {
                Some(shares) => {
                    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
                    number::significant(mean)
                }
                None => MISSING.to_owned(),
            });
        }
        table.rows.push(row);
    }
    table
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// The answers that lost points, equal ones once.
fn lost(given: &[Given<'_>]) -> Vec<Block> {
    let mut groups: Vec<Vec<&Given<'_>>> = Vec::new();
    for one in given.iter().filter(|given| !given.answer.lost.is_empty()) {
        let same = groups.iter_mut().find(|group| {
            let first = group[0].answer;
            first.task == one.answer.task
                && first.answer == one.answer.answer
                && first.lost == one.answer.lost
        });
        match same {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    if groups.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Paragraph(
        "Answers that lost points, or could not be graded:".to_owned(),
    )];
    for group in groups.iter().take(SHOWN) {
        let first = group[0].answer;
        let mut items = vec![format!("{}: {}", code(&first.task), who(group))];
        items.extend(first.lost.iter().map(check));
        if first.finish_reason.as_deref() == Some("length") {
            items.push("The answer was cut off at `max-tokens`.".to_owned());
        }
        blocks.push(Block::Bullets(items));
        blocks.extend(first.answer.as_deref().map(quotation));
    }
    if groups.len() > SHOWN {
        blocks.push(Block::Paragraph(format!(
            "{} more are in report.json.",
            groups.len() - SHOWN
        )));
    }
    blocks
}

fn who(group: &[&Given<'_>]) -> String {
    let first = group[0];
    let name = format!("{}, start {}", code(first.cell), first.start);
    match group.len() - 1 {
        0 => name,
        1 => format!("{name}, and once more"),
        n => format!("{name}, and {n} times more"),
    }
}

fn check(grade: &CheckGrade) -> String {
    let how = match &grade.verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Partly { share, because } => format!(
            "{} of {} points: {}",
            number::significant(share * grade.of),
            number::significant(grade.of),
            inline(because)
        ),
        Verdict::Lost { because } => {
            format!(
                "0 of {} points: {}",
                number::significant(grade.of),
                inline(because)
            )
        }
        Verdict::NotGraded { because } => format!("not graded: {}", inline(because)),
    };
    let by = if grade.by_judge {
        " (by a judge model)"
    } else {
        ""
    };
    format!("{}{by}: {how}", inline(&grade.check))
}

fn quotation(answer: &str) -> Block {
    if answer.trim().is_empty() {
        return Block::Paragraph("It is empty.".to_owned());
    }
    let lines: Vec<&str> = answer.lines().collect();
    let shown = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    if lines.len() <= SHOWN_LINES {
        return Block::Quotation(shown(&lines));
    }
    // The end of an answer usually tells more than its beginning.
    let head = SHOWN_LINES / 3;
    let tail = SHOWN_LINES - head;
    let mut kept: Vec<String> = shown(&lines[..head]);
    kept.push(format!(
        "[... {} lines left out ...]",
        lines.len() - head - tail
    ));
    kept.extend(shown(&lines[lines.len() - tail..]));
    Block::Quotation(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::kind::reasoning::Detail;
    use crate::measure::metric::WorkloadKind;
    use crate::report::workload::fixture::workload;

    fn answer(task: &str, share: Option<f64>, lost: Vec<CheckGrade>, said: &str) -> AnswerDetail {
        AnswerDetail {
            task: task.to_owned(),
            category: "logic".to_owned(),
            iteration: 0,
            share,
            output_tokens: Some(9),
            finish_reason: Some("stop".to_owned()),
            failure: None,
            answer: (!lost.is_empty()).then(|| said.to_owned()),
            lost,
        }
    }

    fn grade(check: &str, verdict: Verdict) -> CheckGrade {
        CheckGrade {
            check: check.to_owned(),
            of: 2.0,
            verdict,
            by_judge: false,
        }
    }

    fn detail(answers: Vec<AnswerDetail>) -> Option<NodeDetail> {
        Some(NodeDetail::Reasoning(Detail { answers }))
    }

    fn missed() -> AnswerDetail {
        let because = "it says 41".to_owned();
        let lost = grade("the number 42", Verdict::Lost { because });
        answer("sum", Some(0.0), vec![lost], "41")
    }

    #[test]
    fn points_are_means_over_all_starts_and_missing_where_one_was_not_graded() {
        let because = "there is no sandbox".to_owned();
        let ungraded = grade("its tests", Verdict::NotGraded { because });
        let code = || answer("code", None, vec![ungraded.clone()], "x = 1");
        let right = || answer("sum", Some(1.0), Vec::new(), "");
        let workload = workload(
            WorkloadKind::Reasoning,
            vec![
                ("a", 1, detail(vec![right(), code()])),
                (
                    "a",
                    2,
                    detail(vec![missed(), answer("code", Some(1.0), Vec::new(), "")]),
                ),
                ("b", 1, detail(vec![right()])),
                ("c", 1, None),
            ],
        );
        let blocks = part(&workload);
        let Some(Block::Table(table)) = blocks.get(1) else {
            panic!("{blocks:#?}");
        };
        assert_eq!(
            table.rows,
            [
                ["sum", "logic", "0.500", "1.00"],
                // Half of its answers were graded: their mean would be of another examination.
                ["code", "logic", MISSING, MISSING],
            ]
        );
    }

    #[test]
    fn an_answer_that_lost_points_is_shown_once_with_its_checks() {
        let partly = Verdict::Partly {
            share: 0.5,
            because: "3 of 6 tests".to_owned(),
        };
        let polite = CheckGrade {
            by_judge: true,
            ..grade("is it *polite*?", partly)
        };
        let cut = AnswerDetail {
            finish_reason: Some("length".to_owned()),
            ..answer("letter", Some(0.5), vec![polite], "  \n")
        };
        let workload = workload(
            WorkloadKind::Reasoning,
            vec![
                ("a", 1, detail(vec![missed(), missed(), cut])),
                ("b", 1, detail(vec![missed()])),
            ],
        );
        let blocks = part(&workload);
        let shown = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(
            blocks[2..],
            [
                Block::Paragraph("Answers that lost points, or could not be graded:".to_owned()),
                Block::Bullets(shown(&[
                    "`sum`: `a`, start 1, and 2 times more",
                    "the number 42: 0 of 2.00 points: it says 41",
                ])),
                Block::Quotation(shown(&["41"])),
                Block::Bullets(shown(&[
                    "`letter`: `a`, start 1",
                    "is it \\*polite\\*? (by a judge model): 1.00 of 2.00 points: 3 of 6 tests",
                    "The answer was cut off at `max-tokens`.",
                ])),
                Block::Paragraph("It is empty.".to_owned()),
            ]
        );
    }

    #[test]
    fn many_answers_and_long_ones_are_shown_in_part_and_say_so() {
        let long: Vec<String> = (1..=SHOWN_LINES + 5).map(|n| format!("line {n}")).collect();
        let of = |number: usize| AnswerDetail {
            answer: Some(long.join("\n")),
            ..AnswerDetail {
                task: format!("t{number}"),
                ..missed()
            }
        };
        let answers = (0..SHOWN + 3).map(of).collect();
        let blocks = part(&workload(
            WorkloadKind::Reasoning,
            vec![("a", 1, detail(answers))],
        ));
        let quotations: Vec<&Vec<String>> = blocks
            .iter()
            .filter_map(|block| match block {
                Block::Quotation(lines) => Some(lines),
                _ => None,
            })
            .collect();
        assert_eq!(quotations.len(), SHOWN);
        for lines in quotations {
            assert_eq!(lines.len(), SHOWN_LINES + 1);
            assert!(
                lines.contains(&"[... 5 lines left out ...]".to_owned()),
                "{lines:?}"
            );
            assert_eq!((&lines[0], lines.last()), (&long[0], long.last()));
        }
        let more = Block::Paragraph("3 more are in report.json.".to_owned());
        assert_eq!(blocks.last(), Some(&more));
    }
}
