//! What must hold of every written log, however it is dressed, cut or disturbed.

use proptest::prelude::*;

use crate::diagnose::tests::compact::{Case, cases};
use crate::diagnose::tests::decoration::{self, decoration};
use crate::diagnose::{Failure, FailureClass, Phase};

fn dressed(log: &str, collectors: &[&str]) -> String {
    let mut text = log.to_owned();
    for collector in collectors {
        let lines: Vec<String> = text
            .lines()
            .map(|line| decoration(collector, line))
            .collect();
        text = lines.join("\n");
    }
    text
}

#[test]
fn a_collectors_decoration_changes_nothing() {
    let mut complaints = Vec::new();
    for case in &cases() {
        for collector in decoration::ALL {
            let complaint = case.complaint(&dressed(&case.log, &[collector]));
            complaints.extend(complaint.map(|words| format!("{collector}: {words}")));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The end of a log, from every line on, knows less and never anything else.
#[test]
fn the_end_of_a_log_says_no_more_than_the_whole() {
    let mut complaints = Vec::new();
    for case in &cases() {
        let whole = case.run(&case.log);
        let lines: Vec<&str> = case.log.lines().collect();
        for from in 1..=lines.len() {
            let end = lines[from..].join("\n");
            let found = case.run(&end);
            if !is_less(case, &whole, &found, &end) {
                complaints.push(format!(
                    "{} from line {from} of {}: {} {}, whole {}; cause {:?}",
                    case.name,
                    lines.len(),
                    found.class,
                    found.phase,
                    whole.class,
                    found.cause,
                ));
            }
        }
    }
    let shown: Vec<&String> = complaints.iter().take(60).collect();
    assert!(complaints.is_empty(), "{}: {shown:#?}", complaints.len());
}

/// May the end of a case's log be called so?
fn is_less(case: &Case, whole: &Failure, found: &Failure, end: &str) -> bool {
    use FailureClass::{
        BadArgument, EngineDied, GpuMemoryTaken, GpuOomServing, GpuOomStartup, GpuUnavailable,
        Healthy, HostOom, KvCacheTooSmall, NcclFailure, PortInUse, Runtime, Stopped, Unknown,
    };
    let is_end_of_a_stop = matches!(case.exit_code, None | Some(0 | 130 | 137 | 143));
    match (case.class, found.class) {
        (_, Unknown) => true,
        (Healthy, Healthy) => true,
        (Healthy, _) => false,
        (Stopped, Stopped | Healthy) => true,
        // A kill, or what an end announces, that no word explains any more.
        (Stopped, EngineDied) => !end.contains("Shutting down"),
        (Stopped, _) => false,
        (wanted, same) if wanted == same => true,
        // Only the phase can be unknown.
        (GpuOomServing, GpuOomStartup) => true,
        // Only that it is gone is left, or the line of the cause without what made it one: the
        // place in the code, the other nodes.
        (_, EngineDied) => true,
        // The full device was /dev/shm.
        (HostOom, Runtime) => true,
        _ if holds_cause(whole, end) => false,
        // What its end dragged along, or how it was cleaned up.
        (_, Stopped) => is_end_of_a_stop,
        (_, Healthy) => case.exit_code.is_none(),
        (
            GpuOomStartup | GpuOomServing | GpuMemoryTaken | HostOom | EngineDied | PortInUse,
            NcclFailure,
        )
        | (KvCacheTooSmall, GpuOomStartup)
        | (GpuUnavailable, BadArgument) => true,
        (_, HostOom) => {
            case.oom_killed == Some(true)
                || matches!(case.exit_code, Some(135 | 137))
                || end.contains("SIGKILL by OOM killer")
        }
        (_, BadArgument) => case.exit_code == Some(2),
        _ => false,
    }
}

fn holds_cause(whole: &Failure, end: &str) -> bool {
    whole.cause.as_ref().is_some_and(|cause| {
        let words: String = cause.chars().take(60).collect();
        end.contains(&words)
    })
}

/// Reading is linear: were it not, this would not end within a day.
#[test]
fn long_logs_are_read_line_by_line() {
    let lines = [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            FailureClass::GpuOomStartup,
        ),
        ("EngineCore failed to start.", FailureClass::EngineDied),
        ("KeyError: 'a'", FailureClass::EngineDied),
        (
            "frame #3: <unknown function> + 0xdc253 (0x7f in libstdc++.so.6)",
            FailureClass::Unknown,
        ),
    ];
    for (line, class) in lines {
        let log = format!("{line}\n").repeat(3_000);
        let case = Case {
            name: line.to_owned(),
            exit_code: Some(1),
            oom_killed: None,
            class,
            phase: Phase::Starting,
            log: String::new(),
        };
        assert_eq!(case.complaint(&log), None);
    }
}

/// Everything that a log could say of a death.
const DEATHS: [&str; 12] = [
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB",
    "EngineCore encountered a fatal error.",
    "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
    "ValueError: No available memory for the cache blocks.",
    "RuntimeError: Engine core initialization failed. Failed core proc(s): {'EngineCore_0': -9}",
    "RuntimeError: NCCL error: unhandled system error",
    "!!!!!!! Segfault encountered !!!!!!!",
    "OSError: [Errno 98] Address already in use",
    "RuntimeError: No CUDA GPUs are available",
    "vllm serve: error: unrecognized arguments: --x",
    "Killed",
    "Shutting down",
];

/// A request as vLLM logs it, quoting what a user sent.
fn request(quoted: &str, form: usize) -> String {
    match form % 4 {
        0 => format!(
            "INFO 08-14 11:02:50 logger.py:36] Received request chat-1: prompt: '{quoted}', \
             params: SamplingParams(n=1, temperature=0.7), prompt_token_ids: [1, 2], \
             lora_request: None, prompt_adapter_request: None."
        ),
        1 => format!(
            "(APIServer pid=1) INFO 10-04 06:22:06 [logger.py:40] Received request chatcmpl-1: \
             prompt: \"a\n{quoted}\nb\", params: SamplingParams(n=1), prompt_token_ids: None, \
             lora_request: None."
        ),
        2 => format!(
            "INFO 01-18 09:20:01 async_llm_engine.py:379] Received request cmpl-1: prompt: \
             '{quoted}', sampling params: SamplingParams(n=1), prompt token ids: None."
        ),
        _ => format!(
            "(APIServer pid=1) INFO 10-04 06:22:06 [logger.py:71] Generated response \
             chatcmpl-1: output: '{quoted}', output_token_ids: None, finish_reason: stop"
        ),
    }
}

fn written() -> impl Strategy<Value = Case> {
    prop::sample::select(cases())
}

fn answering() -> impl Strategy<Value = Case> {
    let mut cases = cases();
    cases.retain(|case| case.phase == Phase::Serving && case.log.contains("HTTP/1.1\" 200"));
    prop::sample::select(cases)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn two_collectors_change_nothing(
        case in written(),
        first in prop::sample::select(decoration::ALL.to_vec()),
        second in prop::sample::select(decoration::ALL.to_vec()),
    ) {
        let log = dressed(&case.log, &[first, second]);
        prop_assert_eq!(case.complaint(&log), None);
    }

    #[test]
    fn the_end_from_any_place_says_no_more_than_the_whole(
        case in written(), place in any::<prop::sample::Index>(),
    ) {
        let starts: Vec<usize> = case.log.char_indices().map(|(at, _)| at).collect();
        prop_assume!(!starts.is_empty());
        let from = starts[place.index(starts.len())];
        let (before, end) = case.log.split_at(from);
        // Inside a prompt of several lines a user's words would stand alone.
        let inside = before.rfind("Received request").is_some_and(|request| {
            !before[request..].contains("arams(")
                && end.split("arams(").next().is_some_and(|quoted| quoted.contains('\n'))
        });
        prop_assume!(!inside);
        let (whole, found) = (case.run(&case.log), case.run(end));
        let whole_lines = end.split_once('\n').map_or("", |(_, rest)| rest);
        // Half a line can be what is left of anything; only it must not end a living engine.
        let lived = matches!(case.class, FailureClass::Healthy | FailureClass::Stopped);
        let by_half_a_line = holds_cause(&found, end) && !holds_cause(&found, whole_lines);
        prop_assert!(
            (by_half_a_line && !lived)
                || [end, whole_lines].iter().any(|end| is_less(&case, &whole, &found, end)),
            "{}: {} {} of {:?}", case.name, found.class, found.phase, end
        );
    }

    #[test]
    fn lines_said_twice_change_nothing(case in written(), twice in any::<u64>()) {
        let log: Vec<&str> = case
            .log
            .lines()
            .enumerate()
            .flat_map(|(at, line)| {
                let times = 1 + usize::from(twice >> (at % 64) & 1 == 1);
                std::iter::repeat_n(line, times)
            })
            .collect();
        prop_assert_eq!(case.complaint(&log.join("\n")), None);
    }

    #[test]
    fn foreign_lines_between_change_nothing(
        case in written(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), "[a-z]{1,8}( [a-z]{1,8}){0,5}"), 0..8),
    ) {
        let mut lines: Vec<&str> = case.log.lines().collect();
        for (at, words) in &noise {
            // Inside a message of several lines nothing else is written.
            let at = at.index(lines.len() + 1);
            lines.insert(at, words);
        }
        prop_assert_eq!(case.complaint(&lines.join("\n")), None);
    }

    #[test]
    fn what_users_send_never_decides(
        case in answering(),
        requests in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(DEATHS.to_vec()), 0_usize..4),
            1..4,
        ),
    ) {
        let lines: Vec<&str> = case.log.lines().collect();
        let first = lines.iter().position(|line| line.contains("HTTP/1.1\" 200")).unwrap();
        let mut disturbed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        for (at, death, form) in &requests {
            let at = first + at.index(disturbed.len() + 1 - first);
            disturbed.insert(at, request(death, *form));
        }
        prop_assert_eq!(case.complaint(&disturbed.join("\n")), None);
    }
}
