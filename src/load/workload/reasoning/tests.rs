//! The workload against the fake vLLM, and the built-in tasks with right and wrong answers.

use tokio_util::sync::CancellationToken;

use std::process::Command;

use futures_util::future::BoxFuture;

use crate::load::bench::{LIMITS, NodeRecord, count, failure_of, scalar, server};
use crate::load::fake_vllm::{FakeVllm, Reply};
use crate::load::http_load::HttpLoad;
use crate::measure::kind::reasoning::Detail;
use crate::measure::node::{NodeDetail, NodeStatus};
use crate::measure::prompt::PromptBook;
use crate::measure::request::RequestRole;
use crate::measure::rubric::{Evidence, Need, Rule, Task, grade, needs};
use crate::runner::ports::{
    Beside, BesideError, Load, NodeRun, NothingBeside, OutsideCommand, ProgramEnd, RequestSink,
    SandboxProgram,
};
use crate::spec;
use crate::spec::diagnostic::Source;
use crate::spec::experiment::Workload;
use crate::spec::workload::WorkloadSpec;

use super::sandbox;

/// Runs what a sandbox would run with this machine's own Python, where it has one: the tests'
/// code is their own.
#[derive(Debug)]
struct HostPython;

impl Beside for HostPython {
    fn sandbox<'a>(
        &'a self,
        program: &'a SandboxProgram,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        Box::pin(async {
            let output = Command::new("python3")
                .args(["-I", "-c", &program.source, &program.argument])
                .output()
                .map_err(|error| BesideError {
                    because: error.to_string(),
                })?;
            Ok(ProgramEnd {
                exit_code: output.status.code().map(i64::from),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
                ..ProgramEnd::default()
            })
        })
    }

    fn command<'a>(
        &'a self,
        command: &'a OutsideCommand,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        NothingBeside.command(command)
    }
}

fn workload(settings: &str) -> Workload {
    let text = format!(
        "profile = \"p\"\n[matrix]\nprefix = [true]\n[[objective]]\nmetric = \"r.ttft_ms\"\n\
         goal = \"min\"\n[[workload]]\nname = \"r\"\nkind = \"reasoning\"\n{settings}"
    );
    let profile = "[engine]\nimage = \"i\"\nmodel = \"m\"\n";
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.into(),
    };
    let mut find = |_: &str| Ok(source("p.toml", profile));
    let loaded = spec::load(source("e.toml", &text), &mut find);
    let experiment = loaded
        .experiment
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    experiment.workloads.into_iter().next().unwrap()
}

async fn run(fake: &FakeVllm, node: &Workload, beside: &dyn Beside) -> NodeRecord {
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let book = PromptBook {
        version: PromptBook::VERSION,
        model: fake.target.model.clone(),
        seed: 7,
        nodes: Vec::new(),
    };
    let requests = RequestSink::default();
    let node = NodeRun {
        workload: node,
        book: &book,
        upstream: &[],
        requests: &requests,
        beside,
        over: &CancellationToken::new(),
    };
    let report = load.run(&server, node).await;
    NodeRecord {
        report,
        requests: requests.drain(),
    }
}

fn say(content: &str) -> Reply {
    Reply::Say {
        reasoning: "",
        content: content.to_owned(),
        reason: "stop",
    }
}

fn detail(record: &NodeRecord) -> &Detail {
    match record.report.detail.as_ref().unwrap() {
        NodeDetail::Reasoning(detail) => detail,
        other => panic!("{other:?}"),
    }
}

const TWO_TASKS: &str = r#"
built-in = []
max-tokens = 99
thinking = false
[[workload.task]]
name = "sum"
system = "Be brief."
prompt = "What is 40 + 2?"
weight = 3.0
check = [{ kind = "number", equals = 42 }]
[[workload.task]]
name = "capital"
category = "logic"
prompt = "Which is the capital of Italy?"
check = [{ kind = "contains-all", texts = ["Rome"] }, { kind = "regex", pattern = '\.$' }]
"#;

