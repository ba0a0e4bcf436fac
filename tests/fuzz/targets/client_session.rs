//! See [`trill_fuzz::client_session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::client_session::check(input));
