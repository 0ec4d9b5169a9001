//! Exports of other tools, and tables, as rows with their provenance. What they say is taken
//! over and not judged; what they lack stays missing. Opens no file.
//!
//! The members were read from vLLM 0.32 (`vllm bench serve --save-result`), GuideLLM 0.8
//! (`benchmarks.json`, report schema 2) and AIPerf 0.13 (`profile_export_aiperf.json`, schema
//! 1.4).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::decide::import::pointer::At;
use crate::decide::replay::RawTable;
use crate::diagnose::FailureClass;
use crate::manifest::imported::{Imported, Proof, Provenance};

mod pointer;
mod tools;

/// Whose export it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    VllmBench,
    GuideLlm,
    AiPerf,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::VllmBench => "vllm bench serve",
            Self::GuideLlm => "guidellm",
            Self::AiPerf => "aiperf",
        }
    }

    /// By a member that only this tool writes.
    fn of(value: &Value) -> Option<Self> {
        let has = |member: &str| value.get(member).is_some();
        if has("benchmarks") && has("metadata") {
            return Some(Self::GuideLlm);
        }
        if has("aiperf_version") || value.pointer("/request_throughput/unit").is_some() {
            return Some(Self::AiPerf);
        }
        (has("request_throughput") && has("completed")).then_some(Self::VllmBench)
    }
}

/// What is known of a file beside its text.
#[derive(Debug, Clone)]
pub struct About {
    /// As the user named it.
    pub file: String,
    pub sha256: String,
    /// What the user calls the configuration; else the file's name stands for it.
    pub cell: Option<String>,
    /// The user says that nobody measured it.
    pub estimated: bool,
}

impl About {
    fn proof(&self) -> Proof {
        match self.estimated {
            true => Proof::Estimated,
            false => Proof::Unproved,
        }
    }

    fn cell(&self) -> String {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        self.cell.clone().unwrap_or_else(|| stem.to_owned())
    }

    fn row(&self, tool: Tool, place: &str, numbers: BTreeMap<String, f64>) -> Imported {
        Imported {
            cell: Some(self.cell()),
            proof: self.proof(),
            outcome: match self.estimated {
                true => "estimated",
                false => "measured",
            }
            .to_owned(),
            from: Provenance {
                file: self.file.clone(),
                sha256: self.sha256.clone(),
                place: place.to_owned(),
                tool: tool.name().to_owned(),
                version: None,
                model: None,
                at: None,
                load: None,
                notes: Vec::new(),
            },
            numbers,
        }
    }
}

/// The rows of a JSON export; `tool` where the user names it, else it is told by its members.
///
/// # Errors
/// A sentence that names the place in the file, what was found and what was expected.
pub fn of_json(text: &str, tool: Option<Tool>, about: &About) -> Result<Vec<Imported>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        format!(
            "line {}, column {}: this is no JSON: {error}",
            error.line(),
            error.column()
        )
    })?;
    let tool = tool.or_else(|| Tool::of(&value)).ok_or(
        "the tool is not known by its members; expected are `request_throughput` and `completed` \
         (vllm bench serve --save-result), `metadata` and `benchmarks` (GuideLLM), or \
         `aiperf_version` (AIPerf); name it with --as",
    )?;
    let root = At::root(&value);
    match tool {
        Tool::VllmBench => tools::vllm_bench(&root, about).map(|row| vec![row]),
        Tool::GuideLlm => tools::guidellm(&root, about),
        Tool::AiPerf => tools::aiperf(&root, about).map(|row| vec![row]),
    }
}

