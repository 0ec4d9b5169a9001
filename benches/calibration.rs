//! Are the intervals and the champions what they claim to be, and what do racing and pruning
//! save? Landscapes whose truth is known, in five regimes of noise, decided by the code that
//! decides runs.
//!
//! `cargo bench --bench calibration` prints the tables of docs/RANKING.md.

use gridrun::decide::confidence::{ENOUGH, LEAST_DEGREES};
use gridrun::decide::draws::{Normals, chances};
use gridrun::decide::fit::{Fit, Observation};
use gridrun::decide::replay::{Asked, RawTable, Settings, of_table, play};
use gridrun::outcome::Outcome;
use gridrun::plan::race::{Entrant, Odds, judge};
use gridrun::random::SplitMix64;
use gridrun::spec::experiment::Strategy;

const LANDSCAPES: u64 = 500;
const MARGIN: f64 = 0.02;

/// How restarts differ.
#[derive(Debug, Clone, Copy)]
enum Regime {
    EqualNoise,
    /// Each configuration's noise times a factor of its own, lognormal with sigma 0.3.
    UnequalNoise,
    /// Student's t with 4 degrees of freedom, scaled to the same standard deviation.
    HeavyTails,
    /// One restart in twenty is 10 to 30 % slower.
    SlowRestarts,
    /// Blocks differ by twice the noise between restarts.
    Drift,
}

struct Dice {
    uniform: SplitMix64,
    normal: Normals,
}

impl Dice {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform.next_f64()
    }

    fn chi_squared(&mut self, degrees: u32) -> f64 {
        (0..degrees).map(|_| self.normal.normal().powi(2)).sum()
    }
}

/// The true scores of the configurations that live, with how many features each switches on.
fn landscape(dice: &mut Dice) -> Vec<(f64, u32)> {
    // Two or three axes that matter, of two to four values; one of two values that does not.
    let shape: Vec<usize> = (0..2 + dice.uniform.below(2))
        .map(|_| 2 + dice.uniform.below(3) as usize)
        .collect();
    let effects: Vec<Vec<f64>> = shape
        .iter()
        .map(|&n| (0..n).map(|_| 0.15 * dice.normal.normal()).collect())
        .collect();
    let dead = dice.between(0.2, 0.7);
    let n: usize = shape.iter().product::<usize>().clamp(4, 24);
    let mut cells = Vec::new();
    for number in 0..n {
        let mut rest = number;
        let mut y = 0.03 * dice.normal.normal();
        let mut features = 0;
        for (axis, &values) in effects.iter().zip(&shape) {
            y += axis[rest % values];
            features += u32::from(rest % values > 0);
            rest /= values;
        }
        for inert in 0..2 {
            if dice.uniform.next_f64() >= dead {
                cells.push((y, features + inert));
            }
        }
    }
    cells
}

fn restart(regime: Regime, sd: f64, dice: &mut Dice) -> f64 {
    let z = dice.normal.normal();
    match regime {
        Regime::EqualNoise | Regime::UnequalNoise | Regime::Drift => sd * z,
        Regime::HeavyTails => sd * z / (dice.chi_squared(4) / 4.0).sqrt() / 2.0_f64.sqrt(),
        Regime::SlowRestarts => {
            let slow = dice.uniform.next_f64() < 0.05;
            sd * z
                + if slow {
                    dice.between(1.1, 1.3).ln()
                } else {
                    0.0
                }
        }
    }
}

/// What came of all landscapes of one regime.
#[derive(Default)]
struct Count {
    intervals: u64,
    covered: u64,
    decided: u64,
    named: u64,
    right: u64,
}

fn main() {
    println!(
        "| regime | restarts | intervals of differences cover | champion named | of these within 2 % of the best |"
    );
    println!("| --- | --: | --: | --: | --: |");
    let regimes = [
        Regime::EqualNoise,
        Regime::UnequalNoise,
        Regime::HeavyTails,
        Regime::SlowRestarts,
        Regime::Drift,
    ];
    for regime in regimes {
        for repeats in [2, 3, 5] {
            let mut count = Count::default();
            for seed in 0..LANDSCAPES {
                decide(regime, repeats, seed, &mut count);
            }
            let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
            println!(
                "| {regime:?} | {repeats} | {:.1} % | {:.0} % | {:.1} % |",
                share(count.covered, count.intervals),
                share(count.named, count.decided),
                share(count.right, count.named),
            );
        }
    }
    racing(&regimes);
    println!();
    println!(
        "| die | of these started | proved by another's death | engine-seconds of deaths, of starting each |"
    );
    println!("| --: | --: | --: | --: |");
    for (low, high) in [(0.2, 0.35), (0.35, 0.5), (0.5, 0.7)] {
        deaths(low, high);
    }
}

