//! Runs all listeners on one thread.

use super::hearing::Hearing;
use super::http::HttpListener;
use super::meter::{Meter, Reading};
use super::trill::TrillListener;
use super::wheel::Wheel;
use super::{Listener, LoadError, Options, Service, TICK, TICKS, Tick, Traffic, failed};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData};
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Size of one read.
const READ_BYTES: usize = 256 * 1024;

/// Number of events per poll.
const EVENTS: usize = 1_024;

/// Time for one connection attempt. All listeners wait meanwhile.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A listener, running or ended.
struct Place {
    /// `None` after a failure.
    listener: Option<Box<dyn Listener>>,
    hearing: Hearing,
}

/// All listeners.
pub(super) struct Crowd<'a> {
    options: &'a Options,
    epoll: OwnedFd,
    /// In the order of their connections.
    places: Vec<Place>,
    wheel: Wheel,
    scratch: Vec<u8>,
    events: Vec<epoll::Event>,
    /// The number of connected listeners without music yet.
    waiting: usize,
    failed: usize,
    first_failure: Option<String>,
    /// The traffic of the failed listeners.
    lost: Traffic,
    /// Whether a listener has reached the end of its song.
    has_ended: bool,
}

impl<'a> Crowd<'a> {
    pub(super) fn new(options: &'a Options) -> io::Result<Self> {
        Ok(Self {
            options,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            places: Vec::with_capacity(options.listeners),
            wheel: Wheel::new(TICK),
            scratch: vec![0; READ_BYTES],
            events: Vec::with_capacity(EVENTS),
            waiting: 0,
            failed: 0,
            first_failure: None,
            lost: Traffic::default(),
            has_ended: false,
        })
    }

    /// Connects the listeners one by one over the ramp, and waits until each has received music. Listeners without
    /// music `patience` after the ramp have failed.
    pub(super) fn gather(&mut self, patience: Duration) -> Result<(), LoadError> {
        let begun = Instant::now();
        let deadline = begun + self.options.ramp + patience;
        while !self.has_ended && self.is_gathering() {
            if Instant::now() >= deadline {
                self.give_up(&format!("no music within {patience:?} after the ramp"));
                return Ok(());
            }
            let due = self.due_after(begun.elapsed());
            while self.places.len() < due && Instant::now() < deadline {
                self.connect()?;
            }
            self.turn()?;
        }
        // Listeners without a rate may finish before others have begun. Listeners at the music's rate must all be
        // measured.
        if self.is_gathering() && self.options.bytes_per_second.is_some() {
            self.give_up("the song was over before");
        }
        Ok(())
    }

    fn is_gathering(&self) -> bool {
        self.places.len() < self.options.listeners || self.waiting > 0
    }

    /// The number of listeners to have connected after this time.
    fn due_after(&self, elapsed: Duration) -> usize {
        let Options { listeners, ramp, .. } = *self.options;
        let share = elapsed.as_secs_f64() / ramp.as_secs_f64().max(0.001);
        ((share * listeners as f64) as usize + 1).min(listeners)
    }

    /// Connects one more listener. If the first cannot connect, the run fails; a later one counts as failed.
    fn connect(&mut self) -> Result<(), LoadError> {
        let (index, now) = (self.places.len(), Instant::now());
        let joined = self.join(index, now);
        if index == 0
            && let Err(error) = joined
        {
            return Err(failed("connecting")(error));
        }
        self.waiting += 1;
        match joined {
            Ok(listener) => self.places.push(Place { listener: Some(listener), hearing: Hearing::new(now) }),
            Err(error) => {
                self.places.push(Place { listener: None, hearing: Hearing::new(now) });
                self.fail(index, &error);
            }
        }
        self.wheel.add(index, now);
        Ok(())
    }

