//! Any bytes are a journal or a named line that is none; what was read is written and read again
//! as the same events; a torn tail changes nothing that came before it.

#![no_main]

use gridrun::store::journal::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(events) = parse(bytes) else {
        return;
    };
    let mut written = Vec::new();
    for event in &events {
        serde_json::to_writer(&mut written, event).expect("an event is plain data");
        written.push(b'\n');
    }
    let whole = written.len();
    written.extend_from_slice(b"{\"at\":");
    assert_eq!(parse(&written).expect("what was written is read"), events);
    assert_eq!(
        parse(&written[..whole]).expect("what was written is read"),
        events
    );
});
