//! The arguments of every verb, with their help.

mod load;
mod night;
mod stored;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::diagnose::Phase;
use crate::time_scale::TimeScale;

pub(super) use load::{ArrivalChoice, LoadArgs};
pub(super) use night::{FailOn, NightlyArgs, NotifyForm, PackArgs, ScheduleArgs};
pub(super) use stored::{
    CompareArgs, ConsolidateArgs, ListArgs, RankArgs, ReplayArgs, ReportArgs, StrategyChoice,
    ToolChoice,
};

const EXIT_CODES: &str = "\
Exit codes:
  0    done (for a run: something was measured; for diagnose: whatever it found; for doctor: nothing fails)
  1    a fault of gridrun or the machine that has no code of its own
  2    a file or an argument is wrong; nothing was started
  3    the run ended and nothing could be measured
  4    Docker is needed and cannot be reached
  5    an image, volume, variable or GPU is missing; nothing was started
  6    another run is in this directory or on these GPUs
  7    the run stopped before its end; resume goes on from there
  8    load: the client was the bottleneck, its numbers say nothing of the server
  9    PRODUCTION IS DOWN: it was stopped for the run and does not serve again; restore tries again
  10   nightly --fail-on regressed: the champion is worse than it used to be
  11   nightly --fail-on dethroned: a challenger is surely better
  12   nightly --fail-on inconclusive: nothing could be said
  130  the user stopped the run; resume goes on from there";

/// Finds the best vLLM flags for your model on your GPUs: starts every configuration, proves
/// that it runs what was asked, measures it, names every crash and ranks what lived.
#[derive(Debug, Parser)]
#[command(
    name = "gridrun",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    help_expected = true,
    after_help = EXIT_CODES
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The experiment file: the same as `gridrun run FILE`.
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    output: RunOutput,
}

impl Cli {
    pub(super) fn into_verb(self) -> Verb {
        match (self.verb, self.file) {
            (Some(verb), _) => verb,
            (None, Some(file)) => Verb::Run(RunArgs {
                file,
                output: self.output,
            }),
            (None, None) => unreachable!("the file is required where there is no verb"),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run an experiment: every cell started, measured and reported.
    Run(RunArgs),
    /// Find all mistakes in an experiment and its profile; touches nothing else.
    Check(CheckArgs),
    /// Show what a run would do: cells, flags and who set them, nodes, starts, time.
    Plan(PlanArgs),
    /// Run an experiment with stand-in engines: the whole way without GPU or model.
    Rehearse(RehearseArgs),
    /// Go on with a run that was stopped or killed.
    Resume(ResumeArgs),
    /// Make the report of a run again from its stored data.
    Report(ReportArgs),
    /// The champion in force and a few challengers in one night: does it hold?
    Nightly(NightlyArgs),
    /// Print or install what starts the night every night.
    Schedule(ScheduleArgs),
    /// Write what production with the champion needs: alert rules, dashboard, Compose, docker run.
    Pack(PackArgs),
    /// Put the champion of a run in force: it reigns until another follows.
    Promote(PromoteArgs),
    /// Bring the champion before the last one back.
    Rollback(RollbackArgs),
    /// List the runs under the results: what each says, and which is to be resumed.
    List(ListArgs),
    /// Hold runs against one of them: what is better, worse or the same, with intervals.
    Compare(CompareArgs),
    /// Put runs of one experiment, and what other tools measured, into one frame and one report.
    Consolidate(ConsolidateArgs),
    /// Decide again from stored runs, by other objectives, gates or margin; writes nothing.
    Rank(RankArgs),
    /// Play a strategy against recorded attempts: what it would decide, and what that costs.
    Replay(ReplayArgs),
    /// Name what happened to an engine from its log: class, cause, what to change.
    Diagnose(DiagnoseArgs),
    /// Send a load to any OpenAI-compatible server and measure it, without starting anything.
    Load(LoadArgs),
    /// Look whether this machine is fit for a run, and say what to do where it is not.
    Doctor(DoctorArgs),
    /// Start production again where a run that died had stopped it.
    Restore(RestoreArgs),
    /// Remove containers and processes that dead runs left on this host.
    Clean(CleanArgs),
    /// Print the JSON Schema of a kind of file, for editors.
    Schema(SchemaArgs),
    /// Print what lets a shell complete gridrun's arguments.
    Completions(CompletionsArgs),
    /// Print gridrun's manual page, or write those of all verbs.
    Man(ManArgs),
    /// gridrun's own fake engine.
    StandIn(StandInArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The experiment file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub output: RunOutput,
}

#[derive(Debug, Args)]
pub(super) struct RunOutput {
    /// Where results go: one folder per experiment, one per run in it.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "results",
        help_heading = "Output"
    )]
    pub results: PathBuf,
    /// text: a table at the end; json: one event per line while it runs.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    pub format: Format,
    /// How progress is shown on standard error.
    #[arg(
        long,
        value_name = "KIND",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub progress: ProgressKind,
    /// Answer Prometheus at this address while it runs: progress, outcomes, objectives.
    #[arg(long, value_name = "IP:PORT", help_heading = "Output")]
    pub metrics: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressKind {
    /// A bar on a terminal, lines elsewhere.
    Auto,
    /// Lines.
    Plain,
    /// Nothing.
    None,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The experiment file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How findings are printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The experiment file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where earlier runs are looked up for the estimate of time.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// How the plan is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct RehearseArgs {
    /// The experiment file; its profile must have a [stand-in] section.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the stand-ins run.
    #[arg(long, value_name = "RUNTIME", default_value = "docker")]
    pub runtime: RehearseRuntime,
    /// How many times faster the stand-ins live, 1 to 1000; the report stays in their time
    /// [default: `speed` of the profile's [stand-in], else 1].
    #[arg(long, value_name = "N")]
    pub speed: Option<TimeScale>,
    /// A scenario file: how the stand-ins are to fail.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    #[command(flatten)]
    pub output: RunOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RehearseRuntime {
    /// In containers, as the real engines do.
    Docker,
    /// As child processes; memory limits are not enforced then.
    Process,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The run directory; without it the latest unfinished run.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: Option<PathBuf>,
    #[command(flatten)]
    pub output: RunOutput,
}

#[derive(Debug, Args)]
pub(super) struct PromoteArgs {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// Take the first-placed configuration also where the run could not state any confidence.
    #[arg(long)]
    pub accept_leader: bool,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// The experiment: its name, or its folder under the results.
    #[arg(value_name = "EXPERIMENT")]
    pub experiment: PathBuf,
    /// Where results lie.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct DiagnoseArgs {
    /// The engine's log, of any vLLM and with any decoration; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub log: PathBuf,
    /// How the process ended; a death by signal N is 128 + N, or -N.
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "What else is known"
    )]
    pub exit_code: Option<i64>,
    /// Docker's `State.OOMKilled`; without a value true, left away unknown.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "What else is known"
    )]
    pub oom_killed: Option<bool>,
    /// How far the engine had come; the log decides where it is left away.
    #[arg(long, value_name = "PHASE", help_heading = "What else is known")]
    pub phase: Option<PhaseChoice>,
    /// A flag that the experiment varies: an argument error about it is the cell's own making.
    /// May be given several times.
    #[arg(
        long,
        value_name = "FLAG",
        help_heading = "What else is known",
        allow_hyphen_values = true
    )]
    pub vary: Vec<String>,
    /// How the diagnosis is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PhaseChoice {
    /// It had not been ready.
    Starting,
    /// It had been ready.
    Serving,
}

