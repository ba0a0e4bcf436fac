//! Not a target, but the proof that `mp3` is one: minimp3 is told that its input is longer than it is. If this ends in
//! anything but a report of AddressSanitizer, the C code is not instrumented, and an overflow in it would go unseen.
#![no_main]
#![allow(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use minimp3::{MINIMP3_MAX_SAMPLES_PER_FRAME, mp3dec_decode_frame, mp3dec_frame_info_t, mp3dec_init, mp3dec_t};

/// How far the decoder is sent beyond the end of its input.
const BEYOND: i32 = 16;

fuzz_target!(|_input: &[u8]| {
    let input = Box::new([0_u8; 16]);
    let mut pcm = [0_i16; MINIMP3_MAX_SAMPLES_PER_FRAME as usize];
    // SAFETY: there is none, on purpose. Looking for a frame among zeros, the decoder reads byte for byte and writes
    // nothing but its own state.
    unsafe {
        let mut state: mp3dec_t = std::mem::zeroed();
        let mut info: mp3dec_frame_info_t = std::mem::zeroed();
        mp3dec_init(&mut state);
        mp3dec_decode_frame(&mut state, input.as_ptr(), input.len() as i32 + BEYOND, pcm.as_mut_ptr(), &mut info);
    }
});
