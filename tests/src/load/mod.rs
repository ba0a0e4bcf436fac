//! Load generator: runs thousands of listeners on one thread and measures a server.
//!
//! A listener on a Trill server runs `proto`'s client with the policy of the laptop's client: the same buffer, the same
//! credit and the same start threshold. Only the music is dropped: bytes are counted, not kept. A listener on another
//! server requests a file with GET and reads it at the rate of the music.
//!
//! ```text
//!         connect            begin                               end of window
//!  ──────────┬─────────────────┬──────────────────┬─────────────────┬──────▶
//!            │  one by one, over the ramp         │  server's usage is measured
//! ```
//!
//! The usage of the whole run is reported too, because a server that fills large socket buffers early has little work
//! in the window.
//!
//! The kernel's counters give the server's CPU time and memory. The report includes the generator's own CPU time and
//! warns if it takes nearly a whole core, because the generator then limits the result.
//!
//! Listeners that fail or receive no music in time are counted and reported with a reason. The others continue.

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

/// Options of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The protocol of the server.
    pub service: Service,
    /// Address of the server.
    pub address: SocketAddr,
    /// Number of listeners.
    pub listeners: usize,
    /// Bytes per second of each listener; `None` for no limit.
    pub bytes_per_second: Option<u32>,
    /// The listeners connect one by one over this time.
    pub ramp: Duration,
    /// Time between the last connection and the window.
    pub settle: Duration,
    /// Duration of the window. A listener that reaches the end of its song ends it early.
    pub window: Duration,
    /// Process ids of the server.
    pub watched: Vec<u32>,
}

impl Options {
    /// Options without a ramp, a rate or watched processes, and with a window of ten seconds.
    pub fn new(service: Service, address: SocketAddr, listeners: usize) -> Self {
        let (ramp, settle, window) = (Duration::ZERO, Duration::ZERO, Duration::from_secs(10));
        Self { service, address, listeners, bytes_per_second: None, ramp, settle, window, watched: Vec::new() }
    }
}

/// The protocol of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// Trill: plays song 1.
    Trill,
    /// HTTP: requests this path.
    Http(String),
}

/// Interval in which a listener takes music from its buffer.
const TICK: Duration = Duration::from_millis(250);

/// Ticks per second.
const TICKS: u32 = 4;

/// Time after the ramp for the first music of every listener. Later ones have failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Traffic of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of music.
    pub payload_bytes: u64,
    /// All bytes from the server.
    pub received_bytes: u64,
    /// All bytes to the server.
    pub sent_bytes: u64,
}

impl Traffic {
    fn add(&mut self, other: Self) {
        self.payload_bytes += other.payload_bytes;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
    }
}

/// A listener. An error from any method means that it has failed.
trait Listener {
    fn stream(&self) -> &TcpStream;
    /// The events that wake it: none for input if it reads at its own rate.
    fn interest(&self) -> EventFlags;
    /// Handles input.
    fn on_input(&mut self, now: Instant, scratch: &mut [u8]) -> io::Result<()>;
    /// Advances by a tick, in which it needed `needed` bytes.
    fn on_tick(&mut self, now: Instant, needed: u32, scratch: &mut [u8]) -> io::Result<Tick>;
    /// Whether the song has ended.
    fn is_over(&self) -> bool;
    fn traffic(&self) -> Traffic;
}

/// The state of the music in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// No music was due: before the start, or while an empty buffer refills.
    Silent,
    /// All music was present.
    Full,
    /// Music was missing: an underrun.
    Short,
}

/// Why the measurement failed.
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

/// Raises the limit of open files of this process and its children to the maximum. Each listener needs one.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // If it fails, the current limit may still suffice.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// The error for a connection that closes before the end of the music.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// Runs the listeners and returns the report. Listeners that fail are counted, and the others continue.
///
/// # Errors
/// The first listener cannot connect, or the server's processes cannot be measured.
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
        // The kernel accepts the connections, but nothing answers.
        let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback address has a free port");
        let address = mute.local_addr().expect("a listener has an address");
        let (bytes_per_second, window) = (Some(16_000), Duration::from_secs(60));
        let options = Options { bytes_per_second, window, ..Options::new(Service::Trill, address, 3) };
        let begun = Instant::now();
        let report = run_with(&options, Duration::from_millis(300)).expect("connections");
        assert_eq!((report.listeners, report.failed), (0.0, 3.0), "{report:?}");
        assert!(report.first_failure.as_ref().is_some_and(|why| why.contains("no music")), "{report:?}");
        assert!(begun.elapsed() < options.window, "the run ends without listeners");
    }
}
