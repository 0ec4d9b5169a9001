//! The arguments of `rank`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::Format;

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
