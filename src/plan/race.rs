//! Racing: which cells are started no more after a block, and whether all is decided.
//!
//! Works on probabilities alone; where they come from is `decide`'s. A cell races in several
//! rankings at once, the experiment's own and one per use case, and stays while it is alive in
//! any of them. docs/RANKING.md has the rule and what it was measured to cost.

use crate::outcome::DropCause;

/// What all looks together may take from a cell that is as good as the best: the probability
/// below which it is dropped is this, divided by the looks that a run has.
pub const IN_ALL: f64 = 0.01;

/// No probability drops or decides before so many blocks: one block tells no noise.
pub const LEAST_BLOCKS: u32 = 2;

/// Below this probability of being within the margin of the best a cell is dropped, in a run of
/// so many blocks. There is a look after every block but the first and the last, and one more
/// stays as a reserve for the second, which rests on the fewest degrees of freedom.
pub fn bound(repeats: u32) -> f64 {
    IN_ALL / f64::from(repeats.saturating_sub(1).max(1))
}

/// How a cell stands in one ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Odds {
    /// The probability that it is within the margin of the best.
    Stated(f64),
    /// It is ranked, or may come to be, and nothing states how probable that is.
    Open,
    /// It can have no place in it.
    Out,
}

/// A cell, as the race knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entrant {
    /// It would be started in the next block.
    pub is_running: bool,
    /// Nothing valid was measured of it yet, and it did not die.
    pub is_unknown: bool,
    /// One per ranking.
    pub odds: Vec<Odds>,
    /// A gate that every start must hold and one did not, with what was found.
    pub missed: Option<(String, String)>,
}

/// What follows from the end of a block. Cells are named by their position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    pub drops: Vec<(usize, DropCause)>,
    /// The likeliest cell of each ranking with its probability, where nothing more need be
    /// started.
    pub decided: Option<Vec<(usize, f64)>>,
}

/// Judges the end of block `ended` of `repeats`. `enough` is the probability with which a ranking
/// is decided.
pub fn judge(entrants: &[Entrant], ended: u32, repeats: u32, enough: f64) -> Call {
    if ended >= repeats {
        return Call::default();
    }
    let decided = match ended >= LEAST_BLOCKS {
        true => decide(entrants, enough),
        false => None,
    };
    if decided.is_some() {
        return Call {
            drops: Vec::new(),
            decided,
        };
    }
    let running = entrants.iter().enumerate().filter(|(_, e)| e.is_running);
    let drops = running.filter_map(|(at, entrant)| {
        let cause = match &entrant.missed {
            Some((gate, finding)) => Some(DropCause::Gate {
                gate: gate.clone(),
                finding: finding.clone(),
            }),
            None if ended >= LEAST_BLOCKS => behind(entrant, bound(repeats)),
            None => None,
        };
        Some((at, cause?))
    });
    Call {
        drops: drops.collect(),
        decided: None,
    }
}

/// Every ranking has a cell that is likely enough, and nobody unknown could take its place.
fn decide(entrants: &[Entrant], enough: f64) -> Option<Vec<(usize, f64)>> {
    if entrants.iter().any(|e| e.is_running && e.is_unknown) {
        return None;
    }
    let n_rankings = entrants.first()?.odds.len();
    let winner =
        |ranking: usize| {
            let stated = entrants.iter().enumerate().filter_map(|(at, entrant)| {
                match entrant.odds[ranking] {
                    Odds::Stated(probability) => Some((at, probability)),
                    Odds::Open | Odds::Out => None,
                }
            });
            stated
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .filter(|(_, probability)| *probability >= enough)
        };
    let winners: Option<Vec<_>> = (0..n_rankings).map(winner).collect();
    winners.filter(|winners| !winners.is_empty())
}

/// In no ranking likely enough, and in one at least stated to be so.
fn behind(entrant: &Entrant, bound: f64) -> Option<DropCause> {
    let mut highest: Option<f64> = None;
    for odds in &entrant.odds {
        match *odds {
            Odds::Open => return None,
            Odds::Stated(probability) if probability >= bound => return None,
            Odds::Stated(probability) => {
                highest = Some(highest.map_or(probability, |other| other.max(probability)));
            }
            Odds::Out => {}
        }
    }
    highest.map(|probability| DropCause::Behind { probability, bound })
}