#[tokio::test]
async fn answers_are_timed_and_graded() {
    let fake = FakeVllm::start().await;
    fake.reply_with([
        Reply::Proper,
        Reply::Say {
            reasoning: "40 and 2",
            content: "ANSWER: 42 of them".to_owned(),
            reason: "stop",
        },
        Reply::Say {
            reasoning: "",
            content: "It is Rome".to_owned(),
            reason: "length",
        },
    ]);
    let record = run(&fake, &workload(TWO_TASKS), &NothingBeside).await;
    assert_eq!(record.report.status, NodeStatus::Completed);
    assert_eq!((record.report.n_requests, record.report.n_failed), (2, 0));
    assert_eq!(scalar(&record, "quality"), Some((3.0 + 0.5) / 4.0));
    assert_eq!(scalar(&record, "quality_own"), Some(1.0));
    assert_eq!(scalar(&record, "quality_logic"), Some(0.5));
    assert_eq!(scalar(&record, "quality_code"), None);
    assert_eq!(scalar(&record, "truncated"), Some(0.5));
    for metric in [
        "ttft_ms",
        "ttfa_ms",
        "e2e_ms",
        "output_tokens",
        "tokens_per_second",
    ] {
        assert_eq!(count(&record, metric), Some(2), "{metric}");
    }
    let [warm_up, sum, capital] = record.requests.as_slice() else {
        panic!("{:?}", record.requests);
    };
    assert_eq!(warm_up.role, RequestRole::WarmUp);
    assert_eq!(sum.label.as_deref(), Some("sum"));
    assert!(sum.instants.first_answer > sum.instants.first_token);
    assert_eq!(capital.instants.first_answer, capital.instants.first_token);
    let answers = &detail(&record).answers;
    assert_eq!(answers[0].answer, None);
    assert_eq!(answers[1].answer.as_deref(), Some("It is Rome"));
    assert_eq!(answers[1].lost.len(), 1);

    let body = &fake.engine().streamed[1];
    assert_eq!(body["messages"][0]["role"], "system");
    assert_eq!(body["messages"][1]["content"], "What is 40 + 2?");
    assert_eq!(
        (&body["temperature"], &body["seed"]),
        (&0.into(), &7.into())
    );
    assert_eq!(body["max_tokens"], 99);
    assert_eq!(body["chat_template_kwargs"]["enable_thinking"], false);
    assert_eq!(body.get("ignore_eos"), None);
}

#[tokio::test]
async fn thoughts_in_the_content_are_no_answer_and_give_no_time_to_it() {
    let fake = FakeVllm::start().await;
    fake.reply_with([
        Reply::Proper,
        say("<think>41? 43? </think> 42"),
        say("Rome."),
    ]);
    let record = run(&fake, &workload(TWO_TASKS), &NothingBeside).await;
    assert_eq!(scalar(&record, "quality"), Some(1.0));
    assert_eq!(
        (count(&record, "ttft_ms"), count(&record, "ttfa_ms")),
        (Some(2), Some(1))
    );
    assert!(
        record.report.notes[0].contains("reasoning-parser"),
        "{:?}",
        record.report.notes
    );
}

#[tokio::test]
async fn a_failed_request_leaves_no_quality() {
    let fake = FakeVllm::start().await;
    fake.reply_with([
        Reply::Proper,
        say("42"),
        Reply::Status(500, "no".to_owned()),
    ]);
    let record = run(&fake, &workload(TWO_TASKS), &NothingBeside).await;
    assert_eq!(record.report.status, NodeStatus::Completed);
    assert_eq!(scalar(&record, "success_rate"), Some(0.5));
    assert_eq!(
        (scalar(&record, "quality"), scalar(&record, "quality_own")),
        (None, Some(1.0))
    );
    assert!(detail(&record).answers[1].failure.is_some());

    let fake = FakeVllm::start().await;
    fake.reply_with([Reply::Proper, Reply::Cut(1), Reply::FinishReason("abort")]);
    let record = run(&fake, &workload(TWO_TASKS), &NothingBeside).await;
    assert!(failure_of(&record).starts_with("no request succeeded"));
    assert_eq!(scalar(&record, "success_rate"), Some(0.0));
}

