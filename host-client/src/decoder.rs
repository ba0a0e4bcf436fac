//! MP3 frames to PCM, by minimp3.
//!
//! The only module of the crate that knows minimp3, and the only one with `unsafe`: the binding is raw C. Of its
//! two dozen functions two are used, `mp3dec_init` and `mp3dec_decode_frame`; neither allocates, reads a file or
//! keeps a pointer after it returns.
//!
//! A caller feeds bytes from the front of its buffer and drops what a [`Step`] says was consumed:
//!
//! ```
//! use trill::decoder::{Decoder, PCM_SAMPLES, Step};
//!
//! fn decode_all(mut mp3: &[u8], mut heard: impl FnMut(&[i16])) {
//!     let mut decoder = Decoder::new();
//!     let mut pcm = [0; PCM_SAMPLES];
//!     loop {
//!         match decoder.decode(mp3, true, &mut pcm) {
//!             Step::Frame(frame) => {
//!                 heard(&pcm[..frame.samples * usize::from(frame.channels)]);
//!                 mp3 = &mp3[frame.consumed..];
//!             }
//!             Step::Junk { consumed } => mp3 = &mp3[consumed..],
//!             Step::NeedMore => break,
//!         }
//!     }
//! }
//! ```
#![allow(unsafe_code)]

use std::fmt;

use minimp3::{mp3dec_decode_frame, mp3dec_frame_info_t, mp3dec_init, mp3dec_t};

/// The most samples one frame decodes to: 1,152 per channel, two channels.
pub const PCM_SAMPLES: usize = minimp3::MINIMP3_MAX_SAMPLES_PER_FRAME as usize;

/// Bytes to keep ahead of the decoder, except at the end of the stream.
///
/// minimp3 takes a frame for one only when it sees it whole and another header right behind it. If it does not, it
/// throws away its filter state and its bit reservoir together with *all* the input. The largest frame is 2,304
/// bytes (free format), so this is a frame, the header after it, and room to step over some junk.
pub const LOOKAHEAD_BYTES: usize = 4096;

/// A frame whose end is not in the input yet may begin this close to its end: the largest frame and one header.
const LONGEST_FRAME_BYTES: usize = 2304 + 4;

/// What one call of [`Decoder::decode`] found.
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
    /// Kilobits per second; 0 for free format.
    pub bitrate_kbps: u32,
}

/// An MP3 decoder: the filter state and bit reservoir carried from frame to frame. One per stream.
pub struct Decoder {
    state: Box<mp3dec_t>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        // SAFETY: `mp3dec_t` is a C struct of floats, ints and bytes, for all of which zero is a value.
        // `mp3dec_init` writes its first header byte and nothing else.
        let state = unsafe {
            let mut state: Box<mp3dec_t> = Box::new(std::mem::zeroed());
            mp3dec_init(&mut *state);
            state
        };
        Self { state }
    }

    /// Decodes the first frame of `input` into `pcm`.
    ///
    /// `input` begins where the last call's step left off. Unless `at_end` says that nothing follows it, it needs to
    /// hold [`LOOKAHEAD_BYTES`]; with less the answer is [`Step::NeedMore`], so that a partial frame is never taken
    /// for junk. Every other step consumes at least a byte, whatever the input holds.
    pub fn decode(&mut self, input: &[u8], at_end: bool, pcm: &mut [i16; PCM_SAMPLES]) -> Step {
        if input.is_empty() || (!at_end && input.len() < LOOKAHEAD_BYTES) {
            return Step::NeedMore;
        }
        let (samples, info) = self.decode_frame(input, pcm);
        match frame(samples, &info) {
            Some(frame) => Step::Frame(frame),
            None if at_end => Step::Junk { consumed: input.len() },
            None => Step::Junk { consumed: input.len() - LONGEST_FRAME_BYTES },
        }
    }

    /// The one call into C. Returns samples per channel, and what minimp3 said of the frame: all zero but
    /// `frame_bytes` if it found none.
    fn decode_frame(&mut self, input: &[u8], pcm: &mut [i16; PCM_SAMPLES]) -> (usize, mp3dec_frame_info_t) {
        // minimp3 leaves the struct alone when it finds no frame; zeroed, a rate says that it found one.
        let mut info =
            mp3dec_frame_info_t { frame_bytes: 0, frame_offset: 0, channels: 0, hz: 0, layer: 0, bitrate_kbps: 0 };
        let length = i32::try_from(input.len()).unwrap_or(i32::MAX);
        // SAFETY: `state` was initialised in `new` and is borrowed mutably. `input` points to at least `length`
        // readable bytes and is only read. `pcm` holds MINIMP3_MAX_SAMPLES_PER_FRAME samples, the most the function
        // writes. `info` is a valid struct. All of them outlive the call and the function keeps none.
        let samples =
            unsafe { mp3dec_decode_frame(&mut *self.state, input.as_ptr(), length, pcm.as_mut_ptr(), &mut info) };
        (usize::try_from(samples).unwrap_or(0), info)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

/// What minimp3 said, if it said there was a frame. (A frame that decodes to nothing has a rate, junk has none.)
fn frame(samples: usize, info: &mp3dec_frame_info_t) -> Option<Frame> {
    let rate = u32::try_from(info.hz).ok().filter(|&hz| hz != 0)?;
    Some(Frame {
        consumed: usize::try_from(info.frame_bytes).ok()?,
        samples,
        nominal_samples: nominal_samples(info.layer, rate),
        rate,
        channels: u8::try_from(info.channels).ok()?,
        bitrate_kbps: u32::try_from(info.bitrate_kbps).ok()?,
    })
}

/// Samples per channel of a frame, from its layer and rate (ISO 11172-3 §2.4.2.1, ISO 13818-3 §2.4.2.1).
/// MPEG-1 has the rates from 32 kHz up; MPEG-2 and 2.5, below, halve the Layer III frame.
fn nominal_samples(layer: i32, rate: u32) -> usize {
    match layer {
        1 => 384,
        3 if rate < 32_000 => 576,
        _ => 1152,
    }
}

#[cfg(test)]
mod tests;
