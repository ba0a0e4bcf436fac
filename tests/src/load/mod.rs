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
//! What is measured is the server: its CPU time, counted by the kernel's scheduler to the nanosecond, and its memory. What
//! the generator itself takes is told too, so that one can see that it was not the bottleneck.

mod http;
mod meter;
pub mod options;
mod report;
mod trill;
mod wheel;

pub use report::{Report, Span};

use crate::load::http::HttpListener;
use crate::load::meter::{Meter, Reading};
use crate::load::trill::TrillListener;
use crate::load::wheel::Wheel;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
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

/// Bytes read at once, of any connection.
const READ_BYTES: usize = 256 * 1024;

/// Events taken at once.
const EVENTS: usize = 1_024;

/// How long all of the connections may take on top of the ramp, before the generator gives up.
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

/// Somebody who listens.
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
    /// The music has not begun.
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

/// Listens, and returns what it took.
///
/// # Errors
/// A listener whose connection fails, a server that cannot be watched, or listeners that do not all begin in time.
pub fn run(options: &Options) -> Result<Report, LoadError> {
    let mut crowd = Crowd::new(options).map_err(failed("waiting for input"))?;
    let first = crowd.reading()?;
    crowd.gather(first.at)?;
    crowd.wait_until(Instant::now() + options.settle)?;
    let before = crowd.reading()?;
    crowd.wait_until(before.at + options.window)?;
    let after = crowd.reading()?;
    Ok(Report::of(&first, &before, &after))
}

/// All listeners.
struct Crowd<'a> {
    options: &'a Options,
    epoll: OwnedFd,
    listeners: Vec<Box<dyn Listener>>,
    wheel: Wheel,
    scratch: Vec<u8>,
    events: Vec<epoll::Event>,
    begun: usize,
    /// Listeners that have begun.
    has_begun: Vec<bool>,
    underruns: u64,
    late_seconds: u64,
    /// The last second in which a listener was late, by listener.
    last_late: Vec<u64>,
    epoch: Instant,
    ended: usize,
}

impl<'a> Crowd<'a> {
    fn new(options: &'a Options) -> io::Result<Self> {
        Ok(Self {
            options,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            listeners: Vec::with_capacity(options.listeners),
            wheel: Wheel::new(TICK),
            scratch: vec![0; READ_BYTES],
            events: Vec::with_capacity(EVENTS),
            begun: 0,
            has_begun: vec![false; options.listeners],
            underruns: 0,
            late_seconds: 0,
            last_late: vec![u64::MAX; options.listeners],
            epoch: Instant::now(),
            ended: 0,
        })
    }

    /// Lets them connect, and waits until all have begun.
    fn gather(&mut self, begun: Instant) -> Result<(), LoadError> {
        let count = self.options.listeners;
        let deadline = begun + self.options.ramp + PATIENCE;
        while self.begun < count && self.ended == 0 {
            let now = Instant::now();
            if now > deadline {
                return Err(failed("listeners that have not begun")(io::ErrorKind::TimedOut.into()));
            }
            let share = now.duration_since(begun).as_secs_f64() / self.options.ramp.as_secs_f64().max(0.001);
            let due = ((share * count as f64) as usize + 1).min(count);
            while self.listeners.len() < due {
                self.connect(now).map_err(failed("connecting"))?;
            }
            self.turn()?;
        }
        // Who takes all at once may be at the end before others have begun; at the pace of the music, all are to hear it.
        match self.begun == count || self.options.bytes_per_second.is_none() {
            true => Ok(()),
            false => Err(failed("listeners that have not begun")(io::Error::other("the song was over before"))),
        }
    }

    fn connect(&mut self, now: Instant) -> io::Result<()> {
        let Options { service, address, bytes_per_second, .. } = self.options;
        let index = self.listeners.len();
        let listener: Box<dyn Listener> = match service {
            Service::Trill => Box::new(TrillListener::connect(*address, now, bytes_per_second.is_none())?),
            Service::Http(path) => Box::new(HttpListener::connect(*address, path, bytes_per_second.is_none())?),
        };
        let data = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, listener.stream(), data, listener.interest())?;
        self.listeners.push(listener);
        self.wheel.add(index, now);
        Ok(())
    }

    /// Turns until `end`, or until a listener has heard its song to the end.
    fn wait_until(&mut self, end: Instant) -> Result<(), LoadError> {
        while Instant::now() < end && self.ended == 0 {
            self.turn()?;
        }
        Ok(())
    }

    /// Takes what has come, and lets those listen whose time it is.
    fn turn(&mut self) -> Result<(), LoadError> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed("waiting for input")(error.into())),
        }
        let now = Instant::now();
        for event in &self.events {
            let index = event.data.u64() as usize;
            let listener = &mut self.listeners[index];
            listener.on_input(now, &mut self.scratch).map_err(failed("listening"))?;
            self.ended += usize::from(listener.is_over());
        }
        let needed = self.options.bytes_per_second.map_or(0, |rate| rate / TICKS);
        let Self { wheel, listeners, scratch, .. } = self;
        let mut ticks = Vec::new();
        for index in wheel.due(now) {
            let tick = listeners[index].on_tick(now, needed, scratch).map_err(failed("listening"))?;
            self.ended += usize::from(listeners[index].is_over());
            ticks.push((index, tick));
        }
        for (index, tick) in ticks {
            self.count(index, tick, now);
        }
        Ok(())
    }

    fn count(&mut self, index: usize, tick: Tick, now: Instant) {
        if tick != Tick::Silent && !self.has_begun[index] {
            self.has_begun[index] = true;
            self.begun += 1;
        }
        if tick == Tick::Short {
            self.underruns += 1;
            let second = now.duration_since(self.epoch).as_secs();
            self.late_seconds += u64::from(self.last_late[index] != second);
            self.last_late[index] = second;
        }
    }

    fn reading(&self) -> Result<Reading, LoadError> {
        let mut traffic = Traffic::default();
        for listener in &self.listeners {
            let one = listener.traffic();
            traffic.payload_bytes += one.payload_bytes;
            traffic.received_bytes += one.received_bytes;
            traffic.sent_bytes += one.sent_bytes;
        }
        Ok(Reading {
            at: Instant::now(),
            traffic,
            underruns: self.underruns,
            late_seconds: self.late_seconds,
            begun: self.begun,
            server: Meter::read(&self.options.watched).map_err(failed("watching the server"))?,
            own: Meter::read(&[std::process::id()]).map_err(failed("watching itself"))?,
        })
    }
}
