//! Lines that only repeat what a user sent: the rest of a prompt that a request's log line
//! quotes with its line breaks. Whatever they say, the engine does not say it.

use crate::diagnose::line::{Level, Line};

/// A prompt of more lines than this is not followed to its end.
const LONGEST_PROMPT: usize = 500;

/// What vLLM writes behind a prompt, by age.
const BEHIND: [&str; 4] = [
    "params: SamplingParams(",
    "params: BeamSearchParams(",
    "params: PoolingParams(",
    "prompt_token_ids: ",
];

/// Gives the lines inside a quoted prompt the lowest level.
pub fn mute(lines: &mut [Line]) {
    let mut at = 0;
    while at < lines.len() {
        let ends = is_end(&lines[at]);
        if opens(&lines[at])
            && !ends
            && let Some(length) = lines[at + 1..].iter().take(LONGEST_PROMPT).position(is_end)
        {
            for line in &mut lines[at + 1..=at + 1 + length] {
                line.level = Level::Debug;
            }
            at += 1 + length;
        } else if ends && lines[at].level == Level::Unmarked && !lines[at].text.contains("prompt: ")
        {
            // The request's own line was lost with the head of the log.
            let unmarked = lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.level == Level::Unmarked)
                .count();
            for line in &mut lines[at - unmarked..=at] {
                line.level = Level::Debug;
            }
        }
        at += 1;
    }
}

fn opens(line: &Line) -> bool {
    matches!(line.level, Level::Info | Level::Debug)
        && line.text.starts_with("Received request ")
        && line.text.contains("prompt: ")
}

fn is_end(line: &Line) -> bool {
    line.text.contains("arams(") && BEHIND.iter().any(|words| line.text.contains(words))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::line::{Level, read};

    #[test]
    fn a_prompt_of_several_lines_says_nothing() {
        let head = "INFO 11-20 03:51:50 logger.py:37] Received request a: prompt: \"Explain";
        let inside = "ERROR 04-30 12:33:12 [core.py:1] EngineCore encountered a fatal error.\nx";
        let end = "Thanks\", params: SamplingParams(n=1), prompt_token_ids: None.";
        let log = format!("before\n{head}\n{inside}\n{end}\nafter\n{inside}");
        let levels: Vec<Level> = read(&log).iter().map(|line| line.level).collect();
        let (info, debug) = (Level::Info, Level::Debug);
        let (error, unmarked) = (Level::Error, Level::Unmarked);
        assert_eq!(
            levels,
            [
                unmarked, info, debug, debug, debug, unmarked, error, unmarked
            ]
        );
        // The head of the log is lost.
        let levels: Vec<Level> = read(&format!("OOM\n{end}\nafter"))
            .iter()
            .map(|line| line.level)
            .collect();
        assert_eq!(levels, [debug, debug, unmarked]);
        // On one line, and one whose end is lost.
        for whole in [format!("{head}{end}\nafter"), format!("{head}\nafter")] {
            assert_eq!(read(&whole)[1].level, unmarked);
        }
    }
}
