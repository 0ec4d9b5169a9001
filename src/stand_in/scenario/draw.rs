//! Chance that is the same every time: a number follows from the seed, the fault, the start and
//! what it is drawn for, in every version and on every machine.

use std::f64::consts::TAU;

use crate::id::sha256_hex;
use crate::stand_in::scenario::start::Start;

/// The chance of one fault in one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    salt: String,
}

impl Draw {
    /// `fault` is the fault's place in its file.
    pub fn new(seed: u64, fault: usize, start: &Start) -> Self {
        Self {
            salt: format!("{seed}/{fault}/{}/{}", start.cell, start.number),
        }
    }

    /// A number of at least 0 and below 1, for the `n`th of `what`.
    pub fn uniform(&self, what: &str, n: u64) -> f64 {
        let hash = sha256_hex(format!("{}/{what}/{n}", self.salt).as_bytes());
        // A double has 53 bits; 13 hexadecimal digits are 52 of them.
        let bits = u64::from_str_radix(&hash[..13], 16).expect("a hash is hexadecimal");
        bits as f64 / (1_u64 << 52) as f64
    }

    /// True with the given probability; without one it is certain.
    pub fn hits(&self, probability: Option<f64>, what: &str, n: u64) -> bool {
        probability.is_none_or(|probability| self.uniform(what, n) < probability)
    }

    /// A factor from a log-normal distribution with the median 1; `sd` is the standard deviation
    /// of its logarithm.
    pub fn factor(&self, sd: f64, what: &str, n: u64) -> f64 {
        // Box and Muller. The first uniform must not be 0.
        let radius = (-2.0 * (1.0 - self.uniform(what, 2 * n)).ln()).sqrt();
        let normal = radius * (TAU * self.uniform(what, 2 * n + 1)).cos();
        (sd * normal).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(cell: &str, number: u32) -> Start {
        Start {
            cell: cell.to_owned(),
            number,
        }
    }

    #[test]
    fn what_is_drawn_depends_on_nothing_but_its_names() {
        let draw = |seed, fault, cell: &str, number| {
            Draw::new(seed, fault, &start(cell, number)).uniform("request", 3)
        };
        let one = draw(1, 0, "a", 1);
        assert_eq!(one.to_bits(), draw(1, 0, "a", 1).to_bits());
        let others = [
            draw(2, 0, "a", 1),
            draw(1, 1, "a", 1),
            draw(1, 0, "b", 1),
            draw(1, 0, "a", 2),
        ];
        assert!(others.iter().all(|other| other.to_bits() != one.to_bits()));
        // Written down, so that a seed means the same in every version.
        assert_eq!(format!("{one:.6}"), "0.276916");
    }

    #[test]
    fn shares_and_factors_are_as_asked_for() {
        let draw = Draw::new(7, 0, &start("cell", 1));
        let n = 4000;
        let hits = (0..n)
            .filter(|n| draw.hits(Some(0.3), "request", *n))
            .count();
        assert!((1120..1280).contains(&hits), "{hits}");
        assert!((0..n).all(|n| draw.hits(None, "request", n)));
        assert!(!(0..n).any(|n| draw.hits(Some(0.0), "request", n)));

        let logs: Vec<f64> = (0..n).map(|n| draw.factor(0.1, "noise", n).ln()).collect();
        let mean = logs.iter().sum::<f64>() / n as f64;
        let variance = logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((0.095..0.105).contains(&variance.sqrt()), "{variance}");
    }
}
