//! Server-sent events: bytes in any split become events (the HTML standard, "Interpreting an
//! event stream").
//!
//! Knows nothing of HTTP, of time, or of what the data of an event mean. The usual event, one
//! `data` line that lies whole in the bytes that came, is given away where it lies.

use memchr::memchr2;

/// Longest line, and largest event, that is taken; a stream that exceeds it is not one.
pub const MAX_EVENT_BYTES: usize = 4 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The `event` field; `None` for a plain message.
    pub name: Option<&'a str>,
    /// The `data` lines, joined by line feeds.
    pub data: &'a str,
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
    /// Takes the next bytes and hands the events that they complete to `take`.
    ///
    /// # Errors
    /// When the bytes are no event stream. Events that were complete before were handed over;
    /// every later call fails in the same way.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(SseEvent<'_>),
    ) -> Result<(), SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.read(bytes, &mut take);
        self.failed = result.err();
        result
    }

    /// True when bytes were taken that no event has used: the stream broke off inside one.
    pub fn is_inside_event(&self) -> bool {
        !self.line.is_empty() || self.has_data
    }

    fn read(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(SseEvent<'_>),
    ) -> Result<(), SseError> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(at) = memchr2(b'\n', b'\r', bytes) {
            let part = &bytes[..at];
            bytes = self.past_line_end(&bytes[at..]);
            if !self.line.is_empty() {
                self.extend_line(part)?;
                let line = std::mem::take(&mut self.line);
                let ended = self.end_line(&line, take);
                // Its room is used again.
                self.line = line;
                self.line.clear();
                ended?;
            } else if let Some(value) = self.whole_event(part, bytes) {
                bytes = self.past_line_end(bytes);
                let data = std::str::from_utf8(value).map_err(|_| SseError::NotUtf8)?;
                let name = self.name.take();
                take(SseEvent {
                    name: name.as_deref(),
                    data,
                });
            } else if part.len() > MAX_EVENT_BYTES {
                return Err(SseError::TooLarge);
            } else {
                self.end_line(part, take)?;
            }
        }
        self.extend_line(bytes)
    }

    /// The value of a data line that is an event by itself: nothing of the event came before
    /// it, and an empty line follows.
    fn whole_event<'a>(&self, line: &'a [u8], after: &[u8]) -> Option<&'a [u8]> {
        let value = line.strip_prefix(b"data:")?;
        let is_whole = self.past_start
            && !self.has_data
            && matches!(after.first(), Some(b'\n' | b'\r'))
            && line.len() <= MAX_EVENT_BYTES;
        is_whole.then(|| value.strip_prefix(b" ").unwrap_or(value))
    }

    /// What follows the line end with which the bytes begin.
    fn past_line_end<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match bytes {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                self.after_cr = true;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => bytes,
        }
    }

    fn extend_line(&mut self, part: &[u8]) -> Result<(), SseError> {
        if self.line.len() + part.len() > MAX_EVENT_BYTES {
            return Err(SseError::TooLarge);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(
        &mut self,
        line: &[u8],
        take: &mut impl FnMut(SseEvent<'_>),
    ) -> Result<(), SseError> {
        let mut rest = line;
        if !self.past_start {
            self.past_start = true;
            rest = rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest);
        }
        let line = std::str::from_utf8(rest).map_err(|_| SseError::NotUtf8)?;
        if line.is_empty() {
            self.dispatch(take);
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

    fn dispatch(&mut self, take: &mut impl FnMut(SseEvent<'_>)) {
        let name = self.name.take();
        if std::mem::take(&mut self.has_data) {
            take(SseEvent {
                name: name.as_deref(),
                data: &self.data,
            });
            self.data.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};

    use super::*;

    /// An event with a name of its own, or none.
    type Written = (Option<String>, String);

    fn written(event: SseEvent<'_>) -> Written {
        (event.name.map(str::to_owned), event.data.to_owned())
    }

    fn plain(data: &str) -> Written {
        (None, data.to_owned())
    }

    /// What a stream gives when it is fed in pieces of these sizes (the rest in one piece), its
    /// error, and whether it ends inside an event.
    fn decode(bytes: &[u8], sizes: &[usize]) -> (Vec<Written>, Option<SseError>, bool) {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        let mut rest = bytes;
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(usize::MAX));
        let mut error = None;
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
            let (piece, after) = rest.split_at(size);
            error = decoder
                .push(piece, |event| events.push(written(event)))
                .err();
            rest = after;
        }
        let inside = decoder.is_inside_event();
        (events, error, inside && error.is_none())
    }

    /// The same by the letter of the standard: whole text, line after line, nothing borrowed.
    fn by_the_letter(bytes: &[u8]) -> (Vec<Written>, Option<SseError>, bool) {
        let whole = bytes;
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
        while at < bytes.len() {
            match bytes[at] {
                b'\n' => lines.push(std::mem::take(&mut line)),
                b'\r' => {
                    lines.push(std::mem::take(&mut line));
                    at += usize::from(bytes.get(at + 1) == Some(&b'\n'));
                }
                byte => line.push(byte),
            }
            at += 1;
        }
        let is_first_line = lines.is_empty() && !whole.is_empty();
        let (mut events, mut name, mut data) = (Vec::new(), None, Vec::new());
        for line in lines {
            let Ok(line) = String::from_utf8(line) else {
                return (events, Some(SseError::NotUtf8), false);
            };
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" if line.is_empty() => {
                    let name = name.take();
                    if !data.is_empty() {
                        events.push((name, std::mem::take(&mut data).join("\n")));
                    }
                }
                "data" => data.push(value),
                "event" => name = Some(value).filter(|name| !name.is_empty()),
                _ => {}
            }
        }
        let inside = is_first_line || !line.is_empty() || !data.is_empty();
        (events, None, inside)
    }

    fn data(text: &str) -> Vec<String> {
        let (events, error, _) = decode(text.as_bytes(), &[]);
        assert_eq!(error, None);
        events.into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn every_line_ending_ends_a_line() {
        for text in [
            "data: a\n\ndata: b\n\n",
            "data: a\r\n\r\ndata: b\r\n\r\n",
            "data: a\r\rdata: b\r\r",
            "data: a\n\r\ndata: b\r\n\r",
        ] {
            assert_eq!(data(text), ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn a_crlf_split_between_its_bytes_is_one_line_ending() {
        let text = b"data: a\r\ndata: b\r\n\r\n";
        assert_eq!(decode(text, &[1; 32]), (vec![plain("a\nb")], None, false));
    }

    #[test]
    fn comments_and_other_fields_are_no_data() {
        assert_eq!(data(": ping\n\nid: 7\nretry: 1\ndata:x\n\n"), ["x"]);
        assert_eq!(data("data\n\n"), [""]);
        assert_eq!(data("data:  two\n\n"), [" two"]);
        assert_eq!(data("event: error\n\n"), Vec::<String>::new());
        assert_eq!(data("database: x\n\ndata: y\n\n"), ["y"]);
    }

    #[test]
    fn data_lines_are_joined_and_names_kept() {
        let (events, ..) = decode(b"event: note\ndata: a\ndata: b\n\ndata: c\n\n", &[]);
        let note = (Some("note".to_owned()), "a\nb".to_owned());
        assert_eq!(events, [note, plain("c")]);
        let (events, ..) = decode(b": first\nevent: note\ndata: a\n\ndata: b\n\n", &[]);
        assert_eq!(
            events,
            [(Some("note".to_owned()), "a".to_owned()), plain("b")]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_start_only() {
        assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
        assert_eq!(data("data: a\n\n\u{feff}data: b\n\n"), ["a"]);
    }

    #[test]
    fn an_event_that_is_not_complete_is_not_given_away() {
        for text in ["data: a\n\ndata: b\n", "data: a\n\nda"] {
            let expected = (vec![plain("a")], None, true);
            assert_eq!(decode(text.as_bytes(), &[]), expected);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error_and_stay_one() {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        let mut push = |bytes: &[u8]| decoder.push(bytes, |event| events.push(written(event)));
        let first = push(b"data: a\n\ndata: \xff\n\n");
        assert_eq!(first, Err(SseError::NotUtf8));
        assert_eq!(push(b"data: b\n\n"), Err(SseError::NotUtf8));
        assert_eq!(events, [plain("a")]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let piece = vec![b'x'; 1 << 16];
        let fed = |head: &[u8], piece: &[u8]| {
            let mut decoder = SseDecoder::default();
            decoder.push(head, |_| panic!("no event ends")).unwrap();
            let fed = |_| decoder.push(piece, |_| panic!("no event ends")).err();
            (0..=MAX_EVENT_BYTES / (1 << 16)).find_map(fed)
        };
        assert_eq!(fed(b"data: ", &piece), Some(SseError::TooLarge));
        let line = [b"data: ".as_slice(), &piece, b"\n"].concat();
        assert_eq!(fed(b"", &line), Some(SseError::TooLarge));
        let in_one_piece = [
            b": \ndata: ",
            vec![b'x'; MAX_EVENT_BYTES].as_slice(),
            b"\n\n",
        ]
        .concat();
        assert_eq!(fed(b"", &in_one_piece), Some(SseError::TooLarge));
    }

    #[test]
    fn a_huge_event_arrives_whole() {
        let huge = "x".repeat(3 << 20);
        let text = format!("data: {huge}\n\ndata: b\n\n");
        for sizes in [vec![], vec![8192; 1000], vec![1 << 20]] {
            let (events, error, inside) = decode(text.as_bytes(), &sizes);
            assert_eq!((error, inside), (None, false));
            assert_eq!(events, [plain(&huge), plain("b")]);
        }
    }

    /// Streams of everything that matters to the decoder, in any order.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let parts = vec![
            "data: ",
            "data:",
            "data",
            "event: e",
            ":",
            " ",
            "\n",
            "\r",
            "\r\n",
            "\n\n",
            "\r\n\r\n",
            "\u{feff}",
            "é",
            "x",
            "[DONE]",
            "{\"a\":1}",
            "id",
            "data: {}\n\n",
            ": ping\n\n",
            "data: a\ndata: b\n\n",
        ];
        let parts = prop::collection::vec(prop::sample::select(parts), 0..40);
        let noise = prop::collection::vec(any::<u8>(), 0..4);
        (parts, noise).prop_map(|(parts, noise)| [parts.concat().as_bytes(), &noise].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

        #[test]
        fn any_split_gives_what_the_standard_says(
            bytes in streams(),
            sizes in prop::collection::vec(1_usize..9, 0..60),
        ) {
            let expected = by_the_letter(&bytes);
            prop_assert_eq!(&decode(&bytes, &[]), &expected);
            prop_assert_eq!(&decode(&bytes, &sizes), &expected);
            prop_assert_eq!(&decode(&bytes, &vec![1; bytes.len()]), &expected);
        }
    }
}
