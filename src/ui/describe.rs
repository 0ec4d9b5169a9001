//! Events in words: one line each, free of control characters.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use crate::decide::forecast;
use crate::decide::number;
use crate::decide::plain::plain;
use crate::decide::race;
use crate::diagnose::when;
use crate::event::{AttemptPhase, EventKind, RunEvent};
use crate::manifest::RunEnding;
use crate::measure::node::{MetricValue, NodeReport, NodeStatus};
use crate::outcome::{Outcome, Settled};

/// One line for an event; `None` for those that only drive the display.
pub fn line(event: &RunEvent) -> Option<String> {
    match &event.kind {
        EventKind::RunStarted {
            run,
            experiment,
            n_cells,
            n_planned,
            n_settled,
            stand_in,
            speed,
        } => {
            let stamp = match (stand_in, speed.is_one()) {
                (false, _) => String::new(),
                (true, true) => "STAND-IN ENGINES, no number is about a real model: ".to_owned(),
                (true, false) => format!(
                    "STAND-IN ENGINES at speed {speed}, no number is about a real model, durations \
                     are in their time: "
                ),
            };
            let before = match n_settled {
                0 => String::new(),
                n => format!(", {n} settled before"),
            };
            Some(format!(
                "{stamp}{experiment} {run}: {n_cells} cells, {n_planned} planned starts{before}"
            ))
        }
        EventKind::Swept { what } => Some(format!("leftovers: {}", what.join("; "))),
        EventKind::AttemptSettled { settled } => Some(settlement(settled)),
        EventKind::CellSkipped { skip } => Some(format!(
            "{}: skipped, proved by {} (start {}), which died of {}: {}",
            skip.cell_name,
            skip.witness.cell_name,
            skip.witness.attempt.number.0,
            skip.witness.class,
            skip.witness.rule
        )),
        EventKind::CellDropped { dropped } => Some(format!(
            "{}: dropped after block {}: {}",
            dropped.cell_name,
            dropped.after_block,
            race::cause(&dropped.cause)
        )),
        EventKind::RaceDecided { decided } => Some(race::decided(decided)),
        EventKind::Forecast { forecast: ahead } => {
            Some(forecast::told(ahead, &|at| time_of_day(at, event.at)))
        }
        EventKind::Waiting { what } => Some(what.clone()),
        EventKind::Notice { text } => Some(text.clone()),
        EventKind::RunEnded { ending } => Some(match ending {
            RunEnding::Complete { .. } => "nothing is left to start".to_owned(),
            RunEnding::Stopped { because, .. } => format!("stopped: {because}"),
            RunEnding::Open => "open".to_owned(),
        }),
        EventKind::ProductionReturned { stay } => Some(stay.told()),
        EventKind::AttemptStarted { .. }
        | EventKind::AttemptPhase { .. }
        | EventKind::NodeStarted { .. }
        | EventKind::NodeFinished { .. } => None,
    }
    .map(|text| plain(&text))
}

/// The time of day where this machine stands, with the day where it is not that of `now`.
pub fn time_of_day(at: Timestamp, now: Timestamp) -> String {
    let zone = TimeZone::system();
    in_words(
        &at.to_zoned_datetime(zone.clone()),
        &now.to_zoned_datetime(zone),
    )
}

fn in_words(at: &ZonedDateTime, now: &ZonedDateTime) -> String {
    let format = match at.date() == now.date() {
        true => "%H:%M",
        false => "%a %H:%M",
    };
    at.strftime(format).to_string()
}

/// What the attempt at work is doing.
pub fn activity(event: &RunEvent) -> Option<String> {
    match &event.kind {
        EventKind::AttemptStarted {
            cell_name, block, ..
        } => Some(format!("{cell_name} (block {block})")),
        EventKind::AttemptPhase {
            phase: AttemptPhase::Measuring,
            ..
        } => None,
        EventKind::AttemptPhase { phase, .. } => Some(phase.name().to_owned()),
        EventKind::NodeStarted { node, .. } => Some(format!("measuring {node}")),
        _ => None,
    }
    .map(|text| plain(&text))
}