#[tokio::test]
async fn an_engine_that_stops_answering_ends_the_node() {
    let fake = FakeVllm::start().await;
    fake.reply_with([Reply::Reset, Reply::Reset, Reply::Reset]);
    let record = run(&fake, &workload(TWO_TASKS), &NothingBeside).await;
    assert!(failure_of(&record).starts_with("the engine stopped answering"));
}

fn has_python() -> bool {
    Command::new("python3").arg("--version").output().is_ok()
}

#[tokio::test]
async fn code_is_tried_in_the_sandbox_or_not_graded() {
    let node = workload("built-in = [\"code\"]\n");
    let WorkloadSpec::Reasoning(spec) = &node.spec else {
        panic!("{node:?}");
    };
    assert_eq!(spec.tasks.len(), 3);
    let replies = || {
        [Reply::Proper]
            .into_iter()
            .chain([MERGE, PARSE, "I cannot."].map(say))
    };

    let fake = FakeVllm::start().await;
    fake.reply_with(replies());
    let record = run(&fake, &node, &NothingBeside).await;
    assert_eq!(scalar(&record, "quality"), None);
    assert!(
        record.report.notes[0].contains("not graded: 2 x"),
        "{:?}",
        record.report.notes
    );

    if has_python() {
        let fake = FakeVllm::start().await;
        fake.reply_with(replies());
        let record = run(&fake, &node, &HostPython).await;
        assert_eq!(scalar(&record, "quality_code"), Some(2.0 / 3.0));
    }
}

const MERGE: &str = "```python
def merge_slots(slots):
    merged = []
    for start, end in sorted(slots):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
```";

const PARSE: &str = "Here is a regular expression:
```python
import re
def parse_span(text: str) -> int:
    found = re.fullmatch(r'(?:(\\d+)h)?(?:(\\d+)m)?(?:(\\d+)s)?', text)
    if not text or not found:
        raise ValueError(text)
    h, m, s = (int(part or 0) for part in found.groups())
    return 3600 * h + 60 * m + s
```
It uses `re`.";

const TOP: &str = "```python
import re
from collections import Counter
def top_words(text, n):
    counts = Counter(re.findall('[a-z]+', text.lower()))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
