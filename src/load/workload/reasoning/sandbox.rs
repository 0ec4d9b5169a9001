//! What is run in a sandbox to try an answer's code, and what its output means. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::measure::rubric::Evidence;
use crate::runner::ports::{ProgramEnd, SandboxProgram};

/// Seconds that one test gets. The built-in ones take milliseconds, on a machine whose
/// processors the engine leaves alone.
const TEST_SECONDS: u64 = 10;

/// For the container's start and Python's, on a machine that is busy with an engine.
const START: Duration = Duration::from_secs(30);

/// Address space of a test's process, in bytes: below the sandbox's limit, so that the answer's
/// own code is told.
const TEST_MEMORY: u64 = 384 << 20;

/// One argument of a program holds at most 128 KiB on Linux (`MAX_ARG_STRLEN`).
const LARGEST_ARGUMENT: usize = 120_000;

/// The program that runs the tests.
///
/// # Errors
/// Why the code cannot be run.
pub fn program(code: &str, tests: &[String]) -> Result<SandboxProgram, String> {
    let given = json!({
        "code": code,
        "tests": tests,
        "seconds": TEST_SECONDS,
        "memory": TEST_MEMORY,
    });
    let argument = given.to_string();
    if argument.len() > LARGEST_ARGUMENT {
        return Err(format!(
            "the code is too long to be run ({} bytes)",
            code.len()
        ));
    }
    let n_tests = u32::try_from(tests.len()).unwrap_or(u32::MAX);
    Ok(SandboxProgram {
        source: include_str!("harness.py").to_owned(),
        argument,
        timeout: START + Duration::from_secs(TEST_SECONDS).saturating_mul(n_tests),
    })
}

#[derive(Deserialize)]
struct Said {
    results: Vec<Option<String>>,
}

/// What the end of that program says of the tests.
pub fn evidence(end: &ProgramEnd, n_tests: usize) -> Evidence {
    let said = end
        .stdout
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Said>(line).ok())
        .filter(|said| said.results.len() == n_tests);
    if let Some(said) = said {
        return Evidence::Tests(said.results);
    }
    // The program around the tests does neither by itself.
    let all = |because: &str| Evidence::Tests(vec![Some(because.to_owned()); n_tests]);
    if end.out_of_memory {
        return all("the code took more memory than the sandbox has");
    }
    if end.timed_out {
        return all("the code did not end in time");
    }
    let last = end
        .stderr
        .trim()
        .lines()
        .last()
        .unwrap_or("nothing was said");
    Evidence::Unknown {
        because: match end.exit_code {
            Some(code) => format!("the sandbox ended with {code}: {last}"),
            None => format!("the sandbox was killed: {last}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(stdout: &str) -> ProgramEnd {
        ProgramEnd {
            exit_code: Some(0),
            stdout: stdout.to_owned(),
            ..ProgramEnd::default()
        }
    }

    #[test]
    fn the_last_line_of_the_right_form_counts() {
        let tests = |results: &[Option<&str>]| {
            Evidence::Tests(results.iter().map(|r| r.map(str::to_owned)).collect())
        };
        let said = "noise\n{\"results\": [null, \"ValueError: x\"]}\n";
        assert_eq!(
            evidence(&end(said), 2),
            tests(&[None, Some("ValueError: x")])
        );
        for stdout in ["", "{}", said] {
            let found = evidence(&end(stdout), 3);
            assert!(matches!(found, Evidence::Unknown { .. }), "{found:?}");
        }
    }

    #[test]
    fn what_kills_the_sandbox_is_the_codes_own_doing() {
        let killed = |out_of_memory, timed_out| ProgramEnd {
            out_of_memory,
            timed_out,
            ..ProgramEnd::default()
        };
        for (end, because) in [
            (
                killed(true, false),
                "the code took more memory than the sandbox has",
            ),
            (killed(false, true), "the code did not end in time"),
        ] {
            let expected = vec![Some(because.to_owned()); 2];
            assert_eq!(evidence(&end, 2), Evidence::Tests(expected));
        }
        let missing = ProgramEnd {
            exit_code: Some(127),
            stderr: "python3: not found\n".to_owned(),
            ..ProgramEnd::default()
        };
        let because = "the sandbox ended with 127: python3: not found".to_owned();
        assert_eq!(evidence(&missing, 2), Evidence::Unknown { because });
    }

    #[test]
    fn code_that_does_not_fit_is_not_run() {
        assert!(program(&"x".repeat(200_000), &[]).is_err());
        let program = program("x = 1", &["assert x".to_owned(), "assert 1".to_owned()]).unwrap();
        assert_eq!(program.timeout, Duration::from_secs(50));
    }

    /// The harness itself, with the code of these tests, where this machine has Python.
    #[test]
    fn the_harness_tells_right_code_from_wrong_and_from_cheats() {
        let run = |code: &str| {
            let tests = [
                "assert twice(2) == 4".to_owned(),
                "assert twice(0) == 0".to_owned(),
            ];
            let program = program(code, &tests).unwrap();
            let output = std::process::Command::new("python3")
                .args(["-I", "-c", &program.source, &program.argument])
                .output()
                .ok()?;
            let end = end(&String::from_utf8(output.stdout).unwrap());
            Some(evidence(&end, 2))
        };
        let Some(right) = run("def twice(x):\n    print('noise')\n    return 2 * x") else {
            return;
        };
        assert_eq!(right, Evidence::Tests(vec![None, None]));
        let why = |code: &str| match run(code) {
            Some(Evidence::Tests(results)) => results,
            other => panic!("{code}: {other:?}"),
        };
        let half = why("def twice(x):\n    return 4");
        assert_eq!(half, [None, Some("AssertionError".to_owned())]);
        for code in [
            "def twice(x) return x",
            "raise SystemExit(0)",
            "import os\nos._exit(0)",
            "print('{\"results\": [null, null]}')",
            "x = bytearray(1 << 32)",
        ] {
            assert!(why(code).iter().all(Option::is_some), "{code}");
        }
        let classes = "from __future__ import annotations\nfrom dataclasses import dataclass\n\
                       @dataclass\nclass P:\n    x: int\ndef twice(x):\n    return 2 * P(x).x\n\
                       if __name__ == '__main__':\n    raise SystemExit(1)";
        assert_eq!(why(classes), [None, None]);
    }
}
