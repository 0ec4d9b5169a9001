//! Numbers that look random and that a seed decides, the same in every version: SplitMix64
//! (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). Written out
//! here, so that the order of a run, its prompts and its arrivals never change with a crate.

/// The generator: 64 bits of state, every seed as good as any other.
#[derive(Debug, Clone)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number: a Weyl sequence, each member scrambled.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, each equally likely: numbers of the last, incomplete stretch are
    /// thrown away. `bound` must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let whole = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.next_u64();
            if number < whole {
                return number % bound;
            }
        }
    }

    /// The next number in [0, 1), by the 53 bits that a float can tell apart.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_numbers_are_the_published_ones() {
        // The first outputs for the seed 1234567 in the reference implementation.
        let mut numbers = SplitMix64::new(1_234_567);
        let first = [(); 3].map(|()| numbers.next_u64());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn floats_are_spread_over_the_unit() {
        let mut numbers = SplitMix64::new(7);
        let floats: Vec<f64> = (0..10_000).map(|_| numbers.next_f64()).collect();
        assert!(floats.iter().all(|float| (0.0..1.0).contains(float)));
        let mean = floats.iter().sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }

    proptest! {
        #[test]
        fn a_number_is_below_its_bound(seed in any::<u64>(), bound in 1..=u64::MAX) {
            prop_assert!(SplitMix64::new(seed).below(bound) < bound);
        }
    }
}