```";

/// What a task's answer is worth.
async fn share(task: &Task, answer: &str) -> Option<f64> {
    let mut evidence = Vec::new();
    for need in needs(task, answer) {
        evidence.push(match need {
            Some(Need::Sandbox { code, tests }) => {
                let program = sandbox::program(&code, &tests).unwrap();
                match HostPython.sandbox(&program).await {
                    Ok(end) => Some(sandbox::evidence(&end, tests.len())),
                    Err(error) => Some(Evidence::Unknown {
                        because: error.because,
                    }),
                }
            }
            _ => None,
        });
    }
    grade(task, answer, &evidence).share()
}

/// Right and wrong answers of every built-in task, written as models write.
const ANSWERS: &[(&str, &[&str], &[&str])] = &[
    (
        "moving-day",
        &[
            "D can start at 40.\n\nPATH: A, D, F, G\nANSWER: 125",
            "**PATH:** A → D → F → G\n**ANSWER:** 125 minutes",
            "PATH: A (pack the boxes) -> D (load the van) -> F (drive) -> G (unload)\nANSWER: 2 hours and 5 minutes",
            "PATH: ADFG\nANSWER: 40 + 35 + 20 + 30 = 125",
        ],
        &[
            "PATH: A, E, H\nANSWER: 95",
            "PATH: A, B, D, F, G\nANSWER: 135",
            "It takes 125 steps.\nANSWER: 215",
            "",
        ],
    ),
    (
        "street-party",
        &[
            r#"{"things": ["speakers", "lights", "snacks", "photo booth"], "coins": 48, "points": 126}"#,
            "So:\n```json\n{\n  \"things\": [\"Photo Booth\", \"Snacks\", \"Speakers\", \"Lights\"],\n  \"coins\": 48,\n  \"points\": 126\n}\n```",
        ],
        &[
            r#"{"things": ["projector", "lights", "photo booth"], "coins": 50, "points": 125}"#,
            "Take the speakers, lights, snacks and photo booth for 126 points.",
            r#"{"things": ["speakers", "speakers", "snacks", "photo booth"], "points": 135}"#,
        ],
    ),
    (
        "meeting",
        &[
            "ANSWER: 14:10",
            "They all can from 14:10 to 15:00.\n**ANSWER: 14:10**",
            "ANSWER: 2:10 PM",
            "**Answer:** 14:10–14:55",
        ],
        &[
            "ANSWER: 9:45",
            "14:10 is too late.\nANSWER: 13:30",
            "ANSWER: 14:00",
        ],
    ),
    (
        "vase",
        &[
            "ANSWER: Cleo",
            "If Ana did it, two are true.\n\n**ANSWER: Cleo**",
            "The answer is Cleo.",
        ],
        &["ANSWER: Ben", "ANSWER: Cleo or Dan", "It was one of them."],
    ),
    (
        "tank",
        &[
            "ANSWER: 280",
            "ANSWER: 280 minutes",
            "ANSWER: 4 h 40 min",
            "ANSWER: 60 + 220 = 280",
            r"$\boxed{280}$",
            "ANSWER: 4 hours 40 minutes",
        ],
        &[
            "ANSWER: 220",
            "ANSWER: 240 minutes",
            "ANSWER: 280 hours",
            "about 4 hours",
        ],
    ),
    (
        "club",
        &[
            "ANSWER: 30",
            "15 + 8 + 7 = 30\nANSWER: **30** members",
            "ANSWER: thirty (30)",
        ],
        &[
            "ANSWER: 32",
            "ANSWER: 300",
            "ANSWER: 26 do two of them, so 60 - 26",
        ],
    ),
    (
        "race",
        &[
            "ANSWER: Uma",
            "Yan, Will, Uma, Vic, Xia.\n**ANSWER:** Uma",
            "The answer is **Uma**",
        ],
        &[
            "ANSWER: Vic",
            "Yan, Will, Uma, Vic, Xia",
            "ANSWER: Will and Uma",
        ],
    ),
    (
        "merge-slots",
        &[MERGE],
        &[
            "```python\ndef merge_slots(slots):\n    return sorted(slots)\n```",
            "sort them",
        ],
    ),
    (
        "parse-span",
        &[PARSE],
        &["```python\ndef parse_span(text):\n    return 5400\n```"],
    ),
    (
        "top-words",
        &[TOP],
        &["```python\ndef top_words(text, n):\n    return []\n```"],
    ),
];

#[tokio::test]
async fn built_in_tasks_tell_right_answers_from_wrong_ones() {
    let node = workload("");
    let WorkloadSpec::Reasoning(spec) = &node.spec else {
        panic!("{node:?}");
    };
    assert_eq!(spec.tasks.len(), ANSWERS.len());
    for (name, right, wrong) in ANSWERS {
        let task = spec.tasks.iter().find(|task| task.name == *name).unwrap();
        let is_code = task
            .checks
            .iter()
            .any(|check| matches!(check.rule, Rule::Code(_)));
        if is_code && !has_python() {
            continue;
        }
        for answer in *right {
            assert_eq!(share(task, answer).await, Some(1.0), "{name}: {answer}");
        }
        for answer in *wrong {
            let share = share(task, answer).await.unwrap();
            assert!(share < 0.75, "{name}: {share} for {answer}");
        }
    }
}
