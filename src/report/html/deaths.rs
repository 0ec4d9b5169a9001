//! Where it dies: the map with the boundary, and every death with its class, its last words and
//! its log; of what was not started, whose death proves that it would die.

use crate::diagnose::when;
use crate::report::atlas::Atlas;
use crate::report::chart::heat::{self, Heat};
use crate::report::html::markup::{Figure, Page};
use crate::report::table::proved;
use crate::report::text::{Prose, escape};
use crate::report::view::{DeathView, View};

/// Deaths that are shown with their logs; all of them stand in `report.md`.
const LOGS: usize = 40;

/// Lines of a log.
const LOG_LINES: usize = 25;

/// The map as a figure; `None` where nothing died or nothing can be drawn.
pub fn map(view: &View) -> Option<Figure> {
    let atlas = view.atlas.as_ref()?;
    let heat = Heat::of(view)?;
    let title = heat::title(view, atlas);
    Some(Figure {
        id: "where-it-dies".to_owned(),
        wide: heat.draw(&title, 640.0),
        narrow: heat.draw(&title, 360.0),
        caption: heat.caption(),
        title,
    })
}

pub fn deaths(page: &mut Page, view: &View) {
    if view.atlas.is_none() && view.deaths.is_empty() && view.failures.is_empty() {
        return;
    }
    page.section("deaths", "Where it dies");
    if let Some(figure) = map(view) {
        page.figure(&figure);
    }
    if let Some(atlas) = &view.atlas {
        boundaries(page, atlas);
        skipped(page, atlas);
    }
    list(page, "Deaths", &view.deaths);
    list(page, "Starts that failed for other reasons", &view.failures);
}

fn boundaries(page: &mut Page, atlas: &Atlas) {
    if atlas.boundaries.is_empty() {
        return;
    }
    let items: Vec<String> = atlas
        .boundaries
        .iter()
        .map(|boundary| {
            format!(
                "<code>{}</code>: {}",
                escape(&boundary.axis),
                escape(&boundary.text())
            )
        })
        .collect();
    let many = items.len() > 6;
    if many {
        page.open(&format!(
            "All {} boundaries, with all else equal",
            items.len()
        ));
    } else {
        page.paragraph("cap", "With all else equal, along each axis:");
    }
    page.bullets(&items);
    if many {
        page.close();
    }
}

fn skipped(page: &mut Page, atlas: &Atlas) {
    let items: Vec<String> = atlas
        .cells
        .iter()
        .filter_map(|dead| {
            let witness = dead.witness.as_ref()?;
            Some(format!(
                "<code>{}</code> was not started: {}",
                escape(&dead.cell),
                Prose::quoted(&proved(witness)).html()
            ))
        })
        .collect();
    page.bullets(&items);
}

fn list(page: &mut Page, heading: &str, deaths: &[DeathView]) {
    if deaths.is_empty() {
        return;
    }
    page.heading(heading);
    for death in deaths.iter().take(LOGS) {
        one(page, death);
    }
    if deaths.len() > LOGS {
        page.paragraph(
            "cap",
            &format!(
                "{} more stand in report.md, each with its log.",
                deaths.len() - LOGS
            ),
        );
    }
}

fn one(page: &mut Page, death: &DeathView) {
    let during = death.node.as_ref().map_or_else(String::new, |node| {
        format!(" in <code>{}</code>", escape(node))
    });
    let times = match death.starts.len() {
        1 => String::new(),
        n => format!(", {n} starts"),
    };
    let last = death.cause.as_ref().or(death.log_tail.last());
    page.raw(format!(
        "<details class=\"death\"><summary><b><code>{}</code></b> <span class=\"class\">{}</span> {}{during}{times}{}</summary>\n",
        escape(&death.cell),
        escape(&death.class.to_string()),
        escape(&when(death.phase, death.stage)),
        last.map_or_else(String::new, |line| format!("<samp>{}</samp>", escape(line)))
    ));
    page.prose("", &Prose::quoted(&death.explanation));
    if let Some(suggestion) = &death.suggestion {
        let (words, paste) = match suggestion.split_once("\n[[") {
            Some((words, paste)) => (words, Some(format!("[[{paste}"))),
            None => (suggestion.as_str(), None),
        };
        page.raw(format!(
            "<p><b>What to change:</b> {}</p>\n",
            Prose::quoted(words).html()
        ));
        if let Some(paste) = paste {
            pre(page, paste.lines());
        }
    }
    let mut end = vec![format!("attempts {}", death.attempts.join(", "))];
    end.extend(death.exit_code.map(|code| format!("exit code {code}")));
    if death.oom_killed == Some(true) {
        end.push("killed by the kernel for memory".to_owned());
    }
    page.paragraph("cap", &end.join(" · "));
    let skipped = death.log_tail.len().saturating_sub(LOG_LINES);
    pre(page, death.log_tail[skipped..].iter().map(String::as_str));
    page.close();
}

/// Lines of a log, a file or a command, as they are.
pub fn pre<'a>(page: &mut Page, lines: impl Iterator<Item = &'a str>) {
    let lines: Vec<String> = lines.map(escape).collect();
    if !lines.is_empty() {
        page.raw(format!("<pre tabindex=\"0\">{}</pre>\n", lines.join("\n")));
    }
}
