//! The interface of an MP3 decoder.
//!
//! A caller feeds bytes from the front of its buffer and drops what a [`Decoded`] says was consumed. The decoders of
//! the laptop and the board are of the same family. Both accept a frame only when they see all of it and another header
//! right after it. Otherwise they drop *all* the input, with their filter state and bit reservoir. This module holds
//! what follows from that.

/// The most samples one frame decodes to: 1,152 per channel, two channels.
pub const PCM_SAMPLES: usize = 2 * 1152;

/// Bytes to keep ahead of a decoder, except at the end of the stream: the largest frame, which has 2,304 bytes (free
/// format), the header after it, and room to step over some junk.
pub const LOOKAHEAD_BYTES: usize = 4096;

/// A frame whose end is not in the input yet may begin this close to its end: the largest frame and one header.
const LONGEST_FRAME_BYTES: usize = 2304 + 4;

/// A decoder of one stream at a time.
pub trait FrameDecoder {
    /// Decodes the first frame of `input` into `pcm`.
    ///
    /// `input` begins where the last call left off. Unless `at_end` says that nothing follows it, it needs to
    /// hold [`LOOKAHEAD_BYTES`]; with less the answer is [`Decoded::NeedMore`], so that a partial frame is never taken
    /// for junk. Every other answer consumes at least a byte, whatever the input holds.
    fn decode(&mut self, input: &[u8], at_end: bool, pcm: &mut [i16; PCM_SAMPLES]) -> Decoded;

    /// Clears the filter state and the bit reservoir, for another stream.
    fn reset(&mut self);
}

/// What one call of [`FrameDecoder::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decoded {
    /// A frame: drop its bytes, its samples are in the buffer.
    Frame(Frame),
    /// No frame in the first `consumed` bytes (at least 1): drop them and go on.
    Junk {
        /// Bytes to drop.
        consumed: usize,
    },
    /// Nothing consumed, nothing decoded, the decoder untouched: the input is shorter than [`LOOKAHEAD_BYTES`] and
    /// more is to come (call again with more), or it is empty at the end of the stream (that was all).
    NeedMore,
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes to drop from the front of the input: the frame and any junk before it.
    pub consumed: usize,
    /// Samples per channel now in the PCM buffer, interleaved. Either all of [`nominal_samples`](Self::nominal_samples)
    /// or 0: the frame is damaged, or needs bytes of earlier frames that this decoder has not seen (the bit
    /// reservoir, in the first frames after a start in the middle).
    pub samples: usize,
    /// Samples per channel the frame stands for on the song's time line: 1,152, 576 or 384.
    pub nominal_samples: usize,
    /// Sample rate in Hz, 8,000 to 48,000.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl Decoded {
    /// Whether a decoder can answer anything but [`Decoded::NeedMore`] to this input.
    pub const fn is_possible(input: &[u8], at_end: bool) -> bool {
        !input.is_empty() && (at_end || input.len() >= LOOKAHEAD_BYTES)
    }

    /// No frame was seen in the input, which is long enough [to say so](Self::is_possible). A frame may still begin at
    /// the end of the input.
    pub const fn no_frame(input: &[u8], at_end: bool) -> Self {
        let unsure = if at_end { 0 } else { LONGEST_FRAME_BYTES };
        Self::Junk { consumed: input.len() - unsure }
    }
}

/// Samples per channel of a frame, from its layer and rate (ISO 11172-3 §2.4.2.1, ISO 13818-3 §2.4.2.1).
/// MPEG-1 has the rates from 32 kHz up; MPEG-2 and 2.5, below, halve the Layer III frame.
pub const fn nominal_samples(layer: u8, rate: u32) -> usize {
    match layer {
        1 => 384,
        3 if rate < 32_000 => 576,
        _ => 1152,
    }
}

/// Whether this Layer III frame mixes long and short blocks at 8 kHz. minimp3's table of their bands adds up to more
/// lines than a frame has: the C code writes past the end of an array, within its working memory, and its Rust port
/// panics. No encoder in use mixes blocks, so such a frame is hostile, and counts as damaged.
///
/// ```text
///  header 32  [CRC 16]  main_data_begin 8  private 1 or 2       ISO/IEC 13818-3, 2.4.1.7; MPEG 2.5 likewise
///  for each channel, 63 in all:
///    lengths, gain and scale factors 38  window_switching_flag 1  block_type 2  mixed_block_flag 1  …
/// ```
pub fn mixes_blocks_at_8_khz(frame: &[u8]) -> bool {
    const CHANNEL_BITS: usize = 63;
    const WINDOW_SWITCHING_AT: usize = 38;
    let [0xff, versions @ (0xe2 | 0xe3), rates, mode, ..] = *frame else { return false };
    let (is_8_khz, has_crc, is_mono) = (rates >> 2 & 0b11 == 0b10, versions & 1 == 0, mode >> 6 == 0b11);
    let bit = |at: usize| frame.get(at / 8).is_some_and(|byte| byte << (at % 8) & 0x80 != 0);
    let channels_at = 32 + if has_crc { 16 } else { 0 } + 8 + if is_mono { 1 } else { 2 };
    let mixes = |channel: usize| {
        let at = channels_at + channel * CHANNEL_BITS + WINDOW_SWITCHING_AT;
        [at, at + 1, at + 2, at + 3].map(bit) == [true, true, false, true]
    };
    is_8_khz && (mixes(0) || (!is_mono && mixes(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A frame of this header in which only these bits behind it are set.
    fn frame(header: [u8; 4], bits: &[usize]) -> Vec<u8> {
        let mut frame = [&header[..], &[0; 60]].concat();
        bits.iter().for_each(|bit| frame[bit / 8] |= 0x80 >> (bit % 8));
        frame
    }

    #[test]
    fn mixed_blocks_are_short_ones_with_the_flag() {
        const STEREO: [u8; 4] = [0xff, 0xe3, 0x18, 0x00];
        const MONO: [u8; 4] = [0xff, 0xe3, 0x18, 0xc0];
        const MONO_WITH_CRC: [u8; 4] = [0xff, 0xe2, 0x18, 0xc0];
        for (header, begin) in [(MONO, 79), (MONO_WITH_CRC, 95), (STEREO, 80), (STEREO, 80 + 63)] {
            let mixed = [begin, begin + 1, begin + 3];
            assert!(mixes_blocks_at_8_khz(&frame(header, &mixed)), "{header:02x?}");
            for missing in mixed {
                let others: Vec<_> = mixed.into_iter().filter(|bit| *bit != missing).chain([begin - 1]).collect();
                assert!(!mixes_blocks_at_8_khz(&frame(header, &others)), "{header:02x?} without {missing}");
            }
            assert!(!mixes_blocks_at_8_khz(&frame(header, &[begin, begin + 1, begin + 2, begin + 3])), "{header:02x?}");
        }
        assert!(!mixes_blocks_at_8_khz(&frame(MONO, &[80 + 63, 81 + 63, 83 + 63])), "there is no second channel");
        assert!(!mixes_blocks_at_8_khz(&frame([0xff, 0xe3, 0x14, 0xc0], &[79, 80, 82])), "12 kHz");
    }
}
