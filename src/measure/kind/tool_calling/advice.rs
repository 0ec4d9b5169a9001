//! What to do about tool calls that do not arrive, as sentences.
//!
//! Pure: from what a node found, and the parser that its cell runs with.

use crate::measure::kind::tool_calling::Detail;
use crate::measure::kind::tool_calling::format::CallFormat;

/// The parser of tool calls that an engine runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InForce<'a> {
    Parser(&'a str),
    /// The flag is not passed.
    NoParser,
    /// Nobody knows here.
    Unknown,
}

/// What to try, the most telling first; empty when there is nothing to say.
pub fn advice(detail: &Detail, parser: InForce<'_>) -> Vec<String> {
    let mut advice = Vec::new();
    if detail.probe.template_ignores_tools() {
        advice.push(
            "the chat template ignores the tools: with and without them the prompt has the same \
             number of tokens, so that the model was never told of them; try a chat-template \
             that has tools"
                .to_owned(),
        );
    }
    for leak in &detail.leaks {
        let (n, of) = (leak.n, detail.n_answers);
        let carries = if n == 1 {
            "answer carries"
        } else {
            "answers carry"
        };
        let found = match leak.format {
            CallFormat::Other => format!("{n} of {of} {carries} the call as text"),
            format => format!(
                "{n} of {of} {carries} the call as text in {} form",
                format.name()
            ),
        };
        advice.push(format!("{found}: {}", about(leak.format, parser)));
    }
    if detail.n_swallowed > 0 {
        let (n, of) = (detail.n_swallowed, detail.n_answers);
        let are = if n == 1 { "answer is" } else { "answers are" };
        let found = format!(
            "{n} of {of} {are} empty though the model wrote something: the parser took the text \
             and found no call in it"
        );
        advice.push(match detail.probe.writes {
            Some(format) => {
                let name = format.name();
                format!(
                    "{found}; left alone the model writes its calls in {name} form: {}",
                    about(format, parser)
                )
            }
            None => found,
        });
    }
    if !detail.refusals.is_empty()
        && let Some(format) = detail.probe.writes
    {
        advice.push(format!(
            "left alone the model writes its calls in {} form: {}",
            format.name(),
            about(format, parser)
        ));
    }
    advice
}

/// What to do about calls in a format that were not parsed.
fn about(format: CallFormat, parser: InForce<'_>) -> String {
    let Some(fitting) = format.parser() else {
        return "no parser of vLLM reads that form; another chat template may teach the model one"
            .to_owned();
    };
    let others = match format.parsers() {
        [_] | [] => String::new(),
        [_, rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|name| (*name).to_owned()).collect();
            format!(" ({} read it as well)", rest.join(" and "))
        }
    };
    let others = match format.parsers() {
        [_, _] => others.replace("read it", "reads it"),
        _ => others,
    };
    match parser {
        InForce::Parser(name) if format.is_read_by(name) => format!(
            "{name} is in force and reads that form, so the calls themselves are malformed or cut"
        ),
        InForce::Parser(name) => {
            format!("{name} does not read it, try tool-call-parser = \"{fitting}\"{others}")
        }
        InForce::NoParser => format!(
            "no parser is in force, try tool-call-parser = \"{fitting}\" with \
             enable-auto-tool-choice = true{others}"
        ),
        InForce::Unknown => format!("try tool-call-parser = \"{fitting}\"{others}"),
    }
}

