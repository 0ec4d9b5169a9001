//! Failed requests in words, for notes and for the reason of a failed node.

use crate::measure::request::RequestFailure;

/// Most of a foreign text that a reason quotes, in characters.
const QUOTED_CHARS: usize = 160;

/// One failure, short.
pub fn reason(failure: &RequestFailure) -> String {
    match failure {
        RequestFailure::Connect { detail } => format!("no connection ({})", quoted(detail)),
        RequestFailure::Status { status, body } => format!("HTTP {status} ({})", quoted(body)),
        RequestFailure::ErrorEvent { message } => format!("error event ({})", quoted(message)),
        RequestFailure::Cut { detail } => format!("cut ({})", quoted(detail)),
        RequestFailure::Stalled { after_ms } => format!("nothing arrived for {after_ms} ms"),
        RequestFailure::Garbled { detail } => format!("garbled ({})", quoted(detail)),
        RequestFailure::Unexpected { detail } => format!("unexpected answer ({})", quoted(detail)),
    }
}

/// Equal texts with their counts, in the order of their first appearance: `3 x a, 1 x b`.
pub fn tally(texts: impl IntoIterator<Item = String>) -> String {
    let mut counts: Vec<(String, u32)> = Vec::new();
    for text in texts {
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, n)) => *n += 1,
            None => counts.push((text, 1)),
        }
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(text, n)| format!("{n} x {text}"))
        .collect();
    parts.join(", ")
}

/// The beginning of a foreign text, on one line.
fn quoted(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(QUOTED_CHARS) {
        line.truncate(end);
        line.push_str("..");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_reasons_are_counted_and_long_ones_cut() {
        let status = RequestFailure::Status {
            status: 500,
            body: "a\n b".to_owned(),
        };
        let long = RequestFailure::Garbled {
            detail: "é".repeat(500),
        };
        let text = tally([reason(&status), reason(&long), reason(&status)]);
        let expected = format!(
            "2 x HTTP 500 (a b), 1 x garbled ({}..)",
            "é".repeat(QUOTED_CHARS)
        );
        assert_eq!(text, expected);
    }
}
