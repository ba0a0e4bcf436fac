//! The load generator: thousands of listeners on one thread, and what a server takes for them.
//!
//! A listener on a Trill server runs `proto`'s client with the policy that the laptop's client ships with: the same buffer,
//! the same grants, the same moment to begin. Only what happens to the music is left out: bytes are counted, not kept. A
//! listener on another server sends a GET for a file and takes its bytes from the socket as its music needs them.
//!
//! ```text
//!        connect            begin                               end of window
//! ──────────┬─────────────────┬──────────────────┬─────────────────┬──────▶
//!           │  one by one, over the ramp         │  what the server takes is counted
//! ```
//!
//! The whole counts too: a server that writes megabytes ahead into its sockets has little to do for a minute then.
//!
//! What is measured is the server: its CPU time as the kernel counts it for the whole process, and its memory. What the
//! generator itself takes is told too, and if that is nearly all of a core the report says so: then the generator is itself
//! what is measured.
//!
//! A listener that fails, or that hears nothing in time, is counted and told with its reason; the others listen on.

mod crowd;
mod hearing;
mod http;
mod meter;
pub mod options;
mod report;
mod trill;
mod wheel;

pub use report::{Report, Span};

use crate::load::crowd::Crowd;
use rustix::event::epoll::EventFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whom to listen to, and how.
    pub service: Service,
    /// Where that is.
    pub address: SocketAddr,
    /// How many listeners.
    pub listeners: usize,
    /// What each takes a second, in bytes; `None` for as much as comes.
    pub bytes_per_second: Option<u32>,
    /// They begin one after the other over this time.
    pub ramp: Duration,
    /// After the last of them has begun, nothing is counted for this time.
    pub settle: Duration,
    /// For how long it is counted then; every listener that reaches the end of its song before ends the measurement.
    pub window: Duration,
    /// The server's processes.
    pub watched: Vec<u32>,
}

impl Options {
    /// All listeners at once take as much as comes, for ten seconds, and nobody is watched.
    pub fn new(service: Service, address: SocketAddr, listeners: usize) -> Self {
        let (ramp, settle, window) = (Duration::ZERO, Duration::ZERO, Duration::from_secs(10));
        Self { service, address, listeners, bytes_per_second: None, ramp, settle, window, watched: Vec::new() }
    }
}

/// What kind of server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// Trill: song 1.
    Trill,
    /// HTTP: this path.
    Http(String),
}

/// How often a listener takes music out of its buffer.
const TICK: Duration = Duration::from_millis(250);

/// Ticks of a second.
const TICKS: u32 = 4;

/// How long after the ramp the music of all must have begun: who has heard nothing by then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a listener has had so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of music.
    pub payload_bytes: u64,
    /// Bytes from the server, everything included.
    pub received_bytes: u64,
    /// Bytes to the server.
    pub sent_bytes: u64,
}

impl Traffic {
    fn add(&mut self, other: Self) {
        self.payload_bytes += other.payload_bytes;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
    }
}

/// Somebody who listens. With an error, from whichever of its functions, it has failed.
trait Listener {
    fn stream(&self) -> &TcpStream;
    /// What the kernel shall wake it for: input, unless it takes that at its own pace.
    fn interest(&self) -> EventFlags;
    /// Takes what has come.
    fn on_input(&mut self, now: Instant, scratch: &mut [u8]) -> io::Result<()>;
    /// A quarter of a second has passed, in which it needed `needed` bytes.
    fn on_tick(&mut self, now: Instant, needed: u32, scratch: &mut [u8]) -> io::Result<Tick>;
    /// The song has ended.
    fn is_over(&self) -> bool;
    fn traffic(&self) -> Traffic;
}

/// What became of a quarter of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// No music was due: it has not begun, or the player fills its buffer again after it ran dry.
    Silent,
    /// All of it was there.
    Full,
    /// Not all of it was there: an underrun.
    Short,
}

/// Why nothing was measured.
#[derive(Debug)]
pub struct LoadError {
    what: &'static str,
    source: io::Error,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl std::error::Error for LoadError {}

fn failed(what: &'static str) -> impl Fn(io::Error) -> LoadError {
    move |source| LoadError { what, source }
}

/// Raises this process's limit of open files, which its children take over, as far as it may: each listener is one.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, so many listeners as were asked for may still be allowed.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// An error for a server that closed the connection before the end of the music.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// Listens, and returns what it took. Listeners that fail are counted, and the others listen on.
///
/// # Errors
/// A server to which the first listener cannot connect, or that cannot be watched.
pub fn run(options: &Options) -> Result<Report, LoadError> {
    run_with(options, PATIENCE)
}

fn run_with(options: &Options, patience: Duration) -> Result<Report, LoadError> {
    let mut crowd = Crowd::new(options).map_err(failed("waiting for input"))?;
    let first = crowd.reading()?;
    crowd.gather(patience)?;
    crowd.wait_until(Instant::now() + options.settle)?;
    let before = crowd.reading()?;
    crowd.wait_until(before.at + options.window)?;
    let after = crowd.reading()?;
    let report = Report::of(&first, &before, &after).map_err(failed("comparing two readings"))?;
    Ok(Report { first_failure: crowd.first_failure(), ..report })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn who_hears_nothing_has_failed_when_the_gathering_ends() {
        // Its kernel takes the connections; nobody answers.
        let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback address has a free port");
        let address = mute.local_addr().expect("a listener has an address");
        let (bytes_per_second, window) = (Some(16_000), Duration::from_secs(60));
        let options = Options { bytes_per_second, window, ..Options::new(Service::Trill, address, 3) };
        let begun = Instant::now();
        let report = run_with(&options, Duration::from_millis(300)).expect("connections");
        assert_eq!((report.listeners, report.failed), (0.0, 3.0), "{report:?}");
        assert!(report.first_failure.as_ref().is_some_and(|why| why.contains("no music")), "{report:?}");
        assert!(begun.elapsed() < options.window, "there is nobody left to listen");
    }
}
