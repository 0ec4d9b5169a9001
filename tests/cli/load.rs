//! `gridrun load` against one stand-in engine.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::folder::{Folder, Ran, eventually, wait};
use crate::stand_in::StandIn;
use crate::stored;

const EVERY_REQUEST_FAILS: &str = "[[fault]]\nkind = \"http-errors\"\nstatus = 500\n";

fn load(folder: &Folder, url: &str, args: &[&str]) -> Ran {
    let small = ["load", "--url", url, "--prompt-tokens", "64"];
    folder.gridrun(&[&small, args].concat())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The result of a load that measured something. Whether the client was fast enough for it is up
/// to the machine; the exit code must say the same of that as the result.
#[track_caller]
fn measured(ran: Ran) -> Value {
    let result = json(&ran.out);
    let code = match result["client"]["bottleneck"] {
        Value::Null => 0,
        _ => 8,
    };
    ran.ends_with_code(code);
    result
}

#[test]
fn users_in_a_closed_loop_are_told_as_a_table_and_as_json() {
    let folder = Folder::new();
    let server = StandIn::serve(&folder, &[]);
    let args = ["--concurrency", "2", "--requests", "6", "--max-tokens", "8"];
    let ran = load(
        &folder,
        &server.url(),
        &[&args[..], &["--json", "load.json"]].concat(),
    );
    let result = json(&folder.read("load.json"));
    let table = ran.out.clone();
    // The exit code is that of the same result as JSON.
    measured(Ran {
        out: folder.read("load.json"),
        ..ran
    });

    // One more was sent before, which is no measurement.
    assert_eq!(server.n_answers(), 7);
    for (name, expected) in [("requests", 6), ("succeeded", 6), ("failed", 0)] {
        assert_eq!(result[name], expected, "{name}");
    }
    assert_eq!(result["ending"], "whole");
    assert_eq!(result["errors"], json("{}"));
    assert_eq!(result["output_tokens"], 48);
    for (name, n) in [
        ("ttft_ms", 6),
        ("e2e_ms", 6),
        ("queue_ms", 6),
        ("tpot_ms", 6),
        ("itl_ms", 6 * 7),
    ] {
        let summary = &result[name];
        assert_eq!(summary["n"], n, "{name}: {summary}");
        let value = |stat: &str| summary[stat].as_f64().unwrap();
        let order = ["min", "p50", "p95", "p99", "max"].map(value);
        // Percentiles are those of buckets of 0.1 %.
        assert!(
            order.windows(2).all(|pair| pair[0] <= pair[1] * 1.001),
            "{name}: {summary}"
        );
        assert!(
            (value("min")..=value("max")).contains(&value("mean")),
            "{name}: {summary}"
        );
    }
    for (name, mean) in [("prompt_tokens", 64.0), ("output_tokens_per_request", 8.0)] {
        assert_eq!(result[name]["mean"], mean, "{name}");
    }
    let number = |pointer: &str| {
        let value = result.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("{pointer}: {result}"))
    };
    let wall_s = number("/wall_s");
    assert!((number("/tok_s") - 48.0 / wall_s).abs() < 1e-6 * number("/tok_s"));
    assert!((number("/requests_s") - 6.0 / wall_s).abs() < 1e-6 * number("/requests_s"));
    for pointer in [
        "/client/schedule_delay_ms/p99",
        "/client/loop_lag_ms/p99",
        "/client/cpu_s",
        "/client/peak_memory_mib",
    ] {
        assert!(number(pointer) >= 0.0, "{pointer}");
    }
    let asked = &result["asked"];
    assert_eq!(asked["model"], "tiny");
    assert_eq!(
        (&asked["concurrency"], &asked["rate"]),
        (&Value::from(2), &Value::Null)
    );
    assert_eq!(asked["prompt_tokens_exact"], true);

    assert!(
        table.starts_with("2 users at once on tiny of http://127.0.0.1:"),
        "{table}"
    );
    assert!(
        table.contains("6 sent, 6 succeeded, none failed in "),
        "{table}"
    );
    assert!(
        table.contains("prompts    64 asked for, 64 sent by the server's count"),
        "{table}"
    );
    for row in ["ms", "queue", "ttft", "itl", "tpot", "e2e"] {
        let line = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(row));
        let line = line.unwrap_or_else(|| panic!("{row}: {table}"));
        assert_eq!(line.split_whitespace().count(), 6, "{line}");
    }
}

