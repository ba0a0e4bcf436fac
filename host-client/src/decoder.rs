//! MP3 frames to PCM, by minimp3.
//!
//! The only module that uses minimp3, and the only one with `unsafe`, because the binding is raw C. It calls two functions,
//! `mp3dec_init` and `mp3dec_decode_frame`. Neither allocates, reads a file or keeps a pointer after it returns.
//!
//! A caller passes bytes from the front of its buffer and drops the bytes that [`Decoded`] reports as consumed:
//!
//! ```
//! use trill::decoder::Decoder;
//! use trill_proto::decoder::{Decoded, FrameDecoder, PCM_SAMPLES};
//!
//! fn decode_all(mut mp3: &[u8], mut heard: impl FnMut(&[i16])) {
//!     let mut decoder = Decoder::new();
//!     let mut pcm = [0; PCM_SAMPLES];
//!     loop {
//!         match decoder.decode(mp3, true, &mut pcm) {
//!             Decoded::Frame(frame) => {
//!                 heard(&pcm[..frame.samples * usize::from(frame.channels)]);
//!                 mp3 = &mp3[frame.consumed..];
//!             }
//!             Decoded::Junk { consumed } => mp3 = &mp3[consumed..],
//!             Decoded::NeedMore => break,
//!         }
//!     }
//! }
//! ```
#![allow(unsafe_code)]

use std::{fmt, ptr};

use minimp3::{mp3dec_decode_frame, mp3dec_frame_info_t, mp3dec_init, mp3dec_t};
use trill_proto::decoder::{Decoded, Frame, FrameDecoder, PCM_SAMPLES, mixes_blocks_at_8_khz, nominal_samples};

const _: () = assert!(PCM_SAMPLES == minimp3::MINIMP3_MAX_SAMPLES_PER_FRAME as usize);

/// The stack use of `mp3dec_decode_frame`, rounded up: its `mp3dec_scratch_t` takes 16.3 KiB.
const SCRATCH_BYTES: usize = 20 * 1024;

/// An MP3 decoder for one stream: the filter state and bit reservoir that frames share.
pub struct Decoder {
    state: Box<mp3dec_t>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        // SAFETY: `mp3dec_t` is a C struct of floats, ints and bytes. Zero is a value of each.
        // `mp3dec_init` writes its first header byte and nothing else.
        let state = unsafe {
            let mut state: Box<mp3dec_t> = Box::new(std::mem::zeroed());
            mp3dec_init(&mut *state);
            state
        };
        Self { state }
    }

    /// Finds the first frame without decoding it.
    fn find_frame(&mut self, input: &[u8]) -> mp3dec_frame_info_t {
        self.call(input, ptr::null_mut()).1
    }

    /// Decodes the first frame. Returns the samples per channel and minimp3's description of the frame.
    fn decode_frame(&mut self, input: &[u8], pcm: &mut [i16; PCM_SAMPLES]) -> (usize, mp3dec_frame_info_t) {
        clear_stack();
        self.call(input, pcm.as_mut_ptr())
    }

    /// Calls `mp3dec_decode_frame`. Inlined, so that its stack begins where [`clear_stack`]'s did. `pcm` is null or holds
    /// [`PCM_SAMPLES`]. If minimp3 finds no frame, all fields of the description but `frame_bytes` are zero.
    #[inline(always)]
    fn call(&mut self, input: &[u8], pcm: *mut i16) -> (usize, mp3dec_frame_info_t) {
        // minimp3 does not write the struct if it finds no frame. Start with zeros, so that a rate means a frame.
        let mut info =
            mp3dec_frame_info_t { frame_bytes: 0, frame_offset: 0, channels: 0, hz: 0, layer: 0, bitrate_kbps: 0 };
        let length = i32::try_from(input.len()).unwrap_or(i32::MAX);
        // SAFETY: `state` was initialised in `new` and is borrowed mutably. `input` points to at least `length` readable
        // bytes and is only read. `pcm` is null, so that the function writes no samples, or it holds
        // MINIMP3_MAX_SAMPLES_PER_FRAME samples, the most that it writes. `info` is a valid struct. All of them outlive the
        // call, and the function keeps none.
        let samples = unsafe { mp3dec_decode_frame(&mut *self.state, input.as_ptr(), length, pcm, &mut info) };
        (usize::try_from(samples).unwrap_or(0), info)
    }
}

impl FrameDecoder for Decoder {
    fn decode(&mut self, input: &[u8], at_end: bool, pcm: &mut [i16; PCM_SAMPLES]) -> Decoded {
        if !Decoded::is_possible(input, at_end) {
            return Decoded::NeedMore;
        }
        let found = self.find_frame(input);
        let junk = usize::try_from(found.frame_offset).unwrap_or(0);
        // The probe changed minimp3's sync state. Start at the frame, or skipped bytes could be taken for a frame.
        let input_from_frame = input.get(junk..).unwrap_or_default();
        if mixes_blocks_at_8_khz(input_from_frame) {
            self.reset();
            return frame(0, 0, &found).map_or_else(|| Decoded::no_frame(input, at_end), Decoded::Frame);
        }
        let (samples, info) = self.decode_frame(input_from_frame, pcm);
        frame(junk, samples, &info).map_or_else(|| Decoded::no_frame(input, at_end), Decoded::Frame)
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

/// Fills the stack below the caller with zeros. For a damaged frame minimp3 reads uninitialised working memory there; with
/// zeros the sound depends on the frame alone.
///
/// The function that calls minimp3 must call this immediately before. (The compiler option `-ftrivial-auto-var-init=zero`
/// would do the same, but another crate compiles minimp3.)
#[inline(never)]
fn clear_stack() {
    let mut area = [0_u8; SCRATCH_BYTES];
    std::hint::black_box(&mut area);
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

/// The frame that minimp3 described, after `junk` bytes, or `None` if it found none. (A frame without samples has a rate;
/// junk has none.)
fn frame(junk: usize, samples: usize, info: &mp3dec_frame_info_t) -> Option<Frame> {
    let rate = u32::try_from(info.hz).ok().filter(|&hz| hz != 0)?;
    Some(Frame {
        consumed: junk + usize::try_from(info.frame_bytes).ok()?,
        samples,
        nominal_samples: nominal_samples(u8::try_from(info.layer).ok()?, rate),
        rate,
        channels: u8::try_from(info.channels).ok()?,
    })
}

#[cfg(test)]
mod tests;
