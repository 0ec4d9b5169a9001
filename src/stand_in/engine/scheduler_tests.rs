use super::*;

const BLOCK: usize = 4;

fn scheduler(limits: Limits, n_blocks: usize, caching: PrefixCaching) -> Scheduler {
    let speed = Speed {
        prefill_tokens_per_second: 1000.0,
        decode_tokens_per_second: 100.0,
    };
    Scheduler::new(limits, speed, BlockPool::new(n_blocks, BLOCK, caching))
}

fn limits(max_num_seqs: usize, max_num_batched_tokens: usize, chunked: ChunkedPrefill) -> Limits {
    Limits {
        max_num_seqs,
        max_num_batched_tokens,
        chunked,
    }
}

fn prompt(from: TokenId, n: usize) -> Vec<TokenId> {
    (from..).take(n).collect()
}

fn admitted(events: &[Event]) -> Vec<(SequenceId, usize)> {
    let cached = |event: &Event| match event {
        Event::Admitted { id, cached_tokens } => Some((*id, *cached_tokens)),
        Event::Token { .. } => None,
    };
    events.iter().filter_map(cached).collect()
}

fn speakers(events: &[Event]) -> Vec<SequenceId> {
    let speaker = |event: &Event| match event {
        Event::Token { id, .. } => Some(*id),
        Event::Admitted { .. } => None,
    };
    events.iter().filter_map(speaker).collect()
}

/// All events until nothing is left to do, and the time that took.
fn finish(scheduler: &mut Scheduler) -> (Vec<Event>, Duration) {
    let (mut events, mut took) = (Vec::new(), Duration::ZERO);
    while let Some(step) = scheduler.step() {
        events.extend(step.events);
        took += step.took;
        assert!(events.len() < 10_000, "the scheduler makes no progress");
    }
    (events, took)
}

#[test]
fn a_single_request_prefills_then_decodes() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::On), 64, PrefixCaching::On);
    engine.submit(1, prompt(0, 40), vec![7, 8, 9]);
    let first = engine.step().unwrap();
    assert_eq!(first.took, Duration::from_millis(40));
    assert_eq!(
        first.events,
        [
            Event::Admitted {
                id: 1,
                cached_tokens: 0
            },
            Event::Token {
                id: 1,
                token: 7,
                last: false
            }
        ]
    );
    let second = engine.step().unwrap();
    assert_eq!(second.took, Duration::from_millis(10));
    assert_eq!(
        second.events,
        [Event::Token {
            id: 1,
            token: 8,
            last: false
        }]
    );
    assert_eq!(
        engine.step().unwrap().events,
        [Event::Token {
            id: 1,
            token: 9,
            last: true
        }]
    );
    assert_eq!(engine.step(), None);
    assert_eq!(
        engine.gauges(),
        Gauges {
            running: 0,
            waiting: 0,
            kv_usage: 0.0
        }
    );
}

#[test]
fn a_repeated_prompt_hits_all_full_blocks_but_the_last_token() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::On), 64, PrefixCaching::On);
    for (id, n, cached) in [(1, 40, 0), (2, 40, 36), (3, 41, 40)] {
        engine.submit(id, prompt(0, n), vec![7, 8]);
        let (events, _) = finish(&mut engine);
        assert_eq!(admitted(&events), [(id, cached)]);
    }
    assert_eq!(engine.counts().prefix_queries, 121);
    assert_eq!(engine.counts().prefix_hits, 76);
}

#[test]
fn a_hit_is_faster_by_its_cached_tokens() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::On), 64, PrefixCaching::On);
    engine.submit(1, prompt(0, 40), vec![7]);
    assert_eq!(finish(&mut engine).1, Duration::from_millis(40));
    engine.submit(2, prompt(0, 40), vec![7]);
    // Four tokens would take 4 ms, but no step is shorter than a token that comes out.
    assert_eq!(finish(&mut engine).1, Duration::from_millis(10));
}

#[test]
fn without_prefix_caching_nothing_hits_and_nothing_is_counted() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::On), 64, PrefixCaching::Off);
    for id in 1..3 {
        engine.submit(id, prompt(0, 40), vec![7]);
        assert_eq!(admitted(&finish(&mut engine).0), [(id, 0)]);
    }
    assert_eq!(engine.counts(), Counts::default());
}

