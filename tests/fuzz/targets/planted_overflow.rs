//! Checks the fuzzer itself: gives minimp3 a length beyond the end of its input. AddressSanitizer must report it.
//! Otherwise the C code is not instrumented, and its overflows go unnoticed.
#![no_main]
#![allow(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use minimp3::{MINIMP3_MAX_SAMPLES_PER_FRAME, mp3dec_decode_frame, mp3dec_frame_info_t, mp3dec_init, mp3dec_t};

/// Number of bytes beyond the end of the input.
const BEYOND: i32 = 16;

fuzz_target!(|_input: &[u8]| {
    let input = Box::new([0_u8; 16]);
    let mut pcm = [0_i16; MINIMP3_MAX_SAMPLES_PER_FRAME as usize];
    // SAFETY: deliberately unsound. The decoder searches the zeros for a frame byte by byte, and writes only to its own
    // state.
    unsafe {
        let mut state: mp3dec_t = std::mem::zeroed();
        let mut info: mp3dec_frame_info_t = std::mem::zeroed();
        mp3dec_init(&mut state);
        mp3dec_decode_frame(&mut state, input.as_ptr(), input.len() as i32 + BEYOND, pcm.as_mut_ptr(), &mut info);
    }
});
