//! See [`trill_fuzz::mp3`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::mp3::check(input));
