//! Trill's client for boards: music from a server in 64 KiB of RAM, with a console on a serial port.
//!
//! The same player and text commands as on a laptop, from `trill-player`; around them what a board needs instead of threads
//! and an operating system. It allocates nothing, names no chip, and is one future
//! that the board's executor runs as one task:
//!
//! ```text
//!            ┌──────────────────────────── radio::run ─────────────────────────────┐
//!  Network ──┤ network: connect, session ──▶ buffer ──▶ player: decode, trim ──────┼─▶ Pcm ─▶ Feed ─▶ interrupt, DMA
//!            │        ▲                                                            │
//!  console ──┤ console: line ─▶ command      state: the player, and its words      │
//!            └─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A board implements the traits of [`board`], makes statics of [`radio::Memory`] and [`pcm::Pcm`], hands
//! [`radio::Parts`] to [`radio::run`], and calls [`pcm::Feed::fill`] from whatever feeds its output. `firmware-client/boards`
//! has examples.
//!
//! What it deliberately is not: it does not buffer seconds of sound, only compressed music; it has no files, no settings
//! that survive a reset, and no decoder for cores without a floating-point unit, on which the decoder takes 340 million
//! instructions a second.
//!
//! # What it takes of memory
//!
//! | static | bytes | of which |
//! |---|---|---|
//! | [`radio::Memory`] | `BUFFER` + `SCREEN` + 28,420 | the decoder 22,788, the frame it decoded last 4,608, input from the socket 1,024 |
//! | [`pcm::Pcm`] | 4 × `FRAMES` + 36 | |
//! | the future of [`radio::run`] | about 4,000 | the session machine with a control payload of 512 bytes, output to the server, the state |
//! | stack | about 5,400 | the decoder's frame; printing |
//!
//! Sizes are those of a Cortex-M4F; `cargo xtask size` measures boards. `BUFFER` is music in the making: seven eighths of
//! it divided by the bytes per second of a song is how long the network may be away. A program that does not fit into its
//! linker script's regions does not link.
//!
//! # Features
//!
//! `defmt`: logs connections, songs and losses, and lets boards log what they get.
#![no_std]
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)]

#[cfg(test)]
extern crate std;

pub mod board;
pub mod pcm;
pub mod radio;

mod console;
mod line;
mod log;
mod network;
mod player;
mod screen;
mod state;

/// Longest host name or address of a server, in bytes.
pub const MAX_HOST_BYTES: usize = 63;

/// A server's address, as a board keeps it.
pub type ServerAddress = trill_player::ServerAddress<heapless::String<MAX_HOST_BYTES>>;
