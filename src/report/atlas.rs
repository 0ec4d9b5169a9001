//! The crash atlas: every configuration that died or was proved to die, with its class and its
//! evidence, and per axis the boundary between what lives and what dies.

use serde::Serialize;

use crate::decide::decision::{CellResult, Decision};
use crate::diagnose::{FailureClass, Phase, Stage, when};
use crate::outcome::{Outcome, Standing, Witness};
use crate::report::table::{Kind, MISSING, Table, proved};
use crate::report::text::shorten;
use crate::spec::experiment::Axis;
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::vllm_flags::short_name;

/// Length at which an engine's words are cut in the table; they stand in full under the deaths.
const EVIDENCE_LIMIT: usize = 110;

/// Where configurations die.
#[derive(Debug, Clone, Serialize)]
pub struct Atlas {
    /// In the order of the table of all configurations.
    pub cells: Vec<Dead>,
    /// In the order of the axes.
    pub boundaries: Vec<Boundary>,
}

/// A configuration that died, or was not started because it would.
#[derive(Debug, Clone, Serialize)]
pub struct Dead {
    pub cell: String,
    pub class: FailureClass,
    /// `None` for one that was not started.
    pub phase: Option<Phase>,
    pub stage: Option<Stage>,
    /// The decisive line of the log of its last death; what happened, where there is none.
    pub evidence: Option<String>,
    /// Whose death proves its own.
    pub witness: Option<Witness>,
}

/// Along one axis, with all else equal, some configurations live and some die.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Boundary {
    pub axis: String,
    /// The other axes with their values.
    pub with: Vec<(String, FlagValue)>,
    /// Memory limit in bytes, where it is the configurations' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    #[serde(flatten)]
    pub edge: Edge,
}

/// Where the two sides meet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "edge", rename_all = "kebab-case")]
pub enum Edge {
    /// Of two neighbours the larger dies.
    DiesAbove {
        highest_living: FlagValue,
        lowest_dying: FlagValue,
    },
    /// Of two neighbours the smaller dies.
    DiesBelow {
        highest_dying: FlagValue,
        lowest_living: FlagValue,
    },
    /// The values have no order; in that of the axis.
    Apart {
        living: Vec<FlagValue>,
        dying: Vec<FlagValue>,
    },
}

/// `None` where nothing died.
pub fn atlas(axes: &[Axis], decision: &Decision<'_>) -> Option<Atlas> {
    let cells: Vec<Dead> = decision
        .order
        .iter()
        .filter_map(|&index| dead(&decision.cells[index]))
        .collect();
    (!cells.is_empty()).then(|| Atlas {
        boundaries: boundaries(axes, &fates(decision)),
        cells,
    })
}

fn dead(cell: &CellResult<'_>) -> Option<Dead> {
    let name = cell.cell.name.clone();
    if let Standing::Skipped { witness } = &cell.standing {
        return Some(Dead {
            cell: name,
            class: witness.class,
            phase: None,
            stage: None,
            evidence: None,
            witness: Some(witness.clone()),
        });
    }
    let failure = cell.settled.iter().rev().find_map(|settled| {
        let Outcome::Infeasible(failure) = &settled.outcome else {
            return None;
        };
        is_death(failure.class).then_some(failure)
    })?;
    let evidence = failure.cause.as_ref().unwrap_or(&failure.explanation);
    Some(Dead {
        cell: name,
        class: failure.class,
        phase: Some(failure.phase),
        stage: failure.stage,
        evidence: Some(evidence.clone()),
        witness: None,
    })
}

/// An engine that runs other settings than it was given lives; it is of no use.
fn is_death(class: FailureClass) -> bool {
    class != FailureClass::NotAsConfigured
}

/// A configuration on the map.
#[derive(Debug, Clone)]
struct Place<'a> {
    coordinates: &'a [(Knob, FlagValue)],
    memory: Option<u64>,
    lives: bool,
}

/// Those of which it is known whether they live.
fn fates<'a>(decision: &'a Decision<'_>) -> Vec<Place<'a>> {
    let place = |cell: &'a CellResult<'_>| {
        let lives = cell.tally.lived();
        (lives || dead(cell).is_some()).then_some(Place {
            coordinates: &cell.cell.coordinates,
            memory: cell.cell.memory,
            lives,
        })
    };
    decision.cells.iter().filter_map(place).collect()
}

