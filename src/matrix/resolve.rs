//! From a place in the matrix to all that its engine is given: base flags, then the axes, then
//! the `[[when]]`s in file order, with who set what.

use std::collections::BTreeMap;

use crate::matrix::canonical::{cell_id, same_value};
use crate::matrix::cell::{Cell, SetBy, Setting};
use crate::spec::experiment::{Condition, Experiment, NamedCell, Term};
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::profile::EnvSource;

/// Everything that is set for one cell. Variables of the profile are in it too, so that a
/// `where` can speak of them.
pub(in crate::matrix) type State = BTreeMap<Knob, Setting>;

/// What became of one place.
#[derive(Debug, Clone)]
pub(in crate::matrix) struct Resolved {
    pub state: State,
    /// Indices of the `[[when]]`s whose condition held.
    pub held: Vec<usize>,
    /// Knobs that two `[[when]]`s set to different values.
    pub contests: Vec<Contest>,
}

/// Two `[[when]]`s that set one knob to different values for the same cell; the later one won.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::matrix) struct Contest {
    /// Indices into `Experiment::whens`.
    pub later: usize,
    pub earlier: usize,
    pub knob: Knob,
}

/// Resolves the places of one experiment.
pub(in crate::matrix) struct Resolver<'a> {
    experiment: &'a Experiment,
    base: State,
}

impl<'a> Resolver<'a> {
    pub fn new(experiment: &'a Experiment) -> Self {
        let engine = &experiment.profile.engine;
        let mut base = State::new();
        for flag in &engine.flags {
            put(
                &mut base,
                Knob::Flag(flag.name.clone()),
                &flag.value,
                SetBy::Base,
            );
        }
        for (name, source) in &engine.env {
            // A value that comes from gridrun's own environment is a secret: nobody asks for it.
            if let EnvSource::Literal(text) = source {
                let value = FlagValue::Text(text.clone());
                put(&mut base, Knob::Env(name.clone()), &value, SetBy::Base);
            }
        }
        Self { experiment, base }
    }

    /// A place of the product: one value for each axis, in axis order.
    pub fn place(&self, values: &[&FlagValue]) -> Resolved {
        let mut state = self.base.clone();
        for (axis, value) in self.experiment.axes.iter().zip(values) {
            put(&mut state, axis.knob.clone(), value, SetBy::Axis);
        }
        self.linked(state)
    }

    /// A `[[cell]]`.
    pub fn named(&self, named: &NamedCell) -> Resolved {
        let mut state = self.base.clone();
        for assigned in &named.set.values {
            put(
                &mut state,
                assigned.knob.clone(),
                &assigned.value,
                SetBy::Cell,
            );
        }
        self.linked(state)
    }

    /// Applies the `[[when]]`s; what a `[[cell]]` set itself stays.
    fn linked(&self, mut state: State) -> Resolved {
        let mut held = Vec::new();
        let mut contests = Vec::new();
        for (index, when) in self.experiment.whens.iter().enumerate() {
            if !holds(&when.condition, &state) {
                continue;
            }
            held.push(index);
            for assigned in &when.set.values {
                match state.get(&assigned.knob) {
                    Some(Setting {
                        by: SetBy::Cell, ..
                    }) => continue,
                    Some(Setting {
                        by: SetBy::When(number),
                        value,
                    }) if *number != number_of(index) && !same_value(value, &assigned.value) => {
                        contests.push(Contest {
                            later: index,
                            earlier: index_of(*number),
                            knob: assigned.knob.clone(),
                        });
                    }
                    _ => {}
                }
                let by = SetBy::When(number_of(index));
                put(&mut state, assigned.knob.clone(), &assigned.value, by);
            }
        }
        Resolved {
            state,
            held,
            contests,
        }
    }

    /// The cell that a state is, without its name.
    pub fn cell(&self, state: &State, memory: Option<u64>) -> Cell {
        let memory = memory.filter(|bytes| Some(*bytes) != self.experiment.profile.engine.memory);
        let mut flags = BTreeMap::new();
        let mut env = BTreeMap::new();
        for (knob, setting) in state {
            match knob {
                Knob::Flag(name) => {
                    flags.insert(name.clone(), setting.clone());
                }
                Knob::Env(name) if setting.by != SetBy::Base => {
                    env.insert(name.clone(), setting.clone());
                }
                Knob::Env(_) => {}
            }
        }
        let coordinates = self
            .experiment
            .axes
            .iter()
            .filter_map(|axis| {
                let setting = state.get(&axis.knob)?;
                Some((axis.knob.clone(), setting.value.clone()))
            })
            .collect();
        Cell {
            id: cell_id(&flags, &env, memory),
            name: String::new(),
            coordinates,
            flags,
            env,
            memory,
        }
    }
}

fn put(state: &mut State, knob: Knob, value: &FlagValue, by: SetBy) {
    state.insert(
        knob,
        Setting {
            value: value.clone(),
            by,
        },
    );
}

/// `[[when]]`s are counted from 1 where people see them.
pub(in crate::matrix) fn number_of(index: usize) -> u32 {
    u32::try_from(index + 1).expect("a file has fewer than four billion tables")
}

pub(in crate::matrix) fn index_of(number: u32) -> usize {
    usize::try_from(number - 1).expect("an index was made from an index")
}

/// Every term holds. A condition without terms holds everywhere.
pub(in crate::matrix) fn holds(condition: &Condition, state: &State) -> bool {
    condition.terms.iter().all(|term| term_holds(term, state))
}

/// The knob has one of the values; a knob that nothing sets has its default.
pub(in crate::matrix) fn term_holds(term: &Term, state: &State) -> bool {
    let found = state
        .get(&term.knob)
        .map_or(&FlagValue::Default, |setting| &setting.value);
    term.any_of.iter().any(|wanted| match term.knob {
        Knob::Flag(_) => same_value(wanted, found),
        // The value of a variable is a text, however a file writes it.
        Knob::Env(_) => {
            (*wanted == FlagValue::Default) == (*found == FlagValue::Default)
                && wanted.to_string() == found.to_string()
        }
    })
}
