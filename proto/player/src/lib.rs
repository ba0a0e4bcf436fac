//! Trill's player: everything that a client decides, once for laptops and boards.
//!
//! ```text
//!   commands: play, stop, pause, seek, list …          Event: Listed, Title, Refused …  (values for the screen)
//!                      │                                       ▲
//!            ┌─────────▼───────────────────────────────────────┴──────────┐
//!            │ Player                                                     │
//!            │   link        is there a connection, when to make the next │      ◀── now: there is no clock in here
//!            │   music       queue, search ──▶ buffer (caller's memory)   │ ──▶ decode: samples for the output
//!            │   questions   lists, particulars, titles                   │ ──▶ take_wakeups: who has something to do
//!            │   Client      the session machine of this connection       │
//!            └─────────▲───────────────────────────────────────┬──────────┘
//!                      │                                       ▼
//!        handle_connected, handle_input …          poll_connect, poll_transmit, poll_timeout
//! ```
//!
//! Whatever is to come from the server is written down as *wanted*: songs to play, the song that follows, a list, a title.
//! Beside it stands the request under which it was asked for, if it was. [`Player::poll_transmit`] asks for what has no
//! request. A lost connection clears only the requests: what was wanted still is, so on the next connection the same few
//! lines resume the music, go on with the list and ask for the title again.
//!
//! What it deliberately is not: it opens no socket, reads no clock, allocates nothing and makes no sound. It has no words for
//! people: events and errors are values, from which each client's screen makes its lines.
//!
//! # The order of calls
//!
//! ```text
//! the network:  wait until poll_connect(); begin_attempt(); connect
//!               handle_connected(), or handle_disconnected()
//!               loop {
//!                   while let Some(bytes) = poll_transmit(now) { write all of them }
//!                   wait for input or a wakeup, at most until poll_timeout()
//!                   while input is left { handle_input(now, input) → (taken, event); show the event }
//!                   handle_timeout(now)
//!               }
//!               on an error: transmit once more, close, handle_disconnected()
//! the decoder:  loop { decode() → Step: begin, wait, put out samples, finish }
//! the screen:   set_room() before the first question, and when its room changes
//! all of them:  take_wakeups() after any call
//! ```
//!
//! A client that is several threads keeps the player under one lock, with its memory: so no byte of an old song can follow a
//! switch.
//!
//! # Example
//!
//! ```
//! use trill_player::{Options, Player};
//! use trill_player::command::Play;
//! use trill_proto::session::client::Identity;
//! use trill_proto::time::Instant;
//!
//! let now = Instant::from_micros(0);
//! let mut memory = [0; 16 * 1024];
//! let options = Options { seed: 7, is_persistent: false, wants_titles: true };
//! let mut player = Player::<512>::new(&mut memory, options);
//! assert_eq!(player.poll_connect(), None, "nothing is wanted of a server");
//!
//! player.play(now, Play::All);
//! assert!(player.poll_connect().is_some());
//! player.begin_attempt();
//! player.handle_connected(now, &Identity { name: "example", nonce: [7; 16], roles: 0 });
//! assert!(player.poll_transmit(now).is_some(), "preamble and HELLO");
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

#[cfg(test)]
extern crate std;

mod address;
pub mod buffer;
pub mod command;
mod decoding;
mod event;
mod item;
mod link;
mod music;
mod pager;
mod player;
pub mod playlist;
mod questions;
mod wanted;

pub use address::{AddressError, ServerAddress};
pub use buffer::Track;
pub use decoding::{Sound, Step};
pub use event::{Event, NotPossible, Refused, Wakeups};
pub use item::{QueueItem, Ticket, Transition};
pub use link::{CONNECT_PATIENCE, News};
pub use pager::{PageEnd, Pager};
pub use player::{Options, Player, TimedOut};
pub use questions::{MAX_QUESTIONS, Question};
