//! What collectors put around a line of a log.

/// Names that `decoration` knows.
pub const ALL: [&str; 11] = [
    "compose",
    "compose_t",
    "docker_t",
    "k8s",
    "jsonfile",
    "jsonapp",
    "journald",
    "loguru",
    "bracket_t",
    "ansi",
    "crlf",
];

/// One line as the named collector would write it; the empty name leaves it alone.
pub fn decoration(name: &str, line: &str) -> String {
    match name {
        "" => line.to_owned(),
        "compose" => format!("vllm-server-1  | {line}"),
        "compose_t" => format!("vllm-server-1  | 2026-08-25T11:01:02.123456789Z {line}"),
        "docker_t" => format!("2026-08-25T11:01:02.123456789Z {line}"),
        "k8s" => format!("2026-08-25T11:01:02.123456789+02:00 stdout F {line}"),
        "jsonfile" => serde_json::json!({
            "log": format!("{line}\n"), "stream": "stderr", "time": "2026-08-25T11:01:02.1Z",
        })
        .to_string(),
        "jsonapp" => serde_json::json!({
            "timestamp": "2026-08-25T11:01:02.1Z", "pod": "vllm-0", "message": line,
        })
        .to_string(),
        "journald" => format!("Aug 25 11:01:02 gpu-node-7 vllm[4121]: {line}"),
        "loguru" => format!("2026-08-25 11:01:02.123 | INFO     | launcher:run:88 - {line}"),
        "bracket_t" => format!("[2026-08-25T11:01:02Z] {line}"),
        "ansi" => format!("\u{1b}[36m{line}\u{1b}[0m"),
        "crlf" => format!("{line}\r"),
        _ => panic!("no decoration {name}"),
    }
}
