//! The streaming client against a fake vLLM: every way in which an answer can be no
//! measurement, connections that are kept and lost, and what is in flight.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::load::bench::LIMITS;
use crate::load::fake_vllm::{FakeVllm, KEY, MODEL, PREFILL, Reply, target_at};
use crate::load::stream::{
    ChatRequest, Exchange, LoopWatch, RequestLimits, SpeedRequest, Streamer, ToolCall,
};
use crate::measure::activity::{Activity, EngineState};
use crate::measure::request::{RequestFailure, Usage};
use crate::runner::ports::Target;
use crate::time_scale::TimeScale;

fn streamer(target: &Target, limits: RequestLimits) -> Streamer {
    Streamer::new(target, limits, Instant::now(), Default::default()).unwrap()
}

fn request() -> ChatRequest {
    let request = SpeedRequest {
        content: "one two three",
        max_tokens: 5,
        seed: 1,
    };
    ChatRequest::new(request.body(MODEL))
}

async fn ask(fake: &FakeVllm, reply: Reply, limits: RequestLimits) -> Exchange {
    fake.reply_with([reply]);
    streamer(&fake.target, limits).send(&request()).await
}

#[tokio::test]
async fn a_proper_stream_is_measured_from_its_first_token_and_not_from_its_role() {
    let fake = FakeVllm::start().await;
    for reply in [Reply::Proper, Reply::ByteByByte, Reply::NoDone] {
        let exchange = ask(&fake, reply.clone(), LIMITS).await;
        assert_eq!(exchange.failure, None, "{reply:?}");
        assert_eq!(
            exchange.usage,
            Some(Usage {
                prompt: 12,
                output: 5,
                cached: None
            })
        );
        assert_eq!(exchange.finish_reason.as_deref(), Some("length"));
        let instants = exchange.instants;
        assert_eq!(instants.tokens.len(), 5);
        assert_eq!(instants.first_token, instants.tokens.first());
        assert_eq!(instants.first_answer, instants.tokens.first());
        assert_eq!(instants.last_token, instants.tokens.last());
        assert!(instants.tokens.iter().is_sorted());
        assert!(instants.due <= instants.sent);
        // The role came before the pause, the first token after it.
        let pause = PREFILL.as_nanos() as u64;
        assert!(instants.first_token.unwrap() >= instants.sent + pause);
        assert!(instants.end >= instants.last_token.unwrap());
    }
}

#[tokio::test]
async fn what_is_asked_for_is_what_the_design_says() {
    let fake = FakeVllm::start().await;
    ask(&fake, Reply::Proper, LIMITS).await;
    let body = fake.engine().streamed[0].clone();
    let expected = serde_json::json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": "one two three" }],
        "max_tokens": 5,
        "temperature": 0,
        "seed": 1,
        "ignore_eos": true,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    assert_eq!(body, expected);
}

type Check = fn(&RequestFailure) -> bool;

