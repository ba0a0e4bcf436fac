//! See [`trill_fuzz::library`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::library::check(input));
