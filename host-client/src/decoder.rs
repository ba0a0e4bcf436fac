//! MP3 frames to PCM, by minimp3.
//!
//! The only module of the crate that knows minimp3, and the only one with `unsafe`: the binding is raw C. Of its
//! two dozen functions two are used, `mp3dec_init` and `mp3dec_decode_frame`; neither allocates, reads a file or
//! keeps a pointer after it returns.
//!
//! A caller feeds bytes from the front of its buffer and drops what a [`Decoded`] says was consumed:
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

/// What `mp3dec_decode_frame` has on the stack, and some room: its `mp3dec_scratch_t` takes 16.3 KiB.
const SCRATCH_BYTES: usize = 20 * 1024;

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

    /// Forgets all that it knows of earlier frames.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Finds the first frame and leaves it as it is.
    fn find_frame(&mut self, input: &[u8]) -> mp3dec_frame_info_t {
        self.call(input, ptr::null_mut()).1
    }

    /// Decodes the first frame. Returns samples per channel, and what minimp3 said of the frame.
    fn decode_frame(&mut self, input: &[u8], pcm: &mut [i16; PCM_SAMPLES]) -> (usize, mp3dec_frame_info_t) {
        clear_stack();
        self.call(input, pcm.as_mut_ptr())
    }

    /// The one call into C, part of its callers so that it begins where [`clear_stack`] did. `pcm` is null or holds [`PCM_SAMPLES`]. What minimp3 says of the frame is all zero but
    /// `frame_bytes` if it found none.
    #[inline(always)]
    fn call(&mut self, input: &[u8], pcm: *mut i16) -> (usize, mp3dec_frame_info_t) {
        // minimp3 leaves the struct alone when it finds no frame; zeroed, a rate says that it found one.
        let mut info =
            mp3dec_frame_info_t { frame_bytes: 0, frame_offset: 0, channels: 0, hz: 0, layer: 0, bitrate_kbps: 0 };
        let length = i32::try_from(input.len()).unwrap_or(i32::MAX);
        // SAFETY: `state` was initialised in `new` and is borrowed mutably. `input` points to at least `length`
        // readable bytes and is only read. `pcm` holds MINIMP3_MAX_SAMPLES_PER_FRAME samples, the most the function
        // writes, or is null, to which it writes none. `info` is a valid struct. All of them outlive the call and the function keeps none.
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
        // From the frame on: having found it, minimp3 takes for one what it has just passed over.
        let input_from_frame = input.get(junk..).unwrap_or_default();
        if mixes_blocks_at_8_khz(input_from_frame) {
            self.reset();
            return frame(0, 0, &found).map_or_else(|| Decoded::no_frame(input, at_end), Decoded::Frame);
        }
        let (samples, info) = self.decode_frame(input_from_frame, pcm);
        frame(junk, samples, &info).map_or_else(|| Decoded::no_frame(input, at_end), Decoded::Frame)
    }
}

/// Fills the stack below the caller with zeros. Of a damaged frame minimp3 reads working memory there that it has not
/// written; so what is heard of it depends on the frame alone, and not on what ran before.
///
/// To be called right before, and from where, minimp3 is called: the compiler's own way to do it
/// (`-ftrivial-auto-var-init=zero`) cannot be asked for from here, as another crate compiles minimp3.
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

/// What minimp3 said behind so many bytes of junk, if it said there was a frame. (A frame that decodes to nothing has a
/// rate, junk has none.)
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
