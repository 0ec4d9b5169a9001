//! Text that others wrote (engines, models, files) made safe to show, and sentences in which
//! names are set apart from words.
//!
//! Whatever comes from outside is hostile: it may hold Markdown, HTML, terminal control
//! sequences, or characters that reverse the direction of writing.

use std::fmt::Write;

use serde::{Serialize, Serializer};

pub use crate::decide::plain::plain;

/// The front of a text, at most `limit` characters with the mark of a cut.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let front: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", front.trim_end())
}

/// Text as a line of Markdown: shows as it is and starts nothing.
pub fn markdown(text: &str) -> String {
    guard_start(inline(text))
}

/// Text in the middle of a line of Markdown, or in a table.
pub fn inline(text: &str) -> String {
    let text = plain(text);
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let inside_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let special = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' => true,
            // An underscore inside a word emphasises nothing.
            '_' => !(inside_word(before) && inside_word(chars.peek().copied())),
            // `http://` and `www.` would become links.
            ':' => chars.peek() == Some(&'/'),
            '.' => out.to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
        before = Some(c);
    }
    out
}

/// Keeps the front of a line from starting a heading, a list or a quotation.
fn guard_start(mut line: String) -> String {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    if line.starts_with(['#', '+', '-', '=']) {
        line.insert(0, '\\');
    } else if digits > 0 {
        let mark = line[digits..].strip_prefix(['.', ')']);
        if mark.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
            line.insert(digits, '\\');
        }
    }
    line
}

/// Closes a text off against the bars of a table: an even number of backslashes before a bar
/// would let it end the cell.
pub fn table_cell(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut escaped = false;
    for c in markdown.chars() {
        if c == '|' && !escaped {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

/// Text for HTML and SVG, between tags and in quoted attributes alike.
pub fn escape(text: &str) -> String {
    let text = plain(text);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// A code span: nothing inside has a meaning.
pub fn code(text: &str) -> String {
    let text = plain(text);
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = match text.starts_with('`') || text.ends_with('`') {
        true => " ",
        false => "",
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A fenced block of lines; the fence is longer than any run of backticks inside.
pub fn fenced<'a>(language: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.into_iter().map(plain).collect();
    let longest = lines
        .iter()
        .map(|line| longest_run(line))
        .max()
        .unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let mut out = format!("{fence}{language}\n");
    for line in &lines {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out + &fence + "\n"
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A sentence, with the names in it set apart so that each format can mark them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prose(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Name(String),
}

impl Prose {
    pub fn new(words: impl Into<String>) -> Self {
        Self(Vec::new()).words(words)
    }

    pub fn name_first(name: &str) -> Self {
        Self(Vec::new()).name(name)
    }

    pub fn words(mut self, words: impl Into<String>) -> Self {
        self.0.push(Piece::Words(words.into()));
        self
    }

    pub fn name(mut self, name: &str) -> Self {
        self.0.push(Piece::Name(name.to_owned()));
        self
    }

    /// A text that sets names apart by backticks, as diagnoses and notes do.
    pub fn quoted(text: &str) -> Self {
        let mut prose = Self::default();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once('`') {
            let Some((name, after)) = after.split_once('`').filter(|(name, _)| !name.is_empty())
            else {
                break;
            };
            prose = prose.words(words).name(name);
            rest = after;
        }
        prose.words(rest)
    }

    /// Goes on with another sentence's pieces, if there is one.
    pub fn extended(mut self, more: Option<Self>) -> Self {
        self.0.extend(more.into_iter().flat_map(|prose| prose.0));
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|piece| match piece {
            Piece::Words(text) | Piece::Name(text) => text.is_empty(),
        })
    }

    /// Names parted by commas.
    pub fn names<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        for (position, name) in names.into_iter().enumerate() {
            if position > 0 {
                self = self.words(", ");
            }
            self = self.name(name);
        }
        self
    }

    /// Names as code spans, words escaped; for the front of a line.
    pub fn markdown(&self) -> String {
        guard_start(self.inline())
    }

    /// The same for a table and for the middle of a line.
    pub fn inline(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Name(name) => code(name),
            Piece::Words(words) => inline(words),
        });
        pieces.collect()
    }

    /// For a page: names as code, all else as text.
    pub fn html(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Name(name) => format!("<code>{}</code>", escape(name)),
            Piece::Words(words) => escape(words),
        });
        pieces.collect()
    }

    /// Without marks, one line.
    pub fn plain(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Words(text) | Piece::Name(text) => plain(text),
            })
            .collect()
    }
}

