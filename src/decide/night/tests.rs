//! Nights whose verdicts a hand can compute.

use crate::decide::night::{
    Against, Call, Candidacy, Candidate, CellNight, Judgement, Night, draw, judge, whose_age,
};
use crate::id::CellId;

fn cell(name: &str, scores: &[f64]) -> CellNight {
    CellNight {
        cell: CellId::of(name),
        name: name.to_owned(),
        scores: (1..).zip(scores.iter().copied()).collect(),
        n_died: 0,
        rejected: None,
    }
}

fn night(champion: &[f64], challengers: &[(&str, &[f64])]) -> Night {
    Night {
        champion: cell("champion", champion),
        challengers: challengers
            .iter()
            .map(|(name, scores)| cell(name, scores))
            .collect(),
        was_regression: false,
    }
}

/// `n` nights around 1 that differ by 0.01.
fn history(n: usize) -> Vec<Night> {
    (0..n)
        .map(|at| night(&[1.0 + if at % 2 == 0 { 0.005 } else { -0.005 }], &[]))
        .collect()
}

fn of(tonight: f64, before: &[Night]) -> Judgement {
    judge(&night(&[tonight], &[]), before, None, 0.02)
}

#[test]
fn with_eight_nights_the_history_says_what_is_usual() {
    let before = history(8);
    let Against::History {
        n_nights, allowed, ..
    } = of(1.0, &before).champion.against
    else {
        panic!()
    };
    // sd = 0.005 sqrt(8/7); t(.995, 7) = 3.499483; times sqrt(1 + 1/8): 0.0198404 > ln 1.02.
    let by_hand = 3.499_483 * 0.005 * (8.0_f64 / 7.0).sqrt() * (1.0_f64 + 1.0 / 8.0).sqrt();
    assert_eq!(n_nights, 8);
    assert!((allowed.ln_1p() - by_hand).abs() < 1e-6, "{allowed}");
    assert_eq!(of(1.0 + by_hand - 1e-4, &before).call, Call::Holds);
    assert_eq!(of(1.0 + by_hand + 1e-4, &before).call, Call::Regressed);
    assert_eq!(of(0.5, &before).call, Call::Holds);
}

#[test]
fn a_history_without_noise_still_allows_two_percent() {
    let before: Vec<Night> = (0..9).map(|_| night(&[1.0], &[])).collect();
    assert_eq!(of(1.0 + 1.019_f64.ln(), &before).call, Call::Holds);
    assert_eq!(of(1.0 + 1.021_f64.ln(), &before).call, Call::Regressed);
}

#[test]
fn with_fewer_nights_the_reference_bounds_hold() {
    for before in [history(7), history(1)] {
        let reference = before
            .iter()
            .filter_map(|one| one.champion.score())
            .sum::<f64>()
            / before.len() as f64;
        let at = |times: f64| of(reference + times.ln(), &before);
        assert_eq!((at(1.09).call, at(1.09).warns()), (Call::Holds, false));
        assert_eq!((at(1.11).call, at(1.11).warns()), (Call::Holds, true));
        assert_eq!(at(1.16).call, Call::Regressed);
    }
}

#[test]
fn the_first_night_is_held_against_the_evidence_or_says_that_there_is_none() {
    let tonight = night(&[1.2], &[]);
    assert_eq!(judge(&tonight, &[], None, 0.02).call, Call::Inconclusive);
    assert_eq!(judge(&tonight, &[], Some(1.0), 0.02).call, Call::Regressed);
    assert_eq!(judge(&tonight, &[], Some(1.1), 0.02).call, Call::Holds);
}

#[test]
fn a_regression_does_not_become_usual() {
    let mut before = history(8);
    for _ in 0..3 {
        let mut worse = night(&[1.1], &[]);
        worse.was_regression = true;
        before.push(worse);
    }
    assert_eq!(of(1.1, &before).call, Call::Regressed);
    assert_eq!(of(1.0, &before).call, Call::Holds);
}

#[test]
fn a_champion_that_dies_or_misses_a_gate_has_regressed_and_one_not_measured_says_nothing() {
    let mut tonight = night(&[1.0], &[]);
    tonight.champion.n_died = 1;
    assert_eq!(
        judge(&tonight, &history(8), None, 0.02).call,
        Call::Regressed
    );
    tonight.champion.n_died = 0;
    tonight.champion.rejected = Some("success_rate >= 0.95: 0.8".to_owned());
    assert_eq!(
        judge(&tonight, &history(8), None, 0.02).call,
        Call::Regressed
    );
    let nothing = night(&[], &[("a", &[0.5, 0.5])]);
    assert_eq!(
        judge(&nothing, &history(8), None, 0.02).call,
        Call::Inconclusive
    );
}

