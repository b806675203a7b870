//! Reproducible numbers: the same seed gives the same data on every machine and with every version of a library.

use uuid::Uuid;

/// SplitMix64 (Steele, Lea and Flood, 2014). For data that must look varied, never for secrets.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// An independent stream for every (seed, number): the n-th purchase is the same however many are made.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed);
        random.0 = random.next() ^ number;
        random.0 = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, not including, `end`, which must not be 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "there is something to choose from");
        let end = u64::try_from(end).expect("a usize has at most 64 bits");
        usize::try_from(self.next() % end).expect("it is below a usize")
    }

    /// A number of either end or between.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + u32::try_from(self.next() % u64::from(high - low + 1)).expect("it is below a u32")
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_its_own_and_always_the_same() {
        let first: Vec<usize> = (0..4).map(|_| Random::new(1, 7).below(1_000_000)).collect();
        assert!(first.iter().all(|&number| number == first[0]));
        assert_ne!(Random::new(1, 7).uuid(), Random::new(1, 8).uuid());
        assert_ne!(Random::new(1, 7).uuid(), Random::new(2, 7).uuid());
        assert!((0..1000).map(|n| Random::new(3, n).between(5, 9)).all(|number| (5..=9).contains(&number)));
    }
}
