//! Units that answers are given in, so that 1.5 hours are 90 minutes.

use serde::{Deserialize, Serialize};

/// A unit of the table, by its first name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Unit(usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Time,
    Length,
    Mass,
    Volume,
    Speed,
}

struct Row {
    dimension: Dimension,
    /// In the first unit of its dimension.
    factor: f64,
    /// The first one is the unit's own.
    names: &'static [&'static str],
}

const fn row(dimension: Dimension, factor: f64, names: &'static [&'static str]) -> Row {
    Row {
        dimension,
        factor,
        names,
    }
}

const TABLE: &[Row] = &[
    row(
        Dimension::Time,
        1.0,
        &["s", "sec", "secs", "second", "seconds"],
    ),
    row(
        Dimension::Time,
        0.001,
        &["ms", "millisecond", "milliseconds"],
    ),
    row(Dimension::Time, 60.0, &["min", "mins", "minute", "minutes"]),
    row(
        Dimension::Time,
        3600.0,
        &["h", "hr", "hrs", "hour", "hours"],
    ),
    row(Dimension::Time, 86_400.0, &["d", "day", "days"]),
    row(
        Dimension::Length,
        1.0,
        &["m", "metre", "metres", "meter", "meters"],
    ),
    row(
        Dimension::Length,
        0.001,
        &[
            "mm",
            "millimetre",
            "millimetres",
            "millimeter",
            "millimeters",
        ],
    ),
    row(
        Dimension::Length,
        0.01,
        &[
            "cm",
            "centimetre",
            "centimetres",
            "centimeter",
            "centimeters",
        ],
    ),
    row(
        Dimension::Length,
        1000.0,
        &["km", "kilometre", "kilometres", "kilometer", "kilometers"],
    ),
    row(Dimension::Mass, 1.0, &["g", "gram", "grams"]),
    row(
        Dimension::Mass,
        1000.0,
        &["kg", "kilo", "kilos", "kilogram", "kilograms"],
    ),
    row(
        Dimension::Mass,
        1_000_000.0,
        &["t", "ton", "tons", "tonne", "tonnes"],
    ),
    row(
        Dimension::Volume,
        1.0,
        &["l", "litre", "litres", "liter", "liters"],
    ),
    row(
        Dimension::Volume,
        0.001,
        &[
            "ml",
            "millilitre",
            "millilitres",
            "milliliter",
            "milliliters",
        ],
    ),
    row(Dimension::Speed, 1.0, &["km/h", "kmh", "kph"]),
    row(Dimension::Speed, 3.6, &["m/s", "mps"]),
];

impl Unit {
    /// The unit of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let exact = TABLE.iter().position(|row| row.names.contains(&name));
        exact
            .or_else(|| {
                let lower = name.to_lowercase();
                TABLE
                    .iter()
                    .position(|row| row.names.contains(&lower.as_str()))
            })
            .map(Self)
    }

    /// The names under which units are known first.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        TABLE.iter().map(|row| row.names[0])
    }

    pub fn name(self) -> &'static str {
        self.row().names[0]
    }

    /// How many of `other` one of this is; `None` where they measure different things.
    pub fn in_terms_of(self, other: Self) -> Option<f64> {
        let (this, other) = (self.row(), other.row());
        (this.dimension == other.dimension).then(|| this.factor / other.factor)
    }

    fn row(self) -> &'static Row {
        &TABLE[self.0]
    }
}

impl TryFrom<String> for Unit {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| format!("`{name}` is no known unit"))
    }
}

impl From<Unit> for String {
    fn from(unit: Unit) -> Self {
        unit.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert_within_what_they_measure() {
        let unit = |name| Unit::named(name).unwrap();
        assert_eq!(unit("Hours").in_terms_of(unit("min")), Some(60.0));
        assert_eq!(unit("cm").in_terms_of(unit("m")), Some(0.01));
        assert_eq!(unit("kg").in_terms_of(unit("min")), None);
        assert_eq!(Unit::named("apples"), None);
    }

    #[test]
    fn no_name_means_two_units() {
        let names: Vec<&str> = TABLE.iter().flat_map(|row| row.names).copied().collect();
        for name in &names {
            assert_eq!(
                names.iter().filter(|other| *other == name).count(),
                1,
                "{name}"
            );
        }
    }
}
