//! What the report says of a death, as Markdown; which deaths there are is `assemble`'s.

use crate::report::text::{Prose, code, fenced};
use crate::report::view::DeathView;

/// One bullet each.
pub fn death_facts(death: &DeathView) -> Vec<String> {
    let attempts: Vec<String> = death.attempts.iter().map(|name| code(name)).collect();
    let mut facts = vec![format!("Attempts: {}", attempts.join(", "))];
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

    #[test]
    fn a_section_to_paste_is_a_block_inside_its_bullet() {
        assert_eq!(
            advice("Set `a = 1`. Add:\n[[when]]\nwhere = { b = 2 }"),
            "Set `a = 1`. Add:\n  ```toml\n  [[when]]\n  where = { b = 2 }\n  ```"
        );
    }
}
