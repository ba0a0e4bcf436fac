//! Trill's client for a PC: plays the music of a Trill server on this machine.
//!
//! ```text
//!   socket ⇄ network ──▶ ┌────────────────┐ ──▶ decode loop ──▶ output: ring ──▶ device
//!                        │ shared: Player │                         ▲
//!   app: commands   ──▶  └────────────────┘ ──▶ pause, discard ─────┘
//!    ▲ ui: prompt          │ events
//!    └─────────────────────┘ ui: console
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`options`] | the command line |
//! | [`app`] | the program: obeys commands, shows what happens, ends |
//! | [`shared`] | the player, under the one lock of all threads |
//! | [`network`] | one connection: a socket and its two threads |
//! | [`decode_loop`] | the thread that decodes and writes to the output |
//! | [`decoder`] | MP3 frames to PCM: the only module that knows minimp3, and the only one with `unsafe` |
//! | [`output`] | sound device, WAV file or clock: the only module that knows cpal |
//! | [`ui`] | the prompt, and functions from state to text |
//!
//! What is played, what is asked of the server and what happens after a cut is decided in [`trill_player`], and what is said on
//! the wire in [`trill_proto`]: boards decide the same.

pub mod app;
pub mod decode_loop;
pub mod decoder;
pub mod network;
pub mod options;
pub mod output;
pub mod shared;
pub mod ui;
