//! What every player asks of an MP3 decoder.
//!
//! A caller feeds bytes from the front of its buffer and drops what a [`Step`] says was consumed. Laptop and board have a
//! decoder each, of the same family: both take a frame for one only when they see it whole and another header right behind
//! it, and throw away their filter state and bit reservoir together with *all* the input if they do not. What follows from
//! that is here.

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
    /// `input` begins where the last call's step left off. Unless `at_end` says that nothing follows it, it needs to
    /// hold [`LOOKAHEAD_BYTES`]; with less the answer is [`Step::NeedMore`], so that a partial frame is never taken
    /// for junk. Every other step consumes at least a byte, whatever the input holds.
    fn decode(&mut self, input: &[u8], at_end: bool, pcm: &mut [i16; PCM_SAMPLES]) -> Step;
}

/// What one call of [`FrameDecoder::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
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

impl Step {
    /// Whether a decoder can say anything of this input but [`Step::NeedMore`].
    pub const fn is_possible(input: &[u8], at_end: bool) -> bool {
        !input.is_empty() && (at_end || input.len() >= LOOKAHEAD_BYTES)
    }

    /// No frame was seen in all of the input, of which it [is possible](Self::is_possible) to say so: it may still begin
    /// with what is the end of the input for now.
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
