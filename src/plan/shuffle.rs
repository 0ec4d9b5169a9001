//! The shuffle that orders the starts of a run: written out here, so that a seed means the same
//! order for ever, whatever other crates do.

use crate::random::SplitMix64;

/// Fisher-Yates from the end: the last place gets any of all, the one before any of the rest,
/// and so on. The generator starts from `seed`, mixed once with `stream` so that the blocks of
/// one run are ordered differently.
pub fn shuffle<T>(items: &mut [T], seed: u64, stream: u64) {
    let mut numbers = SplitMix64::new(seed ^ SplitMix64::new(stream).next_u64());
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last + 1).expect("a slice is shorter than 2^64");
        let chosen = usize::try_from(numbers.below(bound)).expect("it is below the slice's length");
        items.swap(last, chosen);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_order_never_changes() {
        let order = |seed, stream| {
            let mut items: Vec<u32> = (0..8).collect();
            shuffle(&mut items, seed, stream);
            items
        };
        assert_eq!(order(1, 1), [7, 1, 4, 5, 3, 0, 2, 6]);
        assert_eq!(order(1, 2), [7, 1, 3, 4, 0, 6, 2, 5]);
        assert_eq!(order(2, 1), [4, 5, 7, 0, 2, 1, 6, 3]);
    }

    #[test]
    fn every_order_comes_about_equally_often() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items, seed, 1);
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Five standard deviations around 1000.
        assert!(
            counts.values().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn a_shuffle_is_a_permutation(
            items in prop::collection::vec(any::<u8>(), 0..50),
            seed in any::<u64>(),
            stream in any::<u64>(),
        ) {
            let mut shuffled = items.clone();
            shuffle(&mut shuffled, seed, stream);
            let mut again = items.clone();
            shuffle(&mut again, seed, stream);
            prop_assert_eq!(&shuffled, &again);
            let (mut a, mut b) = (items, shuffled);
            a.sort_unstable();
            b.sort_unstable();
            prop_assert_eq!(a, b);
        }
    }
}