fn boundaries(axes: &[Axis], places: &[Place<'_>]) -> Vec<Boundary> {
    let along = axes.iter().flat_map(|axis| {
        let mut groups: Vec<Vec<&Place<'_>>> = Vec::new();
        for place in places {
            let key = rest(place, &axis.knob);
            let alike = groups
                .iter_mut()
                .find(|group| rest(group[0], &axis.knob) == key && group[0].memory == place.memory);
            match alike {
                Some(group) => group.push(place),
                None => groups.push(vec![place]),
            }
        }
        groups
            .into_iter()
            .flat_map(move |group| boundary(axis, &group))
    });
    along.collect()
}

/// Its values on all other axes.
fn rest<'a>(place: &Place<'a>, knob: &Knob) -> Vec<&'a (Knob, FlagValue)> {
    let others = place.coordinates.iter();
    others.filter(|(name, _)| name != knob).collect()
}

/// The boundaries along one axis with all else equal; a band that lives has two.
fn boundary(axis: &Axis, group: &[&Place<'_>]) -> Vec<Boundary> {
    let side = |lives: bool| -> Vec<FlagValue> {
        let has = |value: &FlagValue, place: &Place<'_>| {
            let mut coordinates = place.coordinates.iter();
            coordinates.any(|(name, own)| *name == axis.knob && own == value)
        };
        let of_side = |value: &&FlagValue| {
            let mut places = group.iter().filter(|place| place.lives == lives);
            places.any(|place| has(value, place))
        };
        let mut values: Vec<FlagValue> = axis.values.iter().filter(of_side).cloned().collect();
        // A configuration beside the matrix may have a value that the axis does not list.
        for place in group.iter().filter(|place| place.lives == lives) {
            let own = place
                .coordinates
                .iter()
                .find(|(name, _)| *name == axis.knob);
            if let Some((_, value)) = own.filter(|(_, value)| !values.contains(value)) {
                values.push(value.clone());
            }
        }
        values
    };
    let (living, dying) = (side(true), side(false));
    if living.is_empty() || dying.is_empty() {
        return Vec::new();
    }
    let with = rest(group[0], &axis.knob).into_iter();
    let with: Vec<(String, FlagValue)> = with
        .map(|(knob, value)| (told(knob), value.clone()))
        .collect();
    let boundary = |edge: Edge| Boundary {
        axis: told(&axis.knob),
        with: with.clone(),
        memory: group[0].memory,
        edge,
    };
    edges(living, dying).into_iter().map(boundary).collect()
}

/// Every change of sides along the values, where they have an order.
fn edges(living: Vec<FlagValue>, dying: Vec<FlagValue>) -> Vec<Edge> {
    let side = |values: &[FlagValue], lives: bool| -> Option<Vec<(f64, bool, FlagValue)>> {
        let placed = |value: &FlagValue| Some((number(value)?, lives, value.clone()));
        values.iter().map(placed).collect()
    };
    let (Some(mut line), Some(dead)) = (side(&living, true), side(&dying, false)) else {
        return vec![Edge::Apart { living, dying }];
    };
    line.extend(dead);
    line.sort_by(|one, other| one.0.total_cmp(&other.0));
    let changes = line.windows(2).filter_map(|two| match two {
        [(_, true, living), (_, false, dying)] => Some(Edge::DiesAbove {
            highest_living: living.clone(),
            lowest_dying: dying.clone(),
        }),
        [(_, false, dying), (_, true, living)] => Some(Edge::DiesBelow {
            highest_dying: dying.clone(),
            lowest_living: living.clone(),
        }),
        _ => None,
    });
    changes.collect()
}

fn number(value: &FlagValue) -> Option<f64> {
    match value {
        FlagValue::Int(number) => Some(*number as f64),
        FlagValue::Float(number) => Some(*number),
        FlagValue::Bool(_) | FlagValue::Text(_) | FlagValue::List(_) | FlagValue::Default => None,
    }
}

fn told(knob: &Knob) -> String {
    match knob {
        Knob::Flag(flag) => short_name(flag).to_owned(),
        Knob::Env(_) => knob.to_string(),
    }
}

/// The dead in a table.
pub fn table(atlas: &Atlas) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("class", Kind::Words);
    table.column("phase", Kind::Words);
    table.column("evidence", Kind::Words);
    for dead in &atlas.cells {
        let phase = dead.phase.map(|phase| when(phase, dead.stage));
        let evidence = match (&dead.evidence, &dead.witness) {
            (_, Some(witness)) => proved(witness),
            (Some(evidence), None) => shorten(evidence, EVIDENCE_LIMIT),
            (None, None) => MISSING.to_owned(),
        };
        table.rows.push(vec![
            dead.cell.clone(),
            dead.class.to_string(),
            phase.unwrap_or_else(|| "not started".to_owned()),
            evidence,
        ]);
    }
    table
}

