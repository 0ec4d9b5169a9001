//! Code in a model's text.

/// A block between fences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence<'a> {
    /// The word behind the opening fence, as written; empty without one.
    pub language: &'a str,
    pub body: &'a str,
}

/// The fenced blocks of a text; the last one may lack its end.
pub fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut blocks = Vec::new();
    // Where the open block's body starts, with its fence and language.
    let mut open: Option<(usize, &str, &str)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let next = at + line.len();
        match open {
            None => {
                if let Some(fence) = opening(trimmed) {
                    let words = trimmed[fence.len()..].trim();
                    let language = words.split([' ', ',', '{', ':']).next().unwrap_or_default();
                    open = Some((next, fence, language));
                }
            }
            Some((start, fence, language)) => {
                let closes =
                    trimmed.starts_with(fence) && trimmed.trim_start_matches(['`', '~']).is_empty();
                if closes {
                    let body = &text[start..at];
                    blocks.push(Fence { language, body });
                    open = None;
                }
            }
        }
        at = next;
    }
    if let Some((start, _, language)) = open {
        let body = &text[start.min(text.len())..];
        blocks.push(Fence { language, body });
    }
    blocks
}

/// The marks that open a block: three or more of one kind.
fn opening(line: &str) -> Option<&str> {
    ['`', '~'].into_iter().find_map(|mark| {
        let length = line.len() - line.trim_start_matches(mark).len();
        // `` ```x``` `` on one line is no block.
        let is_inline = line[length..].contains(mark);
        (length >= 3 && !is_inline).then(|| &line[..length])
    })
}

/// The Python code of an answer: the last block that defines the name, else the last of the
/// language, else the whole text where it is code itself. `None` where there is none.
pub fn code_of(text: &str, defines: &str) -> Option<String> {
    let blocks = fences(text);
    let is_python = |fence: &&Fence<'_>| {
        matches!(
            fence.language.to_lowercase().as_str(),
            "python" | "py" | "python3" | ""
        )
    };
    let python: Vec<&Fence<'_>> = blocks.iter().filter(is_python).collect();
    let chosen = python
        .iter()
        .rev()
        .find(|fence| defines_it(fence.body, defines))
        .or_else(|| python.iter().rev().find(|fence| !fence.language.is_empty()))
        .map(|fence| fence.body);
    let code = match chosen {
        Some(body) => body,
        None if defines_it(text, defines) && blocks.is_empty() => bare(text),
        None => return None,
    };
    let code = dedented(code);
    (!code.trim().is_empty()).then_some(code)
}

/// True where a line defines the function or class.
fn defines_it(code: &str, name: &str) -> bool {
    code.lines().any(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = line.strip_prefix("def ").or(line.strip_prefix("class "));
        rest.and_then(|rest| rest.trim_start().strip_prefix(name))
            .is_some_and(|rest| rest.trim_start().starts_with(['(', ':', '[']))
            || line
                .strip_prefix(name)
                .is_some_and(|rest| rest.trim_start().starts_with("= lambda"))
    })
}

/// Code without a fence: from its first line that can only be code.
fn bare(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let is_code = ["def ", "class ", "import ", "from ", "@", "async def "]
            .iter()
            .any(|start| line.starts_with(start));
        if is_code {
            return &text[at..];
        }
        at += line.len();
    }
    text
}

/// Blocks inside of a list are indented as a whole.
fn dedented(code: &str) -> String {
    let margin = code
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let mut text = String::with_capacity(code.len());
    for line in code.lines() {
        text.push_str(line.get(margin..).unwrap_or_default());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "def twice(x):\n    return 2 * x\n";

    #[test]
    fn code_is_found_in_many_answers() {
        for text in [
            format!("```python\n{CODE}```"),
            format!("Sure:\n\n```py\n{CODE}```\nUse it so:\n```python\nprint(twice(2))\n```"),
            format!(
                "First idea:\n```python\ndef twice(x): return x\n```\nBetter:\n```python\n{CODE}```"
            ),
            format!("```\n{CODE}```"),
            format!("~~~python\n{CODE}~~~"),
            format!("````python\n{CODE}````"),
            format!("```Python title=\"a.py\"\n{CODE}```"),
            format!("```python\n{CODE}"),
            format!("Here is the code.\n{CODE}"),
            "1. The code:\n   ```python\n   def twice(x):\n       return 2 * x\n   ```\n"
                .to_owned(),
            CODE.to_owned(),
        ] {
            assert_eq!(code_of(&text, "twice").as_deref(), Some(CODE), "{text}");
        }
    }

    #[test]
    fn what_defines_nothing_is_taken_where_it_is_python() {
        let text = "```python\nthrice = 3\n```";
        assert_eq!(code_of(text, "twice").as_deref(), Some("thrice = 3\n"));
        for text in [
            "",
            "Use a loop.",
            "```\nx\n```",
            "```rust\nfn twice() {}\n```",
            "```python\n```",
        ] {
            assert_eq!(code_of(text, "twice"), None, "{text}");
        }
    }

    #[test]
    fn names_are_whole_words() {
        assert!(defines_it("class Cache:\n", "Cache"));
        assert!(defines_it("async def go (x):", "go"));
        assert!(defines_it("twice = lambda x: 2 * x", "twice"));
        assert!(!defines_it("def twice_more(x):", "twice"));
        assert!(!defines_it("twice(3)", "twice"));
    }

    #[test]
    fn fences_end_where_their_like_stands() {
        let blocks = fences("````\n```\nx\n```\n````\n```inline```\n```a\n");
        let bodies: Vec<(&str, &str)> = blocks.iter().map(|b| (b.language, b.body)).collect();
        assert_eq!(bodies, [("", "```\nx\n```\n"), ("a", "")]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[`~a \ndefé:]{0,120}") {
            let _ = code_of(&text, "d");
        }
    }
}
