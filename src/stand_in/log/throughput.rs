//! The line that vLLM logs every ten seconds while it works: throughput, queue, cache.

use std::time::Duration;

use crate::stand_in::engine::clock::Engine;
use crate::stand_in::engine::metrics::Snapshot;
use crate::stand_in::engine::time::Time;
use crate::stand_in::log::writer::Log;

const EVERY: Duration = Duration::from_secs(10);

/// Logs for ever. An idle engine falls silent after one line with zeros.
pub async fn report(engine: Engine, log: Log, time: Time) {
    let mut before = engine.snapshot();
    let mut was_idle = true;
    loop {
        time.sleep(EVERY).await;
        let now = engine.snapshot();
        let is_idle = now.gauges.running == 0 && now.tally.tokens() == before.tally.tokens();
        if !(is_idle && was_idle) {
            log.api("loggers.py:335", line(&before, &now, EVERY.as_secs_f64()));
        }
        was_idle = is_idle;
        before = now;
    }
}

fn line(before: &Snapshot, now: &Snapshot, seconds: f64) -> String {
    let (prompt_before, said_before) = before.tally.tokens();
    let (prompt, said) = now.tally.tokens();
    let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
    let hit_rate = match now.counts.prefix_queries {
        0 => 0.0,
        queries => now.counts.prefix_hits as f64 / queries as f64,
    };
    format!(
        "Engine 000: Avg prompt throughput: {:.1} tokens/s, Avg generation throughput: {:.1} \
         tokens/s, Running: {} reqs, Waiting: {} reqs, GPU KV cache usage: {:.1}%, Prefix cache hit \
         rate: {:.1}%",
        rate(prompt, prompt_before),
        rate(said, said_before),
        now.gauges.running,
        now.gauges.waiting,
        100.0 * now.gauges.kv_usage,
        100.0 * hit_rate
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::engine::cache::{BlockPool, PrefixCaching};
    use crate::stand_in::engine::metrics::Tally;
    use crate::stand_in::engine::scheduler::{
        ChunkedPrefill, Counts, Gauges, Limits, Scheduler, Speed,
    };
    use crate::stand_in::log::writer::tests::Captured;
    use crate::stand_in::model::tokens::Answer;
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
            let engine = Engine::start(Scheduler::new(limits, speed, pool), time);
            let answer = Answer {
                tokens: vec![7; 200],
                stops: false,
            };
            let _reply = engine.ask((0..50).collect(), answer);
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
            preemptions: 0,
        };
        assert_eq!(
            line(&idle, &busy, 10.0),
            "Engine 000: Avg prompt throughput: 151.6 tokens/s, Avg generation throughput: 0.2 \
             tokens/s, Running: 1 reqs, Waiting: 2 reqs, GPU KV cache usage: 12.3%, Prefix cache \
             hit rate: 40.9%"
        );
    }
}
