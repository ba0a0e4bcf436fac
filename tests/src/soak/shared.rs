//! State shared by all clients and monitors.

use super::music::Music;
use super::stall_monitor::StallMonitor;
use crate::proxy::Proxy;
use std::any::Any;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Number of failures that ends the run.
const MAX_FAILURES: usize = 20;

/// State shared by all clients and monitors.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) music: &'a Music,
    /// The server's own address.
    pub(super) address: SocketAddr,
    /// A path that delays, freezes briefly and fragments, but loses nothing.
    pub(super) bad: &'a Proxy,
    /// A path whose connections break.
    pub(super) broken: &'a Proxy,
    /// A folder for temporary files.
    pub(super) folder: &'a Path,
    pub(super) stop: Stop,
    pub(super) stall_monitor: StallMonitor,
    pub(super) tally: Tally,
    /// Process ids of the `trill`s that run from the beginning to the end.
    pub(super) residents: Mutex<BTreeSet<u32>>,
    begun: Instant,
    failures: Mutex<Vec<String>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        music: &'a Music,
        address: SocketAddr,
        bad: &'a Proxy,
        broken: &'a Proxy,
        folder: &'a Path,
    ) -> Self {
        let (stop, stall_monitor, tally) = (Stop::default(), StallMonitor::default(), Tally::default());
        let (residents, failures) = (Mutex::default(), Mutex::default());
        Self {
            music,
            address,
            bad,
            broken,
            folder,
            stop,
            stall_monitor,
            tally,
            residents,
            begun: Instant::now(),
            failures,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Records a failure. Too many end the run.
    pub(super) fn report(&self, failure: &str) {
        let failure = format!("after {:.0} s: {failure}", self.elapsed().as_secs_f64());
        eprintln!("soak: {failure}");
        let mut failures = lock(&self.failures);
        failures.push(failure);
        if failures.len() >= MAX_FAILURES {
            self.stop.set();
        }
    }

    pub(super) fn failures(&self) -> Vec<String> {
        lock(&self.failures).clone()
    }
}

/// Locks a mutex. A panic of another thread leaves the data consistent, because each change is a single step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of a panic.
pub(super) fn message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a word")
}

/// A flag that ends the run.
#[derive(Debug, Default)]
pub(super) struct Stop {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn set(&self) {
        *lock(&self.is_set) = true;
        self.changed.notify_all();
    }

    pub(super) fn is_set(&self) -> bool {
        *lock(&self.is_set)
    }

    /// Waits for this time or until the flag is set. Returns whether it is.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.is_set), time, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The totals of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Commands of the listening clients.
    pub(super) operations: Count,
    /// Songs that started.
    pub(super) songs: Count,
    /// Bytes of songs that were compared.
    pub(super) bytes: Count,
    /// Songs that were compared sample by sample.
    pub(super) recordings: Count,
    /// Connections of hostile clients.
    pub(super) hostile_connections: Count,
    /// Faults of the paths.
    pub(super) faults: Count,
    /// Changes of the directory.
    pub(super) changes: Count,
    /// Underruns on the good path.
    pub(super) underruns: Count,
    /// Underruns on the good path during stalls of the machine.
    pub(super) excused_underruns: Count,
}

/// A counter.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
