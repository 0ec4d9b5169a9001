//! The part of a `command` workload: what was run, and the end of what it said.

use crate::measure::node::NodeDetail;
use crate::report::text::code;
use crate::report::view::WorkloadView;
use crate::report::workload::part::Block;

/// Lines of a command's output that are shown, from its end; `report.json` has more.
const SHOWN_LINES: usize = 40;

/// The first start of each cell: its others say the same with other numbers.
pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut shown: Vec<&str> = Vec::new();
    for start in &workload.starts {
        let Some(NodeDetail::Command(detail)) = &start.detail else {
            continue;
        };
        if shown.contains(&start.cell.as_str()) {
            continue;
        }
        shown.push(&start.cell);
        let command = shell_words::join(&detail.command);
        let end = match detail.exit_code {
            Some(status) => format!("ended with {status}"),
            None => "did not end by itself".to_owned(),
        };
        blocks.push(Block::Bullets(vec![format!(
            "{}, start {}: {} {end}",
            code(&start.cell),
            start.start,
            code(&command)
        )]));
        let lines: Vec<String> = detail.said.lines().map(str::to_owned).collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        if !lines.is_empty() {
            blocks.push(Block::Quotation(lines[from..].to_vec()));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::kind::command::Detail;
    use crate::measure::metric::WorkloadKind;
    use crate::report::workload::fixture::workload;

    fn detail(exit_code: Option<i64>, said: &str) -> NodeDetail {
        let command = ["bench", "--name", "two words"].map(str::to_owned).to_vec();
        NodeDetail::Command(Detail {
            command,
            exit_code,
            said: said.to_owned(),
        })
    }

    #[test]
    fn the_first_start_of_each_cell_is_told_with_the_end_of_what_it_said() {
        let long: String = (1..=SHOWN_LINES + 2)
            .map(|number| format!("line {number}\n"))
            .collect();
        let blocks = part(&workload(
            WorkloadKind::Command,
            vec![
                ("a", 1, Some(detail(Some(0), &long))),
                ("a", 2, Some(detail(Some(0), "again"))),
                ("b|c", 1, Some(detail(None, ""))),
                ("d", 1, None),
            ],
        ));
        let [
            Block::Bullets(first),
            Block::Quotation(said),
            Block::Bullets(other),
        ] = blocks.as_slice()
        else {
            panic!("{blocks:#?}");
        };
        assert_eq!(
            first,
            &["`a`, start 1: `bench --name 'two words'` ended with 0"]
        );
        assert_eq!(said.len(), SHOWN_LINES);
        assert_eq!(
            (said[0].as_str(), said[SHOWN_LINES - 1].as_str()),
            ("line 3", "line 42")
        );
        assert_eq!(
            other,
            &["`b|c`, start 1: `bench --name 'two words'` did not end by itself"]
        );
    }

    #[test]
    fn where_nothing_ran_there_is_nothing_to_tell() {
        let none = workload(WorkloadKind::Command, vec![("a", 1, None)]);
        assert_eq!(part(&none), Vec::new());
    }
}
