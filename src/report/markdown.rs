//! `report.md`: the whole report, verdict first, evidence last.

use std::fmt::Write;

use crate::decide::number;
use crate::diagnose::when;
use crate::manifest::RunEnding;
use crate::report::death::death_facts;
use crate::report::facts::facts;
use crate::report::html;
use crate::report::stamp::Stamp;
use crate::report::table::{self, Kind, Table, start_names};
use crate::report::text::{Prose, code, fenced, inline, markdown, table_cell};
use crate::report::view::{DeathView, FlagView, Remark, StartName, View, WorkloadView};
use crate::report::workload::part::{self, Block};

mod advice;
mod choice;
mod gates;
mod history;
mod imported;
mod machine;
mod mattered;
mod race;
mod validity;

/// Lines of a log that a report shows; the whole log lies beside it.
const LOG_LINES: usize = 25;

/// Configurations that a list of attempts names before it only counts.
const NAMES: usize = 8;

/// Renders the report.
pub fn render(view: &View) -> String {
    let mut page = Page {
        out: String::new(),
        stamp: view.stamp,
    };
    page.head(view);
    page.verdict(view);
    page.recommendations(&view.advice.recommendations);
    page.cells(view);
    if let Some(race) = &view.race {
        page.race(race);
    }
    page.gates(view);
    if let Some(sway) = &view.sway {
        page.sway(sway);
    }
    for case in &view.use_cases {
        page.use_case(case, view.equivalence);
    }
    page.trade_offs(&view.trade_offs);
    page.portraits(&view.advice.portraits);
    page.mattered(view);
    for workload in &view.workloads {
        page.workload(workload);
    }
    if let Some(machine) = &view.machine {
        page.machine(machine);
    }
    if let Some(history) = &view.history {
        page.history(history);
    }
    page.misfits(view);
    page.ledger(&view.validity);
    if let Some(atlas) = &view.atlas {
        page.atlas(atlas);
    }
    page.deaths("Deaths: why configurations are infeasible", &view.deaths);
    page.deaths("Starts that failed for other reasons", &view.failures);
    page.attestation(view);
    page.warnings(view);
    page.method(view);
    page.deploy(view);
    page.checklist(view.verdict.cell.as_deref(), &view.advice.checklist);
    page.imported(view);
    page.figures(view);
    page.next_steps(view);
    page.out
}

struct Page {
    out: String,
    stamp: Option<Stamp>,
}

impl Page {
    fn line(&mut self, line: impl AsRef<str>) {
        self.out += line.as_ref();
        self.out.push('\n');
    }

    fn paragraph(&mut self, text: impl AsRef<str>) {
        self.line(text);
        self.line("");
    }

    /// A heading over numbers carries the stamp.
    fn heading(&mut self, level: usize, text: &str) {
        let marks = "#".repeat(level);
        match self.stamp {
            Some(stamp) => self.paragraph(format!("{marks} {text} (**{}**)", stamp.title())),
            None => self.paragraph(format!("{marks} {text}")),
        }
    }

    fn bullets(&mut self, items: &[String]) {
        for item in items {
            self.line(format!("- {item}"));
        }
        if !items.is_empty() {
            self.line("");
        }
    }

    fn table(&mut self, table: &Table) {
        let mut lines: Vec<Vec<String>> = vec![
            table
                .columns
                .iter()
                .map(|column| {
                    let lines: Vec<String> = column.header.iter().map(|l| inline(l)).collect();
                    lines.join("<br>")
                })
                .collect(),
        ];
        for row in &table.rows {
            let cells = table.columns.iter().zip(row).map(|(column, cell)| {
                table_cell(&match column.kind {
                    Kind::Name => code(cell),
                    Kind::Number | Kind::Words => quoted(cell),
                })
            });
            lines.push(cells.collect());
        }
        let last = table.columns.len() - 1;
        let widths: Vec<usize> = (0..table.columns.len())
            .map(|column| {
                let cells = lines.iter().map(|line| line[column].chars().count());
                cells.max().unwrap_or(0).max(3)
            })
            .collect();
        for (position, line) in lines.iter().enumerate() {
            self.out.push('|');
            for (column, cell) in line.iter().enumerate() {
                let width = if column == last { 0 } else { widths[column] };
                let _ = match table.columns[column].kind {
                    Kind::Number => write!(self.out, " {cell:>width$} |"),
                    Kind::Name | Kind::Words => write!(self.out, " {cell:<width$} |"),
                };
            }
            self.line("");
            if position == 0 {
                self.out.push('|');
                for (column, width) in widths.iter().enumerate() {
                    let dashes = "-".repeat(if column == last { 2 } else { width - 1 });
                    self.out += &match table.columns[column].kind {
                        Kind::Number => format!(" {dashes}: |"),
                        Kind::Name | Kind::Words => format!(" {dashes}- |"),
                    };
                }
                self.line("");
            }
        }
        self.line("");
    }

