//! What `/metrics` says after requests, and what gridrun reads in it.

use serde_json::json;

use crate::load::metrics::{MetricsPage, PrefixCounters};
use crate::load::proof::prove;
use crate::measure::request::{CacheCounters, CacheProof, Usage};
use crate::stand_in::tests::{Running, question};
use crate::stand_in::version::VllmVersion;

#[tokio::test]
async fn requests_are_counted_by_their_routes_when_they_are_complete() {
    let engine = Running::start("").await;
    engine
        .chat(&question("hello", &json!({"max_tokens": 3})))
        .await;
    let streamed = question("hello", &json!({"max_tokens": 3, "stream": true}));
    let answer = engine.post("/v1/chat/completions", &streamed).await;
    answer.text().await.unwrap();
    engine
        .post(
            "/v1/chat/completions",
            &json!({"model": "nope", "messages": []}),
        )
        .await;
    for path in ["/v1/models", "/nothing", "/v1/chat/completions", "/health"] {
        engine.get(path).await;
    }
    // Without the key nothing is reached, and nothing counted.
    let bare = reqwest::Client::new();
    bare.get(format!("{}/v1/models", engine.url))
        .send()
        .await
        .unwrap();
    let counted = engine.metric_lines("http_requests_total{").await;
    assert_eq!(
        counted,
        [
            r#"http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"} 2.0"#,
            r#"http_requests_total{handler="/v1/chat/completions",method="POST",status="4xx"} 1.0"#,
            r#"http_requests_total{handler="/v1/models",method="GET",status="2xx"} 1.0"#,
            r#"http_requests_total{handler="none",method="GET",status="4xx"} 2.0"#,
        ]
    );
    let sizes = engine
        .metric_lines("http_request_size_bytes_count{handler=\"/v1/chat")
        .await;
    assert_eq!(
        sizes,
        [r#"http_request_size_bytes_count{handler="/v1/chat/completions"} 3.0"#]
    );
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_counted_too() {
    let engine = Running::start("--stand-in-decode-tokens-per-second 50").await;
    let streamed = question("hello", &json!({"stream": true, "ignore_eos": true}));
    let mut answer = engine.post("/v1/chat/completions", &streamed).await;
    answer.chunk().await.unwrap().unwrap();
    assert!(engine.metric_lines("http_requests_total{").await.is_empty());
    drop(answer);
    while engine.metric_lines("http_requests_total{").await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_parameters_of_requests_are_counted() {
    let engine = Running::start("--max-model-len 1000").await;
    engine
        .chat(&question(
            "hello",
            &json!({"max_tokens": 7, "ignore_eos": true}),
        ))
        .await;
    let open = engine.chat(&question("hello", &json!({}))).await;
    let prompt = open["usage"]["prompt_tokens"].as_f64().unwrap();
    let said = open["usage"]["completion_tokens"].as_f64().unwrap();
    for (name, value) in [
        ("request_params_max_tokens_sum", 7.0 + 1000.0 - prompt),
        ("request_max_num_generation_tokens_sum", 7.0 + said),
        ("request_params_n_sum", 2.0),
        ("request_queue_time_seconds_count", 2.0),
        ("request_decode_time_seconds_count", 2.0),
        ("inter_token_latency_seconds_count", 6.0 + said - 1.0),
        ("iteration_tokens_total_count", 7.0 + said),
        ("prompt_tokens_total", 2.0 * prompt),
    ] {
        let shown = engine.metric(name).await;
        assert!(
            (shown - value).abs() < 1e-9,
            "{name} is {shown}, not {value}"
        );
    }
}

#[tokio::test]
async fn several_answers_are_one_request_of_as_many_parts() {
    let engine = Running::start("").await;
    let wanted = json!({"n": 3, "max_tokens": 4, "ignore_eos": true, "temperature": 0.7});
    engine.chat(&question("hello", &wanted)).await;
    for (name, value) in [
        ("request_params_n_sum", 3.0),
        ("request_params_n_count", 1.0),
        ("request_max_num_generation_tokens_sum", 4.0),
        ("request_params_max_tokens_count", 3.0),
        ("e2e_request_latency_seconds_count", 3.0),
        ("generation_tokens_total", 12.0),
    ] {
        let shown = engine.metric(name).await;
        assert!(
            (shown - value).abs() < 1e-9,
            "{name} is {shown}, not {value}"
        );
    }
}

#[tokio::test]
async fn what_a_parser_of_tool_calls_is_given_is_counted() {
    let engine = Running::start("--enable-auto-tool-choice --tool-call-parser hermes").await;
    let tool = json!({
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    });
    let ask = question(
        "What is the weather in Paris? Use get_weather.",
        &json!({"tools": [tool], "tool_choice": "required"}),
    );
    let answer = engine.chat(&ask).await;
    assert!(
        answer["choices"][0]["message"]["tool_calls"].is_array(),
        "{answer}"
    );
    let mut streamed = ask.clone();
    streamed["stream"] = json!(true);
    let stream = engine.post("/v1/chat/completions", &streamed).await;
    stream.text().await.unwrap();
    engine.chat(&question("hello", &json!({}))).await;
    let counts = engine
        .metric_lines("vllm:tool_call_parser_invocations_total{")
        .await;
    assert_eq!(counts.len(), 12);
    let of = |mode: &str, outcome: &str| -> f64 {
        let mark =
            format!("mode=\"{mode}\",model_name=\"m\",outcome=\"{outcome}\",request_type=\"chat");
        let line = counts.iter().find(|line| line.contains(&mark)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(
        (
            of("non_streaming", "tool_call"),
            of("non_streaming", "no_tool_call")
        ),
        (1.0, 0.0)
    );
    assert!(of("streaming", "tool_call") >= 1.0);
    let without = Running::start("").await;
    let counts = without.metric_lines("vllm:tool_call_parser").await;
    assert!(counts.is_empty());
}

/// What gridrun proves of a repeated prompt, from the engine's own counts around it.
async fn proof_of_a_repeat(flags: &str) -> CacheProof {
    let engine = Running::start(flags).await;
    let ask = question(&"a word ".repeat(200), &json!({"max_tokens": 1}));
    engine.chat(&ask).await;
    let read = async || {
        let page = engine.get("/metrics").await.text().await.unwrap();
        MetricsPage::parse(&page)
    };
    let before = read().await;
    let answer = engine.chat(&ask).await;
    let after = read().await;
    let moved = |counter: fn(&PrefixCounters) -> Option<f64>| {
        let difference = counter(&after.prefix_counters())? - counter(&before.prefix_counters())?;
        Some(difference as u64)
    };
    let counters = moved(|counters| counters.queries)
        .zip(moved(|counters| counters.hits))
        .map(|(queries, hits)| CacheCounters { queries, hits });
    let usage = &answer["usage"];
    let usage = Usage {
        prompt: usage["prompt_tokens"].as_u64().unwrap(),
        output: 1,
        cached: usage["prompt_tokens_details"]["cached_tokens"].as_u64(),
    };
    prove(usage, counters, after.cache_info().block_size)
}

#[tokio::test]
async fn every_version_proves_its_cache() {
    for version in VllmVersion::ALL {
        let version = version.name();
        let counted = proof_of_a_repeat(&format!(
            "--stand-in-version {version} --enable-prefix-caching"
        ))
        .await;
        let told = proof_of_a_repeat(&format!(
            "--stand-in-version {version} --enable-prefix-caching --enable-prompt-tokens-details"
        ))
        .await;
        assert!(
            matches!(told, CacheProof::Hit { .. }),
            "{version}: {told:?}"
        );
        if version == "0.6.4" {
            // V0 shows a share of all that it has looked up, and no counts.
            assert!(
                matches!(counted, CacheProof::Unproved { .. }),
                "{counted:?}"
            );
        } else {
            assert_eq!(counted, told, "{version}");
        }
        let off = proof_of_a_repeat(&format!(
            "--stand-in-version {version} --no-enable-prefix-caching --enable-prompt-tokens-details"
        ))
        .await;
        assert_eq!(off, CacheProof::Miss { cached: 0 }, "{version}");
    }
}
