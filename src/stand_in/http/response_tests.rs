//! Answers byte for byte as vLLM 0.32 has sent them.

use super::*;
use crate::stand_in::engine::metrics::Finish;
use crate::stand_in::http::request::{Ask, Shown};
use crate::stand_in::http::stop::Ending;
use crate::stand_in::model::answer::Answer;
use crate::stand_in::model::tokens::{MESSAGE_END, encode};

fn writer(shape: Shape, details: PromptTokenDetails, delivery: Delivery) -> Writer {
    let accounting = Accounting {
        version: VllmVersion::default(),
        details,
        caching: PrefixCaching::On,
        block_size: 16,
    };
    let ask = Ask {
        prompt: 0,
        answer: Answer {
            tokens: Vec::new(),
            stops: true,
        },
        max_tokens: 8,
        ending: Ending::default(),
    };
    let question = Question {
        prompts: vec![vec![7; 37]],
        asks: vec![ask],
        delivery,
        shown: Shown::default(),
        calling: None,
    };
    Writer::new(
        shape,
        accounting,
        0xa876_5100_0906_0a34,
        1_795_487_822,
        "smollm2".to_owned(),
        &question,
    )
}

const WITH_USAGE: Delivery = Delivery::Streamed {
    usage: true,
    continuous: false,
};

fn said(text: &str, finish: Option<Finish>) -> Said {
    Said {
        token: encode(text)[0],
        cached_tokens: 16,
        finish,
    }
}

fn ended() -> Said {
    Said {
        token: MESSAGE_END,
        cached_tokens: 16,
        finish: Some(Finish::Stop),
    }
}

/// The events with these choices, and whatever follows them.
fn expected(object: &str, bodies: &[&str]) -> String {
    let id = if object == "text_completion" {
        "cmpl"
    } else {
        "chatcmpl"
    };
    bodies
        .iter()
        .map(|body| {
            format!(
                "data: {{\"id\":\"{id}-a876510009060a34\",\"object\":\"{object}\",\"created\":1795487822,\
                 \"model\":\"smollm2\",\"choices\":{body}\n\n"
            )
        })
        .collect()
}

#[test]
fn a_streamed_chat_has_the_events_of_vllm() {
    let mut writer = writer(Shape::Chat, PromptTokenDetails::Hidden, WITH_USAGE);
    let text = [
        writer.piece(0, said("The", None)),
        writer.piece(0, ended()),
        writer.usage_event(),
    ]
    .concat();
    let bodies = [
        r#"[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}"#,
        r#"[{"index":0,"delta":{"content":"The"},"logprobs":null,"finish_reason":null,"token_ids":null}]}"#,
        r#"[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}]}"#,
        r#"[],"usage":{"prompt_tokens":37,"total_tokens":39,"completion_tokens":2},"system_fingerprint":"vllm-0.32.0-stand-in"}"#,
    ];
    assert_eq!(text, expected("chat.completion.chunk", &bodies));
}

#[test]
fn a_streamed_completion_has_the_events_of_vllm() {
    let delivery = Delivery::Streamed {
        usage: true,
        continuous: true,
    };
    let mut with_usage = writer(Shape::Completion, PromptTokenDetails::Hidden, delivery);
    let text = [
        with_usage.piece(0, said("The", None)),
        with_usage.piece(0, said("x", Some(Finish::Length))),
        with_usage.usage_event(),
    ]
    .concat();
    let bodies = [
        r#"[{"index":0,"text":"The","logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}],"usage":{"prompt_tokens":37,"total_tokens":38,"completion_tokens":1}}"#,
        r#"[{"index":0,"text":"x","logprobs":null,"finish_reason":"length","stop_reason":null,"prompt_token_ids":null,"token_ids":null}],"usage":{"prompt_tokens":37,"total_tokens":39,"completion_tokens":2}}"#,
        r#"[],"usage":{"prompt_tokens":37,"total_tokens":39,"completion_tokens":2},"system_fingerprint":"vllm-0.32.0-stand-in"}"#,
    ];
    assert_eq!(text, expected("text_completion", &bodies));
    let delivery = Delivery::Streamed {
        usage: false,
        continuous: false,
    };
    let mut bare = writer(Shape::Completion, PromptTokenDetails::Hidden, delivery);
    assert!(!bare.shows_usage());
    let last = r#"[{"index":0,"text":"x","logprobs":null,"finish_reason":"length","stop_reason":null,"prompt_token_ids":null,"token_ids":null}],"system_fingerprint":"vllm-0.32.0-stand-in"}"#;
    assert_eq!(
        bare.piece(0, said("x", Some(Finish::Length))),
        expected("text_completion", &[last])
    );
}

#[test]
fn a_whole_chat_has_the_body_of_vllm() {
    let writer = writer(Shape::Chat, PromptTokenDetails::Hidden, Delivery::Whole);
    let body = writer
        .whole(&[vec![said("Paris", None), ended()]])
        .to_string();
    let expected = r#"{"id":"chatcmpl-a876510009060a34","object":"chat.completion","created":1795487822,"model":"smollm2","choices":[{"index":0,"message":{"role":"assistant","content":"Pari","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null,"routed_experts":null}],"service_tier":null,"system_fingerprint":"vllm-0.32.0-stand-in","usage":{"prompt_tokens":37,"total_tokens":39,"completion_tokens":2,"prompt_tokens_details":null,"completion_tokens_details":null},"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}"#;
    assert_eq!(body, expected);
}

#[test]
fn cached_tokens_are_told_where_they_were_asked_for() {
    let mut streamed = writer(Shape::Chat, PromptTokenDetails::Shown, WITH_USAGE);
    streamed.piece(0, said("x", Some(Finish::Length)));
    let details = r#""prompt_tokens_details":{"cached_tokens":16,"created_cache_tokens":16}"#;
    assert!(streamed.usage_event().contains(details));
    let whole = writer(
        Shape::Completion,
        PromptTokenDetails::Shown,
        Delivery::Whole,
    )
    .whole(&[vec![said("x", Some(Finish::Length))]]);
    assert_eq!(
        whole["usage"]["prompt_tokens_details"].to_string(),
        r#"{"cached_tokens":16,"created_cache_tokens":null,"multimodal_tokens":null}"#
    );
    assert_eq!(
        (&whole["object"], &whole["choices"][0]["text"]),
        (&json!("text_completion"), &json!("x"))
    );
}
