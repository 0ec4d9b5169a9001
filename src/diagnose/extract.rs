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

/// The size in GiB that follows `marker`: `2.00 GiB`, `512.00 MiB`.
pub fn gib_after(text: &str, marker: &str) -> Option<f64> {
    let at = text.find(marker)? + marker.len();
    size(text[at..].trim_start_matches([' ', '(']))
}

/// The size in GiB that stands before `marker`.
pub fn gib_before(text: &str, marker: &str) -> Option<f64> {
    let front = text[..text.find(marker)?].trim_end();
    let (front, _) = front.rsplit_once(' ')?;
    let start = front.rfind([' ', '(']).map_or(0, |at| at + 1);
    size(&text[start..])
}

/// `2.00 GiB ..`, in GiB.
fn size(text: &str) -> Option<f64> {
    let digits = text
        .bytes()
        .enumerate()
        .take_while(|(at, b)| b.is_ascii_digit() || *b == b'.' || (*at == 0 && *b == b'-'))
        .count();
    let number: f64 = text[..digits].trim_end_matches('.').parse().ok()?;
    let unit = text[digits..].trim_start();
    let bytes = match unit.get(..2)? {
        "Gi" | "GB" => 1.0,
        "Mi" | "MB" => 1024.0,
        "Ki" | "KB" => 1024.0 * 1024.0,
        "by" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number / bytes)
}

/// What stands between `open` and the next `close` behind it.
pub fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    let (inside, _) = rest.split_once(close)?;
    (!inside.is_empty()).then_some(inside)
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
    fn sizes_are_read_in_any_unit_on_either_side() {
        let text = "Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 23.56 GiB of which 1.02 GiB is free.";
        assert_eq!(gib_after(text, "Tried to allocate"), Some(0.5));
        assert_eq!(gib_after(text, "total capacity of"), Some(23.56));
        assert_eq!(gib_before(text, " is free"), Some(1.02));
        let old = "(GPU 0; 23.69 GiB total capacity; 20.10 GiB already allocated; 1.50 GiB free;";
        assert_eq!(gib_before(old, " total capacity"), Some(23.69));
        assert_eq!(gib_before(old, " free;"), Some(1.5));
        assert_eq!(
            gib_after("allocate 1048576 bytes", "allocate"),
            Some(1.0 / 1024.0)
        );
        assert_eq!(gib_after("memory: -1.46 GiB", "memory:"), Some(-1.46));
        assert_eq!(gib_after("memory: x", "memory:"), None);
        assert_eq!(gib_before("free;", " free;"), None);
        assert_eq!(between("one 'two' three", "'", "'"), Some("two"));
        assert_eq!(between("one '' three", "'", "'"), None);
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
