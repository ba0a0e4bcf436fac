//! See [`trill_fuzz::frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::frame::check(input));
