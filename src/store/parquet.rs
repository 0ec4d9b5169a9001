//! Requests as Parquet: one row per request, instants in nanoseconds, counts in tokens.
//!
//! With `parquet/`, which has the samples, the one place of the store that knows polars;
//! `docs/RESULTS.md` lists the columns.

use std::path::Path;

use polars::prelude::{
    Column, DataFrame, DataType, IntoSeries, ListBuilderTrait, ListPrimitiveChunkedBuilder,
    NamedFrom, ParquetWriter, Series, UInt64Type,
};

use crate::measure::request::{CacheProof, Request, RequestFailure};
use crate::runner::ports::StoreError;

mod course;
pub mod history;
mod samples;
mod table;

pub use course::readings;
pub use samples::samples;
pub use table::table;

/// The bytes of `requests.parquet`; `path` is only named in errors.
///
/// # Errors
/// When the frame cannot be encoded.
pub fn requests(requests: &[Request], path: &Path) -> Result<Vec<u8>, StoreError> {
    encoded(frame(requests), path)
}

fn encoded(
    frame: Result<DataFrame, polars::error::PolarsError>,
    path: &Path,
) -> Result<Vec<u8>, StoreError> {
    let failed = |error: polars::error::PolarsError| StoreError {
        what: "cannot encode".to_owned(),
        path: path.to_owned(),
        source: Box::new(error),
    };
    let mut frame = frame.map_err(failed)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .finish(&mut frame)
        .map_err(failed)?;
    Ok(bytes)
}

fn frame(requests: &[Request]) -> Result<DataFrame, polars::error::PolarsError> {
    let text = |name: &str, of: &dyn Fn(&Request) -> Option<String>| {
        Column::from(Series::new(
            name.into(),
            requests.iter().map(of).collect::<Vec<_>>(),
        ))
    };
    let count = |name: &str, of: &dyn Fn(&Request) -> Option<u64>| {
        Column::from(Series::new(
            name.into(),
            requests.iter().map(of).collect::<Vec<_>>(),
        ))
    };
    let mut tokens = ListPrimitiveChunkedBuilder::<UInt64Type>::new(
        "token_ns".into(),
        requests.len(),
        requests
            .iter()
            .map(|request| request.instants.tokens.len())
            .sum(),
        DataType::UInt64,
    );
    for request in requests {
        tokens.append_values_iter(request.instants.tokens.iter());
    }
    DataFrame::new(
        requests.len(),
        vec![
            text("node", &|r| Some(r.node.clone())),
            count("index", &|r| Some(u64::from(r.index))),
            text("role", &|r| Some(plain(&r.role))),
            count("prompt", &|r| r.prompt.map(u64::from)),
            count("user", &|r| Some(u64::from(r.user))),
            count("turn", &|r| r.turn.map(u64::from)),
            text("label", &|r| r.label.clone()),
            count("due_ns", &|r| Some(r.instants.due)),
            count("sent_ns", &|r| Some(r.instants.sent)),
            count("first_token_ns", &|r| r.instants.first_token),
            count("first_answer_ns", &|r| r.instants.first_answer),
            count("last_token_ns", &|r| r.instants.last_token),
            count("end_ns", &|r| Some(r.instants.end)),
            Column::from(tokens.finish().into_series()),
            count("prompt_tokens", &|r| r.usage.map(|usage| usage.prompt)),
            count("output_tokens", &|r| r.usage.map(|usage| usage.output)),
            count("cached_tokens", &|r| r.usage.and_then(|usage| usage.cached)),
            count("cache_queries", &|r| {
                r.counters.map(|counters| counters.queries)
            }),
            count("cache_hits", &|r| r.counters.map(|counters| counters.hits)),
            text("finish_reason", &|r| r.finish_reason.clone()),
            text("failure", &|r| r.failure.as_ref().map(failure)),
            text("proof", &|r| r.proof.as_ref().map(proof)),
        ],
    )
}

/// The word by which serde names a unit variant.
fn plain(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

fn failure(failure: &RequestFailure) -> String {
    serde_json::to_string(failure).expect("a failure is plain data")
}

fn proof(proof: &CacheProof) -> String {
    match proof {
        CacheProof::Hit { .. } => "hit".to_owned(),
        CacheProof::Miss { .. } => "miss".to_owned(),
        CacheProof::Unproved { because } => format!("unproved: {because}"),
    }
}
