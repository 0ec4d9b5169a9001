use super::*;
use crate::measure::metric::Stat;
use crate::measure::request::{Instants, RequestFailure, Usage};
use crate::measure::slo::SloMetric;
use crate::spec::experiment::Comparison;
use crate::spec::workload::arrival::Arrival;
use crate::spec::workload::load::{Extent, Levels};

const MS: u64 = 1_000_000;

fn spec(demand: Demand, slo: Vec<Slo>) -> LoadSpec {
    LoadSpec {
        demand,
        levels: Levels::Ladder(vec![2.0]),
        rung: Extent::Requests(4),
        slo,
        prompt_tokens: 100,
        max_tokens: 3,
        probes: true,
        start_from: None,
    }
}

fn ttft_below(bound: f64) -> Slo {
    Slo {
        metric: SloMetric::Ttft,
        stat: Some(Stat::P50),
        comparison: Comparison::Less,
        bound,
        text: format!("ttft.p50 < {bound} ms"),
    }
}

/// A request of three tokens at these milliseconds; without any it failed.
fn request(role: RequestRole, user: u32, due: u64, sent: u64, tokens: &[u64], end: u64) -> Request {
    let mut instants = Instants::due_at(due * MS);
    instants.sent = sent * MS;
    instants.end = end * MS;
    instants.first_token = tokens.first().map(|at| at * MS);
    instants.last_token = tokens.last().map(|at| at * MS);
    tokens.iter().for_each(|at| instants.tokens.push(at * MS));
    let failed = tokens.is_empty();
    Request {
        node: "load".to_owned(),
        index: 0,
        role,
        prompt: None,
        user,
        turn: None,
        label: None,
        instants,
        usage: (!failed).then_some(Usage {
            prompt: 100,
            output: 3,
            cached: None,
        }),
        counters: None,
        finish_reason: None,
        failure: failed.then(|| RequestFailure::Status {
            status: 500,
            body: "no".to_owned(),
        }),
        proof: None,
    }
}

fn summarised(spec: &LoadSpec, scale: TimeScale, requests: &[Request]) -> Rung {
    let mut run = RungRun::new(2.0, spec, scale);
    for request in requests {
        let good = is_good_alone(&spec.slo, request, scale);
        run.take(request, Sample::of(request, good));
    }
    let page = |text: &str| Queue::of(&MetricsPage::parse(text));
    run.queue = Queue::between(
        page(
            "vllm:request_queue_time_seconds_sum 1.5\nvllm:request_queue_time_seconds_count 3.0\n",
        ),
        page(
            "vllm:request_queue_time_seconds_sum 2.5\nvllm:request_queue_time_seconds_count 7.0\n",
        ),
    );
    run.summarise()
}

/// Two users. The first is at work from 1000 to 1720 ms, the second from 1100 to 1700.
fn log() -> Vec<Request> {
    use RequestRole::{Measured, Probe, WarmUp};
    vec![
        request(WarmUp, 1, 0, 0, &[800, 900, 1000], 1050),
        request(Measured, 0, 1000, 1005, &[1100, 1200, 1300], 1310),
        request(Measured, 0, 1310, 1310, &[1510, 1610, 1710], 1720),
        request(Measured, 1, 1100, 1110, &[1400, 1500, 1600], 1600),
        request(Measured, 1, 1600, 1600, &[], 1700),
        request(Probe, 0, 1200, 1200, &[1240], 1241),
    ]
}

fn near(found: Option<f64>, expected: f64) {
    let found = found.expect("it was measured");
    assert!((found - expected).abs() < 1e-9, "{found} {expected}");
}

