//! Any bytes, split anywhere, give the same events as the same bytes in one piece, and no event
//! can make the reader of chat events panic.

#![no_main]

use arbitrary::Arbitrary;
use gridrun::load::chat::read_event;
use gridrun::load::sse::{SseDecoder, SseError};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Stream<'a> {
    lengths: Vec<u8>,
    bytes: &'a [u8],
}

/// The name, if it has one, and the data.
type Event = (Option<String>, String);

fn decode<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Event>, Result<(), SseError>, bool) {
    let mut decoder = SseDecoder::default();
    let mut events = Vec::new();
    let mut result = Ok(());
    for piece in pieces {
        result = decoder.push(piece, |event| {
            events.push((event.name.map(str::to_owned), event.data.to_owned()));
        });
        if result.is_err() {
            break;
        }
    }
    (events, result, decoder.is_inside_event())
}

fuzz_target!(|stream: Stream<'_>| {
    let (events, result, inside) = decode(std::iter::once(stream.bytes));
    let mut rest = stream.bytes;
    let mut lengths = stream.lengths.iter().map(|length| usize::from(*length));
    let split = decode(std::iter::from_fn(|| {
        if rest.is_empty() {
            return None;
        }
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        Some(piece)
    }));
    if result.is_ok() {
        assert_eq!(split, (events.clone(), result, inside));
    } else {
        assert_eq!((&split.0, split.1), (&events, result));
    }
    for (_, data) in &events {
        let _ = read_event(data);
    }
});
