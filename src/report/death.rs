//! What the report says of a death, as Markdown; which deaths there are is `assemble`'s.

use crate::report::text::{Prose, code, fenced};
use crate::report::view::DeathView;
use crate::report::wording::span;

/// One bullet each.
pub fn death_facts(death: &DeathView) -> Vec<String> {
    let attempts: Vec<String> = death.attempts.iter().map(|name| code(name)).collect();
    let mut facts = vec![format!("Attempts: {}", attempts.join(", "))];
    if let (Some(node), [first, others @ ..]) = (&death.node, death.node_after_ms.as_slice()) {
        let spans: Vec<String> = std::iter::once(first)
            .chain(others)
            .map(|ms| span(ms / 3.6e6))
            .collect();
        facts.push(format!(
            "It came {} into {}.",
            spans.join(" and "),
            code(node)
        ));
    }
    facts.push(format!("What happened: {}", quoted(&death.explanation)));
    if let Some(suggestion) = &death.suggestion {
        facts.push(format!("What to change: {}", advice(suggestion)));
    }
    if let Some(cause) = &death.cause {
        facts.push(format!("Cause, in the engine's words: {}", code(cause)));
    }
    let exit = death
        .exit_code
        .map(|exit_code| format!("exit code {exit_code}"));
    let oom = death.oom_killed.map(|killed| match killed {
        true => "killed by the kernel for memory (OOMKilled)".to_owned(),
        false => "not killed by the kernel for memory".to_owned(),
    });
    let end: Vec<String> = exit.into_iter().chain(oom).collect();
    if !end.is_empty() {
        facts.push(format!("End: {}.", end.join(", ")));
    }
    facts
}

/// A sentence, and what is to be pasted behind it as a block of its own inside the bullet.
fn advice(text: &str) -> String {
    let Some((sentence, section)) = text.split_once("\n[[") else {
        return quoted(text);
    };
    let section = format!("[[{section}");
    let block = fenced("toml", section.lines());
    let block: String = block
        .trim_end()
        .lines()
        .map(|line| format!("\n  {line}"))
        .collect();
    quoted(sentence) + &block
}

fn quoted(text: &str) -> String {
    Prose::quoted(text).inline()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{FailureClass, Phase};
    use crate::id::CellId;

    fn death(node: Option<&str>, node_after_ms: &[f64]) -> DeathView {
        DeathView {
            cell: "a".to_owned(),
            cell_id: CellId::of("a"),
            starts: vec![1],
            attempts: vec!["0123456789ab-1".to_owned()],
            class: FailureClass::GpuOomServing,
            phase: Phase::Serving,
            stage: None,
            node: node.map(str::to_owned),
            node_after_ms: node_after_ms.to_vec(),
            explanation: "It died.".to_owned(),
            suggestion: None,
            cause: None,
            exit_code: None,
            oom_killed: None,
            log_tail: Vec::new(),
        }
    }

    #[test]
    fn a_death_inside_a_node_says_how_far_it_came() {
        let fact = |death: &DeathView| death_facts(death).swap_remove(1);
        let once = death(Some("soak"), &[11_520_000.0]);
        assert_eq!(fact(&once), "It came 3 h 12 min into `soak`.");
        let twice = death(Some("soak"), &[42_000.0, 210_000.0]);
        assert_eq!(fact(&twice), "It came 42 s and 3.5 min into `soak`.");
        // Older results have no instant.
        let old = death(Some("soak"), &[]);
        assert_eq!(fact(&old), "What happened: It died.");
    }

    #[test]
    fn a_section_to_paste_is_a_block_inside_its_bullet() {
        assert_eq!(
            advice("Set `a = 1`. Add:\n[[when]]\nwhere = { b = 2 }"),
            "Set `a = 1`. Add:\n  ```toml\n  [[when]]\n  where = { b = 2 }\n  ```"
        );
    }
}