/// How an attempt ended.
pub fn settlement(settled: &Settled) -> String {
    let took = settled.took_ms / 1e3;
    let from = settled.origin.as_ref().map_or_else(String::new, |origin| {
        format!(", {} of {}", origin.attempt, origin.run)
    });
    let number = settled.attempt.number.0;
    let name = format!("{} (start {number}{from})", settled.cell_name);
    match &settled.outcome {
        Outcome::Measured(measured) => {
            let nodes: Vec<String> = measured.nodes.iter().map(node).collect();
            format!(
                "{name}: measured; {}; ready after {:.1} s, {took:.1} s in all",
                nodes.join("; "),
                measured.ready_after_ms / 1e3,
            )
        }
        Outcome::Infeasible(failure) | Outcome::Failed(failure) => {
            let word = if matches!(settled.outcome, Outcome::Infeasible(_)) {
                "infeasible"
            } else {
                "failed"
            };
            let cause = failure.cause.as_ref().unwrap_or(&failure.explanation);
            format!(
                "{name}: {word} after {took:.1} s: {} {}: {}",
                failure.class.name(),
                when(failure.phase, failure.stage),
                cut(cause)
            )
        }
        Outcome::Cancelled => format!("{name}: cancelled after {took:.1} s"),
    }
}

fn node(report: &NodeReport) -> String {
    match &report.status {
        NodeStatus::Completed => {
            let numbers: Vec<String> = report
                .kind
                .metrics()
                .iter()
                .filter_map(|metric| {
                    let value = match report.metrics.get(metric.name.as_ref())? {
                        MetricValue::Distribution(summary) => summary.p50,
                        MetricValue::Scalar(value) => *value,
                    };
                    Some((metric, value))
                })
                .take(2)
                .map(|(metric, value)| {
                    format!("{} {}", metric.name, number::of_metric(value, Some(metric)))
                })
                .collect();
            format!("{} {}", report.node, numbers.join(", "))
        }
        NodeStatus::Failed { because } => format!("{} failed: {because}", report.node),
        NodeStatus::Invalid { because } => format!("{} is invalid: {because}", report.node),
        NodeStatus::Skipped { because } => format!("{} skipped: {because}", report.node),
    }
}

/// Enough of a root cause to recognise it; the report has it whole.
fn cut(cause: &str) -> String {
    const ENOUGH: usize = 120;
    match cause.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", &cause[..end]),
        None => cause.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;

    #[test]
    fn a_settlement_says_first_what_a_narrow_terminal_must_show() {
        insta::assert_snapshot!(
            settlement(&fixture::measured("a", 1, Numbers::new(1305.0, 142.0))),
            @r#"a (start 1): measured; kv-cache ttft_first_ms 1305, ttft_repeat_ms 142; ready after 61.6 s, 95.0 s in all"#
        );
        insta::assert_snapshot!(
            settlement(&fixture::died("d", 2, FailureClass::KvCacheTooSmall)),
            @r#"d (start 2): infeasible after 95.0 s: kv_cache_too_small while starting (kv_profile): ValueError: To serve at least one request with the models's max seq len (40960), (10.00 GiB KV cache is needed, which is…"#
        );
        insta::assert_snapshot!(settlement(&fixture::cancelled("c", 1)), @r#"c (start 1): cancelled after 95.0 s"#);
    }

    #[test]
    fn an_end_on_another_day_names_the_day() {
        let time = |text: &str| {
            text.parse::<Timestamp>()
                .unwrap()
                .to_zoned_datetime(TimeZone::UTC)
        };
        let now = time("2026-11-24T22:30:00Z");
        assert_eq!(in_words(&time("2026-11-24T23:05:00Z"), &now), "23:05");
        assert_eq!(in_words(&time("2026-11-25T02:05:00Z"), &now), "Wed 02:05");
    }
}
