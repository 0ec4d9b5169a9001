//! The `reasoning` workload: tasks with rubrics, asked one at a time. The model lets itself
//! stop, at temperature 0 and with a seed, so that its answers can be graded.
//!
//! Grading waits until the last answer is there: code that is tried in a sandbox would take the
//! engine's processors from it.

mod judge;
mod report;
mod sandbox;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::load::reason::reason;
use crate::load::stream::{ChatRequest, Exchange};
use crate::load::workload::context::NodeContext;
use crate::load::workload::reasoning::judge::Judge;
use crate::load::workload::reasoning::report::{Asked, Run, summarise};
use crate::measure::node::NodeReport;
use crate::measure::request::{Request, RequestFailure, RequestRole};
use crate::measure::rubric::{Evidence, Need, Task, TaskGrade, grade, needs, proper};
use crate::spec::workload::reasoning::ReasoningSpec;

/// So many requests in a row without any answer: the engine has stopped answering.
const SILENT_REQUESTS: u32 = 2;

/// Runs it. Failed requests are counted in the report; it ends early when the engine stops
/// answering.
pub async fn run(context: &NodeContext<'_>, spec: &ReasoningSpec) -> NodeReport {
    let scale = context.server.scale();
    let started = Instant::now();
    let mut session = Session {
        context,
        spec,
        asked: Vec::new(),
        n_sent: 0,
        n_silent: 0,
    };
    let early = session.ask_all().await.err();
    let took_ms = scale.told_ms(started.elapsed());
    session.grade_all().await;
    summarise(&Run {
        node: context.node,
        asked: &session.asked,
        early,
        scale,
        took_ms,
    })
}

struct Session<'a> {
    context: &'a NodeContext<'a>,
    spec: &'a ReasoningSpec,
    asked: Vec<Asked<'a>>,
    n_sent: u32,
    /// Requests in a row that found nobody.
    n_silent: u32,
}

impl<'a> Session<'a> {
    /// The error says why no further request makes sense.
    async fn ask_all(&mut self) -> Result<(), String> {
        let warm_up = [("user", "Say hello.")];
        self.send(RequestRole::WarmUp, None, &warm_up, 8).await?;
        let spec = self.spec;
        for iteration in 0..spec.iterations {
            for task in &spec.tasks {
                let system = task.system.as_deref().map(|system| ("system", system));
                let messages: Vec<(&str, &str)> = system
                    .into_iter()
                    .chain([("user", task.prompt.as_str())])
                    .collect();
                let (request, content) = self
                    .send(
                        RequestRole::Measured,
                        Some(&task.name),
                        &messages,
                        spec.max_tokens,
                    )
                    .await?;
                self.asked.push(Asked {
                    task,
                    iteration,
                    request,
                    content,
                    grade: None,
                });
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        role: RequestRole,
        label: Option<&str>,
        messages: &[(&str, &str)],
        max_tokens: u32,
    ) -> Result<(Request, String), String> {
        let context = self.context;
        let model = &context.server.target().model;
        let body = body(self.spec, model, messages, max_tokens, context.book.seed);
        let request = ChatRequest::new(body.to_string()).keeping_answer();
        let mut exchange = context.streamer.send(&request).await;
        exchange.failure = judge_exchange(&exchange);
        let content = exchange
            .answer
            .map(|answer| answer.content)
            .unwrap_or_default();
        let request = Request {
            node: context.node.to_owned(),
            index: self.n_sent,
            role,
            prompt: None,
            user: 0,
            turn: None,
            label: label.map(str::to_owned),
            instants: exchange.instants,
            usage: exchange.usage,
            counters: None,
            finish_reason: exchange.finish_reason,
            failure: exchange.failure,
            proof: None,
        };
        self.n_sent += 1;
        context.requests.push(request.clone());
        match request
            .failure
            .as_ref()
            .filter(|failure| failure.is_silence())
        {
            Some(failure) => {
                self.n_silent += 1;
                if self.n_silent >= SILENT_REQUESTS {
                    return Err(format!("the engine stopped answering: {}", reason(failure)));
                }
            }
            None => self.n_silent = 0,
        }
        Ok((request, content))
    }

    async fn grade_all(&mut self) {
        let judge = self.spec.judge.as_ref().map(Judge::new);
        let mut asked = std::mem::take(&mut self.asked);
        for answer in &mut asked {
            if answer.request.failure.is_none() {
                answer.grade = Some(self.grade(answer.task, &answer.content, &judge).await);
            }
        }
        self.asked = asked;
    }

    async fn grade(
        &self,
        task: &Task,
        content: &str,
        judge: &Option<Result<Judge<'_>, String>>,
    ) -> TaskGrade {
        let answer = proper(content).text;
        let mut evidence = Vec::new();
        for need in needs(task, answer) {
            evidence.push(match need {
                None => None,
                Some(Need::Sandbox { code, tests }) => Some(self.try_code(&code, &tests).await),
                Some(Need::Judge { ask }) => Some(match judge {
                    Some(Ok(judge)) => judge.ask(&task.prompt, answer, &ask).await,
                    Some(Err(because)) => Evidence::Unknown {
                        because: because.clone(),
                    },
                    None => Evidence::Unknown {
                        because: "there is no judge".to_owned(),
                    },
                }),
            });
        }
        grade(task, answer, &evidence)
    }

    async fn try_code(&self, code: &str, tests: &[String]) -> Evidence {
        let program = match sandbox::program(code, tests) {
            Ok(program) => program,
            Err(because) => return Evidence::Unknown { because },
        };
        match self.context.beside.sandbox(&program).await {
            Ok(end) => sandbox::evidence(&end, tests.len()),
            Err(error) => Evidence::Unknown {
                because: error.because,
            },
        }
    }
}

/// The body of a quality request: the model stops by itself.
fn body(
    spec: &ReasoningSpec,
    model: &str,
    messages: &[(&str, &str)],
    max_tokens: u32,
    seed: u64,
) -> Value {
    let messages: Vec<Value> = messages
        .iter()
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), json!(messages));
    body.insert("max_tokens".to_owned(), json!(max_tokens));
    body.insert("temperature".to_owned(), json!(0));
    // vLLM takes seeds as signed 64-bit integers.
    body.insert("seed".to_owned(), json!(seed & i64::MAX as u64));
    body.insert("stream".to_owned(), json!(true));
    body.insert(
        "stream_options".to_owned(),
        json!({ "include_usage": true }),
    );
    if let Some(thinking) = spec.thinking {
        body.insert(
            "chat_template_kwargs".to_owned(),
            json!({ "enable_thinking": thinking }),
        );
    }
    Value::Object(body)
}

/// Why the exchange is no answer that could be graded.
fn judge_exchange(exchange: &Exchange) -> Option<RequestFailure> {
    if exchange.failure.is_some() {
        return exchange.failure.clone();
    }
    let unexpected = |detail: String| Some(RequestFailure::Unexpected { detail });
    if exchange.usage.is_none() {
        return unexpected("the answer has no usage".to_owned());
    }
    match exchange.finish_reason.as_deref() {
        Some("stop" | "length") => None,
        other => unexpected(format!(
            "finish_reason `{}` instead of `stop` or `length`",
            other.unwrap_or("none")
        )),
    }
}

#[cfg(test)]
mod tests;
