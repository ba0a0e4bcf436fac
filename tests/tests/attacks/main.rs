//! Measures the cost of attacks for the server, as counts, bytes and ratios. `cargo test -p trill-tests --test attacks
//! -- --nocapture` prints them.
#![cfg(target_os = "linux")]

mod library;
mod log;
mod seats;
mod seek;