    fn head(&mut self, view: &View) {
        let production = view.production.as_ref();
        if let Some(stay) = production.filter(|stay| stay.is_down()) {
            self.paragraph(format!("# {}", inline(&stay.told())));
        }
        if let Some(stamp) = self.stamp {
            self.paragraph(format!("**{}: {}**", stamp.title(), stamp.meaning()));
        }
        self.paragraph(format!("# gridrun: {}", inline(&view.experiment)));
        let progress = &view.progress;
        if !progress.missing.is_empty() {
            self.paragraph("**This run is not complete.** What follows rests on what has settled.");
            self.bullets(&sentences(&progress.missing));
        }
        let ending = match &progress.ending {
            RunEnding::Complete { at } => format!(", complete at {at}"),
            RunEnding::Stopped { at, .. } => format!(", stopped at {at}"),
            RunEnding::Open => String::new(),
        };
        let reused = match progress.n_reused {
            0 => String::new(),
            n => format!(" ({n} of them made by earlier runs)"),
        };
        let skipped = match progress.n_skipped {
            0 => String::new(),
            n => format!(" ({n} proved to die, not started)"),
        };
        self.paragraph(format!(
            "Run {} of {}, started at {}{ending}. Configurations: {}{skipped}; starts asked for: {}; \
             starts settled: {}{reused}.",
            code(view.run.as_str()),
            code(&view.method.model),
            view.started_at,
            progress.n_cells,
            progress.n_planned,
            progress.n_settled,
        ));
        if let Some(stay) = production.filter(|stay| !stay.is_down()) {
            self.paragraph(format!("At {}: {}.", stay.settled_at, inline(&stay.told())));
        }
    }

    fn verdict(&mut self, view: &View) {
        self.heading(2, "Verdict");
        self.paragraph(format!("**{}**", view.verdict.headline.markdown()));
        self.bullets(&sentences(view.verdict.texts()));
    }

    fn cells(&mut self, view: &View) {
        self.heading(2, "All configurations");
        let fixed: Vec<String> = view
            .axes
            .iter()
            .filter_map(|axis| {
                let value = axis.everywhere.as_ref()?;
                Some(code(&format!("{} = {value}", axis.short_name)))
            })
            .collect();
        if !fixed.is_empty() {
            self.paragraph(format!("The same in all of them: {}.", fixed.join(", ")));
        }
        self.table(&table::cells(view));
        let mut legend = vec![
            "Numbers are means over engine starts; sd is the sample standard deviation between \
             starts, n their count."
                .to_owned(),
        ];
        if view.objectives.len() > 1 {
            let weights: Vec<String> = view
                .objectives
                .iter()
                .map(|objective| {
                    format!(
                        "{} {}",
                        code(&objective.metric),
                        number::percent(objective.weight)
                    )
                })
                .collect();
            legend.push(format!(
                "The order is that of the score, the weighted geometric mean of the objectives; \
                 weights: {}.",
                weights.join(", ")
            ));
        }
        if let Some(baseline) = &view.baseline {
            legend.push(format!(
                "vs baseline: how many times as good as {}, the first of the file that lived; \
                 above 1 is better.",
                code(baseline)
            ));
        }
        legend.push("measured: starts that led to numbers, of starts that settled.".to_owned());
        self.bullets(&legend);
    }

