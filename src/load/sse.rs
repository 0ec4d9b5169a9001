//! Server-sent events: bytes in any split become events (the HTML standard, "Interpreting an
//! event stream").
//!
//! Knows nothing of HTTP, of time, or of what the data of an event mean.

/// Longest line, and largest event, that is taken; a stream that exceeds it is not one.
pub const MAX_EVENT_BYTES: usize = 4 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event` field; `None` for a plain message.
    pub name: Option<String>,
    /// The `data` lines, joined by line feeds.
    pub data: String,
}

/// The bytes are no event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    #[error("an event is larger than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

/// Takes bytes, gives events. What comes out does not depend on where the bytes were split.
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// The line that is not complete yet, without its end.
    line: Vec<u8>,
    /// Data lines of the event that is not complete yet.
    data: String,
    has_data: bool,
    name: Option<String>,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The first line was seen, so that a byte order mark can no longer come.
    past_start: bool,
    failed: Option<SseError>,
}

impl SseDecoder {
    /// Takes the next bytes and appends the events that they complete to `events`.
    ///
    /// # Errors
    /// When the bytes are no event stream. Events that were complete before are in `events`;
    /// every later call fails in the same way.
    pub fn push(&mut self, mut bytes: &[u8], events: &mut Vec<SseEvent>) -> Result<(), SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.take(&mut bytes, events);
        self.failed = result.err();
        result
    }

    /// True when bytes were taken that no event has used: the stream broke off inside one.
    pub fn is_inside_event(&self) -> bool {
        !self.line.is_empty() || self.has_data
    }

    fn take(&mut self, bytes: &mut &[u8], events: &mut Vec<SseEvent>) -> Result<(), SseError> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            *bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(at) = bytes
            .iter()
            .position(|&byte| byte == b'\n' || byte == b'\r')
        {
            self.extend_line(&bytes[..at])?;
            let ended_by_cr = bytes[at] == b'\r';
            *bytes = &bytes[at + 1..];
            self.end_line(events)?;
            if ended_by_cr {
                match bytes.first() {
                    Some(b'\n') => *bytes = &bytes[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        self.extend_line(bytes)
    }

    fn extend_line(&mut self, part: &[u8]) -> Result<(), SseError> {
        if self.line.len() + part.len() > MAX_EVENT_BYTES {
            return Err(SseError::TooLarge);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<SseEvent>) -> Result<(), SseError> {
        let bytes = std::mem::take(&mut self.line);
        let mut rest = bytes.as_slice();
        if !self.past_start {
            self.past_start = true;
            rest = rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest);
        }
        let line = std::str::from_utf8(rest).map_err(|_| SseError::NotUtf8)?;
        if line.is_empty() {
            self.dispatch(events);
            return Ok(());
        }
        // A line without a colon is a field with an empty value; one that begins with a colon
        // is a comment.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.data.len() + value.len() + 1 > MAX_EVENT_BYTES {
                    return Err(SseError::TooLarge);
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "event" => self.name = (!value.is_empty()).then(|| value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, events: &mut Vec<SseEvent>) {
        let name = self.name.take();
        if std::mem::take(&mut self.has_data) {
            events.push(SseEvent {
                name,
                data: std::mem::take(&mut self.data),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};

    use super::*;

    /// What a stream gives when it is fed in pieces of these sizes (the last one repeats).
    fn decode(bytes: &[u8], sizes: &[usize]) -> (Vec<String>, Option<SseError>, bool) {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        let mut rest = bytes;
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(usize::MAX));
        let mut error = None;
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
            let (piece, after) = rest.split_at(size);
            error = decoder.push(piece, &mut events).err();
            rest = after;
        }
        let inside = decoder.is_inside_event();
        (
            events.into_iter().map(|event| event.data).collect(),
            error,
            inside && error.is_none(),
        )
    }

    fn data(text: &str) -> Vec<String> {
        let (events, error, _) = decode(text.as_bytes(), &[]);
        assert_eq!(error, None);
        events
    }

    #[test]
    fn every_line_ending_ends_a_line() {
        for text in [
            "data: a\n\ndata: b\n\n",
            "data: a\r\n\r\ndata: b\r\n\r\n",
            "data: a\r\rdata: b\r\r",
        ] {
            assert_eq!(data(text), ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn a_crlf_split_between_its_bytes_is_one_line_ending() {
        let text = b"data: a\r\ndata: b\r\n\r\n";
        assert_eq!(
            decode(text, &[1; 32]),
            (vec!["a\nb".to_owned()], None, false)
        );
    }

    #[test]
    fn comments_and_other_fields_are_no_data() {
        assert_eq!(data(": ping\n\nid: 7\nretry: 1\ndata:x\n\n"), ["x"]);
        assert_eq!(data("data\n\n"), [""]);
        assert_eq!(data("data:  two\n\n"), [" two"]);
        assert_eq!(data("event: error\n\n"), Vec::<String>::new());
    }

    #[test]
    fn data_lines_are_joined_and_names_kept() {
        let mut events = Vec::new();
        SseDecoder::default()
            .push(b"event: note\ndata: a\ndata: b\n\ndata: c\n\n", &mut events)
            .unwrap();
        let expected = [
            SseEvent {
                name: Some("note".to_owned()),
                data: "a\nb".to_owned(),
            },
            SseEvent {
                name: None,
                data: "c".to_owned(),
            },
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_start_only() {
        assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
        assert_eq!(data("data: a\n\n\u{feff}data: b\n\n"), ["a"]);
    }

    #[test]
    fn an_event_that_is_not_complete_is_not_given_away() {
        assert_eq!(
            decode(b"data: a\n\ndata: b\n", &[]),
            (vec!["a".to_owned()], None, true)
        );
        assert_eq!(
            decode(b"data: a\n\nda", &[]),
            (vec!["a".to_owned()], None, true)
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error_and_stay_one() {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        let first = decoder.push(b"data: a\n\ndata: \xff\n\n", &mut events);
        assert_eq!((first, events.len()), (Err(SseError::NotUtf8), 1));
        assert_eq!(
            decoder.push(b"data: b\n\n", &mut events),
            Err(SseError::NotUtf8)
        );
        assert_eq!(events.len(), 1);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let piece = vec![b'x'; 1 << 16];
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        decoder.push(b"data: ", &mut events).unwrap();
        let error = (0..=MAX_EVENT_BYTES / piece.len())
            .find_map(|_| decoder.push(&piece, &mut events).err());
        assert_eq!(error, Some(SseError::TooLarge));

        let mut many_lines = SseDecoder::default();
        let line = [b"data: ".as_slice(), &piece, b"\n"].concat();
        let error = (0..=MAX_EVENT_BYTES / piece.len())
            .find_map(|_| many_lines.push(&line, &mut events).err());
        assert_eq!(error, Some(SseError::TooLarge));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_split_does_not_matter(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "data: ", "data:", "data", "event: e", ":", " ", "\n", "\r", "\r\n", "\n\n",
                    "\u{feff}", "é", "x", "[DONE]", "{\"a\":1}", "id",
                ]),
                0..40,
            ),
            noise in prop::collection::vec(any::<u8>(), 0..4),
            sizes in prop::collection::vec(1_usize..9, 0..60),
        ) {
            let bytes = [parts.concat().as_bytes(), &noise].concat();
            let whole = decode(&bytes, &[]);
            prop_assert_eq!(&decode(&bytes, &sizes), &whole);
            prop_assert_eq!(&decode(&bytes, &vec![1; bytes.len()]), &whole);
        }
    }
}
