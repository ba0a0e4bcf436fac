//! Limits of MP3 audio. SONG and STARTED must keep them.

use crate::ticks::Ticks;

/// The sample rates of MPEG-1, 2 and 2.5 (ISO/IEC 11172-3 and 13818-3, and the 2.5 extension), in Hz.
const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// Bytes of a frame header, without which there are no samples.
const FRAME_HEADER_BYTES: u64 = 4;

/// The most absolute samples that a frame can count: 576 at 8 kHz, in a song of 48 kHz.
const MAX_FRAME_SAMPLES: u64 = 3_456;

/// The longest that a frame can last, in milliseconds, whatever the song's rate: 1,152 samples at the lowest rate.
const MAX_FRAME_MILLIS: u64 = 1_152 / 8;

/// [`Ticks`] count a sample of any of these rates exactly.
const _: () = {
    let mut rates = RATES.as_slice();
    while let [rate, rest @ ..] = rates {
        assert!(Ticks::PER_SECOND.is_multiple_of(*rate));
        rates = rest;
    }
};

pub(super) fn is_rate(rate: u32) -> bool {
    RATES.contains(&rate)
}

/// The most samples per channel that so many bytes of audio can count.
pub(super) const fn most_samples(size_bytes: u64) -> u64 {
    (size_bytes / FRAME_HEADER_BYTES).saturating_mul(MAX_FRAME_SAMPLES)
}

/// The longest music that so many bytes of audio can hold, in milliseconds.
pub(super) const fn most_millis(size_bytes: u64) -> u64 {
    (size_bytes / FRAME_HEADER_BYTES).saturating_mul(MAX_FRAME_MILLIS)
}
