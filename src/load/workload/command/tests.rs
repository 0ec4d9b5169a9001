//! From what a tool says to metrics.

use std::time::Duration;

use super::*;
use crate::measure::kind::command::{VLLM_BENCH_SERVE, metric};
use crate::spec::workload::command::Mapped;

fn spec(output: Output) -> CommandSpec {
    let mut metrics: Vec<MetricDef> = VLLM_BENCH_SERVE
        .iter()
        .map(|ready| metric(ready.name, ready.unit, ready.scale, ready.meaning))
        .collect();
    metrics.push(MetricDef::SUCCESS_RATE);
    CommandSpec {
        run: vec!["vllm".to_owned()],
        place: Place::Engine,
        timeout: Duration::from_secs(60),
        output,
        pass_env: Vec::new(),
        mapping: VLLM_BENCH_SERVE
            .iter()
            .map(|ready| Mapped {
                name: ready.name.to_owned(),
                pointer: format!("/{}", ready.member),
                factor: 1.0,
            })
            .collect(),
        metrics,
    }
}

fn end(stdout: &str) -> ProgramEnd {
    ProgramEnd {
        exit_code: Some(0),
        stdout: stdout.to_owned(),
        ..ProgramEnd::default()
    }
}

fn because(report: &NodeReport) -> &str {
    match &report.status {
        NodeStatus::Failed { because } => because,
        other => panic!("{other:?}"),
    }
}

const RESULT: &str = r#"{"date": "20260101", "completed": 9, "failed": 1, "request_throughput": 2.5,
    "output_throughput": 61.5, "mean_ttft_ms": 42.25, "p99_tpot_ms": 0.0}"#;

#[test]
fn numbers_are_taken_where_the_mapping_says() {
    for (output, end) in [
        (
            Output::Stdout,
            end(&format!("Starting {{1, 2}}\n{RESULT}\n")),
        ),
        (
            Output::File,
            ProgramEnd {
                output: Some(RESULT.to_owned()),
                ..end("noise {}")
            },
        ),
    ] {
        let report = summarise("c", &spec(output), &end, 5.0);
        assert_eq!(report.status, NodeStatus::Completed);
        let scalar = |name: &str| match report.metrics.get(name) {
            Some(MetricValue::Scalar(value)) => Some(*value),
            _ => None,
        };
        assert_eq!(scalar("mean_ttft_ms"), Some(42.25));
        assert_eq!(scalar("success_rate"), Some(0.9));
        assert_eq!((report.n_requests, report.n_failed), (10, 1));
        // What was not measured is missing, a time of zero among it.
        assert_eq!(
            (scalar("p99_tpot_ms"), scalar("median_itl_ms")),
            (None, None)
        );
        assert!(
            report.notes[0].contains("p99_tpot_ms is 0"),
            "{:?}",
            report.notes
        );
    }
}

#[test]
fn a_command_that_fails_fails_its_node_with_its_last_words() {
    let failed = ProgramEnd {
        exit_code: Some(2),
        stderr: "a\nb\nc\nusage: vllm\n".to_owned(),
        ..ProgramEnd::default()
    };
    let report = summarise("c", &spec(Output::Stdout), &failed, 5.0);
    assert_eq!(
        because(&report),
        "the command ended with 2: b | c | usage: vllm"
    );
    let late = ProgramEnd {
        timed_out: true,
        ..ProgramEnd::default()
    };
    let report = summarise("c", &spec(Output::Stdout), &late, 5.0);
    assert_eq!(because(&report), "the command did not end within 60 s");
    let report = summarise("c", &spec(Output::Stdout), &end("done"), 5.0);
    assert_eq!(because(&report), "its standard output holds no JSON: done");
    let report = summarise("c", &spec(Output::File), &end(RESULT), 5.0);
    assert!(because(&report).starts_with("the file that it was to write holds no JSON"));
    let report = summarise("c", &spec(Output::Stdout), &end("{}"), 5.0);
    assert!(because(&report).starts_with("none of its numbers"));
    assert!(report.metrics.is_empty());
}

#[test]
fn placeholders_are_filled_and_the_key_is_no_argument() {
    let run = [
        "--base-url={url}",
        "{host}:{port}",
        "{model}",
        "{out}",
        "{\"a\": 1}",
    ];
    let run: Vec<String> = run.iter().map(|part| (*part).to_owned()).collect();
    let filled = filled(&run, "http://127.0.0.1:8000", "m/x", "/tmp/o.json");
    assert_eq!(
        filled,
        [
            "--base-url=http://127.0.0.1:8000",
            "127.0.0.1:8000",
            "m/x",
            "/tmp/o.json",
            "{\"a\": 1}"
        ]
    );
    let target = Target {
        base_url: "http://127.0.0.1:8000".to_owned(),
        model: "m".to_owned(),
        api_key: "the-key".to_owned(),
    };
    let command = outside(
        &spec(Output::Stdout),
        &target,
        filled,
        Vec::new(),
        "/tmp/o.json",
    );
    assert!(
        command
            .arguments
            .iter()
            .all(|argument| !argument.contains("the-key"))
    );
    assert_eq!(command.secrets, ["the-key"]);
    assert_eq!(
        command.env,
        [("OPENAI_API_KEY".to_owned(), "the-key".to_owned())]
    );
}
