//! Text broken into lines of a given width, as a terminal counts it. Knows no table and no
//! report.

use unicode_width::UnicodeWidthStr;

/// Breaks text at spaces, but not between a number and its per cent; lines after the first are
/// indented. A word that is wider than the line is cut into pieces.
pub fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        let mut word = word;
        loop {
            let gap = usize::from(!line.trim_end().is_empty() && !line.ends_with(' '));
            if line.width() + gap + word.width() <= width {
                if gap == 1 {
                    line.push(' ');
                }
                line += word;
                break;
            }
            if line.trim().is_empty() {
                let (front, rest) = split_at_width(word, width.saturating_sub(line.width()).max(1));
                line += front;
                word = rest;
            }
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        }
    }
    lines.push(line);
    lines
}

fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    for (position, _) in text.match_indices(' ') {
        if !text[position + 1..].starts_with('%') {
            words.push(&text[start..position]);
            start = position + 1;
        }
    }
    words.push(&text[start..]);
    words
}

/// Breaks a name at its joints: after a space, `_` or `-`, and after a point that stands in no
/// number. A piece that is wider than the line is cut.
pub fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if !line.is_empty() && line.width() + piece.trim_end().width() > width {
            lines.push(std::mem::take(&mut line));
        }
        let mut piece = piece;
        while piece.trim_end().width() > width {
            let (front, rest) = split_at_width(piece, width);
            lines.push(front.to_owned());
            piece = rest;
        }
        line += piece;
    }
    lines.push(line);
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The least width at which [`fold`] cuts no piece.
pub fn widest_piece(text: &str) -> usize {
    let widths = pieces(text)
        .into_iter()
        .map(|piece| piece.trim_end().width());
    widths.max().unwrap_or(0)
}

/// The front of a text, at most `width` columns with the mark of a cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (front, _) = split_at_width(text, width.saturating_sub(1).max(1));
    format!("{}…", front.trim_end())
}

fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((position, c)) = chars.next() {
        let Some(&(end, next)) = chars.peek() else {
            break;
        };
        let joint = match c {
            ' ' | '_' | '-' => true,
            '.' => !next.is_ascii_digit(),
            _ => false,
        };
        // A mark that opens the text (`-`, `--flag`) parts nothing.
        if joint && position > start && next != c {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// The longest front of at most `width` columns (at least one character), and the rest.
fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut end = 0;
    for (position, c) in text.char_indices() {
        let next = position + c.len_utf8();
        if end > 0 && text[..next].width() > width {
            break;
        }
        end = next;
    }
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_at_spaces_and_words_only_when_they_must() {
        let cases: [(&str, usize, usize, &[&str]); 6] = [
            ("a bb ccc", 4, 0, &["a bb", "ccc"]),
            ("- one two three", 9, 2, &["- one two", "  three"]),
            ("abcdefgh ij", 5, 0, &["abcde", "fgh", "ij"]),
            ("up to 77.6 % so", 10, 0, &["up to", "77.6 % so"]),
            ("", 5, 0, &[""]),
            ("日本語", 4, 0, &["日本", "語"]),
        ];
        for (text, width, indent, expected) in cases {
            assert_eq!(wrap(text, width, indent), expected, "{text}");
        }
    }

    #[test]
    fn names_fold_at_their_joints() {
        let cases: [(&str, usize, &[&str]); 9] = [
            ("short-prompts", 13, &["short-prompts"]),
            ("short-prompts", 10, &["short-", "prompts"]),
            ("ttft_repeat_ms", 10, &["ttft_", "repeat_ms"]),
            ("p50, tok/s, higher", 10, &["p50,", "tok/s,", "higher"]),
            ("p50, ms, lower", 8, &["p50, ms,", "lower"]),
            (
                "gpu-mem-0.95_chunked-off",
                13,
                &["gpu-mem-0.95_", "chunked-off"],
            ),
            ("node.metric.p50", 7, &["node.", "metric.", "p50"]),
            ("abcdef", 4, &["abcd", "ef"]),
            ("-", 4, &["-"]),
        ];
        for (text, width, expected) in cases {
            assert_eq!(fold(text, width), expected, "{text}");
        }
    }

    #[test]
    fn a_fold_as_wide_as_the_widest_piece_cuts_nothing() {
        for text in [
            "short-prompts",
            "p50, tok/s, higher",
            "gpu-mem-0.95",
            "-",
            "",
        ] {
            let width = widest_piece(text);
            let lines = fold(text, width.max(1));
            assert!(lines.iter().all(|line| line.width() <= width));
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(text));
        }
        assert_eq!(widest_piece("p50, tok/s, higher"), 6);
        assert_eq!(widest_piece("gpu-mem-0.95"), 4);
    }

    #[test]
    fn a_cut_counts_columns_and_is_marked() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abc defg", 5), "abc…");
        assert_eq!(cut("日本語", 5), "日本…");
    }
}
