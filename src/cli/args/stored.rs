//! The arguments of the verbs that read stored runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args::Format;
use crate::decide::replay::{GateAsk, ObjectiveAsk};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// The run directory; without it the latest run.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: Option<PathBuf>,
    /// Where results lie.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// What is printed beside the files that are made again.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Write every figure as an SVG file into this folder as well.
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RankArgs {
    /// Run directories; several are decided together, which takes the same model, image,
    /// machine and workloads. Without any the latest run.
    #[arg(value_name = "RUN_DIR")]
    pub runs: Vec<PathBuf>,
    /// What to optimise instead of the experiment's objectives:
    /// NODE.METRIC[.STAT]:min or :max, and a weight behind it. May be given several times.
    #[arg(
        long = "objective",
        value_name = "METRIC:GOAL[:WEIGHT]",
        help_heading = "Decision"
    )]
    pub objectives: Vec<String>,
    /// A gate instead of the experiment's: NODE.METRIC[.STAT] OP NUMBER UNIT. May be given
    /// several times.
    #[arg(long = "gate", value_name = "EXPR", help_heading = "Decision")]
    pub gates: Vec<String>,
    /// No gates at all.
    #[arg(long, conflicts_with = "gates", help_heading = "Decision")]
    pub no_gates: bool,
    /// Closer than so many per cent is the same to you: 2%.
    #[arg(long, value_name = "PERCENT", value_parser = percent, help_heading = "Decision")]
    pub equivalence: Option<f64>,
    /// Where results lie.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// text: verdict and table; json: all that a report says.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// A run directory, or a table of attempts: CSV, or Parquet where the name ends in .parquet.
    /// Its columns: cell, attempt, startup_s, measure_s, outcome (measured or a failure class),
    /// axis.FLAG and metric.NAME.
    #[arg(value_name = "TABLE|RUN")]
    pub source: PathBuf,
    /// What to optimise; may be given several times. A run has its own.
    #[arg(long, value_name = "METRIC:min|max[:WEIGHT]")]
    pub objective: Vec<ObjectiveAsk>,
    /// A condition such as `success_rate >= 0.95`; may be given several times.
    #[arg(long, value_name = "EXPR")]
    pub gate: Vec<GateAsk>,
    /// Which cells are started in every block.
    #[arg(long, value_name = "STRATEGY", default_value = "exhaustive")]
    pub strategy: StrategyChoice,
    /// Starts of each cell [default: as many as one has at most].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeats: Option<u32>,
    /// Start nothing that cannot end within so much time of engines: 8h.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub deadline: Option<Duration>,
    /// Orders the blocks and makes the draws [default: 1, or the run's own].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StrategyChoice {
    /// Every one that lives.
    Exhaustive,
    /// Those that may still be as good as the best, until that is decided.
    Race,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// An experiment by its name; without it all of them.
    #[arg(value_name = "EXPERIMENT")]
    pub experiment: Option<String>,
    /// Where results lie.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// How the runs are listed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// The run directory that the others are held against.
    #[arg(value_name = "RUN_A")]
    pub reference: PathBuf,
    /// The run directories that are held against it.
    #[arg(value_name = "RUN_B", required = true)]
    pub runs: Vec<PathBuf>,
    /// Compare every metric of the workloads, not only what objectives, use cases and gates name.
    #[arg(long)]
    pub all: bool,
    /// Closer than so many per cent is the same to you: 2% [default: the experiment's].
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub equivalence: Option<f64>,
    /// How the differences are printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ConsolidateArgs {
    /// Run directories, which are decided together, and files that other tools wrote: JSON of
    /// vllm bench serve, GuideLLM or AIPerf, or a table (CSV; Parquet where the name ends in
    /// .parquet) with columns metric.NAME. Files are shown apart and never ranked.
    #[arg(value_name = "RUN_DIR|FILE", required = true)]
    pub sources: Vec<PathBuf>,
    /// The experiment that it goes to [default: that of the latest run].
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// What the files' rows are called [default: the file's name, or the table's column `cell`].
    #[arg(long, value_name = "NAME", help_heading = "Files")]
    pub cell: Option<String>,
    /// Whose export the JSON files are [default: told by their members].
    #[arg(long = "as", value_name = "TOOL", help_heading = "Files")]
    pub tool: Option<ToolChoice>,
    /// Nobody measured what the files say.
    #[arg(long, help_heading = "Files")]
    pub estimated: bool,
    /// Where results go.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// What is printed beside the files that are written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ToolChoice {
    /// `vllm bench serve --save-result`.
    VllmBench,
    /// `benchmarks.json` of GuideLLM.
    Guidellm,
    /// `profile_export_aiperf.json` of AIPerf.
    Aiperf,
}

/// `2%` or `2` as a fraction.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim();
    let percent = number
        .parse::<f64>()
        .ok()
        .filter(|n| (0.0..100.0).contains(n));
    let percent = percent.ok_or("expected per cent from 0 to below 100: 2%")?;
    Ok(percent / 100.0)
}
