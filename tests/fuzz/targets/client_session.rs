//! See [`trill_fuzz::sessions`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trill_fuzz::sessions::check_client(input));
