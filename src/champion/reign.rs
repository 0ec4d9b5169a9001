//! Who followed whom: a list that only grows, and who reigns by it.

use serde::{Deserialize, Serialize};

use crate::champion::text::Champion;

/// One line of `reigns.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reign {
    /// Version of the list.
    pub format: u32,
    pub at: jiff::Timestamp,
    #[serde(flatten)]
    pub act: Act,
}

/// What was done about the throne.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    Promoted {
        champion: Box<Champion>,
        /// The cell that reigned until then.
        followed: Option<String>,
        by: By,
    },
    /// The one before the last reigns again.
    RolledBack { from: String, to: String },
}

/// Who put a champion in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// `gridrun promote`.
    Hand,
    /// `gridrun nightly --promote`.
    Night,
}

/// Why a champion cannot follow the one in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "{cell} was measured with stand-in engines, and {reigning}, which reigns, was not: no number of a \
         stand-in says anything about a GPU"
    )]
    StandIn { cell: String, reigning: String },
    #[error("nobody reigned before {reigning}: there is no way back")]
    NobodyBefore { reigning: String },
    #[error("nobody reigns")]
    NobodyReigns,
}

impl Reign {
    pub const FORMAT: u32 = 1;

    fn new(at: jiff::Timestamp, act: Act) -> Self {
        Self {
            format: Self::FORMAT,
            at,
            act,
        }
    }

    /// The line that puts `champion` in force; `None` where it reigns already.
    ///
    /// # Errors
    /// When a stand-in would follow a configuration that was measured.
    pub fn promote(
        reigns: &[Self],
        champion: Champion,
        by: By,
        at: jiff::Timestamp,
    ) -> Result<Option<Self>, Refusal> {
        let reigning = reigning(reigns);
        if let Some(reigning) = reigning {
            let is_stand_in = |champion: &Champion| champion.evidence.conditions.stand_in;
            if is_stand_in(&champion) && !is_stand_in(reigning) {
                return Err(Refusal::StandIn {
                    cell: champion.cell,
                    reigning: reigning.cell.clone(),
                });
            }
            // A measured one follows a stand-in also where the flags are the same.
            if reigning.cell_id == champion.cell_id
                && is_stand_in(&champion) == is_stand_in(reigning)
            {
                return Ok(None);
            }
        }
        let followed = reigning.map(|reigning| reigning.cell.clone());
        let champion = Box::new(champion);
        Ok(Some(Self::new(
            at,
            Act::Promoted {
                champion,
                followed,
                by,
            },
        )))
    }

    /// The line that brings the one before back.
    ///
    /// # Errors
    /// When nobody was before.
    pub fn roll_back(reigns: &[Self], at: jiff::Timestamp) -> Result<Self, Refusal> {
        match throne(reigns).as_slice() {
            [] => Err(Refusal::NobodyReigns),
            [only] => Err(Refusal::NobodyBefore {
                reigning: only.cell.clone(),
            }),
            [.., before, last] => Ok(Self::new(
                at,
                Act::RolledBack {
                    from: last.cell.clone(),
                    to: before.cell.clone(),
                },
            )),
        }
    }
}

/// Who reigns.
pub fn reigning(reigns: &[Reign]) -> Option<&Champion> {
    throne(reigns).pop()
}

/// The list as it was at an instant.
pub fn until(reigns: &[Reign], at: jiff::Timestamp) -> &[Reign] {
    &reigns[..reigns.partition_point(|reign| reign.at <= at)]
}

/// Those whose turn may come again by rolling back, the one in force last.
pub fn throne(reigns: &[Reign]) -> Vec<&Champion> {
    let mut throne = Vec::new();
    for reign in reigns {
        match &reign.act {
            Act::Promoted { champion, .. } => throne.push(&**champion),
            Act::RolledBack { .. } => {
                throne.pop();
            }
        }
    }
    throne
}

/// Since when the one in force reigns: the last change.
pub fn since(reigns: &[Reign]) -> Option<jiff::Timestamp> {
    reigns.last().map(|reign| reign.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::champion::select::{Claim, select};
    use crate::decide::fixture::{self, Numbers};

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn champion(cell: &str, stand_in: bool) -> Champion {
        let record = fixture::record(vec![fixture::measured(cell, 1, Numbers::new(900.0, 80.0))]);
        let mut champion = select(&record, Claim::AcceptLeader).unwrap();
        champion.evidence.conditions.stand_in = stand_in;
        champion
    }

    fn promote(reigns: &mut Vec<Reign>, cell: &str) {
        let line = Reign::promote(reigns, champion(cell, false), By::Hand, at(0));
        reigns.push(line.unwrap().unwrap());
    }

    #[test]
    fn the_way_back_goes_step_by_step_to_the_first() {
        let mut reigns = Vec::new();
        for cell in ["a", "b", "c"] {
            promote(&mut reigns, cell);
        }
        let Act::Promoted { followed, .. } = &reigns[2].act else {
            panic!()
        };
        assert_eq!(followed.as_deref(), Some("b"));
        for expected in ["b", "a"] {
            let back = Reign::roll_back(&reigns, at(1)).unwrap();
            reigns.push(back);
            assert_eq!(reigning(&reigns).unwrap().cell, expected);
        }
        let refusal = Reign::roll_back(&reigns, at(2)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "nobody reigned before a: there is no way back"
        );
        promote(&mut reigns, "c");
        assert_eq!(reigning(&reigns).unwrap().cell, "c");
        assert_eq!(Reign::roll_back(&[], at(0)), Err(Refusal::NobodyReigns));
    }

    #[test]
    fn who_reigns_already_is_not_promoted_again() {
        let mut reigns = Vec::new();
        promote(&mut reigns, "a");
        let again = Reign::promote(&reigns, champion("a", false), By::Night, at(1));
        assert_eq!(again, Ok(None));
    }

    #[test]
    fn a_stand_in_never_follows_what_was_measured_and_is_followed_by_it() {
        let first = Reign::promote(&[], champion("a", true), By::Hand, at(0));
        let mut reigns = vec![first.unwrap().unwrap()];
        let measured = Reign::promote(&reigns, champion("a", false), By::Hand, at(1));
        reigns.push(measured.unwrap().unwrap());
        let refusal = Reign::promote(&reigns, champion("b", true), By::Hand, at(2)).unwrap_err();
        assert!(
            refusal.to_string().contains("no number of a stand-in"),
            "{refusal}"
        );
    }

    #[test]
    fn a_line_is_read_back() {
        let mut reigns = Vec::new();
        promote(&mut reigns, "a");
        promote(&mut reigns, "b");
        reigns.push(Reign::roll_back(&reigns, at(1)).unwrap());
        for reign in reigns {
            let line = serde_json::to_string(&reign).unwrap();
            assert_eq!(
                serde_json::from_str::<Reign>(&line).unwrap(),
                reign,
                "{line}"
            );
        }
    }
}