#[test]
fn answers_are_cached_too() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::On), 64, PrefixCaching::On);
    let answer = prompt(500, 9);
    engine.submit(1, prompt(0, 8), answer.clone());
    finish(&mut engine);
    engine.submit(2, [prompt(0, 8), answer, prompt(900, 4)].concat(), vec![7]);
    assert_eq!(admitted(&finish(&mut engine).0), [(2, 16)]);
}

#[test]
fn at_most_max_num_seqs_run_and_the_others_wait_in_order() {
    let mut engine = scheduler(limits(2, 64, ChunkedPrefill::On), 64, PrefixCaching::On);
    for id in 1..5 {
        engine.submit(id, prompt(100 * id as TokenId, 8), vec![7, 8]);
    }
    assert_eq!(speakers(&engine.step().unwrap().events), [1, 2]);
    assert_eq!((engine.gauges().running, engine.gauges().waiting), (2, 2));
    let (events, _) = finish(&mut engine);
    assert_eq!(speakers(&events), [1, 2, 3, 4, 3, 4]);
}

#[test]
fn chunked_prefill_lets_others_decode_while_a_long_prompt_is_computed() {
    let mut engine = scheduler(limits(8, 16, ChunkedPrefill::On), 64, PrefixCaching::On);
    engine.submit(1, prompt(0, 8), vec![7; 20]);
    engine.step();
    engine.submit(2, prompt(100, 45), vec![7; 2]);
    let steps: Vec<Step> = (0..3).map(|_| engine.step().unwrap()).collect();
    assert_eq!(speakers(&steps[0].events), [1]);
    assert_eq!(speakers(&steps[1].events), [1]);
    assert_eq!(speakers(&steps[2].events), [1, 2]);
    assert_eq!(steps[0].took, Duration::from_millis(15 + 10));
}

#[test]
fn without_chunking_a_prompt_is_one_long_step() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::Off), 64, PrefixCaching::On);
    engine.submit(1, prompt(0, 8), vec![7; 20]);
    engine.step();
    engine.submit(2, prompt(100, 50), vec![7; 2]);
    engine.submit(3, prompt(200, 50), vec![7; 2]);
    let step = engine.step().unwrap();
    assert_eq!(step.took, Duration::from_millis(50 + 10));
    assert_eq!(speakers(&step.events), [1, 2]);
    assert_eq!(
        engine.gauges().waiting,
        1,
        "a prompt that does not fit whole must wait"
    );
}

#[test]
fn decoding_slows_down_with_the_batch() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::On), 64, PrefixCaching::On);
    for id in 0..6 {
        engine.submit(id, prompt(100 * id as TokenId, 4), vec![7; 3]);
    }
    engine.step();
    assert_eq!(engine.step().unwrap().took, Duration::from_micros(11_000));
}

#[test]
fn when_blocks_run_out_the_youngest_is_preempted_and_still_finishes() {
    let mut engine = scheduler(limits(8, 64, ChunkedPrefill::On), 6, PrefixCaching::Off);
    engine.submit(1, prompt(0, 8), vec![7; 12]);
    engine.submit(2, prompt(100, 8), vec![8; 12]);
    let (events, _) = finish(&mut engine);
    assert!(engine.counts().preemptions >= 1);
    for id in [1, 2] {
        assert_eq!(
            speakers(&events)
                .iter()
                .filter(|speaker| **speaker == id)
                .count(),
            12
        );
    }
    assert_eq!(
        admitted(&events).len(),
        2,
        "a preempted request is admitted once"
    );
    let last = events.iter().rev().find_map(|event| match event {
        Event::Token { id, last: true, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(last, Some(2));
    assert_eq!(engine.gauges().kv_usage, 0.0);
}

#[test]
fn an_aborted_request_gives_its_blocks_back() {
    let mut engine = scheduler(limits(1, 64, ChunkedPrefill::On), 64, PrefixCaching::On);
    engine.submit(1, prompt(0, 40), vec![7; 100]);
    engine.submit(2, prompt(100, 40), vec![7; 1]);
    engine.step();
    assert!(engine.gauges().kv_usage > 0.0);
    engine.abort(1);
    engine.abort(99);
    assert_eq!(speakers(&finish(&mut engine).0), [2]);
    assert_eq!(
        engine.gauges(),
        Gauges {
            running: 0,
            waiting: 0,
            kv_usage: 0.0
        }
    );
}
