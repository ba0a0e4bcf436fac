//! Trill's protocol: the wire format, both session machines, and the arithmetic of playback.
//!
//! A laptop, a microcontroller board and the server all speak through this crate, so they speak the same bytes and
//! make the same choices. `wire-format.md` beside the workspace manifest is the normative description; the tests of
//! this crate check the code against its byte vectors.
//!
//! ```text
//!   application          play, stop, list …            Event: Started, Data, Ended …
//!                              │                              ▲
//!   session/        ┌──────────▼──────────────────────────────┴─────────┐
//!                   │ Client / Server: state, credit, liveness          │   no clock, no socket: `now` is an argument
//!                   └──────────┬──────────────────────────────▲─────────┘
//!   message/             encode│                              │decode
//!   frame                      ▼ poll_transmit   handle_input │
//!   transport/      blocking.rs (embedded-io)   std_io.rs (feature `std`)
//! ```
//!
//! What this crate deliberately is not: it opens no socket, reads no clock, allocates nothing, draws no random
//! number and contains no `unsafe`. It compiles for bare metal with no feature set.
//!
//! # Example
//!
//! Two machines talk without any transport between them:
//!
//! ```
//! use trill_proto::message::{MessageType, Welcome};
//! use trill_proto::session::client::{Client, Event as ClientEvent, Identity};
//! use trill_proto::session::server::{Event as ServerEvent, Server};
//! use trill_proto::time::Instant;
//!
//! let now = Instant::from_micros(0);
//! let mut client: Client = Client::new(now, &Identity { name: "example", nonce: [7; 16], roles: 0 });
//! let mut server = Server::new(now);
//!
//! // The client's preamble and HELLO reach the server …
//! let mut wire = [0; 512];
//! let bytes = client.poll_transmit(now).expect("a new client has something to say");
//! let sent = bytes.len();
//! wire[..sent].copy_from_slice(bytes);
//! let (_, event) = server.handle_input(now, &wire[..sent]).unwrap();
//! assert!(matches!(event, Some(ServerEvent::Hello(hello)) if hello.name == "example"));
//!
//! // … and the server's answer the client.
//! server.welcome(&Welcome { server_name: "attic", song_count: 3, generation: 1, ..Welcome::new() }).unwrap();
//! let answer = server.poll_transmit(now).unwrap();
//! let (_, event) = client.handle_input(now, answer).unwrap();
//! assert!(matches!(event, Some(ClientEvent::Welcome(welcome)) if welcome.song_count == 3));
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod codec;
pub mod decoder;
pub mod error;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod message;
pub mod playback;
pub mod retry;
mod scale;
pub mod session;
pub mod text;
pub mod ticks;
pub mod time;
pub mod transport;
pub mod window;

/// Service type by which servers are announced and found (DNS-SD, RFC 6763), in the domain of multicast DNS.
pub const SERVICE_TYPE: &str = "_trill._tcp.local.";