    fn workload(&mut self, workload: &WorkloadView) {
        self.heading(2, &format!("Workload {}", inline(&workload.node)));
        if workload.cells.is_empty() {
            self.paragraph("It ran in no start.");
            return;
        }
        let repeated = workload.starts.len() > workload.cells.len();
        if repeated {
            self.paragraph(
                "Means over starts; where a start has many samples, their median is its number.",
            );
            self.table(&table::workload_cells(workload));
            self.heading(
                3,
                &format!("Workload {}, start by start", inline(&workload.node)),
            );
        }
        self.paragraph("Medians with the number of samples behind them:");
        self.table(&table::workload_starts(workload));
        let meanings = workload.metrics.iter();
        let meanings: Vec<String> = meanings
            .map(|metric| format!("{}: {}", code(&metric.name), inline(&metric.meaning)))
            .collect();
        self.bullets(&meanings);
        if !workload.notes.is_empty() {
            self.paragraph("What must be known of these samples:");
            self.bullets(&remarks(&workload.notes));
        }
        for block in part::of(workload) {
            match block {
                Block::Paragraph(text) => self.paragraph(text),
                Block::Table(table) => self.table(&table),
                Block::Bullets(items) => self.bullets(&items),
                Block::Quotation(lines) => {
                    let lines = lines.iter().map(String::as_str);
                    self.paragraph(fenced("text", lines).trim_end());
                }
            }
        }
    }

    fn deaths(&mut self, heading: &str, deaths: &[DeathView]) {
        if deaths.is_empty() {
            return;
        }
        self.heading(2, heading);
        for death in deaths {
            let during = death
                .node
                .as_ref()
                .map_or_else(String::new, |node| format!(", during {}", code(node)));
            self.paragraph(format!(
                "### {}: {} {}{during}",
                code(&death.cell),
                death.class,
                when(death.phase, death.stage)
            ));
            self.bullets(&death_facts(death));
            if !death.log_tail.is_empty() {
                let skipped = death.log_tail.len().saturating_sub(LOG_LINES);
                self.paragraph("Last lines of the last attempt's log:");
                let lines = death.log_tail[skipped..].iter().map(String::as_str);
                self.paragraph(fenced("text", lines).trim_end());
            }
        }
    }

    fn attestation(&mut self, view: &View) {
        if view.attestation.is_empty() {
            return;
        }
        self.heading(2, "Do the engines run what was asked?");
        self.paragraph(
            "Per varied flag, in how many measured starts the engine's own state showed the value \
             (confirmed), only its arguments did (accepted), its state showed another value \
             (contradicted), or nothing spoke of it (unattested).",
        );
        self.table(&table::attestation(view));
        let exceptions: Vec<String> = view.attestation.iter().flat_map(exceptions).collect();
        if !exceptions.is_empty() {
            self.paragraph("Exceptions, by configuration and start:");
            self.bullets(&exceptions);
        }
    }

    fn warnings(&mut self, view: &View) {
        if view.warnings.is_empty() {
            return;
        }
        self.heading(2, "Warnings of the engines");
        let n_measured: u32 = view.cells.iter().map(|row| row.tally.n_measured).sum();
        let items: Vec<String> = view
            .warnings
            .iter()
            .map(|warning| {
                let starts = match warning.starts.len() == n_measured as usize {
                    true => "in every measured start".to_owned(),
                    false => names_markdown(&warning.starts),
                };
                format!("{} ({starts})", code(&warning.text))
            })
            .collect();
        self.bullets(&items);
    }