#[test]
fn a_challenger_dethrones_by_paired_blocks_over_all_nights_in_which_both_ran() {
    // The blocks drift by far more than the two differ: 8 % better in each.
    let champion = [1.0, 1.3, 0.8, 1.1, 1.0];
    let better: Vec<f64> = champion
        .iter()
        .zip([0.002, -0.002, 0.001, 0.0, -0.001])
        .map(|(y, noise)| y - 1.08_f64.ln() + noise)
        .collect();
    let judged = judge(
        &night(&champion, &[("b", &better)]),
        &history(8),
        None,
        0.02,
    );
    assert_eq!(
        judged.call,
        Call::Regressed,
        "tonight as a whole is slower than usual"
    );
    assert!(judged.challengers[0].dethrones);
    let judged = judge(&night(&champion, &[("b", &better)]), &[], Some(1.04), 0.02);
    assert_eq!(judged.call, Call::Dethroned);
    assert_eq!(judged.successor().unwrap().name, "b");
    let paired = judged.challengers[0].paired.unwrap();
    assert_eq!((paired.n_blocks, paired.n_nights), (5, 1));
    assert!((paired.difference - (1.0 / 1.08 - 1.0)).abs() < 1e-9);

    // Two blocks carry nothing; with those of an earlier night they do.
    let few = night(&champion[..2], &[("b", &better[..2])]);
    let says = |before: &[Night]| judge(&few, before, Some(1.1), 0.02).challengers[0].clone();
    assert!(!says(&[]).dethrones);
    let earlier = night(&champion, &[("b", &better)]);
    assert!(says(&[earlier]).dethrones);
    assert_eq!(
        says(&[night(&champion, &[("b", &better)])])
            .paired
            .unwrap()
            .n_nights,
        2
    );
}

#[test]
fn better_by_less_than_the_margin_dethrones_nobody_and_neither_does_one_that_dies() {
    let champion = [1.0, 1.1, 0.9, 1.0, 1.05];
    let by = |times: f64| -> Vec<f64> { champion.iter().map(|y| y - times.ln()).collect() };
    let slightly = judge(
        &night(&champion, &[("b", &by(1.019))]),
        &[],
        Some(1.0),
        0.02,
    );
    assert!(!slightly.challengers[0].dethrones);
    let mut tonight = night(&champion, &[("b", &by(1.5))]);
    assert!(judge(&tonight, &[], Some(1.0), 0.02).challengers[0].dethrones);
    tonight.challengers[0].n_died = 1;
    assert!(!judge(&tonight, &[], Some(1.0), 0.02).challengers[0].dethrones);
}

#[test]
fn challengers_take_turns_and_contenders_come_more_often() {
    let candidate = |name: &str, last_ran, standing| Candidate {
        cell: CellId::of(name),
        last_ran,
        standing,
    };
    let candidates = [
        candidate("far", Some(5), Candidacy::Far),
        candidate("contender", Some(2), Candidacy::Contender),
        candidate("new", None, Candidacy::Contender),
        candidate("leading", Some(1), Candidacy::Leading),
        candidate("fresh", Some(1), Candidacy::Contender),
    ];
    let ids = |names: &[&str]| {
        names
            .iter()
            .map(|name| CellId::of(name))
            .collect::<Vec<_>>()
    };
    let expected = ["leading", "new", "contender", "far", "fresh"];
    assert_eq!(draw(&candidates, 5), ids(&expected));
    assert_eq!(draw(&candidates, 2), ids(&expected[..2]));
}

#[test]
fn candidacy_is_read_off_the_nights() {
    let champion = [1.0, 1.1, 0.9, 1.0];
    let by = |times: f64| -> Vec<f64> {
        let noise = [0.001, -0.001, 0.002, 0.0];
        champion
            .iter()
            .zip(noise)
            .map(|(y, noise)| y + times.ln() + noise)
            .collect()
    };
    let of = |times: f64| {
        let nights = [night(&champion, &[("b", &by(times))])];
        Candidacy::of(&CellId::of("b"), &nights, 0.02)
    };
    assert_eq!(of(1.0), Candidacy::Contender);
    assert_eq!(of(1.3), Candidacy::Far);
    assert_eq!(of(0.9), Candidacy::Leading);
    assert_eq!(
        Candidacy::of(&CellId::of("b"), &[], 0.02),
        Candidacy::Contender
    );
}

#[test]
fn champion_and_challengers_take_turns_at_ageing() {
    let [a, b, c] = ["a", "b", "c"].map(CellId::of);
    let challengers = [b.clone(), c.clone()];
    let whose = |aged: &[&CellId]| {
        let aged: Vec<CellId> = aged.iter().map(|cell| (*cell).clone()).collect();
        whose_age(&a, &challengers, &aged).clone()
    };
    assert_eq!(whose(&[]), a);
    assert_eq!(whose(&[&a]), b);
    assert_eq!(whose(&[&b, &a]), a);
    assert_eq!(whose(&[&a, &b, &a]), c);
    assert_eq!(whose(&[&a, &c, &a, &b, &a]), b);
    assert_eq!(*whose_age(&a, &[], std::slice::from_ref(&a)), a);
}