impl From<PhaseChoice> for Phase {
    fn from(choice: PhaseChoice) -> Self {
        match choice {
            PhaseChoice::Starting => Self::Starting,
            PhaseChoice::Serving => Self::Serving,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The experiment that is to be run; without it nothing that an experiment needs is asked.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where results are to go.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// How the findings are printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// How it is told.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct CleanArgs {
    /// Remove stand-in images as well.
    #[arg(long)]
    pub images: bool,
    /// How the removed things are listed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The kind of file.
    #[arg(value_name = "KIND")]
    pub kind: SchemaKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaKind {
    /// What to try: experiments/NAME.toml.
    Experiment,
    /// What does not vary: profiles/NAME.toml.
    Profile,
    /// How stand-ins are to fail.
    Scenario,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell that is to read it.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write the pages of gridrun and of every verb into this folder instead.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StandInArgs {
    #[command(subcommand)]
    pub verb: StandInVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum StandInVerb {
    /// Serve like `vllm serve`: the same flags, endpoints, log lines and exit codes.
    #[command(disable_help_flag = true)]
    Serve {
        /// MODEL and flags as `vllm serve` takes them, --stand-in-* for its numbers, --speed N to
        /// live N times as fast, --scenario FILE for how it is to fail.
        #[arg(
            value_name = "ARGS",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        args: Vec<String>,
    },
    /// Make the stand-in image in the local Docker Engine, without a registry.
    Image,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_file_alone_is_a_run() {
        let cli = Cli::try_parse_from(["gridrun", "experiments/quickstart.toml"]).unwrap();
        assert!(
            matches!(cli.into_verb(), Verb::Run(args) if args.file.ends_with("quickstart.toml"))
        );
    }

    #[test]
    fn the_stand_in_takes_the_flags_of_an_engine_untouched() {
        let cli = Cli::try_parse_from([
            "gridrun",
            "stand-in",
            "serve",
            "m",
            "--no-enable-prefix-caching",
            "--help",
        ])
        .unwrap();
        let Verb::StandIn(StandInArgs {
            verb: StandInVerb::Serve { args },
        }) = cli.into_verb()
        else {
            panic!("not the stand-in");
        };
        assert_eq!(args, ["m", "--no-enable-prefix-caching", "--help"]);
    }
}
