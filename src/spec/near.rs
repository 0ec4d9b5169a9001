//! The valid name that somebody who wrote another probably meant.

/// The nearest of `names` to `written`; `None` when all are too far away to be meant. `-` and
/// `_`, upper and lower case count as equal.
pub fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |name: &str| name.to_lowercase().replace('_', "-");
    let wanted = plain(written);
    names
        .into_iter()
        .map(|name| {
            let candidate = plain(name);
            (
                strsim::damerau_levenshtein(&wanted, &candidate),
                candidate.chars().count(),
                name,
            )
        })
        // More than one change in three characters is another word, not a slip.
        .filter(|(distance, length, name)| {
            let slip = (wanted.chars().count().max(*length) / 3).max(1);
            (*distance <= slip && *distance < *length) || continues(&wanted, &plain(name))
        })
        .min_by_key(|(distance, length, _)| (*distance, *length))
        .map(|(_, _, name)| name)
}

/// `max` and `maximum`, `api-key` and `api-key-env`.
fn continues(one: &str, other: &str) -> bool {
    one.len().min(other.len()) >= 3 && (one.starts_with(other) || other.starts_with(one))
}

/// What to do about an unknown name: the nearest valid one, else all of them.
pub fn suggestion<'n>(
    written: &str,
    names: impl IntoIterator<Item = &'n str> + Clone,
    what: &str,
) -> Option<String> {
    if let Some(near) = nearest(written, names.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    (!all.is_empty()).then(|| format!("{what}: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = ["gpu-mem", "max-num-seqs", "prefix", "p50"];
        for (written, near) in [
            ("gpu_men", Some("gpu-mem")),
            ("max-seqs", Some("max-num-seqs")),
            ("Prefix", Some("prefix")),
            ("p5", Some("p50")),
            ("gpu-memory-used-for-everything", Some("gpu-mem")),
            ("pr", None),
            ("x", None),
            ("", None),
            ("temperature", None),
        ] {
            assert_eq!(nearest(written, names), near, "{written}");
        }
    }

    #[test]
    fn without_a_near_name_all_are_listed() {
        assert_eq!(
            suggestion("zzz", ["min", "max"], "goals").as_deref(),
            Some("goals: `min`, `max`")
        );
        assert_eq!(suggestion("zzz", [], "goals"), None);
    }
}
