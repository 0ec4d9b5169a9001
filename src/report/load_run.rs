//! What the client alone measured, for people.

use crate::measure::load_run::{Asked, LoadRun};
use crate::measure::summary::Summary;
use crate::report::text::plain;

/// Renders a result; ends in a line feed.
pub fn load_run(run: &LoadRun) -> String {
    let mut lines = vec![head(&run.asked), String::new()];
    let failed = match run.failed {
        0 => "none failed".to_owned(),
        n => format!("{n} FAILED"),
    };
    let wall = run
        .wall_s
        .map_or_else(String::new, |s| format!(" in {s:.1} s"));
    lines.push(format!(
        "{:<11}{} sent, {} succeeded, {failed}{wall}",
        "requests", run.requests, run.succeeded
    ));
    for (reason, n) in &run.errors {
        lines.push(format!("{:<11}{n} x {}", "", plain(reason)));
    }
    let rate = |value: Option<f64>, unit: &str| match value {
        Some(value) => format!("{} {unit}", thousands(value)),
        None => format!("- {unit}"),
    };
    lines.push(format!(
        "{:<11}{}, {}",
        "throughput",
        rate(run.tok_s, "output tok/s"),
        rate(run.requests_s, "requests/s"),
    ));
    if let Some(prompt) = run.prompt_tokens {
        lines.push(format!(
            "{:<11}{} asked for, {} sent by the server's count",
            "prompts",
            run.asked.prompt_tokens,
            range(&prompt)
        ));
    }
    lines.push(String::new());
    lines.push(format!(
        "{:<11}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "ms", "mean", "p50", "p95", "p99", "max"
    ));
    for (name, summary) in [
        ("queue", &run.queue_ms),
        ("ttft", &run.ttft_ms),
        ("itl", &run.itl_ms),
        ("tpot", &run.tpot_ms),
        ("e2e", &run.e2e_ms),
    ] {
        lines.push(match summary {
            Some(summary) => row(name, summary),
            None => format!("{name:<11}{:>10}", "-"),
        });
    }
    lines.push(String::new());
    lines.push(client(run));
    for note in run.notes() {
        lines.push(format!("note: {note}"));
    }
    if let Some(because) = &run.client.bottleneck {
        lines.push(format!(
            "WARNING: {because}. These are numbers of the client, not of the server."
        ));
    }
    lines.join("\n") + "\n"
}

fn head(asked: &Asked) -> String {
    let load = match (asked.concurrency, asked.rate) {
        (Some(1), _) => "1 user".to_owned(),
        (Some(users), _) => format!("{users} users at once"),
        (None, Some(rate)) => {
            let arrival = asked.arrival.as_deref().unwrap_or("constant");
            format!("{rate} requests/s ({arrival})")
        }
        (None, None) => "no load".to_owned(),
    };
    format!(
        "{load} on {} of {}: {} prompt tokens{}, {} output tokens",
        plain(&asked.model),
        plain(&asked.url),
        asked.prompt_tokens,
        if asked.prompt_tokens_exact {
            ""
        } else {
            " (about)"
        },
        asked.max_tokens,
    )
}

fn row(name: &str, summary: &Summary) -> String {
    let Summary {
        mean,
        p50,
        p95,
        p99,
        max,
        ..
    } = *summary;
    let cells: String = [mean, p50, p95, p99, max]
        .iter()
        .map(|value| format!("{value:>10.2}"))
        .collect();
    format!("{name:<11}{cells}")
}

fn client(run: &LoadRun) -> String {
    let side = &run.client.side;
    let mut parts = Vec::new();
    if let Some(health) = &side.health {
        parts.push(format!(
            "requests late by {:.1} ms, event loop by {:.1} ms (p99)",
            health.schedule_delay_ms.p99, health.loop_lag_ms.p99
        ));
    }
    if let Some(cpu) = side.cpu_s {
        parts.push(format!("{cpu:.2} s of processor time"));
    }
    if let Some(memory) = side.peak_memory_mib {
        parts.push(format!("at most {memory:.0} MiB"));
    }
    format!("{:<11}{}", "client", parts.join(", "))
}