impl Boundary {
    /// `between 0.9 (lives) and 0.95 (dies), with prefix = true`.
    pub fn text(&self) -> String {
        let list = |values: &[FlagValue]| -> String {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            values.join(", ")
        };
        let edge = match &self.edge {
            Edge::DiesAbove {
                highest_living,
                lowest_dying,
            } => format!("between {highest_living} (lives) and {lowest_dying} (dies)"),
            Edge::DiesBelow {
                highest_dying,
                lowest_living,
            } => format!("between {highest_dying} (dies) and {lowest_living} (lives)"),
            Edge::Apart { living, dying } => {
                format!("lives at {}, dies at {}", list(living), list(dying))
            }
        };
        let with = self
            .with
            .iter()
            .map(|(axis, value)| format!("{axis} = {value}"))
            .chain(self.memory.map(|bytes| format!("memory = {bytes} bytes")));
        let with: Vec<String> = with.collect();
        match with.is_empty() {
            true => edge,
            false => format!("{edge}, with {}", with.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::manifest::RunRecord;
    use crate::outcome::Settled;

    fn told_of(record: &RunRecord) -> Vec<String> {
        let decision = Decision::of(record);
        let atlas = atlas(&record.manifest.experiment.axes, &decision).unwrap();
        let told = atlas.boundaries.iter();
        told.map(|boundary| format!("{}: {}", boundary.axis, boundary.text()))
            .collect()
    }

    /// Cells are gpu-mem 0.85, 0.9, 0.95 with prefix on (`a`, `b`, `d`) and off (`c`, `f`, `e`).
    fn run(lives: &[&str], dies: &[&str]) -> RunRecord {
        let measured = |name: &&str| fixture::measured(name, 1, Numbers::new(900.0, 90.0));
        let died = |name: &&str| fixture::died(name, 1, FailureClass::GpuOomServing);
        let lived = lives.iter().map(measured);
        let settled: Vec<Settled> = lived.chain(dies.iter().map(died)).collect();
        fixture::record(settled)
    }

    #[test]
    fn a_boundary_is_told_for_each_combination_of_the_other_axes() {
        let told = told_of(&run(&["a", "b", "c"], &["d", "e", "f"]));
        assert_eq!(
            told,
            [
                "gpu-mem: between 0.9 (lives) and 0.95 (dies), with prefix = true, max-num-seqs = 32",
                "gpu-mem: between 0.85 (lives) and 0.9 (dies), with prefix = false, max-num-seqs = 32",
                "prefix: lives at true, dies at false, with gpu-mem = 0.9, max-num-seqs = 32",
            ]
        );
    }

    #[test]
    fn it_may_be_the_small_that_die_or_both_ends_of_a_band() {
        let with = "with prefix = true, max-num-seqs = 32";
        let told = told_of(&run(&["d"], &["a"]));
        assert_eq!(
            told,
            [format!(
                "gpu-mem: between 0.85 (dies) and 0.95 (lives), {with}"
            )]
        );
        let told = told_of(&run(&["b"], &["a", "d"]));
        assert_eq!(
            told,
            [
                format!("gpu-mem: between 0.85 (dies) and 0.9 (lives), {with}"),
                format!("gpu-mem: between 0.9 (lives) and 0.95 (dies), {with}"),
            ]
        );
    }

    #[test]
    fn without_both_sides_there_is_no_boundary() {
        assert_eq!(told_of(&run(&[], &["a", "b"])), [""; 0]);
        assert_eq!(told_of(&run(&["a"], &["e"])), [""; 0]);
        // What failed for another reason, or never ran, is on neither side.
        let mut record = run(&[], &["d"]);
        record
            .settled
            .push(fixture::failed("a", 1, FailureClass::EngineDied));
        assert_eq!(told_of(&record), [""; 0]);
    }

    #[test]
    fn a_skipped_configuration_is_among_the_dead_with_its_witness() {
        let mut record = run(&["d"], &["b"]);
        record.skipped = vec![fixture::skip("a", "b")];
        let decision = Decision::of(&record);
        let atlas = atlas(&record.manifest.experiment.axes, &decision).unwrap();
        let rows = table(&atlas).rows;
        assert_eq!(
            rows[1],
            [
                "a",
                "kv_cache_too_small",
                "not started",
                "proved by `b` (start 1), which died of kv_cache_too_small: \
                 gpu-memory-utilization 0.8 <= 0.85, all else is equal"
            ]
        );
        assert!(rows[0][3].starts_with("ValueError: To serve"), "{rows:?}");
        assert_eq!(
            told_of(&record),
            ["gpu-mem: between 0.9 (dies) and 0.95 (lives), with prefix = true, max-num-seqs = 32"]
        );
    }

    #[test]
    fn an_engine_with_other_settings_did_not_die() {
        let mut record = run(&["a"], &[]);
        let other = fixture::died("b", 1, FailureClass::NotAsConfigured);
        record.settled.push(other);
        let decision = Decision::of(&record);
        assert!(atlas(&record.manifest.experiment.axes, &decision).is_none());
    }
}
