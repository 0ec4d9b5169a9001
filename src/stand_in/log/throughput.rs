//! The line that vLLM logs every ten seconds while it works: throughput, queue, cache.

use std::time::Duration;

use crate::stand_in::engine::clock::Engine;
use crate::stand_in::engine::metrics::Snapshot;
use crate::stand_in::engine::time::Time;
use crate::stand_in::log::place;
use crate::stand_in::log::writer::Log;
use crate::stand_in::version::Generation;

const EVERY: Duration = Duration::from_secs(10);

/// Logs for ever. An idle engine falls silent after one line with zeros (but not V0).
pub async fn report(engine: Engine, log: Log, time: Time) {
    let mut before = engine.snapshot();
    let mut was_idle = true;
    loop {
        time.sleep(EVERY).await;
        let now = engine.snapshot();
        let is_idle = now.gauges.running == 0 && now.tally.tokens() == before.tally.tokens();
        // V0 never falls silent.
        let v0 = log.version().generation() == Generation::V0;
        if v0 || !(is_idle && was_idle) {
            let seconds = EVERY.as_secs_f64();
            if v0 {
                log.core(place::THROUGHPUT, v0_line(&before, &now, seconds));
                if let Some(text) = v0_hit_rate(&now) {
                    log.core(place::HIT_RATE, text);
                }
            } else {
                log.api(place::THROUGHPUT, line(&before, &now, seconds));
            }
        }
        was_idle = is_idle;
        before = now;
    }
}

/// The line of V0, which may swap requests to the host.
fn v0_line(before: &Snapshot, now: &Snapshot, seconds: f64) -> String {
    let (prompt, said) = rates(before, now, seconds);
    format!(
        "Avg prompt throughput: {prompt:.1} tokens/s, Avg generation throughput: {said:.1} \
         tokens/s, Running: {} reqs, Swapped: 0 reqs, Pending: {} reqs, GPU KV cache usage: \
         {:.1}%, CPU KV cache usage: 0.0%.",
        now.gauges.running,
        now.gauges.waiting,
        100.0 * now.gauges.kv_usage
    )
}

/// What V0 says of its prefix cache, if it has one.
fn v0_hit_rate(now: &Snapshot) -> Option<String> {
    (now.counts.prefix_queries > 0).then(|| {
        format!(
            "Prefix cache hit rate: GPU: {:.2}%, CPU: 0.00%",
            100.0 * hit_rate(now)
        )
    })
}

/// Tokens of prompts and of answers per second between two snapshots.
fn rates(before: &Snapshot, now: &Snapshot, seconds: f64) -> (f64, f64) {
    let (prompt_before, said_before) = before.tally.tokens();
    let (prompt, said) = now.tally.tokens();
    let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
    (rate(prompt, prompt_before), rate(said, said_before))
}

fn hit_rate(now: &Snapshot) -> f64 {
    match now.counts.prefix_queries {
        0 => 0.0,
        queries => now.counts.prefix_hits as f64 / queries as f64,
    }
}

fn line(before: &Snapshot, now: &Snapshot, seconds: f64) -> String {
    let (prompt, said) = rates(before, now, seconds);
    format!(
        "Engine 000: Avg prompt throughput: {prompt:.1} tokens/s, Avg generation throughput: \
         {said:.1} tokens/s, Running: {} reqs, Waiting: {} reqs, GPU KV cache usage: {:.1}%, Prefix \
         cache hit rate: {:.1}%",
        now.gauges.running,
        now.gauges.waiting,
        100.0 * now.gauges.kv_usage,
        100.0 * hit_rate(now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::engine::cache::{BlockPool, PrefixCaching};
    use crate::stand_in::engine::clock::Steady;
    use crate::stand_in::engine::metrics::Tally;
    use crate::stand_in::engine::scheduler::{
        ChunkedPrefill, Counts, Gauges, Limits, Scheduler, Speed,
    };
    use crate::stand_in::log::writer::tests::Captured;
    use crate::stand_in::model::answer::Answer;
    use crate::time_scale::TimeScale;

    #[tokio::test(start_paused = true)]
    async fn a_faster_engine_logs_more_often_and_the_same() {
        let mut lines = Vec::new();
        for (scale, beats) in [(1.0, 10), (20.0, 200)] {
            let limits = Limits {
                max_num_seqs: 2,
                max_num_batched_tokens: 64,
                chunked: ChunkedPrefill::On,
            };
            let speed = Speed {
                prefill_tokens_per_second: 100.0,
                decode_tokens_per_second: 2.0,
            };
            let pool = BlockPool::new(64, 4, PrefixCaching::On);
            let time = Time::begin(TimeScale::new(scale).unwrap());
            let engine = Engine::start(Scheduler::new(limits, speed, pool), time, None, Steady);
            let answer = Answer {
                tokens: vec![7; 200],
                stops: false,
            };
            let _reply = engine.ask((0..50).collect(), answer, 50);
            let captured = Captured::default();
            let log = Log::to(captured.clone());
            let reporting = tokio::spawn(report(engine.clone(), log, time));
            tokio::time::sleep(Duration::from_millis(101_000 / beats)).await;
            reporting.abort();
            let text = captured.text();
            let (_, line) = text.split_once("Avg ").unwrap();
            lines.push(line.to_owned());
        }
        assert_eq!(lines[0], lines[1]);
        assert_eq!(lines[0].lines().count(), 1, "{lines:?}");
    }

    #[test]
    fn the_line_has_the_form_of_vllm() {
        let idle = Snapshot {
            gauges: Gauges {
                running: 0,
                waiting: 0,
                kv_usage: 0.0,
            },
            counts: Counts::default(),
            tally: Tally::new(),
        };
        let mut busy = idle.clone();
        busy.tally.first_token(1516, 0, Duration::ZERO);
        busy.tally.next_token(Duration::ZERO);
        busy.gauges = Gauges {
            running: 1,
            waiting: 2,
            kv_usage: 0.123,
        };
        busy.counts = Counts {
            prefix_queries: 1000,
            prefix_hits: 409,
            ..Counts::default()
        };
        assert_eq!(
            v0_line(&idle, &busy, 10.0),
            "Avg prompt throughput: 151.6 tokens/s, Avg generation throughput: 0.2 tokens/s, \
             Running: 1 reqs, Swapped: 0 reqs, Pending: 2 reqs, GPU KV cache usage: 12.3%, CPU KV \
             cache usage: 0.0%."
        );
        assert_eq!(v0_hit_rate(&idle), None);
        assert_eq!(
            v0_hit_rate(&busy).unwrap(),
            "Prefix cache hit rate: GPU: 40.90%, CPU: 0.00%"
        );
        assert_eq!(
            line(&idle, &busy, 10.0),
            "Engine 000: Avg prompt throughput: 151.6 tokens/s, Avg generation throughput: 0.2 \
             tokens/s, Running: 1 reqs, Waiting: 2 reqs, GPU KV cache usage: 12.3%, Prefix cache \
             hit rate: 40.9%"
        );
    }
}
