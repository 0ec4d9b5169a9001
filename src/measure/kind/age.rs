//! What an `age` node yields: the drift and the survival of a soak, and nothing that could be an
//! objective, because few starts age. What it found beyond them is a `stability` node's detail.

use crate::measure::kind::stability::{
    DEGRADATION_PCT, FAILURE_FREE_MS, HTTP_4XX_RATE, HTTP_5XX_RATE, TIMEOUT_RATE,
    TOKENS_PER_SECOND_DRIFT, TTFT_DRIFT,
};
use crate::measure::metric::MetricDef;

pub const METRICS: &[MetricDef] = &[
    MetricDef::SUCCESS_RATE,
    TIMEOUT_RATE,
    HTTP_4XX_RATE,
    HTTP_5XX_RATE,
    DEGRADATION_PCT,
    TTFT_DRIFT,
    TOKENS_PER_SECOND_DRIFT,
    FAILURE_FREE_MS,
];
