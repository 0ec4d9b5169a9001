//! Takes known secret values out of a stream of bytes, however the stream is cut.
//!
//! Pure: knows nothing of files, and nothing of where the values come from.

/// What stands in the place of a secret value.
pub const HIDDEN: &str = "[hidden]";

/// Values shorter than this are left alone: a value of one or two characters is no secret, and
/// replacing it everywhere would make the log unreadable.
pub const SHORTEST_SECRET: usize = 4;

/// Replaces secret values in one stream. The result does not depend on how the stream is cut:
/// bytes that may turn out to be the beginning of a secret are held back until it is known.
#[derive(Debug, Clone)]
pub struct Redactor {
    /// Longest first, so that of two that begin alike the longer one is replaced.
    secrets: Vec<Vec<u8>>,
    held: Vec<u8>,
}

impl Redactor {
    /// Hides `secrets`; those shorter than [`SHORTEST_SECRET`] bytes are ignored.
    pub fn new<S: AsRef<str>>(secrets: &[S]) -> Self {
        let mut secrets: Vec<Vec<u8>> = secrets
            .iter()
            .map(|secret| secret.as_ref().as_bytes().to_vec())
            .filter(|secret| secret.len() >= SHORTEST_SECRET)
            .collect();
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self {
            secrets,
            held: Vec::new(),
        }
    }

    /// Takes the next bytes and gives those that are safe to store.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let (safe, consumed) = self.scan(Rest::MayGoOn);
        self.held.drain(..consumed);
        safe
    }

    /// The stream has ended: gives what was held back.
    pub fn finish(&mut self) -> Vec<u8> {
        let (safe, _) = self.scan(Rest::IsTheEnd);
        self.held.clear();
        safe
    }

    /// The redacted front of what is held, and how many held bytes it stands for.
    fn scan(&self, rest: Rest) -> (Vec<u8>, usize) {
        let mut safe = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while at < self.held.len() {
            let ahead = &self.held[at..];
            let undecided = self
                .secrets
                .iter()
                .any(|secret| secret.len() > ahead.len() && secret.starts_with(ahead));
            if undecided && rest == Rest::MayGoOn {
                break;
            }
            match self.secrets.iter().find(|secret| ahead.starts_with(secret)) {
                Some(secret) => {
                    safe.extend_from_slice(HIDDEN.as_bytes());
                    at += secret.len();
                }
                None => {
                    safe.push(ahead[0]);
                    at += 1;
                }
            }
        }
        (safe, at)
    }
}

/// Whether more bytes may follow those that are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    MayGoOn,
    IsTheEnd,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(secrets: &[&str], chunks: &[&str]) -> String {
        let mut redactor = Redactor::new(secrets);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(redactor.push(chunk.as_bytes()));
        }
        out.extend(redactor.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_replaced_wherever_the_stream_is_cut() {
        assert_eq!(redact(&["hunter22"], &["key=hunter22!"]), "key=[hidden]!");
        assert_eq!(
            redact(&["hunter22"], &["key=hun", "ter", "22!"]),
            "key=[hidden]!"
        );
        assert_eq!(redact(&["hunter22"], &["hunhunter2", "2"]), "hun[hidden]");
    }

    #[test]
    fn only_the_possible_beginning_of_a_secret_is_held_back() {
        let mut redactor = Redactor::new(&["hunter22"]);
        assert_eq!(redactor.push(b"key=hun"), b"key=");
        assert_eq!(redactor.push(b"ger\n"), b"hunger\n");
        assert_eq!(redactor.push(b"hunt"), b"");
        assert_eq!(redactor.finish(), b"hunt");
    }

    #[test]
    fn of_two_secrets_that_begin_alike_the_longer_one_wins() {
        assert_eq!(redact(&["abcd", "abcdef"], &["abcd", "ef."]), "[hidden].");
        assert_eq!(redact(&["abcd", "abcdef"], &["abcd", "e."]), "[hidden]e.");
    }

    #[test]
    fn values_too_short_to_be_secret_stay() {
        assert_eq!(redact(&["", "1", "abc"], &["1 abc"]), "1 abc");
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter_and_nothing_secret_is_left(
            text in "[ab]{0,60}",
            secrets in proptest::collection::vec("[ab]{4,7}", 1..4),
            cuts in proptest::collection::vec(0usize..60, 0..6),
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let mut cuts: Vec<usize> =
                cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&text[from..cut]);
                from = cut;
            }
            chunks.push(&text[from..]);

            let cut = redact(&secrets, &chunks);
            prop_assert_eq!(&cut, &redact(&secrets, &[&text]));
            for piece in cut.split(HIDDEN) {
                for secret in &secrets {
                    prop_assert!(!piece.contains(secret));
                }
            }
        }
    }
}
