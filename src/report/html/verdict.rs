//! The head of the page and the verdict: what to do, how sure that is, and the command to copy.

use std::fmt::Write;

use crate::decide::number;
use crate::manifest::RunEnding;
use crate::report::claims::{self, Call};
use crate::report::html::advice;
use crate::report::html::markup::Page;
use crate::report::text::{Prose, escape};
use crate::report::view::View;

/// One line: what was run, when, on what.
pub fn head(page: &mut Page, view: &View) {
    let method = &view.method;
    let mut parts = vec![
        format!("gridrun · experiment <b>{}</b>", escape(&view.experiment)),
        escape(&view.started_at.strftime("%-d %B %Y, %H:%M UTC").to_string()),
    ];
    let cards = match method.host.gpus.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first, others @ ..] if others.iter().all(|other| other == first) => {
            Some(format!("{} × {first}", others.len() + 1))
        }
        several => Some(several.join("; ")),
    };
    let machine = match cards {
        Some(cards) => format!("{} ({cards})", method.host.hostname),
        None => method.host.hostname.clone(),
    };
    parts.push(escape(&machine));
    parts.push(escape(&method.model));
    if !method.engine_versions.is_empty() {
        parts.push(escape(&format!(
            "vLLM {}",
            method.engine_versions.join(", ")
        )));
    }
    parts.push(format!(
        "{} × {}",
        plural(view.cells.len(), "configuration"),
        plural(method.repeats as usize, "start")
    ));
    page.raw(format!("<p class=\"meta\">{}</p>\n", parts.join(" · ")));
    if let Some(stamp) = view.stamp {
        page.raw(format!(
            "<p class=\"warn\"><b>{}.</b> {}</p>\n",
            escape(&stamp.title()),
            escape(&stamp.meaning())
        ));
    }
    if let Some(stay) = &view.production {
        let class = if stay.is_down() { "down" } else { "meta" };
        page.raw(format!(
            "<p class=\"{class}\">{}.</p>\n",
            escape(&stay.told())
        ));
    }
    let progress = &view.progress;
    if !progress.missing.is_empty() {
        let missing: Vec<String> = progress.missing.iter().map(Prose::html).collect();
        page.raw(format!(
            "<p class=\"warn\"><b>This run is not complete.</b> {}</p>\n",
            missing.join(" ")
        ));
    }
}

/// Chip, sentence, facts, command.
pub fn verdict(page: &mut Page, view: &View) {
    let call = Call::of(view);
    let class = match call {
        Call::Promote => "promote",
        Call::Keep => "keep",
        Call::CannotTell => "open",
        Call::NoCell => "none",
    };
    let stamp = page.stamp_chip();
    page.raw(format!(
        "<p class=\"chips\"><span class=\"chip {class}\">{}</span>{stamp}</p>\n<h1>{}</h1>\n",
        call.words(),
        view.verdict.headline.html()
    ));
    let lead: Vec<String> = claims::difference(view)
        .into_iter()
        .chain([claims::field(view)])
        .map(|sentence| sentence.html())
        .collect();
    page.raw(format!("<p class=\"lead\">{}</p>\n", lead.join(" ")));
    let facts = claims::facts(view);
    if !facts.is_empty() {
        page.raw("<div class=\"facts\">");
        for fact in facts {
            page.raw(format!(
                "<div><small>{}</small><strong>{}</strong><small>{}</small></div>",
                escape(&fact.label),
                escape(&fact.value),
                escape(&fact.note)
            ));
        }
        page.raw("</div>\n");
    }
    if let Some(sentence) = claims::what_would_change_it(view) {
        let label = match call {
            Call::Promote | Call::Keep => "How sure",
            Call::CannotTell | Call::NoCell => "What would settle it",
        };
        page.raw(format!("<p><b>{label}:</b> {}</p>\n", sentence.html()));
    }
    if let Some(sway) = view.sway.as_ref().filter(|sway| !sway.sentences.is_empty()) {
        page.open("What would change the first place");
        let sentences: Vec<String> = sway.sentences.iter().map(Prose::html).collect();
        page.bullets(&sentences);
        page.close();
    }
    command(page, view);
    advice::checklist(page, &view.advice.checklist);
    let all: Vec<String> = view.verdict.texts().map(Prose::html).collect();
    if !all.is_empty() {
        page.open("All that the verdict rests on");
        page.bullets(&all);
        page.close();
    }
}

fn command(page: &mut Page, view: &View) {
    let Some(deploy) = &view.deploy else {
        return;
    };
    let lines: Vec<String> = deploy.command.lines().map(escape).collect();
    let mut html = format!(
        "<details class=\"run\" open><summary>Run <code>{}</code> by hand</summary>\
         <pre id=\"cmd\" tabindex=\"0\">{}</pre><button type=\"button\" id=\"copy\" hidden>Copy the command</button>",
        escape(&deploy.cell),
        lines.join("\n")
    );
    let notes: Vec<String> = deploy.notes.iter().map(Prose::html).collect();
    if !notes.is_empty() {
        let _ = write!(html, "<p class=\"cap\">{}</p>", notes.join(" "));
    }
    page.raw(html + "</details>\n");
}

/// How far the run came, for the foot of the page.
pub fn ending(view: &View) -> String {
    let progress = &view.progress;
    let ending = match &progress.ending {
        RunEnding::Complete { at } => format!("complete at {}", at.strftime("%Y-%m-%d %H:%M UTC")),
        RunEnding::Stopped { at, because } => {
            format!(
                "stopped at {}: {because}",
                at.strftime("%Y-%m-%d %H:%M UTC")
            )
        }
        RunEnding::Open => "not ended, as far as is known".to_owned(),
    };
    format!(
        "{} of {} planned starts settled, {} not started by proof; {ending}",
        progress.n_settled,
        progress.n_planned,
        number::significant(f64::from(progress.n_skipped))
    )
}

fn plural(n: usize, word: &str) -> String {
    match n {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    }
}
