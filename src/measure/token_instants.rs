//! The instants of a stream's tokens, kept small: exact to the nanosecond in four bytes each.
//!
//! A run of an hour holds tens of millions of them. Each but the first is kept as its distance
//! from the one before, seven bits a byte with the low ones first (LEB128): gaps below 268 ms
//! take four bytes, longer ones five.

use serde::{Deserialize, Serialize};

/// Whether they are stored with their requests: they are most of what a request takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenTimes {
    #[default]
    Kept,
    Dropped,
}

/// Instants in the order in which they came, in nanoseconds since the attempt's origin.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<u64>", into = "Vec<u64>")]
pub struct TokenInstants {
    gaps: Vec<u8>,
    n: u32,
    last: u64,
}

impl TokenInstants {
    /// The next one. One that is earlier than the last counts as simultaneous with it: the
    /// clock is monotonic, so only another clock could give it.
    pub fn push(&mut self, at: u64) {
        let mut gap = at.saturating_sub(self.last);
        self.last += gap;
        self.n += 1;
        while gap >= 0x80 {
            self.gaps.push((gap & 0x7f) as u8 | 0x80);
            gap >>= 7;
        }
        self.gaps.push(gap as u8);
    }

    pub fn len(&self) -> usize {
        self.n as usize
    }

    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    pub fn first(&self) -> Option<u64> {
        self.iter().next()
    }

    pub fn last(&self) -> Option<u64> {
        (self.n > 0).then_some(self.last)
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter {
            gaps: &self.gaps,
            last: 0,
        }
    }

    /// From each instant to the next: one fewer than instants.
    pub fn gaps(&self) -> impl Iterator<Item = u64> + '_ {
        self.iter().zip(self.iter().skip(1)).map(|(a, b)| b - a)
    }
}

impl std::fmt::Debug for TokenInstants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<u64> for TokenInstants {
    fn from_iter<I: IntoIterator<Item = u64>>(instants: I) -> Self {
        let mut kept = Self::default();
        for at in instants {
            kept.push(at);
        }
        kept
    }
}

impl From<Vec<u64>> for TokenInstants {
    fn from(instants: Vec<u64>) -> Self {
        instants.into_iter().collect()
    }
}

impl From<TokenInstants> for Vec<u64> {
    fn from(kept: TokenInstants) -> Self {
        kept.iter().collect()
    }
}

/// Gives the instants back.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    gaps: &'a [u8],
    last: u64,
}

impl Iterator for Iter<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let mut gap = 0;
        for shift in (0..).step_by(7) {
            let (&byte, rest) = self.gaps.split_first()?;
            self.gaps = rest;
            gap |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        self.last += gap;
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn four_bytes_hold_a_gap_of_up_to_268_ms() {
        let size = |gap| TokenInstants::from(vec![0, gap]).gaps.len() - 1;
        assert_eq!((size(10_000_000), size(268_000_000)), (4, 4));
        assert_eq!((size(0), size(269_000_000)), (1, 5));
    }

    #[test]
    fn what_goes_back_in_time_is_simultaneous() {
        let kept = TokenInstants::from(vec![5, 3, 9]);
        assert_eq!(Vec::from(kept), [5, 5, 9]);
    }

    #[test]
    fn none_has_no_first_and_no_gap() {
        let none = TokenInstants::default();
        assert_eq!((none.first(), none.last(), none.len()), (None, None, 0));
        assert_eq!(none.gaps().count(), 0);
        let one = TokenInstants::from(vec![0]);
        assert_eq!((one.first(), one.last(), one.len()), (Some(0), Some(0), 1));
        assert_eq!(one.gaps().count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_kept_is_given_back(mut instants in prop::collection::vec(0..u64::MAX, 0..40)) {
            instants.sort_unstable();
            let kept: TokenInstants = instants.iter().copied().collect();
            prop_assert_eq!(kept.len(), instants.len());
            prop_assert_eq!(kept.first(), instants.first().copied());
            prop_assert_eq!(kept.last(), instants.last().copied());
            let gaps: Vec<u64> = instants.windows(2).map(|pair| pair[1] - pair[0]).collect();
            prop_assert_eq!(kept.gaps().collect::<Vec<_>>(), gaps);
            prop_assert_eq!(Vec::from(kept), instants);
        }
    }
}
