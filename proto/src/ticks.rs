//! Exact lengths of music at any of MP3's sample rates.

/// A position or a length in a song, in ticks of 1/14,112,000 s.
///
/// All nine sample rates of MP3 divide that number, so a sample of any rate lasts a whole number of ticks. Lengths of frames
/// of different rates are added as ticks and turned into samples of one rate afterwards: that rounds once, however long the
/// song is. Sums saturate, after 41,000 years of music.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticks(u64);

impl Ticks {
    /// The least common multiple of MP3's sample rates.
    pub const PER_SECOND: u32 = 14_112_000;

    /// So many ticks.
    pub const fn new(ticks: u64) -> Self {
        Self(ticks)
    }

    /// How long so many samples of `rate`, in Hz, last.
    pub const fn of_samples(samples: u64, rate: u32) -> Self {
        Self(samples.saturating_mul(per_sample(rate)))
    }

    /// The same length in samples of `rate`, rounded down.
    pub const fn samples(self, rate: u32) -> u64 {
        self.0 / per_sample(rate)
    }

    /// The same length in samples of `rate`, rounded up.
    pub const fn samples_rounded_up(self, rate: u32) -> u64 {
        self.0.div_ceil(per_sample(rate))
    }

    /// What [`samples`](Self::samples) leaves out, in ticks: less than a sample of 8,000 Hz, which has 1,764.
    pub const fn after_whole_samples(self, rate: u32) -> u16 {
        (self.0 % per_sample(rate)) as u16
    }

    /// The same length in milliseconds, rounded down.
    pub const fn millis(self) -> u64 {
        self.0 / (Self::PER_SECOND / 1_000) as u64
    }

    /// The sum of two lengths.
    pub const fn saturating_add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// So many times this length.
    pub const fn saturating_mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }

    /// The difference of two lengths; 0 if `less` is the longer one.
    pub const fn saturating_sub(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }
}

/// Ticks per sample. A song without audio has the rate 0 and no samples to count.
const fn per_sample(rate: u32) -> u64 {
    match rate {
        1..=Ticks::PER_SECOND => (Ticks::PER_SECOND / rate) as u64,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_another_rate_add_up_without_loss() {
        // Frames in ten minutes, the samples of each, their rate, and the rate at which they are counted.
        for (frames, samples, rate, counted) in [
            (8_333, 576, 8_000, 44_100),
            (25_000, 1_152, 48_000, 44_100),
            (22_968, 1_152, 44_100, 48_000),
            (11_484, 576, 11_025, 48_000),
        ] {
            let each = Ticks::of_samples(samples, rate);
            let sum = (0..frames).fold(Ticks::default(), |sum, _| sum.saturating_add(each));
            let (exact, by) = (frames * samples * u64::from(counted), u64::from(rate));
            assert_eq!(sum.samples(counted), exact / by, "{rate} Hz at {counted} Hz");
            assert_eq!(sum.samples_rounded_up(counted), exact.div_ceil(by), "{rate} Hz at {counted} Hz");
            assert_eq!(sum.millis(), frames * samples * 1_000 / by, "{rate} Hz");
            let whole = Ticks::of_samples(sum.samples(counted), counted);
            let rest = Ticks::new(sum.after_whole_samples(counted).into());
            assert_eq!(whole.saturating_add(rest), sum, "{rate} Hz at {counted} Hz");
        }
    }

    #[test]
    fn extreme_lengths_saturate() {
        assert_eq!(Ticks::of_samples(u64::MAX, 8_000), Ticks::new(u64::MAX));
        assert_eq!(Ticks::new(u64::MAX).saturating_add(Ticks::new(1)), Ticks::new(u64::MAX));
        assert_eq!(Ticks::new(1).saturating_sub(Ticks::new(2)), Ticks::default());
        assert_eq!(Ticks::of_samples(576, 0).samples(0), 576, "a rate that is not known");
    }
}
