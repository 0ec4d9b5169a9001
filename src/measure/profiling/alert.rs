//! The bounds within which the cards of a good configuration stay, and what is said when one is
//! passed. An alert rejects nothing: it points at where to look.

use serde::{Deserialize, Serialize};

use crate::measure::profiling::state::StateSums;
use crate::measure::sample::GpuCard;

/// The defaults are those by which the profiles of the reference case (a 32B model, quantised to
/// four bits, on two cards of 24 GB) were judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlertBounds {
    /// Mean utilisation while requests are in flight, in percent: less is a card that waits.
    pub utilisation_below_pct: f64,
    /// Highest utilisation, in percent: more is a card without any reserve.
    pub utilisation_above_pct: f64,
    /// Highest share of the card's memory in use, in percent.
    pub memory_above_pct: f64,
    /// Highest temperature, in degrees Celsius: the cards of the reference case begin to slow
    /// down a few degrees above.
    pub temperature_above_c: f64,
    /// Mean power while requests are in flight, of one card, in watts.
    pub power_above_w: f64,
}

impl Default for AlertBounds {
    fn default() -> Self {
        Self {
            utilisation_below_pct: 50.0,
            utilisation_above_pct: 98.0,
            memory_above_pct: 95.0,
            temperature_above_c: 85.0,
            power_above_w: 250.0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    UtilisationBelow,
    UtilisationAbove,
    MemoryAbove,
    TemperatureAbove,
    PowerAbove,
}

/// A bound that was passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub node: String,
    pub gpu: u32,
    pub kind: AlertKind,
    /// In the unit of the bound.
    pub value: f64,
    pub bound: f64,
}

impl Alert {
    /// One sentence without its node.
    pub fn text(&self) -> String {
        let Self {
            gpu, value, bound, ..
        } = self;
        match self.kind {
            AlertKind::UtilisationBelow => format!(
                "GPU {gpu}: mean utilisation while requests were in flight {value:.0} %, below {bound} %"
            ),
            AlertKind::UtilisationAbove => {
                format!("GPU {gpu}: highest utilisation {value:.0} %, above {bound} %")
            }
            AlertKind::MemoryAbove => {
                format!("GPU {gpu}: {value:.1} % of its memory in use, above {bound} %")
            }
            AlertKind::TemperatureAbove => {
                format!("GPU {gpu}: up to {value:.0} °C, above {bound} °C")
            }
            AlertKind::PowerAbove => format!(
                "GPU {gpu}: mean power while requests were in flight {value:.0} W, above {bound} W"
            ),
        }
    }
}

/// What is to be said of one node: `working` sums up the samples with requests in flight, `all`
/// every sample of the node.
pub(super) fn alerts(
    node: &str,
    cards: &[GpuCard],
    working: &StateSums,
    all: &StateSums,
    bounds: &AlertBounds,
) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for (position, card) in cards.iter().enumerate() {
        let busy = |name| working.gpu(position, name);
        let any = |name| all.gpu(position, name);
        let memory = any("memory_used_bytes").zip(card.memory_total_bytes);
        let found = [
            (
                AlertKind::UtilisationBelow,
                busy("utilisation_pct").map(|found| found.mean),
                bounds.utilisation_below_pct,
            ),
            (
                AlertKind::UtilisationAbove,
                any("utilisation_pct").map(|found| found.max),
                bounds.utilisation_above_pct,
            ),
            (
                AlertKind::MemoryAbove,
                memory.map(|(used, total)| 100.0 * used.max / total as f64),
                bounds.memory_above_pct,
            ),
            (
                AlertKind::TemperatureAbove,
                any("temperature_c").map(|found| found.max),
                bounds.temperature_above_c,
            ),
            (
                AlertKind::PowerAbove,
                busy("power_w").map(|found| found.mean),
                bounds.power_above_w,
            ),
        ];
        for (kind, value, bound) in found {
            let Some(value) = value else { continue };
            let passed = match kind {
                AlertKind::UtilisationBelow => value < bound,
                AlertKind::UtilisationAbove
                | AlertKind::MemoryAbove
                | AlertKind::TemperatureAbove
                | AlertKind::PowerAbove => value > bound,
            };
            if passed {
                alerts.push(Alert {
                    node: node.to_owned(),
                    gpu: card.index,
                    kind,
                    value,
                    bound,
                });
            }
        }
    }
    alerts
}