    fn method(&mut self, view: &View) {
        let method = &view.method;
        self.heading(2, "How it was measured");
        let facts = facts(view).into_iter();
        let facts: Vec<String> = facts
            .map(|fact| match fact.label {
                "gridrun" => format!("gridrun {}", fact.text.inline()),
                label => format!("{label}: {}", fact.text.inline()),
            })
            .collect();
        self.bullets(&facts);
        if !method.engines.is_empty() {
            self.paragraph("What the engines said of themselves:");
            self.table(&table::engines(view));
        }
        if !method.reused.is_empty() {
            self.paragraph(
                "Starts that earlier runs made, whose folders have their logs and requests:",
            );
            let reused = method.reused.iter().map(|one| {
                let (cell, run) = (code(&one.cell), code(one.run.as_str()));
                format!(
                    "{cell} start {}: {} of {run}",
                    one.start,
                    code(&one.attempt)
                )
            });
            self.bullets(&reused.collect::<Vec<_>>());
        }
        if !method.blocks.is_empty() {
            self.paragraph(
                "Order in which the starts settled. Every block has a shuffled order of its own, \
                 so that a slow hour does not hit one configuration alone.",
            );
            let blocks: Vec<String> = method
                .blocks
                .iter()
                .map(|block| {
                    let cells: Vec<String> = block.cells.iter().map(|cell| code(cell)).collect();
                    format!("Block {}: {}", block.block, cells.join(", "))
                })
                .collect();
            self.bullets(&blocks);
        }
        self.paragraph(
            "p50, p95 and p99 are percentiles over the samples of one start, interpolated \
             linearly between order statistics (Hyndman and Fan, type 7); with few samples the \
             high ones are close to the maximum. The unit of the statistics is the start: \
             samples of one start only form its numbers.",
        );
    }

    fn deploy(&mut self, view: &View) {
        let Some(deploy) = &view.deploy else {
            return;
        };
        self.paragraph(format!("## Run {} by hand", code(&deploy.cell)));
        self.bullets(&sentences(&deploy.notes));
        self.paragraph(fenced("sh", deploy.command.lines()).trim_end());
    }

    /// Where the pictures lie; `report.html` has them beside what they show.
    fn figures(&mut self, view: &View) {
        let figures = html::figures(view);
        if figures.is_empty() {
            return;
        }
        self.heading(2, "Figures");
        let items: Vec<String> = figures
            .iter()
            .map(|figure| {
                let title = inline(&figure.title);
                format!("[{title}](figures/{}.svg)", figure.id)
            })
            .collect();
        self.bullets(&items);
        self.paragraph("[report.html](report.html) has them all beside what they show.");
    }

    fn next_steps(&mut self, view: &View) {
        self.paragraph("## Go on from here");
        let folder = shell_words::quote(&view.folder);
        let mut commands = Vec::new();
        match &view.progress.ending {
            RunEnding::Complete { .. } => {}
            RunEnding::Stopped { .. } | RunEnding::Open => {
                commands.push(format!(
                    "gridrun resume {folder}   # starts only what is missing"
                ));
            }
        }
        commands.push(format!(
            "gridrun report {folder}   # makes this report again from the stored data"
        ));
        self.line(fenced("sh", commands.iter().map(String::as_str)).trim_end());
    }
}

/// A text of gridrun's own with names between backticks, and perhaps an engine's words inside.
fn quoted(text: &str) -> String {
    Prose::quoted(text).inline()
}

fn sentences<'a>(sentences: impl IntoIterator<Item = &'a Prose>) -> Vec<String> {
    sentences.into_iter().map(Prose::markdown).collect()
}

fn remarks(remarks: &[Remark]) -> Vec<String> {
    remarks
        .iter()
        .map(|remark| {
            format!(
                "{}: {}",
                markdown(&start_names(&remark.starts, NAMES)),
                quoted(&remark.text)
            )
        })
        .collect()
}

fn names_markdown(starts: &[StartName]) -> String {
    inline(&start_names(starts, NAMES))
}

/// Attempts in which a flag is attested otherwise than in most.
fn exceptions(flag: &FlagView) -> Vec<String> {
    let n = flag.confirmed.len()
        + flag.accepted.len()
        + flag.contradicted.len()
        + flag.unattested.len();
    let mut items: Vec<String> = flag
        .contradicted
        .iter()
        .map(|contradiction| {
            format!(
                "{} contradicted in {}: asked was {}, found was {} ({})",
                code(&flag.flag),
                names_markdown(std::slice::from_ref(&contradiction.start)),
                code(&contradiction.asked.to_string()),
                code(&contradiction.found),
                code(&contradiction.by),
            )
        })
        .collect();
    for (state, starts) in [
        ("accepted", &flag.accepted),
        ("unattested", &flag.unattested),
    ] {
        if !starts.is_empty() && starts.len() < n {
            items.push(format!(
                "{} only {state} in {}",
                code(&flag.flag),
                names_markdown(starts)
            ));
        }
    }
    items
}
