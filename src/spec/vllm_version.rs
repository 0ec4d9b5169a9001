//! The ages of vLLM that a stand-in can play: one version for each that prints otherwise than
//! its neighbours. What they print is the stand-in's business.

use serde::{Deserialize, Serialize};

/// A version of vLLM, from the oldest to the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum VllmVersion {
    /// The last age of the V0 engine.
    #[serde(rename = "0.6.4")]
    V0_6_4,
    /// The first of the V1 engine.
    #[serde(rename = "0.8.5")]
    V0_8_5,
    #[serde(rename = "0.9.2")]
    V0_9_2,
    #[serde(rename = "0.10.1")]
    V0_10_1,
    #[serde(rename = "0.11.0")]
    V0_11_0,
    #[serde(rename = "0.18.0")]
    V0_18_0,
    #[default]
    #[serde(rename = "0.32.0")]
    V0_32_0,
}

impl VllmVersion {
    pub const ALL: [Self; 7] = [
        Self::V0_6_4,
        Self::V0_8_5,
        Self::V0_9_2,
        Self::V0_10_1,
        Self::V0_11_0,
        Self::V0_18_0,
        Self::V0_32_0,
    ];

    /// [`Self::ALL`] as they are written.
    pub const NAMES: &[&str] = &[
        "0.6.4", "0.8.5", "0.9.2", "0.10.1", "0.11.0", "0.18.0", "0.32.0",
    ];

    /// As vLLM itself writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_6_4 => "0.6.4",
            Self::V0_8_5 => "0.8.5",
            Self::V0_9_2 => "0.9.2",
            Self::V0_10_1 => "0.10.1",
            Self::V0_11_0 => "0.11.0",
            Self::V0_18_0 => "0.18.0",
            Self::V0_32_0 => "0.32.0",
        }
    }

    /// The version of this name, which must be one of [`Self::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_a_name_and_is_found_by_it() {
        let names: Vec<&str> = VllmVersion::ALL.map(VllmVersion::name).to_vec();
        assert_eq!(names, VllmVersion::NAMES);
        for version in VllmVersion::ALL {
            assert_eq!(VllmVersion::named(version.name()), Some(version));
            assert_eq!(
                serde_json::to_value(version).unwrap(),
                serde_json::json!(version.name())
            );
        }
        assert_eq!(VllmVersion::named("0.32"), None);
        assert!(VllmVersion::ALL.is_sorted());
    }
}
