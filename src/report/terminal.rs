//! The verdict and the table of all cells for a terminal: no wider than it, coloured only where
//! that is wanted, and short. What is left out stands in `report.md`.

use crate::outcome::Standing;
use crate::report::compact::{self, Reason, Words};
use crate::report::fold::{cut, wrap};
use crate::report::grid::{BOLD, DIM, GREEN, Laid, NONE, Paint, RED, YELLOW};
use crate::report::imported;
use crate::report::text::{Prose, plain};
use crate::report::view::{Row, View};

/// Below this no table is readable: lines are cut at this width whatever the terminal says.
const NARROWEST: usize = 40;

/// Sentences of a verdict that a reader of a terminal still reads.
const SENTENCES: usize = 5;

/// Cells that share a reason are named up to this many; the table has them all.
const NAMES: usize = 3;

/// Alerts that a reader of a terminal still reads.
const ALERTS: usize = 3;

/// Renders verdict and table; ends in a line feed.
pub fn render(view: &View, width: usize, colour: bool) -> String {
    let mut page = Page {
        lines: Vec::new(),
        width: width.max(NARROWEST),
        paint: Paint { colour },
    };
    page.head(view);
    page.verdict(view);
    page.cells(view);
    page.machine(view);
    page.imported(view);
    page.lines.join("\n") + "\n"
}

struct Page {
    lines: Vec<String>,
    width: usize,
    paint: Paint,
}

impl Page {
    fn paragraph(&mut self, colour: &str, text: &str, indent: usize) {
        for line in wrap(text, self.width, indent) {
            self.lines.push(self.paint.with(colour, line.trim_end()));
        }
    }

    fn bullets<'a>(&mut self, sentences: impl IntoIterator<Item = &'a Prose>) {
        for sentence in sentences {
            self.paragraph(NONE, &format!("- {}", sentence.plain()), 2);
        }
    }

    fn gap(&mut self) {
        self.lines.push(String::new());
    }

    fn head(&mut self, view: &View) {
        if let Some(stay) = view.production.as_ref().filter(|stay| stay.is_down()) {
            self.paragraph(RED, &plain(&stay.told()), 0);
            self.gap();
        }
        if let Some(stamp) = view.stamp {
            let text = format!("{}: {}", stamp.title(), stamp.meaning());
            self.paragraph(YELLOW, &text, 0);
            self.gap();
        }
        if !view.progress.missing.is_empty() {
            self.paragraph(YELLOW, "This run is not complete.", 0);
            self.bullets(&view.progress.missing);
            self.gap();
        }
    }

    fn verdict(&mut self, view: &View) {
        let verdict = &view.verdict;
        self.paragraph(BOLD, &verdict.headline.plain(), 0);
        self.bullets(verdict.most_deciding(SENTENCES));
        let n_more = verdict.sentences.len().saturating_sub(SENTENCES);
        if n_more > 0 {
            self.paragraph(DIM, &format!("({n_more} more {})", view.whole.place()), 0);
        }
        self.gap();
    }

    fn cells(&mut self, view: &View) {
        let title = match view.stamp {
            Some(stamp) => format!("All configurations ({})", stamp.title()),
            None => "All configurations".to_owned(),
        };
        self.paragraph(BOLD, &title, 0);
        let compact = compact::cells(view, colour_of);
        if !compact.notes.is_empty() {
            self.paragraph(DIM, &plain(&compact.notes.join(" ")), 0);
        }
        let Laid {
            lines,
            legends,
            left_out,
        } = compact.grid.lay_out(self.width, self.paint, BOLD);
        self.lines.extend(lines);
        for legend in legends {
            self.paragraph(DIM, &plain(&legend), 0);
        }
        if !left_out.is_empty() {
            let note = format!("Left out for want of width: {}.", left_out.join(", "));
            self.paragraph(DIM, &plain(&note), 0);
        }
        if !compact.reasons.is_empty() {
            self.gap();
            self.paragraph(BOLD, "Not ranked, because", 0);
        }
        for reason in &compact.reasons {
            self.reason(reason);
        }
    }

    /// Which bounds were passed; that no card was watched, where one could have been.
    fn machine(&mut self, view: &View) {
        let Some(machine) = &view.machine else { return };
        if let (Some(because), false) = (&machine.without_gpus, view.stand_in) {
            self.gap();
            self.paragraph(DIM, &plain(&format!("No GPU was watched: {because}.")), 0);
        }
        if machine.alerts.is_empty() {
            return;
        }
        self.gap();
        self.paragraph(BOLD, "Bounds that the GPUs passed", 0);
        for alert in machine.alerts.iter().take(ALERTS) {
            let text = format!("{} beside {}: {}", alert.cell, alert.node, alert.text);
            self.paragraph(YELLOW, &plain(&text), 2);
        }
        let n_more = machine.alerts.len().saturating_sub(ALERTS);
        if n_more > 0 {
            self.paragraph(DIM, &format!("({n_more} more {})", view.whole.place()), 0);
        }
    }

    fn imported(&mut self, view: &View) {
        if !view.imported.is_empty() {
            self.gap();
            let told = imported::told(&view.imported, view.whole.place());
            self.paragraph(YELLOW, &plain(&told), 0);
        }
    }

    fn reason(&mut self, reason: &Reason) {
        let mut names: Vec<&str> = reason.cells.iter().map(String::as_str).collect();
        let n_more = names.len().saturating_sub(NAMES);
        names.truncate(NAMES);
        let more = match n_more {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let text = plain(&format!("{}{more}: {}", names.join(", "), reason.text));
        match reason.words {
            Words::Ours => self.paragraph(reason.colour, &text, 2),
            Words::Engines => {
                let line = cut(&text, self.width);
                self.lines.push(self.paint.with(reason.colour, &line));
            }
        }
    }
}

fn colour_of(row: &Row) -> &'static str {
    match row.standing {
        Standing::Ranked if row.rank == Some(1) => GREEN,
        Standing::Ranked => NONE,
        Standing::Rejected { .. } => YELLOW,
        Standing::Infeasible { .. } => RED,
        Standing::Skipped { .. } | Standing::Undecided { .. } => DIM,
    }
}
