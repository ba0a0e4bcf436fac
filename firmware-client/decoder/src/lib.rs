//! Decodes MP3 frames to PCM on a board, with nanomp3-core.
//!
//! It is a separate crate for the compiler's sake. nanomp3's `decode` is generic, so it is compiled in the crate that calls
//! it. Here one function calls it that is neither generic nor inlined, so a board's profile can optimise this package for
//! speed and everything else for size. On a Cortex-M4F that is 14.5 instead of 84
//! million instructions for a second of 128 kbit/s stereo.
//!
//! The decoder is a [`FrameDecoder`], like the laptop's.

#![no_std]
#![forbid(unsafe_code)]

use nanomp3_core::__private::{FrameInfo, decode_frame};
use nanomp3_core::DecodeError;
use trill_proto::decoder::{Decoded, Frame, FrameDecoder, PCM_SAMPLES, mixes_blocks_at_8_khz, nominal_samples};

const _: () = assert!(PCM_SAMPLES == nanomp3_core::MAX_SAMPLES_PER_FRAME);

/// A constant, so that a reset fills memory with zeros and needs no second decoder on the stack.
const NEW: nanomp3_core::Decoder = nanomp3_core::Decoder::new();

/// An MP3 decoder: about 23 KB of filter state, bit reservoir and working memory. One per stream.
#[derive(Clone)]
pub struct Decoder(nanomp3_core::Decoder);

impl Decoder {
    /// A decoder at the start of a stream. It is all zero, so a static of it takes no flash.
    #[must_use]
    pub const fn new() -> Self {
        Self(NEW)
    }
}

impl FrameDecoder for Decoder {
    #[inline(never)]
    fn decode(&mut self, input: &[u8], at_end: bool, pcm: &mut [i16; PCM_SAMPLES]) -> Decoded {
        if !Decoded::is_possible(input, at_end) {
            return Decoded::NeedMore;
        }
        // Finds the frame without decoding it.
        let mut found = FrameInfo::default();
        decode_frame::<i16>(&mut self.0, input, None, &mut found);
        let frame = &input[found.frame_offset..];
        if mixes_blocks_at_8_khz(frame) && found.hz != 0 {
            self.reset();
            return Decoded::Frame(Frame {
                consumed: found.frame_bytes,
                samples: 0,
                nominal_samples: nominal_samples(found.layer, found.hz),
                rate: found.hz,
                channels: found.channels,
            });
        }
        let (consumed, result) = self.0.decode(frame, pcm);
        let (samples, info) = match result {
            Ok(info) => (info.samples_produced, info),
            Err(DecodeError::NoFrame) => return Decoded::no_frame(input, at_end),
            Err(error) => match error.frame_info() {
                Some(info) => (0, *info),
                None => return Decoded::Junk { consumed: consumed.max(1) },
            },
        };
        Decoded::Frame(Frame {
            consumed: found.frame_offset + consumed,
            samples,
            nominal_samples: nominal_samples(info.layer, info.sample_rate),
            rate: info.sample_rate,
            channels: info.channels.num(),
        })
    }

    #[inline(never)]
    fn reset(&mut self) {
        self.0 = NEW;
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// A mono frame of 72 bytes at 8 kHz without data, with these four bits as its block type.
    fn frame(blocks: u8) -> [u8; 72] {
        let mut frame = [0; 72];
        frame[..4].copy_from_slice(&[0xff, 0xe3, 0x18, 0xc4]);
        // 8 and 1 and 38 bits into the side information.
        frame[9] = blocks >> 3;
        frame[10] = blocks << 5;
        frame
    }

    #[track_caller]
    fn check(blocks: u8, samples: usize) {
        let frames = [frame(blocks); 3].concat();
        let (mut decoder, mut pcm) = (Decoder::new(), [0; PCM_SAMPLES]);
        for rest in [&frames[..], &frames[72..], &frames[144..]] {
            let expected = Frame { consumed: 72, samples, nominal_samples: 576, rate: 8_000, channels: 1 };
            assert_eq!(decoder.decode(rest, true, &mut pcm), Decoded::Frame(expected));
        }
    }

    #[test]
    fn mixed_blocks_at_8_khz_decode_to_nothing() {
        check(0b1101, 0);
    }

    #[test]
    fn other_blocks_at_8_khz_decode() {
        check(0b0000, 576);
        check(0b1100, 576);
        check(0b1011, 576);
        check(0b1111, 576);
    }
}
