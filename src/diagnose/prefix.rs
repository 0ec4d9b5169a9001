//! What stands before a line's own words: prefixes of processes, collectors, clocks, quotations.
//!
//! Knows how such prefixes look, and nothing of the words behind them.

/// A process names itself in at most this many bytes.
const LONGEST_NAME: usize = 120;

/// Takes every prefix off. They come in any order and number.
pub fn without_prefixes(line: &str) -> &str {
    let mut rest = line;
    while let Some(shorter) = without_one(rest) {
        rest = shorter;
    }
    rest
}

fn without_one(line: &str) -> Option<&str> {
    match line.as_bytes().first()? {
        b'(' => process(line),
        // A pasted block is indented; no code begins like a process.
        b' ' => process(line.trim_start()).or_else(|| exception_group(line)),
        b'[' => bracket(line).or_else(|| timestamp(line)),
        b'<' => syslog_priority(line),
        b'^' => line.strip_prefix("^C"),
        b'>' => line.strip_prefix("> "),
        b'-' => line
            .strip_prefix("- ")
            .filter(|rest| timestamp(rest).is_some()),
        b'|' | b'+' => exception_group(line),
        b'0'..=b'9' => timestamp(line)
            .or_else(|| time_of_day(line))
            .or_else(|| compose(line)),
        _ => syslog(line)
            .or_else(|| loguru(line))
            .or_else(|| compose(line)),
    }
}

/// `(EngineCore_0 pid=12) `, `(VllmWorker rank=0 pid=7) `, `(RayWorkerWrapper pid=5, ip=..) `,
/// `(MapWorker(MapBatches(Actor)) pid=3) `, `(raylet) `.
fn process(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('(')?;
    for name in ["raylet)", "Process)", "gcs_server)", "autoscaler)"] {
        if let Some(rest) = inner.strip_prefix(name) {
            return Some(one_space(rest));
        }
    }
    let pid = inner.find("pid=").filter(|at| *at < LONGEST_NAME)?;
    let close = inner[pid..].find(')')?;
    let is_name = close < LONGEST_NAME && !inner[..pid].contains(['"', '\'']);
    let rest = one_space(&inner[pid + close + 1..]);
    // Ray's colours leave a space on either side where their escape byte was lost.
    let rest = if rest.starts_with(" [") {
        &rest[1..]
    } else {
        rest
    };
    is_name.then_some(rest)
}

/// `[rank0]: `, `[vllm]: `, `[sidecar a1]: `, `[pod/name/container] `, `[stderr] `, `[Info] `.
fn bracket(line: &str) -> Option<&str> {
    let inner_and_rest = line.strip_prefix('[')?;
    let (inner, rest) = inner_and_rest.split_once(']')?;
    let word = inner
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_/. ".contains(&b));
    if inner.is_empty() || inner.len() > LONGEST_NAME || !word {
        return None;
    }
    let alone = inner.starts_with("pod/")
        || ["stdout", "stderr", "info", "error"]
            .iter()
            .any(|name| inner.eq_ignore_ascii_case(name));
    if alone {
        return Some(one_space(rest));
    }
    rest.strip_prefix(':').map(one_space)
}

/// `2026-05-05T12:36:59.123Z `, `2026-05-05 12:36:59,123 - `, either in brackets, which may hold
/// more (Ray: `[2024-07-25 10:46:00,050 E 24036 24036] `); then what collectors put behind it.
fn timestamp(line: &str) -> Option<&str> {
    let open = line.strip_prefix('[');
    let start = open.unwrap_or(line);
    let is_date = start.len() >= 19
        && start
            .bytes()
            .take(10)
            .enumerate()
            .all(|(at, byte)| match at {
                4 | 7 => byte == b'-' || byte == b'/',
                _ => byte.is_ascii_digit(),
            });
    if !is_date || !matches!(start.as_bytes()[10], b'T' | b' ') {
        return None;
    }
    let clock = start.get(11..)?;
    if !is_clock(clock) {
        return None;
    }
    let end = clock
        .find(|c: char| !c.is_ascii_digit() && !":.,+-Z".contains(c))
        .unwrap_or(clock.len());
    let rest = &clock[end..];
    if open.is_some() {
        let (inside, behind) = rest.split_once(']')?;
        return (inside.len() <= 40).then(|| one_space(behind));
    }
    Some(behind_a_clock(one_space(rest)))
}

