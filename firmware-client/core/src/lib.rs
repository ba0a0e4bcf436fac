//! Trill's client for boards: music from a server in 64 KiB of RAM, with a console on a serial port.
//!
//! It runs the laptop's player and text commands, from `trill-player`, without threads or an operating system. It allocates
//! nothing and names no chip. It is one future, which the board's executor runs as one task:
//!
//! ```text
//!            ┌───────────────────────────── Runner ────────────────────────────────┐
//!  Network ──┤ connector: session ──▶ buffer ──▶ decoder: decode, trim ────────────┼─▶ Pcm ─▶ Feed ─▶ interrupt, DMA
//!            │        ▲                                                            │
//!            └────────┼────────────────────────────────────────────────────────────┘
//!              state: the player and its screen
//!                     ▲
//!                  Remote ◀── buttons, touch screen, …
//!                     ▲
//!  serial port ──── Console: line ─▶ command
//! ```
//!
//! A board implements the traits of [`board`] and makes statics of [`Memory`] and [`pcm::Pcm`]. [`new`] returns a
//! [`Remote`], which controls the player, and a [`Runner`], which the board runs. The board calls [`pcm::Feed::fill`] from
//! whatever feeds its output. A [`Console`] is optional. `firmware-client/boards` has examples.
//!
//! ```
//! use trill_firmware::command::Selection;
//! use trill_firmware::pcm::Pcm;
//! use trill_firmware::{NowPlaying, Memory, Peripherals, ServerAddress};
//! use trill_proto::ids::SongId;
//! use trill_proto::session::client::Identity;
//! # use core::future::pending;
//! # use core::time::Duration;
//! # use trill_firmware::board::{Audio, Clock, ConnectError, Network, UnsupportedRate};
//! # use trill_proto::time::Instant;
//! #
//! # #[derive(Clone, Copy)]
//! # struct BoardClock;
//! # impl Clock for BoardClock {
//! #     fn now(&self) -> Instant { Instant::from_micros(0) }
//! #     async fn wait_until(&self, _: Instant) { pending().await }
//! # }
//! # struct BoardNetwork;
//! # impl Network for BoardNetwork {
//! #     type Socket<'a> = Socket;
//! #     async fn connect(&mut self, _: &str, _: u16) -> Result<Socket, ConnectError> { pending().await }
//! # }
//! # struct Socket;
//! # impl embedded_io::ErrorType for Socket { type Error = core::convert::Infallible; }
//! # impl embedded_io_async::Read for Socket {
//! #     async fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> { pending().await }
//! # }
//! # impl embedded_io_async::Write for Socket {
//! #     async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> { Ok(bytes.len()) }
//! #     async fn flush(&mut self) -> Result<(), Self::Error> { Ok(()) }
//! # }
//! # struct BoardAudio;
//! # impl Audio for BoardAudio { fn set_rate(&mut self, _: u32) -> Result<(), UnsupportedRate> { Ok(()) } }
//! # let memory: &'static mut Memory<16_384, 1_280> = Box::leak(Box::default());
//!
//! static PCM: Pcm<1024> = Pcm::new();
//!
//! let peripherals = Peripherals { clock: BoardClock, network: BoardNetwork, audio: BoardAudio };
//! let identity = Identity { name: "kitchen", nonce: [7; 16], roles: 0 };
//! let server: ServerAddress = "attic".parse().expect("a host name");
//! let (remote, mut runner) = trill_firmware::new(memory, &PCM, peripherals, identity, server);
//!
//! let button = async {
//!     remote.play(Selection::Song { song: SongId(3), at: Duration::ZERO });
//!     assert_eq!(remote.status().now_playing, NowPlaying::Requested(SongId(3)));
//! };
//! # let playing = async { runner.run().await; };
//! # futures_lite::future::block_on(futures_lite::future::or(button, playing));
//! ```
//!
//! What it deliberately is not: it does not buffer seconds of sound, only compressed music; it has no files, no settings
//! that survive a reset, and no decoder for cores without a floating-point unit, on which the decoder takes 340 million
//! instructions a second.
//!
//! # Memory
//!
//! | static | bytes | contents |
//! |---|---|---|
//! | [`Memory`] | `BUFFER` + `SCREEN` + 33,010 | decoder 22,788, its last frame 4,608, state and queue 4,850, input from the socket 768 |
//! | [`pcm::Pcm`] | 4 × `FRAMES` + 36 | the ring and its controls |
//! | the futures of [`Runner::run`] and [`Console::run`] | about 1,400 | the connector, the decode loop, the line that is typed |
//! | stack | about 5,200 | the decoder, formatting |
//!
//! Sizes are those of a Cortex-M4F; `cargo xtask size` measures boards. Seven eighths of `BUFFER`, divided by the bytes per
//! second of a song, is how long the network may be away. A program that does not fit into its linker script's regions does
//! not link.
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

mod console;
mod decode_loop;
mod line;
mod log;
mod network;
mod remote;
mod runner;
mod screen;
mod shared;
mod state;

pub use console::Console;
pub use remote::{NowPlaying, Remote, SongState, Status};
pub use runner::{Memory, Peripherals, Runner, new};
pub use trill_player::{NotPossible, command};

/// Longest host name or address of a server, in bytes.
pub const MAX_HOST_BYTES: usize = 63;

/// A server's address, as a board keeps it.
pub type ServerAddress = trill_player::ServerAddress<heapless::String<MAX_HOST_BYTES>>;
