//! Chance that falls the same way on every machine.
//!
//! The numbers come from ChaCha with eight rounds. What is made of them is written out here, because the methods of
//! the `rand` crate may give other values in a later version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Each row throws dice of its own, so that row 7 is the same in a catalogue of ten rows and of a million.
    pub fn new(seed: u64, row: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(row);
        Self(rng)
    }

    /// A number from 0 to `end - 1`. The shares differ by less than one in a million for the small `end` used here.
    pub fn below(&mut self, end: usize) -> usize {
        ((u64::from(self.0.next_u32()) * end as u64) >> 32) as usize
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of the items; the list must not be empty.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// One of the items, each as likely as its weight says.
    pub fn weighted<T: Copy>(&mut self, items: &[(T, u32)]) -> T {
        let total: u32 = items.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total as usize) as u32;
        for &(item, weight) in items {
            if left < weight {
                return item;
            }
            left -= weight;
        }
        unreachable!("the number thrown is below the sum of the weights")
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_chacha8() {
        // The first words for a key of zeros, as published for the cipher.
        let mut dice = Dice::new(0, 0);
        assert_eq!([dice.0.next_u32(), dice.0.next_u32()], [0x2fef_003e, 0xd640_5f89]);
    }

    #[test]
    fn the_same_seed_and_row_give_the_same_throws() {
        let throw = |seed, row| {
            let mut dice = Dice::new(seed, row);
            [(); 8].map(|()| dice.below(1000))
        };
        assert_eq!(throw(1, 0), [628, 381, 929, 294, 397, 798, 906, 916]);
        assert_ne!(throw(1, 0), throw(1, 1));
        assert_ne!(throw(1, 0), throw(2, 0));
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice::new(1, 0);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[dice.weighted(&[(0, 1), (1, 0), (2, 3)])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2300..2700).contains(&counts[0]), "{counts:?}");
    }
}
