//! The arguments of `load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(in crate::cli) struct LoadArgs {
    /// The server, with or without `/v1`: http://127.0.0.1:8000. Plain HTTP only.
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// The model to ask for; without it the first that the server lists.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// The environment variable that holds the API key.
    #[arg(long, value_name = "VARIABLE")]
    pub api_key_env: Option<String>,
    /// Users at once; each sends its next request after the answer to the last one.
    #[arg(
        long,
        value_name = "C",
        default_value = "1",
        conflicts_with = "rate",
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        help_heading = "Load"
    )]
    pub concurrency: u32,
    /// Requests per second instead, whatever becomes of those before.
    #[arg(long, value_name = "R", value_parser = rate, help_heading = "Load")]
    pub rate: Option<f64>,
    /// How the requests of a rate are spread.
    #[arg(
        long,
        value_name = "HOW",
        default_value = "poisson",
        help_heading = "Load"
    )]
    pub arrival: ArrivalChoice,
    /// Requests in all; without it and --duration, 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Load")]
    pub requests: Option<u64>,
    /// Send nothing new after so long: 90s, 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub duration: Option<Duration>,
    /// Output tokens of every request; the model is asked to go on until then.
    #[arg(long, value_name = "K", default_value = "128", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Load")]
    pub max_tokens: u32,
    /// Prompt tokens of every request: exact where the server has /tokenize, else about. No two
    /// prompts are the same.
    #[arg(long, value_name = "L", default_value = "512", value_parser = clap::value_parser!(u32).range(1..=10_000_000), help_heading = "Load")]
    pub prompt_tokens: u32,
    /// Requests before the load that are not measured.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Load")]
    pub warmup: u32,
    /// How long a user thinks between an answer and the next request.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, conflicts_with = "rate", help_heading = "Load")]
    pub think_time: Duration,
    /// The users begin spread over so long.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, conflicts_with = "rate", help_heading = "Load")]
    pub ramp: Duration,
    /// Longest time for one request.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub timeout: Duration,
    /// Decides prompts and arrivals.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Load")]
    pub seed: u64,
    /// Write the result as JSON; `-` prints it in place of the table.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Write every request with its instants into this folder, as Parquet.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub record: Option<PathBuf>,
    /// Leave the instants of the single tokens out of it.
    #[arg(long, requires = "record", help_heading = "Output")]
    pub no_token_times: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ArrivalChoice {
    /// As of many users that know nothing of each other.
    Poisson,
    /// All gaps are the same.
    Constant,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("a rate is a number of requests per second above 0".to_owned()),
    }
}