/// Lines to paste that try the fitting parser beside the one in force; `None` when there is
/// nothing to try.
pub fn axis(detail: &Detail, parser: InForce<'_>) -> Option<String> {
    let format = detail.leaks.first().map(|leak| leak.format).or_else(|| {
        let is_silent = detail.n_swallowed > 0 || !detail.refusals.is_empty();
        detail.probe.writes.filter(|_| is_silent)
    })?;
    let fitting = format.parser()?;
    match parser {
        InForce::Parser(name) if format.is_read_by(name) => None,
        InForce::Parser(name) => Some(format!(
            "[matrix]\ntool-call-parser = [\"{fitting}\", \"{name}\"]"
        )),
        InForce::NoParser | InForce::Unknown => Some(format!(
            "[matrix]\ntool-call-parser = [\"{fitting}\"]\nenable-auto-tool-choice = [true]"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::kind::tool_calling::{LeakCount, Probe, PromptTokens, Refusal};

    fn leaking(format: CallFormat, n: u32) -> Detail {
        Detail {
            leaks: vec![LeakCount { format, n }],
            n_answers: 12,
            ..Detail::default()
        }
    }

    #[test]
    fn the_parser_that_reads_the_leaked_form_is_named() {
        let leaks = leaking(CallFormat::Hermes, 12);
        let told = advice(&leaks, InForce::Parser("qwen3_xml"));
        assert_eq!(
            told,
            [
                "12 of 12 answers carry the call as text in Hermes form: qwen3_xml does not read \
              it, try tool-call-parser = \"hermes\" (qwen3_json and granite4 read it as well)"
            ]
        );
        assert_eq!(
            axis(&leaks, InForce::Parser("qwen3_xml")).unwrap(),
            "[matrix]\ntool-call-parser = [\"hermes\", \"qwen3_xml\"]"
        );
        let told = advice(&leaking(CallFormat::Pythonic, 1), InForce::Unknown);
        assert_eq!(
            told,
            [
                "1 of 12 answer carries the call as text in pythonic form: try tool-call-parser = \
              \"pythonic\" (llama4_pythonic reads it as well)"
            ]
        );
        let told = advice(&leaking(CallFormat::Mistral, 2), InForce::NoParser);
        assert!(
            told[0].contains("with enable-auto-tool-choice = true"),
            "{told:?}"
        );
    }

    #[test]
    fn a_parser_that_fits_is_not_advised_again() {
        let leaks = leaking(CallFormat::Hermes, 3);
        let told = advice(&leaks, InForce::Parser("hermes"));
        assert!(told[0].contains("malformed or cut"), "{told:?}");
        assert_eq!(axis(&leaks, InForce::Parser("hermes")), None);
    }

    #[test]
    fn a_form_that_no_parser_reads_is_said_to_be_one() {
        let leaks = leaking(CallFormat::Other, 3);
        let told = advice(&leaks, InForce::Parser("hermes"));
        assert!(
            told[0].contains("no parser of vLLM reads that form"),
            "{told:?}"
        );
        assert_eq!(axis(&leaks, InForce::Parser("hermes")), None);
    }

    #[test]
    fn calls_that_were_swallowed_or_refused_are_explained_by_what_the_model_writes_alone() {
        let mut detail = Detail {
            n_answers: 8,
            n_swallowed: 8,
            probe: Probe {
                prompt_tokens: None,
                writes: Some(CallFormat::Hermes),
            },
            ..Detail::default()
        };
        let told = advice(&detail, InForce::Parser("qwen3_xml"));
        assert!(told[0].contains("8 of 8 answers are empty"), "{told:?}");
        assert!(
            told[0].contains("try tool-call-parser = \"hermes\""),
            "{told:?}"
        );
        assert!(axis(&detail, InForce::Parser("qwen3_xml")).is_some());
        detail.n_swallowed = 0;
        assert!(advice(&detail, InForce::NoParser).is_empty());
        detail.refusals = vec![Refusal {
            words: "no".to_owned(),
            n: 8,
        }];
        let told = advice(&detail, InForce::NoParser);
        assert!(
            told[0].starts_with("left alone the model writes"),
            "{told:?}"
        );
    }

    #[test]
    fn a_template_without_tools_comes_first() {
        let mut detail = leaking(CallFormat::Hermes, 1);
        detail.probe.prompt_tokens = Some(PromptTokens {
            with_tools: 40,
            without_tools: 40,
        });
        let told = advice(&detail, InForce::Unknown);
        assert_eq!(told.len(), 2);
        assert!(
            told[0].starts_with("the chat template ignores the tools"),
            "{told:?}"
        );
    }
}
