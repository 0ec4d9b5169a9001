//! The answer proper of a model's text, and excerpts of it.

use std::ops::Range;

/// The marks between which models think inside their content, where the engine has no reasoning
/// parser (the pairs of Qwen, DeepSeek and Magistral models, and of Hunyuan's and Seed's).
const THOUGHTS: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<thinking>", "</thinking>"),
];

/// What of a content is answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    pub text: &'a str,
    /// Thoughts stood in the content: its first token was none of the answer.
    pub thought_inside: bool,
}

/// The content without thoughts that the engine left in it. Thoughts that never end leave no
/// answer.
pub fn proper(content: &str) -> Answered<'_> {
    for (open, close) in THOUGHTS {
        // Some chat templates open the thoughts in the prompt, so that only the end shows.
        if let Some(at) = content.rfind(close) {
            return Answered {
                text: content[at + close.len()..].trim(),
                thought_inside: true,
            };
        }
        if content.trim_start().starts_with(open) {
            return Answered {
                text: "",
                thought_inside: true,
            };
        }
    }
    Answered {
        text: content.trim(),
        thought_inside: false,
    }
}

/// Head and tail of a text, at most about so many characters.
pub fn excerpt(text: &str, chars: usize) -> String {
    let n = text.chars().count();
    if n <= chars {
        return text.to_owned();
    }
    // The end of an answer usually tells more than its beginning.
    let head = chars / 3;
    let tail = chars - head;
    let left_out = n - head - tail;
    format!(
        "{}\n[... {left_out} characters left out ...]\n{}",
        &text[span(text, 0..head)],
        &text[span(text, n - tail..n)]
    )
}

/// A range of characters as one of bytes.
fn span(text: &str, chars: Range<usize>) -> Range<usize> {
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
    byte(chars.start)..byte(chars.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_no_answer() {
        for (content, text, thought_inside) in [
            (" 42 ", "42", false),
            ("<think>6 * 7</think>\n42", "42", true),
            ("so 6 * 7 is\n</think>\n\n42", "42", true),
            ("<think>a</think>b<think>c</think>d", "d", true),
            ("<think>it goes on and on", "", true),
            ("[THINK]hm[/THINK]yes", "yes", true),
            ("compare <think> with it", "compare <think> with it", false),
            ("", "", false),
        ] {
            let expected = Answered {
                text,
                thought_inside,
            };
            assert_eq!(proper(content), expected, "{content}");
        }
    }

    #[test]
    fn an_excerpt_keeps_head_and_tail() {
        assert_eq!(excerpt("ä".repeat(6).as_str(), 6), "ääääää");
        let long = format!("{}{}", "ä".repeat(100), "ö".repeat(100));
        let short = excerpt(&long, 30);
        assert!(
            short.starts_with("ääääääääää\n[... 170 characters"),
            "{short}"
        );
        assert!(short.ends_with(&format!("\n{}", "ö".repeat(20))), "{short}");
    }
}