#[test]
fn a_rate_is_kept_whatever_becomes_of_the_requests() {
    let folder = Folder::new();
    let server = StandIn::serve(&folder, &[]);
    // The address of the API is as good as that of the server.
    let url = format!("{}/v1", server.url());
    let args = ["--rate", "50", "--arrival", "constant", "--requests", "10"];
    let more = ["--max-tokens", "4", "--json", "-"];
    let result = measured(load(&folder, &url, &[&args[..], &more].concat()));
    assert_eq!(result["succeeded"], 10);
    // The tenth is due nine gaps after the first, and nothing is sent before it is due.
    assert!(result["wall_s"].as_f64().unwrap() >= 9.0 / 50.0, "{result}");
    let asked = &result["asked"];
    assert_eq!(asked["url"], server.url());
    assert_eq!(
        (&asked["rate"], &asked["arrival"]),
        (&Value::from(50.0), &Value::from("constant"))
    );
    assert_eq!(asked["concurrency"], Value::Null);
}

#[test]
fn requests_are_recorded_with_and_without_the_instants_of_their_tokens() {
    let folder = Folder::new();
    let server = StandIn::serve(&folder, &[]);
    let args = [
        "--requests",
        "3",
        "--max-tokens",
        "5",
        "--record",
        "requests",
        "--json",
        "-",
    ];
    for (more, n_instants) in [(&[][..], 3 * 5), (&["--no-token-times"][..], 0)] {
        let result = measured(load(&folder, &server.url(), &[&args, more].concat()));
        assert_eq!(result["itl_ms"]["n"], 3 * 4, "known all the same");
        let requests = stored::read(&folder.path().join("requests/requests.parquet"));
        assert_eq!(requests.height(), 3);
        assert_eq!(stored::n_token_times(&requests), n_instants, "{requests}");
        for column in [
            "due_ns",
            "sent_ns",
            "first_token_ns",
            "last_token_ns",
            "end_ns",
        ] {
            assert_eq!(requests.column(column).unwrap().null_count(), 0, "{column}");
        }
    }
}

#[test]
fn failures_are_counted_by_reason_and_enter_no_number() {
    let folder = Folder::new();
    folder.write(
        "refuses.toml",
        "[[fault]]\nkind = \"http-errors\"\nstatus = 429\nfrom-request = 3\nrequests = 2\n",
    );
    let server = StandIn::serve(&folder, &["--scenario", "refuses.toml"]);
    let args = [
        "--requests",
        "6",
        "--warmup",
        "0",
        "--max-tokens",
        "4",
        "--json",
        "-",
    ];
    let result = measured(load(&folder, &server.url(), &args));
    assert_eq!(
        (&result["succeeded"], &result["failed"]),
        (&Value::from(4), &Value::from(2))
    );
    assert_eq!(result["ttft_ms"]["n"], 4);
    assert_eq!(result["output_tokens"], 16);
    let errors: Vec<_> = result["errors"].as_object().unwrap().iter().collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].0.starts_with("HTTP 429 ("), "{errors:?}");
    assert_eq!(errors[0].1, 2);
}

