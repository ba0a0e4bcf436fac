//! See [`trill_fuzz::command`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::command::check(input));
