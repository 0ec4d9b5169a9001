//! Which names stand for secrets, and how a line of a file is shown without the secret that
//! somebody wrote into it.

/// True for a variable whose value must come from the environment: one of the words of its
/// name ends in KEY or TOKEN, or it speaks of a SECRET or a PASSWORD. `TOKENIZERS_PARALLELISM`
/// and `MAX_TOKENS` are none.
pub fn is_secret_variable(name: &str) -> bool {
    speaks_of_a_secret(name) || words(name).any(|word| names_a_secret(&word))
}

/// True for a flag whose value is a secret: the same, but of its words only the last counts
/// (`hf-token`, not `long-prefill-token-threshold`).
pub fn is_secret_flag(name: &str) -> bool {
    speaks_of_a_secret(name) || words(name).last().is_some_and(|word| names_a_secret(&word))
}

/// What [`is_secret_variable`] says, as a regular expression for those who cannot ask it.
pub const VARIABLE_PATTERN: &str = "(?:[Kk][Ee][Yy]|[Tt][Oo][Kk][Ee][Nn])(?:[-_]|$)|[Ss][Ee][Cc][Rr][Ee][Tt]|[Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd]";

/// What [`is_secret_flag`] says, likewise.
pub const FLAG_PATTERN: &str = "(?:[Kk][Ee][Yy]|[Tt][Oo][Kk][Ee][Nn])$|[Ss][Ee][Cc][Rr][Ee][Tt]|[Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd]";

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(['_', '-']).map(str::to_uppercase)
}

fn names_a_secret(word: &str) -> bool {
    word.ends_with("KEY") || word.ends_with("TOKEN")
}

fn speaks_of_a_secret(name: &str) -> bool {
    let upper = name.to_uppercase();
    upper.contains("SECRET") || upper.contains("PASSWORD")
}

/// A line of TOML, sound or broken, with every value under a secret's name replaced by as many
/// stars as it has bytes, so that positions in it still hold. What should be the name of a
/// variable is hidden too, unless it looks like one: it may be the secret itself.
pub fn mask(line: &str) -> String {
    let mut shown = line.to_owned();
    for (mark, _) in line.match_indices(['=', ':']) {
        let name = line[..mark]
            .trim_end()
            .trim_end_matches(['"', '\''])
            .rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .next()
            .unwrap_or_default();
        let value = line[mark + 1..].trim_start();
        let start = line.len() - value.len();
        let misplaced = name.replace('_', "-").ends_with("-env") && !begins_with_variable(value);
        if !(is_secret(name) || misplaced) {
            continue;
        }
        let hidden = hidden_part(value);
        let quoted = value.starts_with(['"', '\'']);
        let quotes = if quoted { &value[..1] } else { "" };
        let closed = quoted && hidden > 1 && value[..hidden].ends_with(quotes);
        let stars = hidden.saturating_sub(quotes.len() * if closed { 2 } else { 1 });
        let masked = format!(
            "{quotes}{}{}",
            "*".repeat(stars),
            if closed { quotes } else { "" }
        );
        shown.replace_range(start..start + hidden, &masked);
    }
    shown
}

fn is_secret(name: &str) -> bool {
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        is_secret_variable(name)
    } else {
        is_secret_flag(name)
    }
}

/// How many bytes of a value must not be seen: a text to its closing quote, anything else (an
/// open text, several lines, a list, a word without quotes) to the end of the line. A reference
/// to a variable is no secret.
fn hidden_part(value: &str) -> usize {
    let reference = value
        .strip_prefix('{')
        .and_then(|inner| inner.trim_start().strip_prefix("from-env"))
        .and_then(|rest| rest.trim_start().strip_prefix('='))
        .is_some_and(|rest| begins_with_variable(rest.trim_start()));
    if reference {
        return 0;
    }
    match value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        Some(quote) if !value[1..].starts_with(quote) => {
            closing(&value[1..], quote).map_or(value.len(), |at| at + 2)
        }
        _ => value.len(),
    }
}

/// `"HF_TOKEN"`: a text of capitals, digits and underscores.
fn begins_with_variable(value: &str) -> bool {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return false;
    };
    closing(&value[1..], quote).is_some_and(|end| {
        value[1..=end]
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "HF_TOKEN",
            "OPENAI_API_KEY",
            "API_KEY_2",
            "APIKEY",
            "my_secret_x",
            "PGPASSWORD",
        ] {
            assert!(is_secret_variable(name), "{name}");
        }
        for name in [
            "TOKENIZERS_PARALLELISM",
            "VLLM_MAX_TOKENS",
            "HF_HOME",
            "KEYS_A",
        ] {
            assert!(!is_secret_variable(name), "{name}");
        }
        for name in ["api-key", "hf-token", "hf_token"] {
            assert!(is_secret_flag(name), "{name}");
        }
        for name in [
            "long-prefill-token-threshold",
            "api-key-env",
            "tokenizer",
            "ssl-keyfile",
        ] {
            assert!(!is_secret_flag(name), "{name}");
        }
    }

    #[test]
    fn only_the_secret_is_hidden_and_positions_hold() {
        for (line, shown) in [
            (
                r#"HF_TOKEN = "hf_é\"x" # why"#,
                r#"HF_TOKEN = "********" # why"#,
            ),
            ("e = { A_KEY='k', B = 'b' }", "e = { A_KEY='*', B = 'b' }"),
            ("HF_TOKEN = \"open", "HF_TOKEN = \"****"),
            ("HF_TOKEN = bare", "HF_TOKEN = ****"),
            ("export HF_TOKEN=bare", "export HF_TOKEN=****"),
            ("HF_TOKEN: bare", "HF_TOKEN: ****"),
            ("\"HF_TOKEN\" = \"a\"", "\"HF_TOKEN\" = \"*\""),
            ("HF_TOKEN = \"\"\"ab", "HF_TOKEN = \"****"),
            ("HF_TOKEN = ['a', 'b']", "HF_TOKEN = **********"),
            (
                "HF_TOKEN = { from-env = \"HF_TOKEN\" }",
                "HF_TOKEN = { from-env = \"HF_TOKEN\" }",
            ),
            (
                "X = { from-env = \"hf_ab\" }",
                "X = { from-env = \"*****\" }",
            ),
            ("hf-token = 'x'", "hf-token = '*'"),
            ("api-key-env = \"NAME\"", "api-key-env = \"NAME\""),
            ("api_key_env = \"sk-1\"", "api_key_env = \"****\""),
            ("gpu-mem = [0.9]", "gpu-mem = [0.9]"),
        ] {
            assert_eq!(mask(line), shown);
            assert_eq!(mask(line).len(), line.len());
        }
    }
}