/// Configurations that run out of memory from a size of the cache on, which the other axes shift:
/// how many of them are started until the rest is proved dead. Played by the code that runs.
fn deaths(low: f64, high: f64) {
    let (mut dead, mut started, mut proved, mut spent, mut whole) = (0, 0, 0, 0.0, 0.0);
    for seed in 0..LANDSCAPES {
        let mut dice = Dice {
            uniform: SplitMix64::new(seed),
            normal: Normals::new(seed ^ 0xDEAD),
        };
        let sizes = 3 + dice.uniform.below(4) as usize;
        let others = 2 + dice.uniform.below(3) as usize;
        let share = dice.between(low, high);
        let mut rows: Vec<[Option<String>; 7]> = Vec::new();
        for other in 0..others {
            // Where the wall is for this one, in values of the axis.
            let wall = (1.0 - share) * sizes as f64 + 0.7 * dice.normal.normal();
            for size in 0..sizes {
                for inert in [false, true] {
                    let is_dead = size as f64 + 0.5 > wall;
                    let seconds = dice.between(60.0, 180.0) / if is_dead { 3.0 } else { 1.0 };
                    let outcome = if is_dead { "host_oom" } else { "measured" };
                    dead += u64::from(is_dead);
                    whole += if is_dead { seconds } else { 0.0 };
                    rows.push([
                        Some(format!("{size}-{other}-{inert}")),
                        Some(seconds.to_string()),
                        Some(outcome.to_owned()),
                        Some(((size as u64 + 1) << 30).to_string()),
                        Some((8 << other).to_string()),
                        Some(inert.to_string()),
                        (!is_dead).then(|| "100".to_owned()),
                    ]);
                }
            }
        }
        let n_rows = rows.len();
        let column = |name: &str, at: usize| {
            let values = rows.iter().map(|row| row[at].clone()).collect();
            (name.to_owned(), values)
        };
        let same =
            |name: &str, value: &str| (name.to_owned(), vec![Some(value.to_owned()); n_rows]);
        let table = RawTable {
            n_rows,
            columns: vec![
                column("cell", 0),
                same("attempt", "1"),
                column("startup_s", 1),
                same("measure_s", "0"),
                column("outcome", 2),
                column("axis.kv-cache-memory-bytes", 3),
                column("axis.max-num-seqs", 4),
                column("axis.enable-chunked-prefill", 5),
                column("metric.ms", 6),
            ],
        };
        let asked = Asked {
            objectives: vec!["ms:min".parse().expect("an objective")],
            gates: Vec::new(),
        };
        let settings = Settings {
            strategy: Strategy::Exhaustive,
            repeats: Some(1),
            seed: Some(seed),
        };
        let recording = of_table(&table, &asked, settings).expect("a table without a mistake");
        let record = play(&recording.manifest, &recording.settled, None).record;
        let died = record.settled.iter();
        let died = died.filter(|one| matches!(one.outcome, Outcome::Infeasible(_)));
        for one in died {
            started += 1;
            spent += one.took_ms / 1e3;
        }
        proved += record.skipped.len() as u64;
    }
    println!(
        "| {:.0}-{:.0} % | {:.0} % | {:.0} % | {:.2} |",
        100.0 * low,
        100.0 * high,
        100.0 * f64::from(started) / dead as f64,
        100.0 * proved as f64 / dead as f64,
        spent / whole,
    );
}

/// What came of racing over all landscapes.
#[derive(Default)]
struct Races {
    n: u64,
    /// Seconds of engines of those that live.
    race: f64,
    exhaustive: f64,
    decided_early: u64,
    /// The pick is within the margin of the exhaustive one's.
    as_good: u64,
    named: u64,
    right: u64,
}

/// A landscape with its starts.
struct Played {
    /// The true scores of the configurations that live, with how many features each switches on.
    cells: Vec<(f64, u32)>,
    /// Per block, what each of them scored.
    blocks: Vec<Vec<f64>>,
    dice: Dice,
}

impl Played {
    /// `None` where fewer than two configurations live.
    fn of(regime: Regime, repeats: u32, seed: u64) -> Option<Self> {
        let mut dice = Dice {
            uniform: SplitMix64::new(seed),
            normal: Normals::new(seed ^ 0x5EED),
        };
        let cells = landscape(&mut dice);
        if cells.len() < 2 {
            return None;
        }
        let sd = dice.between(0.01, 0.10);
        let own: Vec<f64> = cells
            .iter()
            .map(|_| match regime {
                Regime::UnequalNoise => sd * (0.3 * dice.normal.normal()).exp(),
                _ => sd,
            })
            .collect();
        let blocks = (0..repeats).map(|_| {
            let lean = match regime {
                Regime::Drift => 2.0 * sd * dice.normal.normal(),
                _ => 0.0,
            };
            let start = |(cell, &(y, _)): (usize, &(f64, u32))| {
                y + lean + restart(regime, own[cell], &mut dice)
            };
            cells.iter().enumerate().map(start).collect()
        });
        Some(Self {
            blocks: blocks.collect(),
            cells,
            dice,
        })
    }

    fn observations(&self) -> Vec<Observation> {
        let blocks = (1..).zip(&self.blocks);
        let of_block = |(block, scores): (u32, &Vec<f64>)| {
            let scores = scores.iter().enumerate();
            let observations = scores.map(|(cell, &y)| Observation { cell, block, y });
            observations.collect::<Vec<_>>()
        };
        blocks.flat_map(of_block).collect()
    }
}

