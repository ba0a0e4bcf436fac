//! What every part of Trill makes of hostile input.
//!
//! Each module holds one target: a function `check` that takes any bytes at all, and panics when a promise of the code
//! under test is broken. The programs in `targets/` hand libFuzzer's inputs to them.
//!
//! | target | what is held to what |
//! |---|---|
//! | [`frame`] | framing, however its input is cut, to a plain reading of the whole |
//! | [`message`] | every message to its own encoding, and to the limits |
//! | [`sessions`] | the session machines to their models, in any sequence of operations |
//! | [`command`] | the text commands to what they say of themselves |
//! | [`mp3`] | the laptop's decoder, in C, to the board's, in safe Rust |
//! | [`library`] | the server's counting, seeking and reading of files to a decoder |
//!
//! `cargo xtask fuzz` runs them; `cargo run --example seeds` in this folder writes the corpora anew.
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