fn range(summary: &Summary) -> String {
    if summary.min == summary.max {
        format!("{}", summary.min)
    } else {
        format!(
            "{} to {} (mean {:.1})",
            summary.min, summary.max, summary.mean
        )
    }
}

/// With commas between thousands, and a digit after the point where there is room for one.
fn thousands(value: f64) -> String {
    if value < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use insta::assert_snapshot;

    use super::*;
    use crate::measure::client::ClientHealth;
    use crate::measure::load_run::{Client, ClientSide, LoadEnding};

    fn run() -> LoadRun {
        let of = |values: &[f64]| Summary::of(values);
        let health = ClientHealth {
            schedule_delay_ms: of(&[0.2, 0.3]).unwrap(),
            loop_lag_ms: of(&[1.0, 1.4]).unwrap(),
        };
        LoadRun {
            version: LoadRun::VERSION,
            tool: "gridrun".to_owned(),
            ending: LoadEnding::Whole,
            requests: 640,
            succeeded: 639,
            failed: 1,
            errors: BTreeMap::from([("HTTP 500 (\u{1b}[31mno)".to_owned(), 1)]),
            wall_s: Some(12.95),
            requests_s: Some(49.42),
            tok_s: Some(25_102.6),
            output_tokens: Some(81_792),
            prompt_tokens: of(&[63.0, 64.0, 66.0]),
            output_tokens_per_request: of(&[128.0]),
            ttft_ms: of(&[20.4, 20.6, 29.0]),
            itl_ms: of(&[10.0, 10.1]),
            tpot_ms: of(&[10.05]),
            e2e_ms: of(&[1290.0]),
            queue_ms: None,
            client: Client {
                bottleneck: None,
                side: ClientSide {
                    health: Some(health),
                    cpu_s: Some(1.17),
                    peak_memory_mib: Some(21.3),
                },
            },
            asked: Asked {
                url: "http://127.0.0.1:8000".to_owned(),
                model: "m".to_owned(),
                concurrency: Some(64),
                rate: None,
                arrival: None,
                requests: Some(640),
                duration_s: None,
                max_tokens: 128,
                prompt_tokens: 64,
                prompt_tokens_exact: false,
                seed: 1,
            },
        }
    }

    #[test]
    fn it_is_a_table_for_people() {
        assert_snapshot!(load_run(&run()), @r"
        64 users at once on m of http://127.0.0.1:8000: 64 prompt tokens (about), 128 output tokens

        requests   640 sent, 639 succeeded, 1 FAILED in 12.9 s
                   1 x HTTP 500 (\u{1b}[31mno)
        throughput 25,103 output tok/s, 49.4 requests/s
        prompts    64 asked for, 63 to 66 (mean 64.3) sent by the server's count

        ms               mean       p50       p95       p99       max
        queue               -
        ttft            23.33     20.60     28.16     28.83     29.00
        itl             10.05     10.05     10.09     10.10     10.10
        tpot            10.05     10.05     10.05     10.05     10.05
        e2e           1290.00   1290.00   1290.00   1290.00   1290.00

        client     requests late by 0.3 ms, event loop by 1.4 ms (p99), 1.17 s of processor time, at most 21 MiB
        note: the server has no /tokenize: prompts have about as many tokens as asked for
        ");
    }

    #[test]
    fn a_client_that_was_the_bottleneck_says_so() {
        let mut run = run();
        run.client.bottleneck = Some("the client was the bottleneck: it was late".to_owned());
        let text = load_run(&run);
        assert!(text.ends_with(
            "WARNING: the client was the bottleneck: it was late. These are numbers of the \
             client, not of the server.\n"
        ));
    }

    #[test]
    fn thousands_are_set_apart() {
        for (value, text) in [
            (0.25, "0.2"),
            (999.0, "999.0"),
            (1000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(thousands(value), text);
        }
    }
}