/// The rows of a table, in the columns that `gridrun replay` takes: `cell`, `outcome`, `tool`,
/// `version`, `model`, `at`, `load` and `metric.NAME`, of which only one `metric.` must be there.
///
/// # Errors
/// Every mistake, with its row, column and value.
pub fn of_table(table: &RawTable, about: &About) -> Result<Vec<Imported>, Vec<String>> {
    let metrics = table.named("metric.");
    if metrics.is_empty() {
        let known: Vec<&str> = table
            .columns
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        return Err(vec![format!(
            "there is no column `metric.NAME`; its columns are {}",
            known.join(", ")
        )]);
    }
    let (mut rows, mut mistakes) = (Vec::new(), Vec::new());
    for at in 0..table.n_rows {
        let text = |name: &str| table.text(name, at).map(str::to_owned);
        let mut numbers = BTreeMap::new();
        for (name, values) in &metrics {
            let Some(value) = values[at].as_deref() else {
                continue;
            };
            match value.parse::<f64>().ok().filter(|value| value.is_finite()) {
                Some(value) => {
                    numbers.insert((*name).to_owned(), value);
                }
                None => mistakes.push(format!(
                    "row {}, column metric.{name}: `{value}` is not a number",
                    at + 1
                )),
            }
        }
        let outcome = text("outcome").unwrap_or_else(|| "measured".to_owned());
        let mut classes = FailureClass::ALL.into_iter();
        if !["measured", "estimated"].contains(&outcome.as_str())
            && !classes.any(|class| class.is_failure() && class.name() == outcome)
        {
            mistakes.push(format!(
                "row {}, column outcome: `{outcome}` is not measured, estimated or a failure class (docs/DIAGNOSIS.md lists them)",
                at + 1
            ));
        }
        rows.push(Imported {
            cell: about.cell.clone().or_else(|| text("cell")),
            proof: match outcome == "estimated" {
                true => Proof::Estimated,
                false => about.proof(),
            },
            outcome,
            from: Provenance {
                file: about.file.clone(),
                sha256: about.sha256.clone(),
                place: format!("row {}", at + 1),
                tool: text("tool").unwrap_or_else(|| "table".to_owned()),
                version: text("version"),
                model: text("model"),
                at: text("at"),
                load: text("load"),
                notes: Vec::new(),
            },
            numbers,
        });
    }
    match mistakes.is_empty() {
        true => Ok(rows),
        false => Err(mistakes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VLLM: &str = include_str!("../../tests/data/exports/vllm-bench.json");
    const GUIDELLM: &str = include_str!("../../tests/data/exports/guidellm.json");
    const AIPERF: &str = include_str!("../../tests/data/exports/aiperf.json");

    fn about() -> About {
        About {
            file: "exports/night.json".to_owned(),
            sha256: "ab".repeat(32),
            cell: None,
            estimated: false,
        }
    }

    fn read(text: &str) -> Vec<Imported> {
        of_json(text, None, &about()).unwrap()
    }

    #[test]
    fn each_tool_is_told_by_its_members_and_speaks_in_common_names() {
        let vllm = &read(VLLM)[0];
        assert_eq!(vllm.cell.as_deref(), Some("night"));
        assert_eq!(vllm.from.tool, "vllm bench serve");
        assert_eq!(vllm.from.model.as_deref(), Some("Qwen/Qwen3-32B-AWQ"));
        assert_eq!(vllm.from.load.as_deref(), Some("10 at once"));
        assert_eq!(vllm.numbers["ttft_ms.p50"], 412.5);
        assert_eq!(vllm.numbers["output_tokens_per_second"], 311.25);
        assert_eq!(vllm.numbers.get("e2e_ms.p50"), None, "it was not exported");

        let guidellm = read(GUIDELLM);
        assert_eq!(guidellm.len(), 2);
        let second = &guidellm[1];
        assert_eq!(second.from.place, "$.benchmarks[1]");
        assert_eq!(second.from.version.as_deref(), Some("0.8.1"));
        assert_eq!(second.from.load.as_deref(), Some("concurrent, 8 streams"));
        assert_eq!(second.numbers["ttft_ms.p95"], 730.0);
        // It tells latencies in seconds.
        assert_eq!(second.numbers["e2e_ms.p50"], 6250.0);
        assert_eq!(second.numbers["failed"], 1.0);

        let aiperf = &read(AIPERF)[0];
        assert_eq!(aiperf.from.version.as_deref(), Some("0.13.0"));
        assert_eq!(aiperf.numbers["itl_ms.p99"], 41.5);
        assert_eq!(
            aiperf.from.notes,
            ["the tool says that it is not complete: stalled"]
        );
        assert_eq!(aiperf.numbers["ttft_ms.mean"], 398.0);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let wrong = |text: &str| of_json(text, None, &about()).unwrap_err();
        assert!(wrong("{ torn").starts_with("line 1, column 3: this is no JSON"));
        assert!(wrong("{}").contains("expected are `request_throughput`"));
        let bad = VLLM.replace("412.5", "\"slow\"");
        assert_eq!(
            wrong(&bad),
            "$.median_ttft_ms: found \"slow\", expected a number"
        );
        let bad = GUIDELLM.replace("730.0", "null");
        assert_eq!(read(&bad)[1].numbers.get("ttft_ms.p95"), None);
        let bad = GUIDELLM.replace("730.0", "[1]");
        assert_eq!(
            wrong(&bad),
            "$.benchmarks[1].metrics.time_to_first_token_ms.successful.percentiles.p95: found [1], expected a number"
        );
        let bad = AIPERF.replace(
            "\"unit\": \"ms\", \"avg\": 398",
            "\"unit\": \"furlongs\", \"avg\": 398",
        );
        assert_eq!(
            wrong(&bad),
            "$.time_to_first_token.unit: found \"furlongs\", expected ms, s or us"
        );
        let other = of_json(VLLM, Some(Tool::GuideLlm), &about()).unwrap_err();
        assert_eq!(other, "$.benchmarks: found nothing, expected a list");
    }

    #[test]
    fn a_table_keeps_its_names_and_tells_estimates_apart() {
        let text = |text: &str| Some(text.to_owned());
        let table = RawTable {
            n_rows: 2,
            columns: vec![
                ("cell".to_owned(), vec![text("a"), text("b")]),
                ("outcome".to_owned(), vec![None, text("estimated")]),
                ("metric.ttft".to_owned(), vec![text("9.5"), None]),
            ],
        };
        let rows = of_table(&table, &about()).unwrap();
        assert_eq!(
            (rows[0].proof, rows[1].proof),
            (Proof::Unproved, Proof::Estimated)
        );
        assert_eq!(rows[0].numbers["ttft"], 9.5);
        assert_eq!(
            (rows[1].from.place.as_str(), rows[1].numbers.len()),
            ("row 2", 0)
        );
        let mut bad = table;
        bad.columns[1].1[0] = text("guessed");
        bad.columns[2].1[1] = text("fast");
        let mistakes = of_table(&bad, &about()).unwrap_err();
        assert_eq!(mistakes.len(), 2);
        assert!(
            mistakes[0].starts_with("row 1, column outcome: `guessed`"),
            "{mistakes:?}"
        );
        assert!(
            mistakes[1].starts_with("row 2, column metric.ttft: `fast`"),
            "{mistakes:?}"
        );
    }
}