#[test]
fn where_nothing_succeeded_nothing_is_measured() {
    let folder = Folder::new();
    folder.write("fails.toml", EVERY_REQUEST_FAILS);
    let server = StandIn::serve(&folder, &["--scenario", "fails.toml"]);
    let ran = load(
        &folder,
        &server.url(),
        &["--requests", "3", "--json", "load.json"],
    );
    let ran = ran.ends_with_code(3);
    assert!(
        ran.out.contains("3 sent, 0 succeeded, 3 FAILED"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("3 x HTTP 500 ("), "{}", ran.out);
    let result = json(&folder.read("load.json"));
    for name in [
        "ttft_ms",
        "itl_ms",
        "tpot_ms",
        "e2e_ms",
        "tok_s",
        "requests_s",
        "output_tokens",
    ] {
        assert_eq!(result[name], Value::Null, "{name}");
    }
}

#[test]
fn a_server_that_is_not_there_and_a_key_that_is_not_set_are_told() {
    let folder = Folder::new();
    // A bound socket that does not listen refuses, and nobody else gets its port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let ran = load(&folder, &url, &[]).ends_with_code(5);
    assert!(
        ran.err.contains("the server cannot be asked"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("is the address right?"), "{}", ran.err);
    assert_eq!(ran.out, "");

    let ran = load(
        &folder,
        &url,
        &["--api-key-env", "GRIDRUN_TEST_NO_SUCH_KEY"],
    );
    let ran = ran.ends_with_code(5);
    assert!(
        ran.err.contains("GRIDRUN_TEST_NO_SUCH_KEY is not set"),
        "{}",
        ran.err
    );
}

#[test]
fn the_key_of_the_api_is_read_from_the_variable_and_told_to_nobody() {
    let folder = Folder::new();
    let server = StandIn::serve(&folder, &["--api-key=a-key-of-this-test"]);
    let url = server.url();
    let args = ["load", "--url", &url, "--requests", "1", "--json", "-"];
    folder.gridrun(&args).ends_with_code(5);
    let with_key = [&args[..], &["--api-key-env", "TEST_KEY"]].concat();
    let ran = folder.gridrun_with(&with_key, &[("TEST_KEY", "a-key-of-this-test")]);
    assert!(!ran.out.contains("a-key-of-this-test") && !ran.err.contains("a-key-of-this-test"));
    assert_eq!(measured(ran)["succeeded"], 1);
}

#[test]
fn wrong_arguments_are_refused_before_anybody_is_asked() {
    let folder = Folder::new();
    let server = StandIn::serve(&folder, &[]);
    let url = server.url();
    for (args, told) in [
        (&["load"][..], "--url"),
        (&["load", "--url", "https://127.0.0.1:1"], "--url"),
        (&["load", "--url", "here"], "--url"),
        (&["load", "--url", &url, "--rate", "0"], "above 0"),
        (
            &["load", "--url", &url, "--rate", "1", "--concurrency", "2"],
            "cannot be used with",
        ),
        (
            &["load", "--url", &url, "--concurrency", "0"],
            "--concurrency",
        ),
        (&["load", "--url", &url, "--requests", "0"], "--requests"),
        (&["load", "--url", &url, "--duration", "long"], "--duration"),
        (&["load", "--url", &url, "--no-token-times"], "--record"),
    ] {
        let ran = folder.gridrun(args).ends_with_code(2);
        assert!(ran.err.contains(told), "{args:?}: {}", ran.err);
    }
    assert!(!server.log().contains("GET /v1/models"), "{}", server.log());
}

#[test]
fn what_was_measured_until_ctrl_c_is_kept_and_said_to_be_cut_short() {
    let folder = Folder::new();
    let server = StandIn::serve(&folder, &[]);
    let url = server.url();
    let mut child = folder.spawn(&[
        "load",
        "--url",
        &url,
        "--duration",
        "1h",
        "--max-tokens",
        "4",
        "--json",
        "load.json",
    ]);
    // The first is not measured, and the last may be in flight.
    let has_measured = eventually(|| server.n_answers() >= 4);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = wait(&mut child);
    assert!(has_measured, "{}", server.log());
    assert_eq!(status.code(), Some(130));
    let result = json(&folder.read("load.json"));
    assert_eq!(result["ending"], "interrupted");
    assert!(result["succeeded"].as_u64().unwrap() >= 2, "{result}");
    assert_eq!(result["failed"], 0, "those in flight are not counted");
}

#[test]
fn a_client_that_was_the_bottleneck_says_so() {
    let folder = Folder::new();
    let server = StandIn::serve(&folder, &[]);
    let url = server.url();
    let mut child = folder.spawn(&[
        "load",
        "--url",
        &url,
        "--rate",
        "20",
        "--duration",
        "5s",
        "--max-tokens",
        "4",
        "--json",
        "load.json",
    ]);
    // Held up again and again for a while, as on a machine that has no time for it.
    let pid = Pid::from_child(&child);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        kill_process(pid, Signal::STOP).unwrap();
        std::thread::sleep(Duration::from_millis(80));
        kill_process(pid, Signal::CONT).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(8));
    let result = json(&folder.read("load.json"));
    assert!(result["succeeded"].as_u64().unwrap() > 0, "{result}");
    let bottleneck = result["client"]["bottleneck"].as_str().unwrap();
    assert!(
        bottleneck.contains("client was the bottleneck"),
        "{bottleneck}"
    );
}