    fn join(&self, index: usize, now: Instant) -> io::Result<Box<dyn Listener>> {
        let Options { service, address, bytes_per_second, .. } = self.options;
        let stream = TcpStream::connect_timeout(address, CONNECT_DEADLINE)?;
        stream.set_nodelay(true)?;
        let is_greedy = bytes_per_second.is_none();
        let listener: Box<dyn Listener> = match service {
            Service::Trill => Box::new(TrillListener::new(stream, now, is_greedy)?),
            Service::Http(path) => Box::new(HttpListener::new(stream, path, is_greedy)?),
        };
        epoll::add(&self.epoll, listener.stream(), EventData::new_u64(index as u64), listener.interest())?;
        Ok(listener)
    }

    /// Runs until `end`, until a listener has reached the end of its song, or until none is left.
    pub(super) fn wait_until(&mut self, end: Instant) -> Result<(), LoadError> {
        while Instant::now() < end && !self.has_ended && self.failed < self.options.listeners {
            self.turn()?;
        }
        Ok(())
    }

    /// Handles input and the listeners' timers.
    fn turn(&mut self) -> Result<(), LoadError> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed("waiting for input")(error.into())),
        }
        let now = Instant::now();
        for at in 0..self.events.len() {
            self.on_input(self.events[at].data.u64() as usize, now);
        }
        for index in self.wheel.due(now) {
            self.on_tick(index, now);
        }
        Ok(())
    }

    fn on_input(&mut self, index: usize, now: Instant) {
        let Some(listener) = &mut self.places[index].listener else { return };
        match listener.on_input(now, &mut self.scratch) {
            Ok(()) => self.has_ended |= listener.is_over(),
            Err(error) => self.fail(index, &error),
        }
    }

    fn on_tick(&mut self, index: usize, now: Instant) {
        let needed = self.options.bytes_per_second.map_or(0, |rate| rate / TICKS);
        let Place { listener: Some(listener), hearing } = &mut self.places[index] else { return };
        match listener.on_tick(now, needed, &mut self.scratch) {
            Ok(tick) => {
                self.has_ended |= listener.is_over();
                // After the end nothing can be late.
                let tick = if listener.is_over() { Tick::Full } else { tick };
                self.waiting -= usize::from(hearing.on_tick(tick, now));
            }
            Err(error) => self.fail(index, &error),
        }
    }

    /// Closes and counts a failed listener. Keeps the first reason.
    fn fail(&mut self, index: usize, reason: &io::Error) {
        let Place { listener, hearing } = &mut self.places[index];
        if let Some(listener) = listener.take() {
            self.lost.add(listener.traffic());
        }
        self.waiting -= usize::from(hearing.beginning.is_none());
        self.failed += 1;
        self.first_failure.get_or_insert_with(|| reason.to_string());
    }

    /// Fails all listeners that have no music yet or are not connected.
    fn give_up(&mut self, reason: &str) {
        let reason = io::Error::other(reason);
        for index in 0..self.places.len() {
            if self.places[index].listener.is_some() && self.places[index].hearing.beginning.is_none() {
                self.fail(index, &reason);
            }
        }
        self.failed += self.options.listeners - self.places.len();
        self.first_failure.get_or_insert_with(|| reason.to_string());
    }

    /// The reason of the first failure.
    pub(super) fn first_failure(&self) -> Option<String> {
        self.first_failure.clone()
    }

    /// The current readings of everything.
    pub(super) fn reading(&self) -> Result<Reading, LoadError> {
        let mut traffic = self.lost;
        for listener in self.places.iter().filter_map(|place| place.listener.as_ref()) {
            traffic.add(listener.traffic());
        }
        let hearings = || self.places.iter().map(|place| place.hearing);
        let beginnings = || hearings().filter_map(|hearing| hearing.beginning);
        Ok(Reading {
            at: Instant::now(),
            traffic,
            underruns: hearings().map(|hearing| hearing.underruns).sum(),
            late_seconds: hearings().map(|hearing| hearing.late_seconds).sum(),
            begun: beginnings().count(),
            latest_beginning: beginnings().max().unwrap_or_default(),
            failed: self.failed,
            server: Meter::read(&self.options.watched).map_err(failed("watching the server"))?,
            own: Meter::read(&[std::process::id()]).map_err(failed("watching itself"))?,
        })
    }
}