#[cfg(test)]
mod tests {
    use super::Odds::{Open, Out, Stated};
    use super::*;

    fn runs(odds: &[Odds]) -> Entrant {
        Entrant {
            is_running: true,
            is_unknown: false,
            odds: odds.to_vec(),
            missed: None,
        }
    }

    fn dropped(entrants: &[Entrant], ended: u32) -> Vec<usize> {
        let call = judge(entrants, ended, 3, 0.95);
        assert_eq!(call.decided, None);
        call.drops.into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn who_is_surely_worse_than_the_margin_is_dropped_after_two_blocks() {
        let entrants = [
            runs(&[Stated(0.9)]),
            runs(&[Stated(0.005)]),
            runs(&[Stated(0.0049)]),
        ];
        assert_eq!(dropped(&entrants, 2), [2]);
        assert_eq!(dropped(&entrants, 1), [0; 0]);
        // Nothing is left to spare after the last block.
        assert_eq!(dropped(&entrants, 3), [0; 0]);
        let cause = &judge(&entrants, 2, 3, 0.95).drops[0].1;
        let expected = DropCause::Behind {
            probability: 0.0049,
            bound: 0.005,
        };
        assert_eq!(*cause, expected);
        // More blocks, more looks, a smaller bound for each.
        assert_eq!(judge(&entrants, 2, 8, 0.95), Call::default());
    }

    #[test]
    fn a_cell_stays_while_it_is_alive_in_any_ranking() {
        for (odds, stays) in [
            ([Stated(0.0), Stated(0.3)], true),
            ([Stated(0.0), Open], true),
            ([Out, Out], true),
            ([Stated(0.0), Out], false),
            ([Stated(0.0), Stated(0.001)], false),
        ] {
            let entrants = [runs(&odds)];
            assert_eq!(dropped(&entrants, 2).is_empty(), stays, "{odds:?}");
        }
    }

    #[test]
    fn a_race_is_decided_when_all_its_rankings_are() {
        let winners = |entrants: &[Entrant]| judge(entrants, 2, 3, 0.95).decided;
        let both = [
            runs(&[Stated(0.95), Stated(0.1)]),
            runs(&[Stated(0.97), Stated(0.99)]),
        ];
        assert_eq!(winners(&both), Some(vec![(1, 0.97), (1, 0.99)]));
        let one = [
            runs(&[Stated(0.95), Stated(0.1)]),
            runs(&[Stated(0.5), Stated(0.94)]),
        ];
        assert_eq!(winners(&one), None);
        assert_eq!(winners(&[runs(&[Stated(0.97), Open])]), None);
        // Nothing to decide by.
        assert_eq!(winners(&[runs(&[])]), None);
        assert_eq!(judge(&both, 1, 3, 0.95), Call::default());
    }

    #[test]
    fn who_was_never_measured_may_still_win_unless_it_is_out_of_the_race() {
        let unknown = Entrant {
            is_unknown: true,
            ..runs(&[Open])
        };
        let dead = Entrant {
            is_running: false,
            ..unknown.clone()
        };
        let decided = |other: Entrant| {
            let call = judge(&[runs(&[Stated(0.99)]), other], 2, 3, 0.95);
            call.decided.is_some()
        };
        assert!(!decided(unknown));
        assert!(decided(dead));
    }

    #[test]
    fn a_gate_that_every_start_must_hold_drops_after_any_block() {
        let missed = Entrant {
            missed: Some(("n.success_rate >= 1".to_owned(), "0.9".to_owned())),
            ..runs(&[Out])
        };
        assert_eq!(dropped(&[missed.clone(), runs(&[Open])], 1), [0]);
        let stopped = Entrant {
            is_running: false,
            ..missed
        };
        assert_eq!(dropped(&[stopped], 1), [0; 0]);
    }
}
