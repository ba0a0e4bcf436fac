//! See [`trill_fuzz::message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::message::check(input));
