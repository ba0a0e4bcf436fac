//! Trill's client for a PC: plays the music of a Trill server on this machine.
//!
//! ```text
//!   socket ⇄ network ──▶ buffer ──▶ player: decoder ──▶ output: ring ──▶ device
//!               ▲          (compressed)                    ▲
//!               └───────────────── app ────────────────────┘
//!                                   ▲
//!                            ui: prompt, console
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`options`] | the command line |
//! | [`app`] | the program: obeys commands, decides what is heard next |
//! | [`network`] | one connection: a socket, its two threads, the session machine |
//! | [`buffer`] | compressed bytes between network and decoder: the jitter buffer |
//! | [`player`] | the thread that decodes and writes to the output |
//! | [`decoder`] | MP3 frames to PCM: the only module that knows minimp3, and the only one with `unsafe` |
//! | [`output`] | sound device, WAV file or clock: the only module that knows cpal |
//! | [`ui`] | the prompt, and functions from state to text |
//!
//! What is said on the wire, how much is granted, when music starts and what is trimmed is not decided here but in
//! [`trill_proto`], for boards decide the same.

pub mod app;
pub mod buffer;
pub mod decoder;
pub mod network;
pub mod options;
pub mod output;
pub mod player;
pub mod ui;
