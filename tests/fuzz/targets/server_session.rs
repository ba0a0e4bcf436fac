//! See [`trill_fuzz::server_session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::server_session::check(input));
