//! Serves a directory of MP3 files to Trill clients: a simple threaded server on blocking sockets.
//!
//! ```text
//!  main ─ options ─ banner
//!    │
//!    ▼
//!  server ──▶ listener ──▶ clients: who is connected      capacity: how many connections the system can hold
//!    │           │    └──▶ refuse
//!    │           ▼ exactly one thread per connection
//!    │        connection ◀──▶ trill_proto::session::server   which bytes to send, and when
//!    │           │ page, open, read_at
//!    └──▶ library ◀── a directory, or built-in songs
//! ```
//!
//! Only a connection's own thread waits for its client, and not forever: a client that takes no data or is silent is
//! disconnected after 30 s. No lock is held while something blocks.
//!
//! This crate deliberately decodes nothing, converts nothing and authenticates nobody.
//!
//! # Example
//!
//! ```
//! use trill_server::library::{self, Library, Options, Source};
//! use trill_server::{Config, Server};
//!
//! let library = Library::open(Source::BuiltIn(library::DEMO), Options::default())?;
//! let config = Config { name: "attic".into(), ..Config::default() };
//! let server = Server::start(Server::bind("127.0.0.1:0".parse().ok())?, library, config)?;
//! println!("listening on {}", server.address());
//! server.shut_down();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod address;
pub mod banner;
mod capacity;
mod client_log;
mod clients;
mod close;
mod connection;
pub mod library;
mod listener;
pub mod log;
mod mp3;
pub mod options;
mod refuse;
mod server;
mod threads;

pub use listener::BindError;
pub use server::{Config, Server, StartError};
