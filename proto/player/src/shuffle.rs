//! A random order of places that takes no list in memory.

/// A permutation of the numbers below `size`, chosen by a key.
///
/// It is a Feistel network whose halves are numbers below `left` and `right`, with `left` × `right` ≥ `size`. A result that is
/// not below `size` goes through the network again until it is (cycle walking). Source: J. Black and P. Rogaway, "Ciphers with
/// Arbitrary Finite Domains", CT-RSA 2002, methods 2 and 3. `left` × `right` exceeds `size` by less than its square root, so
/// more than one pass is rare for any but a very small size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permutation {
    key: u32,
    size: u32,
    left: u32,
    right: u32,
}

/// Enough for an order that looks random; this is no encryption.
const ROUNDS: u32 = 8;

impl Permutation {
    pub(crate) const fn new(key: u32, size: u32) -> Self {
        // The most is 65,536; `isqrt` rounds down.
        let root = size.isqrt();
        let left = if root * root == size && root > 0 { root } else { root + 1 };
        Self { key, size, left, right: if size == 0 { 1 } else { size.div_ceil(left) } }
    }

    /// The number at `index`, which is below the size.
    pub(crate) fn at(&self, index: u32) -> u32 {
        self.walk(index, |(low, high)| {
            (0..ROUNDS).fold((low, high), |(low, high), round| match round % 2 {
                0 => (self.add(low, self.mix(round, high), self.left), high),
                _ => (low, self.add(high, self.mix(round, low), self.right)),
            })
        })
    }

    /// The index of `number`, which is below the size.
    pub(crate) fn index_of(&self, number: u32) -> u32 {
        self.walk(number, |(low, high)| {
            (0..ROUNDS).rev().fold((low, high), |(low, high), round| match round % 2 {
                0 => (self.subtract(low, self.mix(round, high), self.left), high),
                _ => (low, self.subtract(high, self.mix(round, low), self.right)),
            })
        })
    }

    /// Applies `pass` to the halves of a number until the result is below the size.
    fn walk(&self, number: u32, pass: impl Fn((u32, u32)) -> (u32, u32)) -> u32 {
        let mut number = number;
        loop {
            let (low, high) = pass((number % self.left, number / self.left));
            number = high * self.left + low;
            if number < self.size || self.size == 0 {
                return number;
            }
        }
    }

    fn add(&self, half: u32, mixed: u32, modulus: u32) -> u32 {
        (half + mixed % modulus) % modulus
    }

    fn subtract(&self, half: u32, mixed: u32, modulus: u32) -> u32 {
        (half + modulus - mixed % modulus) % modulus
    }

    fn mix(&self, round: u32, half: u32) -> u32 {
        hash(self.key ^ hash(half ^ round.wrapping_mul(0x9e37_79b9)))
    }
}

/// Spreads the bits of a number. Source: the finalizer of MurmurHash3 by A. Appleby, public domain.
pub(crate) const fn hash(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn every_number_comes_once_and_is_found_again() {
        for size in (1..1_500).chain([4_095, 4_096, 4_097, 100_000]) {
            let order = Permutation::new(hash(size), size);
            let mut is_seen = vec![false; size as usize];
            for index in 0..size {
                let number = order.at(index);
                assert!(!std::mem::replace(&mut is_seen[number as usize], true), "{number} of {size} comes twice");
                assert_eq!(order.index_of(number), index, "{size}");
            }
        }
    }

    #[test]
    fn the_largest_sizes_fit() {
        for size in [u32::MAX, u32::MAX - 1, 65_535 * 65_536, 1 << 31] {
            let order = Permutation::new(3, size);
            for index in [0, 1, size / 2, size - 1] {
                assert_eq!(order.index_of(order.at(index)), index);
            }
        }
    }

    #[test]
    fn every_number_is_about_as_likely_at_every_index() {
        const KEYS: u32 = 20_000;
        for size in [2_u32, 3, 5, 8, 13, 40] {
            let mut counts = vec![0_u32; (size * size) as usize];
            for key in 0..KEYS {
                let order = Permutation::new(hash(key), size);
                (0..size).for_each(|index| counts[(index * size + order.at(index)) as usize] += 1);
            }
            let mean = f64::from(KEYS) / f64::from(size);
            // Five standard deviations, and some unevenness of so small a network.
            let tolerance = 5.0 * mean.sqrt() + 0.05 * mean;
            for (at, count) in counts.iter().enumerate() {
                assert!((f64::from(*count) - mean).abs() < tolerance, "{size}: {count} at {at}, not {mean}");
            }
        }
    }

    #[test]
    fn neighbours_do_not_stay_together() {
        let order = Permutation::new(1, 1_000);
        let numbers: Vec<_> = (0..1_000).map(|index| order.at(index)).collect();
        let together = numbers.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
        assert!(together < 10, "{together}");
    }
}
