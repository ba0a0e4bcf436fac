//! A random number generator with a fixed seed, so that every rendering plucks a string the same way.

/// Numbers that look random and are the same every time: xorshift64* (Vigna 2016).
pub(crate) struct Random(u64);

impl Random {
    /// Distinct seeds, zero included, give unrelated sequences.
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be zero; the odd factor spreads small seeds over all 64 bits.
        let mut random = Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.signed();
        random
    }

    /// The next number, uniform in -1 to 1.
    pub(crate) fn signed(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        // 53 bits are what a double holds exactly.
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}
