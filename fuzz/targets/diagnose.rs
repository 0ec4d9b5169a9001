//! Any log with any end is named without a panic, the same way twice, and the failure survives
//! being stored.

#![no_main]

use arbitrary::Arbitrary;
use gridrun::diagnose::{Evidence, Failure, Phase, diagnose};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Ending<'a> {
    exit_code: Option<i64>,
    oom_killed: Option<bool>,
    serving: Option<bool>,
    varied: bool,
    runtime_error: Option<&'a str>,
    log: &'a [u8],
}

fuzz_target!(|ending: Ending<'_>| {
    let log = String::from_utf8_lossy(ending.log);
    let varied: &[&str] = if ending.varied {
        &["gpu-memory-utilization", "max-num-seqs", "tool-call-parser"]
    } else {
        &[]
    };
    let phase = |serving| match serving {
        true => Phase::Serving,
        false => Phase::Starting,
    };
    let evidence = Evidence {
        exit_code: ending.exit_code,
        oom_killed: ending.oom_killed,
        runtime_error: ending.runtime_error,
        phase: ending.serving.map(phase),
        varied_flags: varied,
        ..Evidence::of(&log)
    };
    let failure = diagnose(&evidence);
    assert_eq!(diagnose(&evidence), failure);
    let stored = serde_json::to_string(&failure).expect("a failure is plain data");
    let read: Failure = serde_json::from_str(&stored).expect("a stored failure is read back");
    assert_eq!(read, failure);
});
