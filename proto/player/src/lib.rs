//! Trill's player: everything that a client decides, once for the laptop and the board.
//!
//! ```text
//!   commands: play, stop, pause, seek, list …          Event: Listed, Title, Refused …  (values for the screen)
//!                      │                                       ▲
//!            ┌─────────▼───────────────────────────────────────┴──────────┐
//!            │ Player                                                     │
//!            │   connector   is there a connection, when to make the next │      ◀── now: there is no clock in here
//!            │   music       queue, search ──▶ buffer (caller's memory)   │ ──▶ decode: samples for the output
//!            │   questions   lists, particulars, titles                   │ ──▶ take_wakeups: who has something to do
//!            │   Client      the session machine of this connection       │
//!            └─────────▲───────────────────────────────────────┬──────────┘
//!                      │                                       ▼
//!        handle_connected, handle_input …          poll_connect, poll_transmit, poll_timeout
//! ```
//!
//! The player writes down what is *wanted* of the server: songs to play, the song that follows, a list, a title. Beside each
//! stands the request that was sent for it, if any. [`Player::poll_transmit`] sends the requests that are missing. A lost
//! connection clears only the requests, so on the next connection the same few lines resume the music, go on with the list and
//! ask for the title again.
//!
//! # After a cut
//!
//! [`Player::handle_disconnected`] first gives up what no connection will answer: a switch or a question, each with a reason. Then
//! each part does its own:
//!
//! - `connector`: whether and when another connection is made, and what the listener is told about the loss.
//! - `music`: forgets its requests. The buffered music plays on; the next connection resumes after the last byte received. Of
//!   several songs that were to start, only the last is kept.
//! - `questions`: forgets its requests. The next connection asks again, and a list goes on behind its last song.
//!
//! What it deliberately is not: it opens no socket, reads no clock, allocates nothing and makes no sound. Events and errors are
//! values; each client's screen makes the words.
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
//! the screen:   set_page_songs() before the first question, and when its room changes
//! all of them:  take_wakeups() after any call
//! ```
//!
//! A client with several threads keeps the player under one lock, so no byte of an old song can follow a switch.
//!
//! # Example
//!
//! ```
//! use trill_player::{Options, Player, QueueMemory};
//! use trill_player::command::Selection;
//! use trill_proto::session::client::Identity;
//! use trill_proto::time::Instant;
//!
//! let now = Instant::from_micros(0);
//! let mut memory = [0; 16 * 1024];
//! let options = Options { seed: 7, is_persistent: false, wants_titles: true };
//! let mut queue = QueueMemory::<16>::new();
//! let mut player = Player::<512>::new(&mut memory, &mut queue, options);
//! assert_eq!(player.poll_connect(), None, "nothing is wanted of a server");
//!
//! player.play(now, Selection::All);
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
mod connector;
mod decoding;
mod event;
mod gain;
mod item;
mod lookup;
mod music;
mod pager;
mod pending;
mod player;
mod questions;
mod queue;
mod shuffle;

pub use address::{AddressError, ServerAddress};
pub use buffer::Track;
pub use connector::{CONNECT_TIMEOUT, LossNotice};
pub use decoding::{Sound, Step};
pub use event::{Direction, Event, NotPossible, Refused, Wakeups};
pub use item::{ItemId, QueueItem, Transition};
pub use pager::{ListRequest, PageEnd, Start};
pub use player::{Options, Player, TimedOut};
pub use questions::{MAX_QUESTIONS, Question};
pub use queue::{Entry, Place, Queue, QueueMemory, Source};
