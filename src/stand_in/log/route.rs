//! The routes that vLLM's front end lists when it begins to serve a model that generates text.
//! Older ones also list what such a model refuses (embeddings, scores); that is left out.

use crate::stand_in::version::VllmVersion::{self, V0_6_4, V0_8_5, V0_10_1, V0_18_0, V0_32_0};

/// Path, methods, and the first version that has it.
type Route = (&'static str, &'static str, VllmVersion);

const ROUTES: &[Route] = &[
    ("/openapi.json", "GET, HEAD", V0_6_4),
    ("/docs", "GET, HEAD", V0_6_4),
    ("/docs/oauth2-redirect", "GET, HEAD", V0_6_4),
    ("/redoc", "GET, HEAD", V0_6_4),
    ("/load", "GET", V0_8_5),
    ("/version", "GET", V0_6_4),
    ("/kv_event_sources", "GET", V0_32_0),
    ("/health", "GET", V0_6_4),
    ("/metrics", "GET", V0_8_5),
    ("/tokenize", "POST", V0_6_4),
    ("/detokenize", "POST", V0_6_4),
    ("/v1/models", "GET", V0_6_4),
    ("/v1/systemone", "POST", V0_32_0),
    ("/ping", "GET", V0_8_5),
    ("/ping", "POST", V0_8_5),
    ("/invocations", "POST", V0_8_5),
    ("/v1/chat/completions", "POST", V0_6_4),
    ("/v1/chat/completions/batch", "POST", V0_18_0),
    ("/v1/responses", "POST", V0_10_1),
    ("/v1/responses/{response_id}", "GET", V0_10_1),
    ("/v1/responses/{response_id}/cancel", "POST", V0_10_1),
    ("/v1/completions", "POST", V0_6_4),
    ("/v1/messages", "POST", V0_18_0),
    ("/v1/messages/count_tokens", "POST", V0_18_0),
    ("/generative_scoring", "POST", V0_18_0),
    ("/scale_elastic_ep", "POST", V0_10_1),
    ("/is_scaling_elastic_ep", "POST", V0_10_1),
    ("/v1/chat/completions/render", "POST", V0_18_0),
    ("/v1/messages/render", "POST", V0_32_0),
    ("/v1/completions/render", "POST", V0_18_0),
    ("/v1/responses/render", "POST", V0_32_0),
    ("/v1/chat/completions/derender", "POST", V0_32_0),
    ("/v1/completions/derender", "POST", V0_32_0),
    ("/inference/v1/generate", "POST", V0_18_0),
    ("/inference/v1/abort_requests", "POST", V0_32_0),
];

/// Paths and methods as a version lists them.
pub fn routes(version: VllmVersion) -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES
        .iter()
        .filter(move |(_, _, since)| *since <= version)
        .map(|(path, methods, _)| (*path, *methods))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_lists_what_a_real_engine_listed() {
        let log = include_str!("../../../tests/data/vllm/logs/c-ok1.log");
        let listed: Vec<(&str, &str)> = log
            .lines()
            .filter_map(|line| line.split_once("] Route: ")?.1.split_once(", Methods: "))
            .collect();
        assert_eq!(routes(V0_32_0).collect::<Vec<_>>(), listed);
        assert_eq!(routes(V0_6_4).count(), 11);
    }
}
