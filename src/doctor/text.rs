//! The findings for a terminal: a mark, what was found, and what to do, by topic.

use crate::doctor::finding::{Fault, Finding, Mark, Topic, worst};
use crate::report::{Paint, wrap};

const BOLD: &str = "1";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const DIM: &str = "2";

/// Below this nothing is readable: lines are cut at this width whatever the terminal says.
const NARROWEST: usize = 40;
/// Beyond this a line is hard to read.
const WIDEST: usize = 110;

/// Columns before what was found: two of indent, the mark, two of gap.
const INDENT: usize = 8;

/// Renders title, findings and how many there are; ends in a line feed.
pub fn render(title: &str, findings: &[Finding], width: usize, colour: bool) -> String {
    let width = width.clamp(NARROWEST, WIDEST);
    let paint = Paint { colour };
    let mut lines: Vec<String> = wrap(title, width, 2)
        .iter()
        .map(|line| paint.with(BOLD, line.trim_end()))
        .collect();
    for topic in Topic::ALL {
        let mut of_topic = findings.iter().filter(|it| it.topic == topic).peekable();
        if of_topic.peek().is_some() {
            lines.push(String::new());
            lines.push(paint.with(BOLD, topic.title()));
        }
        of_topic.for_each(|finding| one(finding, width, paint, &mut lines));
    }
    lines.push(String::new());
    let (colour, text) = conclusion(findings);
    lines.extend(
        wrap(&text, width, 0)
            .iter()
            .map(|line| paint.with(colour, line.trim_end())),
    );
    lines.join("\n") + "\n"
}

fn one(finding: &Finding, width: usize, paint: Paint, lines: &mut Vec<String>) {
    let (mark_colour, text_colour) = match finding.mark {
        Mark::Ok => (GREEN, ""),
        Mark::Warn => (YELLOW, ""),
        Mark::Fail(_) => (RED, ""),
        Mark::Skipped => (DIM, DIM),
    };
    let margin = " ".repeat(INDENT);
    let room = width - INDENT;
    for (at, line) in wrap(&finding.found, room, 0).iter().enumerate() {
        let text = paint.with(text_colour, line.trim_end());
        lines.push(if at == 0 {
            let mark = paint.with(mark_colour, &format!("{:<4}", finding.mark.name()));
            format!("  {mark}  {text}")
        } else {
            format!("{margin}{text}")
        });
    }
    if let Some(advice) = &finding.advice {
        for line in wrap(&format!("-> {advice}"), room, 3) {
            lines.push(format!("{margin}{}", line.trim_end()));
        }
    }
    // A command that is broken into lines could not be pasted.
    if let Some(command) = &finding.command {
        lines.push(format!("{margin}   {}", paint.with(BOLD, command)));
    }
}

fn conclusion(findings: &[Finding]) -> (&'static str, String) {
    let n = |wanted: fn(Mark) -> bool| findings.iter().filter(|it| wanted(it.mark)).count();
    let n_failed = n(|mark| matches!(mark, Mark::Fail(_)));
    let n_warned = n(|mark| mark == Mark::Warn);
    let warned = match n_warned {
        0 => "no warning".to_owned(),
        1 => "1 warning".to_owned(),
        n => format!("{n} warnings"),
    };
    let Some(fault) = worst(findings) else {
        let colour = if n_warned == 0 { GREEN } else { YELLOW };
        return (colour, format!("Nothing fails, {warned}."));
    };
    let end = match fault {
        Fault::NoDocker => "A run would be refused: Docker cannot be reached",
        Fault::Missing => {
            "A run would come to nothing: something that every start needs is missing"
        }
        Fault::Locked => "A run would be refused: another one is in the way",
    };
    let fail = if n_failed == 1 {
        "check fails"
    } else {
        "checks fail"
    };
    (RED, format!("{n_failed} {fail}, {warned}. {end}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Check;

    fn findings() -> Vec<Finding> {
        let check = |topic, name| Check { topic, name };
        vec![
            check(Topic::Machine, "load")
                .warn("load 4.1 on 2 CPUs", "wait for what works here")
                .command("ps -eo pcpu,pid,args --sort=-pcpu | head"),
            check(Topic::Machine, "clock").ok("the clock says 2026-11-24 09:00:00 UTC"),
            check(Topic::Docker, "daemon").fail(
                Fault::NoDocker,
                "no Docker daemon answers at unix:///var/run/docker.sock",
                "start it, or name another one in DOCKER_HOST; stand-in engines need none",
            ),
            check(Topic::Gpus, "driver")
                .skipped("no NVIDIA GPU: engines can run on the CPU, or be stand-ins"),
        ]
    }

    #[test]
    fn the_page() {
        insta::assert_snapshot!(render("this machine", &findings(), 60, false), @r"
        this machine

        Machine
          warn  load 4.1 on 2 CPUs
                -> wait for what works here
                   ps -eo pcpu,pid,args --sort=-pcpu | head
          ok    the clock says 2026-11-24 09:00:00 UTC

        Docker
          fail  no Docker daemon answers at
                unix:///var/run/docker.sock
                -> start it, or name another one in DOCKER_HOST;
                   stand-in engines need none

        GPUs
          skip  no NVIDIA GPU: engines can run on the CPU, or be
                stand-ins

        1 check fails, 1 warning. A run would be refused: Docker
        cannot be reached.
        ");
    }

    #[test]
    fn what_fails_is_red_and_what_was_not_looked_at_is_dim() {
        let page = render("this machine", &findings(), 100, true);
        assert!(page.contains("\u{1b}[31mfail\u{1b}[0m"), "{page:?}");
        assert!(page.contains("\u{1b}[2mno NVIDIA"), "{page:?}");
        let none = render("this machine", &findings()[1..2], 100, true);
        assert!(
            none.ends_with("\u{1b}[32mNothing fails, no warning.\u{1b}[0m\n"),
            "{none:?}"
        );
    }
}