/// Plays one landscape both ways with the same starts.
fn race(regime: Regime, repeats: u32, seed: u64, races: &mut Races) {
    let Some(mut played) = Played::of(regime, repeats, seed) else {
        return;
    };
    let whole = played.observations();
    let Played {
        cells,
        blocks,
        dice,
    } = &mut played;
    // Start and nodes together.
    let seconds: Vec<f64> = cells.iter().map(|_| dice.between(60.0, 180.0)).collect();
    let mut running = vec![true; cells.len()];
    let mut observations = Vec::new();
    for (number, block) in (1..).zip(blocks.iter()) {
        for cell in (0..cells.len()).filter(|&cell| running[cell]) {
            let y = block[cell];
            observations.push(Observation {
                cell,
                block: number,
                y,
            });
            races.race += seconds[cell];
        }
        let fit = Fit::of(cells.len(), observations.clone());
        let noise = fit
            .noise()
            .filter(|noise| number < repeats && noise.degrees >= LEAST_DEGREES);
        let stated = noise.map(|noise| chances(&fit, noise, MARGIN, seed));
        let entrants: Vec<Entrant> = running
            .iter()
            .enumerate()
            .map(|(cell, &is_running)| Entrant {
                is_running,
                is_unknown: false,
                odds: vec![match &stated {
                    Some(chances) => Odds::Stated(chances[cell].equivalent),
                    None => Odds::Open,
                }],
                missed: None,
            })
            .collect();
        let call = judge(&entrants, number, repeats, ENOUGH);
        for (cell, _) in call.drops {
            running[cell] = false;
        }
        if call.decided.is_some() {
            races.decided_early += 1;
            break;
        }
    }
    let (raced, champion) = pick(cells, observations, seed);
    let (exhaustive, _) = pick(cells, whole, seed);
    let best = cells
        .iter()
        .map(|cell| cell.0)
        .fold(f64::INFINITY, f64::min);
    races.n += 1;
    races.exhaustive += f64::from(repeats) * seconds.iter().sum::<f64>();
    races.as_good += u64::from(cells[raced].0 - cells[exhaustive].0 <= MARGIN.ln_1p());
    races.named += u64::from(champion);
    races.right += u64::from(champion && cells[raced].0 - best <= MARGIN.ln_1p());
}

/// The champion, else the leader by the mean; and which of the two it is.
fn pick(cells: &[(f64, u32)], observations: Vec<Observation>, seed: u64) -> (usize, bool) {
    let fit = Fit::of(cells.len(), observations);
    let noise = fit.noise().expect("two restarts tell the noise");
    let leader = (0..cells.len())
        .min_by(|&a, &b| fit.mean(a).total_cmp(&fit.mean(b)))
        .expect("there are cells");
    if noise.degrees < LEAST_DEGREES {
        return (leader, false);
    }
    let chances = chances(&fit, noise, MARGIN, seed);
    let champion = (0..cells.len())
        .filter(|&cell| chances[cell].equivalent >= ENOUGH)
        .min_by_key(|&cell| cells[cell].1);
    (champion.unwrap_or(leader), champion.is_some())
}

fn racing(regimes: &[Regime]) {
    println!();
    println!(
        "| regime | restarts | engine-seconds against exhaustive | decided early | pick within 2 % of exhaustive's | champion named | of these within 2 % of the best |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    for &regime in regimes {
        for repeats in [3, 5, 8] {
            let mut races = Races::default();
            for seed in 0..LANDSCAPES {
                race(regime, repeats, seed, &mut races);
            }
            let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
            println!(
                "| {regime:?} | {repeats} | {:.2} | {:.0} % | {:.1} % | {:.0} % | {:.1} % |",
                races.race / races.exhaustive,
                share(races.decided_early, races.n),
                share(races.as_good, races.n),
                share(races.named, races.n),
                share(races.right, races.named),
            );
        }
    }
}

fn decide(regime: Regime, repeats: u32, seed: u64, count: &mut Count) {
    let Some(played) = Played::of(regime, repeats, seed) else {
        return;
    };
    let cells = &played.cells;
    let observations = played.observations();
    let fit = Fit::of(cells.len(), observations);
    let noise = fit.noise().expect("two restarts tell the noise");
    for a in 0..cells.len() {
        for b in a + 1..cells.len() {
            let estimate = fit.contrast(&[(a, 1.0), (b, -1.0)], noise);
            let truth = cells[a].0 - cells[b].0;
            count.intervals += 1;
            count.covered += u64::from((estimate.value - truth).abs() <= estimate.half);
        }
    }
    count.decided += 1;
    if noise.degrees < LEAST_DEGREES {
        return;
    }
    let chances = chances(&fit, noise, MARGIN, seed);
    let champion = (0..cells.len())
        .filter(|&cell| chances[cell].equivalent >= ENOUGH)
        .min_by_key(|&cell| cells[cell].1);
    if let Some(champion) = champion {
        let best = cells
            .iter()
            .map(|cell| cell.0)
            .fold(f64::INFINITY, f64::min);
        count.named += 1;
        count.right += u64::from(cells[champion].0 - best <= MARGIN.ln_1p());
    }
}
