//! Fuzz targets for every part of Trill.
//!
//! Each module holds one target: a function `check` that accepts any bytes and panics when the code under test breaks a
//! promise. The programs in `targets/` pass libFuzzer's inputs to them.
//!
//! | target | checks |
//! |---|---|
//! | [`frame`] | framing in any pieces against a simple parser of the whole |
//! | [`message`] | every message against its own encoding and the limits |
//! | [`sessions`] | the session machines against their models, in any sequence of operations |
//! | [`command`] | the text commands against their text form |
//! | [`mp3`] | the laptop's decoder, in C, against the board's, in safe Rust |
//! | [`library`] | the server's counting, seeking and reading of files against a decoder |
//!
//! `cargo xtask fuzz` runs them. `cargo run --example seeds` in this folder writes the corpora.
#![deny(unsafe_code)] // allowed in the laptop's decoder alone

pub mod command;
pub mod frame;
pub mod library;
pub mod message;
pub mod mp3;
pub mod sessions;
mod withheld;

#[path = "../../../proto/tests/model/client.rs"]
mod client;
#[path = "../../../proto/tests/model/server.rs"]
mod server;
#[path = "../../../proto/tests/model/wire.rs"]
mod wire;
