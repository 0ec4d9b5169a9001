//! Python's way of writing values down: `key=value, ..` and `{'key': value, ..}`, read
//! tolerantly and without knowing what the values mean.

/// The pairs of `key=value, key=Value(a=1, b=[2]), ..` at the outermost level, values as they
/// are written. A comma that vLLM forgot between two pairs does no harm.
pub fn assignments(text: &str) -> Vec<(String, String)> {
    split(text, &[',', ' ']).into_iter().fold(
        Vec::new(),
        |mut pairs: Vec<(String, String)>, piece| {
            match piece.split_once('=') {
                Some((key, value)) if is_name(key.trim()) => {
                    pairs.push((key.trim().to_owned(), value.trim().to_owned()));
                }
                // A space inside a value that is not quoted.
                _ => {
                    if let Some((_, value)) = pairs.last_mut()
                        && !piece.is_empty()
                    {
                        value.push(' ');
                        value.push_str(piece);
                    }
                }
            }
            pairs
        },
    )
}

/// The pairs of a dictionary, `{'key': value, ..}`; what stands behind it is left alone.
pub fn dictionary(text: &str) -> Vec<(String, String)> {
    let Some(start) = text.find('{') else {
        return Vec::new();
    };
    let inner = &text[start + 1..];
    split(inner, &[','])
        .into_iter()
        .filter_map(|piece| {
            let (key, value) = piece.split_once(':')?;
            let key = unquoted(key.trim());
            is_name(key).then(|| (key.to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// The elements of a list, `['a', 'b']`; `None` for anything else.
pub fn list(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    Some(
        split(inner, &[','])
            .into_iter()
            .map(|piece| unquoted(piece.trim()).to_owned())
            .filter(|piece| !piece.is_empty())
            .collect(),
    )
}

/// A text without the quotes around it.
pub fn unquoted(text: &str) -> &str {
    let bare = |quote| {
        text.strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    bare('\'').or_else(|| bare('"')).unwrap_or(text)
}

/// Cuts at the separators that stand outside of quotes and brackets, and stops where a bracket
/// closes that was opened before the text.
fn split<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let (mut start, mut depth, mut quote, mut escaped) = (0, 0_u32, None, false);
    for (at, c) in text.char_indices() {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == open {
                quote = None;
            }
            continue;
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                if depth == 0 {
                    pieces.push(&text[start..at]);
                    return pieces;
                }
                depth -= 1;
            }
            _ if depth == 0 && separators.contains(&c) => {
                pieces.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
        pairs
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_config_line_is_read_at_its_outermost_level() {
        let pairs = assignments(
            "model='a, b=c', seq=[1, 2], cfg=Config(backend='auto', seed=9), seed=0, \
             chunked=False multi=True, text=two words, last={'x': <M.NONE: 0>}",
        );
        assert_eq!(find(&pairs, "model"), Some("'a, b=c'"));
        assert_eq!(find(&pairs, "seq"), Some("[1, 2]"));
        assert_eq!(find(&pairs, "seed"), Some("0"));
        assert_eq!(find(&pairs, "chunked"), Some("False"));
        assert_eq!(find(&pairs, "multi"), Some("True"));
        assert_eq!(find(&pairs, "text"), Some("two words"));
        assert_eq!(find(&pairs, "last"), Some("{'x': <M.NONE: 0>}"));
        assert_eq!(find(&pairs, "backend"), None);
    }

    #[test]
    fn a_dictionary_is_read_and_what_follows_is_not() {
        let pairs = dictionary("x {'a': 'it''s', 'b': {'c': 1}, 'names': ['d'], 'e': True} 'f': 1");
        assert_eq!(find(&pairs, "b"), Some("{'c': 1}"));
        assert_eq!(find(&pairs, "e"), Some("True"));
        assert_eq!(find(&pairs, "f"), None);
        assert_eq!(
            list("['d', \"e\"]"),
            Some(vec!["d".to_owned(), "e".to_owned()])
        );
        assert_eq!(list("[]"), Some(Vec::new()));
        assert_eq!(list("d"), None);
    }

    #[test]
    fn broken_text_is_taken() {
        for text in [
            "",
            "{",
            "}",
            "'",
            "a=",
            "=a",
            "{'a",
            "a='\\",
            "a=[(",
            "\u{2603}=\u{2603}",
        ] {
            assignments(text);
            dictionary(text);
            list(text);
            unquoted(text);
        }
    }
}
