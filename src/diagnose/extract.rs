//! Numbers and names out of messages.

/// The number that follows `marker`: `1,024`, `-0.08`, `8192.0`.
pub fn number_after(text: &str, marker: &str) -> Option<f64> {
    let at = text.find(marker)? + marker.len();
    let rest = text[at..].trim_start_matches([' ', '(', '=']);
    let end = rest
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || *c == ',' || (*c == '-' && *at == 0)))
        .map_or(rest.len(), |(at, _)| at);
    rest[..end]
        .trim_end_matches(['.', ','])
        .replace(',', "")
        .parse()
        .ok()
}

/// The whole number that follows `marker`.
pub fn count_after(text: &str, marker: &str) -> Option<u64> {
    let number = number_after(text, marker)?;
    (number >= 0.0 && number <= 2f64.powi(53)).then_some(number as u64)
}

/// The fraction in the first `(a/b GiB)`.
pub fn fraction(text: &str) -> Option<(f64, f64)> {
    text.split('(').skip(1).find_map(|part| {
        let inner = part.split(')').next()?;
        let (part, whole) = inner.split_once('/')?;
        let part: f64 = part.trim().parse().ok()?;
        let whole: f64 = whole.split_whitespace().next()?.parse().ok()?;
        (whole > 0.0).then_some((part, whole))
    })
}

/// Does `text` name this flag, as an argument (`--max-num-seqs`, `--no-enable-..`) or as a
/// field (`max_num_seqs`)? A longer name that holds this one is another flag.
pub fn names_flag(text: &str, flag: &str) -> bool {
    let field = flag.replace('-', "_");
    let argument = format!("--{flag}");
    let negated = format!("--no-{flag}");
    holds_word(text, &field) || holds_word(text, &argument) || holds_word(text, &negated)
}

fn holds_word(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_they_stand() {
        let text = "requested memory for kv (-0.08/0.48 GiB). length is 4352. Try 8,192 tokens";
        assert_eq!(number_after(text, "memory for kv"), Some(-0.08));
        assert_eq!(count_after(text, "length is"), Some(4352));
        assert_eq!(count_after(text, "Try"), Some(8192));
        assert_eq!(number_after(text, "absent"), None);
        assert_eq!(number_after("x is ", "is"), None);
        assert_eq!(
            fraction("device cuda:0 (14.2/23.6 GiB) on"),
            Some((14.2, 23.6))
        );
        assert_eq!(fraction("no (numbers/here) at all"), None);
    }

    #[test]
    fn a_flag_is_named_in_either_form_and_only_whole() {
        assert!(names_flag(
            "argument --kv-cache-dtype: invalid",
            "kv-cache-dtype"
        ));
        assert!(names_flag("max_num_seqs (32).", "max-num-seqs"));
        assert!(names_flag(
            "unrecognized arguments: --no-enable-x",
            "enable-x"
        ));
        assert!(names_flag("argument --a/--max-num-seqs: x", "max-num-seqs"));
        assert!(!names_flag("--max-num-seqs-total", "max-num-seqs"));
        assert!(!names_flag("derived_max_model_len", "max-model-len"));
        assert!(!names_flag("seed", ""));
    }
}