/// What collectors write between a clock and the line.
fn behind_a_clock(text: &str) -> &str {
    // A zone apart from its clock: `12:36:59.1 +0000 `.
    let text = match text.split_once(' ') {
        Some((zone, rest)) if zone.len() == 5 && is_zone(zone) => rest,
        _ => text,
    };
    for separator in [
        "- ",
        "| ",
        "stdout F ",
        "stderr F ",
        "stdout P ",
        "stderr P ",
        "stdout: ",
        "stderr: ",
        "1 stdout: ",
        "1 stderr: ",
        "\t",
    ] {
        if let Some(rest) = text.strip_prefix(separator) {
            return named_level(rest).unwrap_or(rest);
        }
    }
    host_and_program(text)
        .or_else(|| tag_of_json(text))
        .unwrap_or(text)
}

fn is_zone(zone: &str) -> bool {
    zone.starts_with(['+', '-']) && zone[1..].bytes().all(|b| b.is_ascii_digit())
}

/// `node7 vllm[123]: `, as journald writes behind a clock.
fn host_and_program(text: &str) -> Option<&str> {
    let (head, rest) = text.split_once("]: ")?;
    let (host, program) = head.split_once(' ')?;
    let (name, pid) = program.split_once('[')?;
    let is_pid = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
    (is_name(host) && is_name(name) && is_pid).then_some(rest)
}

/// `docker.4f1a: {"log":..}`: the tag is dropped.
fn tag_of_json(text: &str) -> Option<&str> {
    let (tag, rest) = text.split_once(": ")?;
    (is_name(tag) && rest.starts_with("{\"")).then_some(rest)
}

/// `vllm - ERROR - `.
fn named_level(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once(" - ")?;
    let (level, rest) = rest.split_once(" - ")?;
    (is_name(name) && is_level(level)).then_some(rest)
}

/// `11:01:02 `, `11:01:02.123 `.
fn time_of_day(line: &str) -> Option<&str> {
    if !is_clock(line) {
        return None;
    }
    let (clock, rest) = line.split_once(' ')?;
    let is_time = clock
        .bytes()
        .all(|b| b.is_ascii_digit() || b":.,".contains(&b));
    is_time.then(|| rest.strip_prefix("| ").unwrap_or(rest))
}

fn is_clock(text: &str) -> bool {
    text.len() >= 8
        && text.bytes().take(8).enumerate().all(|(at, byte)| match at {
            2 | 5 => byte == b':',
            _ => byte.is_ascii_digit(),
        })
}

/// `vllm-1  | `, as `docker compose` writes it.
fn compose(line: &str) -> Option<&str> {
    let bar = line.bytes().take(LONGEST_NAME).position(|b| b == b'|')?;
    let (name, rest) = (&line[..bar], &line[bar + 1..]);
    let is_service = name.ends_with(' ') && is_name(name.trim_end());
    (is_service && (rest.is_empty() || rest.starts_with(' '))).then(|| one_space(rest))
}

/// `  | ` and `  + ` of the tracebacks of an exception group.
fn exception_group(line: &str) -> Option<&str> {
    let text = line.trim_start_matches(' ');
    match text.as_bytes().first()? {
        b'|' => {
            let rest = &text[1..];
            (rest.is_empty() || rest.starts_with(' ')).then(|| one_space(rest))
        }
        b'+' => text
            .strip_prefix("+ ")
            .filter(|rest| rest.starts_with("Exception Group")),
        _ => None,
    }
}

/// `INFO     | module:function:88 - `, with loguru's clock already off.
fn loguru(line: &str) -> Option<&str> {
    let (level, rest) = line.get(..LONGEST_NAME.min(line.len()))?.split_once('|')?;
    if !is_level(level.trim_end()) {
        return None;
    }
    let (place, said) = rest.split_once(" - ")?;
    let place = place.trim();
    let is_place = place.contains(':') && !place.contains(' ');
    // `said` ends where the search did; the line does not.
    is_place.then(|| &line[level.len() + 1 + (rest.len() - said.len())..])
}

fn is_level(word: &str) -> bool {
    matches!(
        word,
        "TRACE" | "DEBUG" | "INFO" | "SUCCESS" | "WARNING" | "ERROR" | "CRITICAL" | "FATAL"
    )
}

