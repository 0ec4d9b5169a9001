//! The arguments of the daily use: nights, their schedule, what production needs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::{RehearseRuntime, RunOutput};
use crate::time_scale::TimeScale;

#[derive(Debug, Args)]
pub(in crate::cli) struct NightlyArgs {
    /// The experiment file; its champion must be in force.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Challengers of the night; they take turns.
    #[arg(
        long,
        value_name = "K",
        default_value = "2",
        help_heading = "The night"
    )]
    pub challengers: usize,
    /// Starts of each of them, in interleaved blocks.
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "The night")]
    pub blocks: u32,
    /// Say who would run and how long it would take; start nothing.
    #[arg(long, help_heading = "The night")]
    pub dry_run: bool,
    /// Whoever surely is better reigns from now on.
    #[arg(long, help_heading = "The night")]
    pub promote: bool,
    /// With stand-in engines instead.
    #[arg(long, value_name = "RUNTIME", help_heading = "The night")]
    pub rehearse: Option<RehearseRuntime>,
    /// How many times faster these live, 1 to 1000 [default: `speed` of the profile's
    /// [stand-in], else 1].
    #[arg(
        long,
        value_name = "N",
        requires = "rehearse",
        help_heading = "The night"
    )]
    pub speed: Option<TimeScale>,
    /// A scenario file: how these are to fail.
    #[arg(
        long,
        value_name = "FILE",
        requires = "rehearse",
        help_heading = "The night"
    )]
    pub scenario: Option<PathBuf>,
    /// End with an exit code of its own where the night says this; may be given several times.
    #[arg(long, value_name = "VERDICT", help_heading = "Who is told")]
    pub fail_on: Vec<FailOn>,
    /// The environment variable that holds the URL of a webhook; it is told of changes only.
    #[arg(long, value_name = "VARIABLE", help_heading = "Who is told")]
    pub notify_env: Option<String>,
    /// How the message is written.
    #[arg(
        long,
        value_name = "FORM",
        default_value = "json",
        help_heading = "Who is told"
    )]
    pub notify_as: NotifyForm,
    #[command(flatten)]
    pub output: RunOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FailOn {
    /// The champion is worse than it used to be.
    Regressed,
    /// A challenger is surely better.
    Dethroned,
    /// Nothing could be said.
    Inconclusive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum NotifyForm {
    /// An object with title, text, urgent, and the whole night.
    Json,
    /// As Slack takes it, and those that follow it.
    Slack,
    /// As ntfy takes it.
    Ntfy,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleArgs {
    /// The experiment file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// When the night begins, by this machine's clock.
    #[arg(long, value_name = "HH:MM")]
    pub at: String,
    /// Lines of cron instead of units of systemd.
    #[arg(long, conflicts_with = "install")]
    pub cron: bool,
    /// Write the units: for root into /etc/systemd/system, else into the user's own.
    #[arg(long)]
    pub install: bool,
    /// The user's own units, also for root.
    #[arg(long, conflicts_with = "cron")]
    pub user: bool,
    /// A file that sets the variables which the profile and --notify-env name.
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Arguments of `gridrun nightly`, after `--`.
    #[arg(value_name = "ARGS", last = true)]
    pub nightly: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PackArgs {
    /// A champion.toml, or the experiment whose champion is in force.
    #[arg(value_name = "CHAMPION")]
    pub champion: PathBuf,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "pack")]
    pub out: PathBuf,
    /// The job of production in Prometheus.
    #[arg(long, value_name = "NAME", default_value = "vllm")]
    pub job: String,
    /// The service of production in Compose.
    #[arg(long, value_name = "NAME", default_value = "vllm")]
    pub service: String,
    /// Where results lie.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
}