#[tokio::test]
async fn every_broken_answer_is_a_failure_with_its_reason() {
    let fake = FakeVllm::start().await;
    let status = Reply::Status(500, format!("no, {KEY}"));
    let cases: [(Reply, Check); 9] = [
        (status, |failure| {
            let body = "no, [key]".to_owned();
            *failure == RequestFailure::Status { status: 500, body }
        }),
        (Reply::ErrorEvent, |failure| {
            let message = "EngineCore encountered an issue.".to_owned();
            *failure == RequestFailure::ErrorEvent { message }
        }),
        (Reply::Stall(2), |failure| {
            *failure == RequestFailure::Stalled { after_ms: 300 }
        }),
        (Reply::Cut(2), |failure| {
            matches!(failure, RequestFailure::Cut { .. })
        }),
        (Reply::Cut(0), |failure| {
            matches!(failure, RequestFailure::Cut { .. })
        }),
        (Reply::EndEarly(5), |failure| {
            let detail = "the stream ended without a finish_reason".to_owned();
            *failure == RequestFailure::Cut { detail }
        }),
        (Reply::Garbled, |failure| {
            matches!(failure, RequestFailure::Garbled { .. })
        }),
        (Reply::NotAStream, |failure| {
            matches!(failure, RequestFailure::Garbled { .. })
        }),
        (Reply::Reset, |failure| {
            matches!(failure, RequestFailure::Connect { .. })
        }),
    ];
    for (reply, is_expected) in cases {
        // A short limit elsewhere would fail on a busy machine.
        let is_stall = matches!(reply, Reply::Stall(_));
        let stall = if is_stall {
            Duration::from_millis(300)
        } else {
            LIMITS.stall
        };
        let limits = RequestLimits { stall, ..LIMITS };
        let failure = ask(&fake, reply.clone(), limits).await.failure;
        assert!(
            failure.as_ref().is_some_and(is_expected),
            "{reply:?}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn time_limits_tell_silence_from_slowness() {
    let fake = FakeVllm::start().await;
    let total = Duration::from_secs(1);
    let endless = ask(
        &fake,
        Reply::Endless,
        RequestLimits {
            total,
            stall: total,
            ..LIMITS
        },
    )
    .await;
    let detail = "given up after 1000 ms, unfinished".to_owned();
    assert_eq!(endless.failure, Some(RequestFailure::Cut { detail }));

    // It takes connections and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target_at(mute.local_addr().unwrap().port());
    let limits = RequestLimits {
        total,
        stall: total,
        ..LIMITS
    };
    let silent = streamer(&target, limits).send(&request()).await;
    assert_eq!(
        silent.failure,
        Some(RequestFailure::Stalled { after_ms: 1000 })
    );

    // A fast engine's silence is told in its time, and waited for in ours.
    let total = Duration::from_millis(50);
    let fast = RequestLimits::within(total).at(TimeScale::new(20.0).unwrap());
    let silent = streamer(&target, fast).send(&request()).await;
    assert_eq!(
        silent.failure,
        Some(RequestFailure::Stalled { after_ms: 1000 })
    );

    // Nobody is there any more.
    drop(mute);
    let refused = streamer(&target, limits).send(&request()).await;
    assert!(
        matches!(refused.failure, Some(RequestFailure::Connect { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_a_401() {
    let mut fake = FakeVllm::start().await;
    fake.target.api_key = "wrong".to_owned();
    let body = r#"{"error":"Unauthorized"}"#.to_owned();
    let expected = RequestFailure::Status { status: 401, body };
    assert_eq!(
        ask(&fake, Reply::Proper, LIMITS).await.failure,
        Some(expected)
    );
}

#[tokio::test]
async fn connections_are_kept_and_a_closed_one_is_no_failure() {
    let fake = FakeVllm::start().await;
    let streamer = streamer(&fake.target, LIMITS);
    for _ in 0..3 {
        assert_eq!(streamer.send(&request()).await.failure, None);
    }
    assert_eq!(fake.engine().n_connections, 1);
    fake.reply_with([Reply::ProperThenClosed]);
    for _ in 0..2 {
        assert_eq!(streamer.send(&request()).await.failure, None);
        // The end of the connection is on its way while the next request is made.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fake.engine().n_connections, 2);
    assert_eq!(fake.engine().streamed.len(), 5);
    assert_eq!(streamer.connect_ahead(3).await, 4);
}

#[tokio::test]
async fn what_is_said_is_kept_where_it_is_wanted() {
    let fake = FakeVllm::start().await;
    let call = json!({ "index": 0, "id": "c1", "function": { "name": "f", "arguments": "{" } });
    let deltas = vec![
        json!({ "reasoning": "hm, " }),
        json!({ "reasoning": "yes" }),
        json!({ "content": "so:" }),
        json!({ "tool_calls": [call] }),
        json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "}" } }] }),
    ];
    fake.reply_with([Reply::Deltas(deltas.clone()), Reply::Deltas(deltas)]);
    let streamer = streamer(&fake.target, LIMITS);
    let kept = streamer.send(&request().keeping_answer()).await;
    let answer = kept.answer.unwrap();
    assert_eq!(
        (answer.reasoning.as_str(), answer.content.as_str()),
        ("hm, yes", "so:")
    );
    let call = ToolCall {
        id: Some("c1".to_owned()),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
    };
    assert_eq!(answer.tool_calls, [call]);
    assert_eq!(kept.instants.tokens.len(), 5);
    assert!(kept.instants.first_answer >= kept.instants.first_token);
    assert_eq!(streamer.send(&request()).await.answer, None);
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_is_read_whole() {
    let fake = FakeVllm::start().await;
    let streamer = streamer(&fake.target, LIMITS);
    let body = json!({ "model": MODEL, "messages": [], "max_tokens": 1 });
    let request = ChatRequest::new(body.to_string()).keeping_answer();
    let whole = streamer.send_whole(&request).await;
    assert_eq!(whole.failure, None);
    assert_eq!(whole.answer.unwrap().content, "Hi");
    assert_eq!(whole.finish_reason.as_deref(), Some("length"));
    assert_eq!(whole.instants.first_token, None);
    assert!(whole.instants.end > whole.instants.sent);

    fake.engine().completion = 500;
    let failed = streamer.send_whole(&request).await;
    assert!(matches!(
        failed.failure,
        Some(RequestFailure::Status { status: 500, .. })
    ));
    // A stream in place of it is none.
    let garbled = streamer.send_whole(&self::request()).await.failure;
    assert!(matches!(garbled, Some(RequestFailure::Garbled { .. })));
}

#[tokio::test]
async fn what_is_in_flight_is_told_until_it_ends_or_is_given_up() {
    let fake = FakeVllm::start().await;
    let activity = Arc::new(Activity::default());
    let streamer =
        Streamer::new(&fake.target, LIMITS, Instant::now(), Arc::clone(&activity)).unwrap();
    assert_eq!(streamer.send(&request()).await.failure, None);
    assert_eq!(activity.state(), EngineState::Idle);
    for (tokens, state) in [(0, EngineState::Prefill), (2, EngineState::Decode)] {
        fake.reply_with([Reply::Stall(tokens)]);
        let request = request();
        let sending = streamer.send(&request);
        let seen = async {
            while activity.state() != state {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            exchange = sending => panic!("{exchange:?}"),
            () = seen => {}
        }
        assert_eq!(activity.state(), EngineState::Idle);
    }
}

#[tokio::test]
async fn lateness_is_counted_from_the_instant_a_request_was_due() {
    let fake = FakeVllm::start().await;
    let streamer = streamer(&fake.target, LIMITS);
    let watch = LoopWatch::start();
    assert_eq!(streamer.health(&watch), None);
    let due = Instant::now();
    tokio::time::sleep(Duration::from_millis(80)).await;
    let exchange = streamer.send(&request().due_at(due)).await;
    let late = exchange.instants.sent - exchange.instants.due;
    assert!(late >= 80_000_000, "{late}");
    assert!(exchange.instants.first_token.unwrap() >= exchange.instants.due + late);
    let health = streamer.health(&watch).unwrap();
    assert_eq!(health.schedule_delay_ms.n, 1);
    assert!(health.schedule_delay_ms.max >= 80.0);
    assert!(health.bottleneck(None).is_some());
    assert!(streamer.ttft_p50_ms().unwrap() >= 80.0);
}
