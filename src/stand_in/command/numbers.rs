//! The stand-in's own options, `--stand-in-*`: the numbers by which it lives or dies and how
//! fast it is, as [`StandInProfile`] holds them.

use std::time::Duration;

use bytesize::ByteSize;

use crate::spec::imagined::{Thinking, ToolFormat};
use crate::spec::profile::StandInProfile;
use crate::spec::vllm_version::VllmVersion;
use crate::time_scale::TimeScale;

/// What all names of these options begin with.
pub const PREFIX: &str = "stand-in-";
/// How many times faster than the world the engine lives.
pub const SPEED: &str = "speed";
/// Ends the engine when standard input ends, so that a killed parent leaves no child behind.
pub const EXIT_WITH_STDIN: &str = "--stand-in-exit-with-stdin";

/// Renders the numbers and the speed as options of `gridrun stand-in serve`.
pub fn options(profile: &StandInProfile, speed: TimeScale) -> Vec<String> {
    let StandInProfile {
        vllm_version,
        gpu_memory,
        weights,
        kv_bytes_per_token,
        activation_bytes_per_token,
        overhead,
        overhead_per_seq,
        host_memory,
        start_up,
        prefill_tokens_per_second,
        decode_tokens_per_second,
        tool_calls,
        reasoning,
        // Of a rehearsal; the engine is told its own.
        speed: _,
    } = profile;
    [
        ("version", vllm_version.name().to_owned()),
        ("gpu-memory", gpu_memory.to_string()),
        ("weights", weights.to_string()),
        ("kv-bytes-per-token", kv_bytes_per_token.to_string()),
        (
            "activation-bytes-per-token",
            activation_bytes_per_token.to_string(),
        ),
        ("overhead", overhead.to_string()),
        ("overhead-per-seq", overhead_per_seq.to_string()),
        ("host-memory", host_memory.to_string()),
        (
            "start-up",
            humantime::format_duration(*start_up)
                .to_string()
                .replace(' ', ""),
        ),
        (
            "prefill-tokens-per-second",
            prefill_tokens_per_second.to_string(),
        ),
        (
            "decode-tokens-per-second",
            decode_tokens_per_second.to_string(),
        ),
        ("tool-calls", tool_calls.name().to_owned()),
        ("reasoning", reasoning.name().to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| format!("--{PREFIX}{name}={value}"))
    .chain((!speed.is_one()).then(|| format!("--{SPEED}={}", speed.factor())))
    .collect()
}

/// What a stand-in that is told nothing takes itself for: a small model on a card of 24 GiB.
pub fn defaults() -> StandInProfile {
    StandInProfile {
        vllm_version: VllmVersion::default(),
        gpu_memory: 24 << 30,
        weights: 8 << 30,
        kv_bytes_per_token: 64 << 10,
        activation_bytes_per_token: 0,
        overhead: 0,
        overhead_per_seq: 0,
        host_memory: 0,
        start_up: Duration::from_millis(300),
        prefill_tokens_per_second: 8000.0,
        decode_tokens_per_second: 100.0,
        tool_calls: ToolFormat::default(),
        reasoning: Thinking::default(),
        speed: TimeScale::ONE,
    }
}

/// Why an option of the stand-in was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    UnknownName,
    /// What the option takes, for the message.
    BadValue(&'static str),
    /// The only words that the option takes.
    NotAmong(&'static [&'static str]),
}

/// Sets the number that `name` (without dashes and [`PREFIX`]) names.
pub fn set(profile: &mut StandInProfile, name: &str, value: &str) -> Result<(), Refused> {
    match name {
        "version" => {
            profile.vllm_version =
                VllmVersion::named(value).ok_or(Refused::NotAmong(VllmVersion::NAMES))?;
        }
        "gpu-memory" => profile.gpu_memory = size(value)?,
        "weights" => profile.weights = size(value)?,
        "kv-bytes-per-token" => profile.kv_bytes_per_token = size(value)?.max(1),
        "activation-bytes-per-token" => profile.activation_bytes_per_token = size(value)?,
        "overhead" => profile.overhead = size(value)?,
        "overhead-per-seq" => profile.overhead_per_seq = size(value)?,
        "host-memory" => profile.host_memory = size(value)?,
        "start-up" => {
            profile.start_up =
                humantime::parse_duration(value).map_err(|_| Refused::BadValue("duration"))?;
        }
        "prefill-tokens-per-second" => profile.prefill_tokens_per_second = rate(value)?,
        "decode-tokens-per-second" => profile.decode_tokens_per_second = rate(value)?,
        "tool-calls" => {
            profile.tool_calls =
                ToolFormat::named(value).ok_or(Refused::BadValue("tool call format"))?;
        }
        "reasoning" => {
            profile.reasoning = Thinking::named(value).ok_or(Refused::BadValue("reasoning"))?;
        }
        _ => return Err(Refused::UnknownName),
    }
    Ok(())
}

fn size(value: &str) -> Result<u64, Refused> {
    value
        .parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| Refused::BadValue("size"))
}

/// Slower than this a step would be longer than a duration can be.
const SLOWEST: f64 = 1e-3;

fn rate(value: &str) -> Result<f64, Refused> {
    value
        .parse::<f64>()
        .ok()
        .filter(|rate| rate.is_finite() && *rate >= SLOWEST)
        .ok_or(Refused::BadValue("rate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_options_are_read_back_as_they_were() {
        let profile = StandInProfile {
            vllm_version: VllmVersion::V0_10_1,
            gpu_memory: 25_769_803_776,
            weights: 9_600_000_001,
            kv_bytes_per_token: 65_536,
            activation_bytes_per_token: 100_000,
            overhead: 1 << 30,
            overhead_per_seq: 3 << 20,
            host_memory: 77,
            start_up: Duration::from_millis(1_234),
            prefill_tokens_per_second: 1234.5,
            decode_tokens_per_second: 43.3,
            tool_calls: ToolFormat::DeepseekV31,
            reasoning: Thinking::Qwen3,
            speed: TimeScale::ONE,
        };
        let mut read = defaults();
        for option in options(&profile, TimeScale::ONE) {
            let (name, value) = option
                .strip_prefix("--stand-in-")
                .unwrap()
                .split_once('=')
                .unwrap();
            set(&mut read, name, value).unwrap();
        }
        assert_eq!(read, profile);
    }

    #[test]
    fn sizes_have_units_and_rates_are_above_zero() {
        let mut profile = defaults();
        set(&mut profile, "weights", "9.5GiB").unwrap();
        assert_eq!(profile.weights, 10_200_547_328);
        assert_eq!(
            set(&mut profile, "weights", "much"),
            Err(Refused::BadValue("size"))
        );
        for bad in ["0", "-1", "inf", "fast"] {
            assert!(set(&mut profile, "decode-tokens-per-second", bad).is_err());
        }
        assert_eq!(set(&mut profile, "wieghts", "1"), Err(Refused::UnknownName));
    }
}
