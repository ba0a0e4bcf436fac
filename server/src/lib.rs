//! Serves a directory of MP3 files to Trill clients: a simple threaded server on blocking sockets.
//!
//! ```text
//!  main ─ options ─ greeting
//!    │
//!    ▼
//!  server ──▶ listener ──▶ registry: who is connected, how many may be      capacity: what the system can hold
//!    │           │    └──▶ porter: turns the others away
//!    │           ▼ exactly one thread per connection
//!    │        connection ◀──▶ trill_proto::session::server   which bytes to say, and when
//!    │           │ read_at, page, info
//!    └──▶ library ◀── a directory, or the songs that are built in (demo)
//! ```
//!
//! No thread ever waits for a client but the client's own, and that one not for ever: a client that takes no data is
//! given up after 30 s, as is one that says nothing. No lock is held while something waits.
//!
//! What this crate deliberately is not: it decodes nothing, converts nothing, authenticates nobody.
//!
//! # Example
//!
//! ```
//! use trill_server::library::{Library, Options, Source};
//! use trill_server::{Config, Server, demo};
//!
//! let library = Library::open(Source::BuiltIn(demo::SONGS), Options::default())?;
//! let config = Config { name: "attic".into(), ..Config::default() };
//! let server = Server::start(Server::bind("127.0.0.1:0".parse().ok())?, library, config)?;
//! println!("listening on {}", server.address());
//! server.shut_down();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod address;
mod capacity;
mod client_log;
mod connection;
pub mod demo;
pub mod greeting;
pub mod library;
mod link;
mod listener;
pub mod log;
mod mp3;
mod network;
pub mod options;
mod payloads;
mod porter;
mod registry;
mod server;
mod threads;

pub use listener::BindError;
pub use server::{Config, Server, StartError};
