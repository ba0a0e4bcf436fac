//! Serves a directory of MP3 files to Trill clients: a simple threaded server on blocking sockets.
//!
//! ```text
//!  main ─ options ─ banner
//!    │
//!    ▼
//!  server ──▶ listener ──▶ clients: who is connected      capacity: how many connections the system can hold
//!    │           │
//!    │           ▼ exactly one thread per connection
//!    │        connection ◀──▶ trill_proto::session::server   which bytes to send, and when
//!    │           │ page, open, read_at
//!    └──▶ library ◀── a directory, or built-in songs
//! ```
//!
//! # Threads
//!
//! | thread | waits for | may block on |
//! |---|---|---|
//! | main | signals | nothing else |
//! | `listener` | new connections | nothing else |
//! | one for each connection | its client, at most 30 s | the disk, when it reads music that the system has not cached |
//! | `worker`, a few | look-ups and openings of files | the disk |
//! | `scan`, `check` | a request to look for changes | the disk |
//! | `tags`, a few | songs to read | the disk |
//! | `refuse` | clients that were turned away, at most 1 s | nothing else |
//! | `log` | lines of the log | standard error |
//! | mdns-sd's daemon and `announce`, unless only this machine can connect | multicast queries | nothing else |
//!
//! No lock is held while something blocks.
//!
//! This crate deliberately decodes nothing, converts nothing and authenticates nobody.
//!
//! # Example
//!
//! ```
//! use trill_server::library::{self, Library, Source};
//! use trill_server::{Config, Server};
//!
//! let library = Library::open(Source::BuiltIn(library::DEMO))?;
//! let config = Config { name: "attic".into(), ..Config::default() };
//! let server = Server::start(Server::bind("127.0.0.1:0".parse().ok())?, library, config)?;
//! println!("listening on {}", server.address());
//! server.shut_down();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod address;
pub mod announce;
pub mod banner;
mod capacity;
mod clients;
mod close;
mod connection;
pub mod library;
mod listener;
pub mod log;
mod mp3;
pub mod options;
mod server;

pub use listener::BindError;
pub use server::{Config, Server, StartError};

use std::io;
use std::thread::{Builder, JoinHandle};

/// Stack of every thread. Only what is touched costs memory: 8 KiB for a listener, 84 KiB at most where a debug build reads
/// tags. An overflow would end the whole process, so there is plenty.
///
/// All threads have the same: the C library gives the stack of a thread that has ended to a later one that wants as little
/// as a quarter of it, and [`capacity`] counts the address space of each.
const STACK_BYTES: usize = 512 * 1_024;

/// Starts a thread.
///
/// # Errors
/// When there are no threads left.
fn spawn_thread<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(run)
}