#[test]
fn every_number_of_a_rung_is_the_one_that_a_hand_computes() {
    let spec = spec(Demand::Concurrency, vec![ttft_below(250.0)]);
    let rung = summarised(&spec, TimeScale::ONE, &log());
    assert_eq!((rung.n_requests, rung.n_failed), (4, 1));

    // Due to first token: 100, 200 and 300 ms; the warm-up's 800 count nowhere.
    let ttft = rung.ttft_ms.unwrap();
    assert_eq!(
        (ttft.n, ttft.min, ttft.p50, ttft.max),
        (3, 100.0, 200.0, 300.0)
    );
    // Three answers with two gaps of 100 ms each.
    let itl = rung.itl_ms.unwrap();
    assert_eq!((itl.n, itl.min, itl.max), (6, 100.0, 100.0));
    // 200 ms over the two tokens after the first.
    let tpot = rung.tpot_ms.unwrap();
    assert_eq!((tpot.n, tpot.min, tpot.max), (3, 100.0, 100.0));
    let speed = rung.tokens_per_second.unwrap();
    assert_eq!((speed.n, speed.p50), (3, 10.0));
    // Due to last byte: 310, 410 and 500 ms.
    let e2e = rung.e2e_ms.unwrap();
    assert_eq!((e2e.n, e2e.p50), (3, 410.0));
    near(Some(e2e.mean), 1220.0 / 3.0);
    // Due to sent: 5, 0, 10 and 0 ms, the failed one included.
    let delay = rung.schedule_delay_ms.unwrap();
    assert_eq!((delay.n, delay.mean, delay.max), (4, 3.75, 10.0));
    // The engine's histogram: 1 s over 4 requests.
    near(rung.queue_mean_ms, 250.0);
    assert_eq!(rung.probe_ttft_ms.unwrap().p50, 40.0);

    // Both users are at work from 1100 to 1700 ms.
    near(rung.steady_ms, 600.0);
    // 210 of the first's 310 ms lie within, 390 of the second's 410, all of the third's; the failed
    // one does not count.
    near(
        rung.achieved_rps,
        (210.0 / 310.0 + 390.0 / 410.0 + 1.0) / 0.6,
    );
    // Of these the first two had their token within 250 ms.
    near(rung.goodput_rps, (210.0 / 310.0 + 390.0 / 410.0) / 0.6);
    // 2 of the first's (its first one came as the window began), 1 + 2 x 190/200 of the second's,
    // all 3 of the third's.
    near(rung.output_tokens_per_second, 7.9 / 0.6);
    // 210 + 390 + 490 + 100 ms in flight.
    near(rung.mean_in_flight, 1190.0 / 600.0);
    assert_eq!(rung.asked_rps, None);
    let broken: Vec<_> = rung
        .broken
        .iter()
        .map(|b| (b.text.as_str(), b.found))
        .collect();
    assert_eq!(broken, [("every request succeeds", Some(0.75))]);
}

#[test]
fn all_of_it_is_told_in_the_time_of_the_engine() {
    let twenty = TimeScale::new(20.0).unwrap();
    let spec = spec(Demand::Concurrency, vec![ttft_below(5000.0)]);
    let rung = summarised(&spec, twenty, &log());
    assert_eq!(rung.ttft_ms.unwrap().p50, 4000.0);
    assert_eq!(rung.itl_ms.unwrap().p50, 2000.0);
    assert_eq!(rung.tpot_ms.unwrap().p50, 2000.0);
    assert_eq!(rung.e2e_ms.unwrap().p50, 8200.0);
    near(rung.steady_ms, 12_000.0);
    near(
        rung.achieved_rps,
        (210.0 / 310.0 + 390.0 / 410.0 + 1.0) / 12.0,
    );
    near(rung.goodput_rps, (210.0 / 310.0 + 390.0 / 410.0) / 12.0);
    near(rung.output_tokens_per_second, 7.9 / 12.0);
    // How late the client was is no time of the engine's, and a number of requests has none.
    assert_eq!(rung.schedule_delay_ms.unwrap().max, 10.0);
    near(rung.mean_in_flight, 1190.0 / 600.0);
}

#[test]
fn of_an_open_loop_rates_are_from_the_first_due_to_the_last() {
    use RequestRole::{Measured, WarmUp};
    let arrival = Arrival::Constant;
    let spec = spec(Demand::Rate { arrival }, Vec::new());
    let log = [
        request(WarmUp, 0, 0, 0, &[900, 1000, 1100], 1150),
        request(Measured, 0, 1000, 1000, &[1100, 1200, 1300], 1300),
        request(Measured, 0, 1500, 1500, &[1600, 1700, 1800], 1900),
        request(Measured, 0, 2000, 2000, &[2100, 2200, 2300], 2300),
    ];
    let rung = summarised(&spec, TimeScale::ONE, &log);
    near(rung.steady_ms, 1000.0);
    near(rung.asked_rps, 2.0);
    // 150 of the warm-up's 1150 ms lie within as well: it was part of the load. The last request
    // was due as the window ended.
    near(rung.achieved_rps, 2.0 + 150.0 / 1150.0);
    assert_eq!((rung.goodput_rps, rung.broken.len()), (None, 0));
}

#[test]
fn nothing_measured_has_no_numbers() {
    let spec = spec(Demand::Concurrency, vec![ttft_below(250.0)]);
    let rung = RungRun::new(2.0, &spec, TimeScale::ONE).summarise();
    assert_eq!(
        (rung.n_requests, rung.ttft_ms, rung.achieved_rps),
        (0, None, None)
    );
    assert_eq!(rung.broken.len(), 2);
}
