//! One configuration, with every flag it gets and who set it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::CellId;
use crate::spec::flag::{FlagName, FlagValue, Knob};

/// One configuration of the matrix, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub id: CellId,
    /// The user's name for it, or one made of its coordinates.
    pub name: String,
    /// Its value on every axis, in axis order.
    pub coordinates: Vec<(Knob, FlagValue)>,
    /// Every flag that the engine is given, with who set it; [`FlagValue::Default`] means that
    /// the flag is left away.
    pub flags: BTreeMap<FlagName, Setting>,
    /// Varied environment variables (the profile's own are not here).
    pub env: BTreeMap<String, Setting>,
    /// Memory limit of this cell's container in bytes, where it differs from the profile's.
    pub memory: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    pub value: FlagValue,
    pub by: SetBy,
}

/// Who set a flag, weakest first: each overrides those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetBy {
    /// `[engine.flags]` of the profile.
    Base,
    /// `[matrix]`.
    Axis,
    /// The n-th `[[when]]` of the file, from 1.
    When(u32),
    /// `[[cell]]`.
    Cell,
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Axis => f.write_str("axis"),
            Self::When(number) => write!(f, "when #{number}"),
            Self::Cell => f.write_str("cell"),
        }
    }
}

impl Cell {
    /// Flags that the experiment varies or sets, as against the profile's base flags: what the
    /// attestation must speak about.
    pub fn varied(&self) -> impl Iterator<Item = (&FlagName, &FlagValue)> {
        self.flags
            .iter()
            .filter(|(_, setting)| setting.by != SetBy::Base)
            .map(|(name, setting)| (name, &setting.value))
    }
}