/// `Nov 24 03:16:56 host docker[123]: `, `Nov 24 03:16:56 host docker: `.
fn syslog(line: &str) -> Option<&str> {
    const MONTHS: [&str; 12] = [
        "Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ",
        "Dec ",
    ];
    if !MONTHS.iter().any(|month| line.starts_with(month)) || !is_clock(line.get(7..)?) {
        return None;
    }
    let behind = line.get(15..)?.strip_prefix(' ')?;
    let (head, rest) = behind.split_once(": ").or_else(|| {
        // The message is empty, and its space was trimmed.
        behind.strip_suffix(':').map(|head| (head, ""))
    })?;
    let (host, program) = head.split_once(' ')?;
    let name = program.split('[').next().unwrap_or(program);
    (is_name(host) && is_name(name)).then_some(rest)
}

/// `<14>` and, where it is syslog's newer form, the whole head up to the message.
fn syslog_priority(line: &str) -> Option<&str> {
    let (priority, rest) = line.strip_prefix('<')?.split_once('>')?;
    if priority.is_empty() || priority.len() > 3 || !priority.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let Some(newer) = rest.strip_prefix("1 ") else {
        return Some(rest);
    };
    // Time, host, program, process, kind, data, message.
    newer.splitn(7, ' ').nth(6)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./@".contains(&b))
}

pub fn one_space(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_comes_off() {
        for prefix in [
            "(EngineCore_DP0 pid=12) ",
            "(EngineCore_0 pid=271) (VllmWorker TP1 pid=279) ",
            " (RayWorkerVllm pid=5) ",
            "(MapWorker(MapBatches(vLLMEngineActor)) pid=1202, ip=10.0.0.8) ",
            "(raylet) [2024-08-14 10:25:02,117 E 782 782] ",
            "[rank3]: ",
            "[VllmSidecar kooEr8Cc]: 2024-11-13T03:15:08.672Z 1 stdout: ",
            "[pod/vllm-0/vllm] ",
            "2026-06-09 14:01:54.604 [Info] (Process) ",
            "2026-08-25T11:01:02.123456789+02:00 stderr F ",
            "2026-08-25 11:01:02.1 +0000 ",
            "2026-08-25T11:01:02+0200 gpu-7 vllm[4121]: ",
            "2026-08-25 11:01:02,123 - vllm - ERROR - ",
            "2026-08-25 11:01:02.123 | ERROR    | launcher:run:88 - ",
            "11:01:02.5 ",
            "vllm-server_1  | 2026-08-25T11:01:02Z ",
            "Aug 25 11:01:02 gpu-7 vllm[4121]: ",
            "Aug  5 11:01:02 gpu-7 docker/vllm: ",
            "<14>Aug 25 11:01:02 gpu-7 vllm[4121]: ",
            "<14>1 2026-08-25T11:01:02Z gpu-7 vllm 4121 - - ",
            "- 2024-06-22T20:17:30.186+00:00 ",
            "> ",
            "^C",
            "  | ",
            "    | ",
        ] {
            for words in ["  File \"a.py\", line 1, in b", "ValueError: x | y - z"] {
                let line = format!("{prefix}{words}");
                assert_eq!(without_prefixes(&line), words, "{line}");
            }
            without_prefixes(prefix.trim_end());
        }
    }

    #[test]
    fn what_is_no_prefix_stays() {
        for text in [
            "torch.OutOfMemoryError: CUDA out of memory. [x]",
            "usage: vllm serve [model_tag] [options]",
            "  File \"a.py\", line 1, in b",
            "    raise RuntimeError(",
            "[W1124 03:16:28 ProcessGroupNCCL.cpp:1] Warning: x",
            "[E ProcessGroupNCCL.cpp:475] [Rank 4] Watchdog",
            "(most recent call last): pid=",
            "May the force: be with you",
            "12345-678 \u{2603}",
            "2026-08-25",
            "<model_tag> [options]",
            "+------------------------------------",
            "INFO | x",
            "\u{e9}\u{e9}\u{e9}|",
            "(",
            "[",
            "<",
            "",
        ] {
            let expected = if text == "INFO | x" { "x" } else { text };
            assert_eq!(without_prefixes(text), expected);
        }
    }
}
