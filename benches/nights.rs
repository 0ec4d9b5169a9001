//! How often do nights cry wolf, and how soon do they notice? Nights whose truth is known, judged
//! by the code that judges nights: 20 seeds of 30 quiet nights, 100 seeds with a regression, 100
//! with a better challenger.
//!
//! `cargo bench --bench nights` prints the tables of docs/NIGHTLY.md.

use gridrun::decide::draws::Normals;
use gridrun::decide::night::{Call, CellNight, Night, judge};
use gridrun::id::CellId;
use gridrun::random::SplitMix64;

const BLOCKS: u32 = 5;
const CHALLENGERS: usize = 2;
const MARGIN: f64 = 0.02;

struct World {
    normals: Normals,
    /// Of one start.
    noise: f64,
    /// Of a block and of a night, which hit all cells alike.
    drift: f64,
    shifts: SplitMix64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut shifts = SplitMix64::new(seed);
        Self {
            noise: 0.01 + 0.02 * shifts.next_f64(),
            drift: 0.005,
            normals: Normals::new(seed.wrapping_mul(7919) + 1),
            shifts,
        }
    }

    /// A night in which the champion is at `champion` and the challengers are at `others`, as
    /// logarithms.
    fn night(&mut self, champion: f64, others: &[f64]) -> Night {
        let tonight = self.drift * self.normals.normal();
        let blocks: Vec<f64> = (0..BLOCKS)
            .map(|_| tonight + self.drift * self.normals.normal())
            .collect();
        let mut cell = |name: String, truth: f64| CellNight {
            cell: CellId::of(&name),
            name,
            scores: (1..)
                .zip(&blocks)
                .map(|(block, drift)| (block, truth + drift + self.noise * self.normals.normal()))
                .collect(),
            n_died: 0,
            rejected: None,
        };
        Night {
            champion: cell("champion".to_owned(), champion),
            challengers: others
                .iter()
                .enumerate()
                .map(|(at, truth)| cell(format!("challenger {at}"), *truth))
                .collect(),
            was_regression: false,
        }
    }
}

/// Plays nights; what is said of each.
fn play(world: &mut World, nights: &[(f64, Vec<f64>)]) -> Vec<Call> {
    let mut before = Vec::new();
    let mut calls = Vec::new();
    for (champion, others) in nights {
        let mut night = world.night(*champion, others);
        let judged = judge(&night, &before, Some(0.0), MARGIN);
        night.was_regression = judged.call == Call::Regressed;
        calls.push(judged.call);
        before.push(night);
    }
    calls
}

fn main() {
    let equal = vec![0.0; CHALLENGERS];
    let (mut regressed, mut dethroned) = (0, 0);
    for seed in 0..20 {
        for call in play(&mut World::new(seed), &vec![(0.0, equal.clone()); 30]) {
            regressed += u32::from(call == Call::Regressed);
            dethroned += u32::from(call == Call::Dethroned);
        }
    }
    println!(
        "quiet nights, 20 seeds x 30, challengers as good as the champion: {} false verdicts of 600 \
         ({regressed} regressed, {dethroned} dethroned)",
        regressed + dethroned
    );
    let quiet_long: u32 = (1000..1200)
        .map(|seed| {
            let calls = play(&mut World::new(seed), &vec![(0.0, equal.clone()); 30]);
            calls.iter().filter(|call| **call != Call::Holds).count() as u32
        })
        .sum();
    println!("the same with 200 seeds: {quiet_long} of 6000");

    for (times, label) in [(1.05, "5 %"), (1.10, "10 %"), (1.20, "20 %")] {
        let (mut at_once, mut within_two) = (0, 0);
        for seed in 0..100 {
            let mut world = World::new(seed);
            let k = 9 + world.shifts.below(12) as usize;
            let nights: Vec<(f64, Vec<f64>)> = (1..=k + 1)
                .map(|night| {
                    let worse = if night >= k { f64::ln(times) } else { 0.0 };
                    // Whatever slows the machine down slows them all.
                    (worse, vec![worse; CHALLENGERS])
                })
                .collect();
            let calls = play(&mut world, &nights);
            let called = |night: usize| calls[night - 1] == Call::Regressed;
            at_once += u32::from(called(k));
            within_two += u32::from(called(k) || called(k + 1));
        }
        println!(
            "regression of {label} on night k >= 9: called on night k in {at_once}, on k or k + 1 in {within_two} of 100 seeds"
        );
    }

    for (times, label) in [(1.04, "4 %"), (1.08, "8 %"), (1.12, "12 %")] {
        let mut within = [0; 3];
        for seed in 0..100 {
            let nights = vec![(0.0, vec![-f64::ln(times), 0.0]); 3];
            let calls = play(&mut World::new(seed), &nights);
            if let Some(first) = calls.iter().position(|call| *call == Call::Dethroned) {
                for count in &mut within[first..] {
                    *count += 1;
                }
            }
        }
        println!(
            "challenger better by {label}: dethrones within 1, 2, 3 nights in {within:?} of 100 seeds"
        );
    }
}