impl Serialize for Prose {
    /// As the plain sentence.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.plain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_text_starts_nothing() {
        let cases = [
            ("kv_cache_too_small", "kv_cache_too_small"),
            ("_emphasis_ *b* `c`", "\\_emphasis\\_ \\*b\\* \\`c\\`"),
            (
                "<script>alert(1)</script>",
                "\\<script\\>alert(1)\\</script\\>",
            ),
            (
                "[x](javascript:1) ![i](u)",
                "\\[x\\](javascript:1) !\\[i\\](u)",
            ),
            ("# head", "\\# head"),
            ("- item", "\\- item"),
            ("12. item", "12\\. item"),
            ("0.95 ms", "0.95 ms"),
            (
                "see http://evil and WWW.evil",
                "see http\\://evil and WWW\\.evil",
            ),
            ("a\nb\r\n| c", "a b \\| c"),
            ("back\\slash", "back\\\\slash"),
        ];
        for (text, expected) in cases {
            assert_eq!(markdown(text), expected);
        }
    }

    #[test]
    fn code_fences_outgrow_the_backticks_inside() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code(" "), "");
        assert_eq!(fenced("text", ["x", "````"]), "`````text\nx\n````\n`````\n");
        assert_eq!(fenced("", []), "```\n```\n");
    }

    #[test]
    fn bars_never_end_a_table_cell() {
        assert_eq!(table_cell("`a|b`"), "`a\\|b`");
        assert_eq!(table_cell("a\\|b"), "a\\|b");
        assert_eq!(table_cell("`a\\\\|b`"), "`a\\\\\\|b`");
    }

    #[test]
    fn html_has_no_tag_but_its_own() {
        assert_eq!(
            escape("</script><b a='\"'>&\u{202e}\u{7}\n"),
            "&lt;/script&gt;&lt;b a=&#39;&quot;&#39;&gt;&amp;\\u{202e}\\u{7} "
        );
        let prose = Prose::name_first("a<b").words(" is > `c`");
        assert_eq!(prose.html(), "<code>a&lt;b</code> is &gt; `c`");
    }

    #[test]
    fn sentences_mark_names_only_in_markdown() {
        let prose = Prose::name_first("a|b")
            .words(" leads by 3 ms (not *4*); ")
            .names(["c", "d"]);
        assert_eq!(
            prose.markdown(),
            "`a|b` leads by 3 ms (not \\*4\\*); `c`, `d`"
        );
        assert_eq!(prose.plain(), "a|b leads by 3 ms (not *4*); c, d");
        assert_eq!(
            serde_json::to_string(&prose).unwrap(),
            "\"a|b leads by 3 ms (not *4*); c, d\""
        );
    }

    #[test]
    fn backticks_in_pairs_set_names_apart() {
        let marked = |text: &str| Prose::quoted(text).markdown();
        assert_eq!(
            marked("raise `max-num-seqs` *now*"),
            "raise `max-num-seqs` \\*now\\*"
        );
        assert_eq!(marked("`a` and `b"), "`a` and \\`b");
        assert_eq!(marked("```sh"), "\\`\\`\\`sh");
        assert_eq!(Prose::quoted("raise `x` now").plain(), "raise x now");
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abc defg", 5), "abc…");
    }
}
