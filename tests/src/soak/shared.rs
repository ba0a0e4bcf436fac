//! What all who take part know.

use super::music::Music;
use super::witness::Witness;
use crate::proxy::Proxy;
use std::any::Any;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many kinds of trouble are enough to know.
const MOST_TROUBLES: usize = 20;

/// What all who take part know, and tell.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) music: &'a Music,
    /// The server itself.
    pub(super) address: SocketAddr,
    /// A path that delays, freezes for moments and cuts into pieces, and loses nothing.
    pub(super) bad: &'a Proxy,
    /// A path that breaks.
    pub(super) broken: &'a Proxy,
    /// For files.
    pub(super) folder: &'a Path,
    pub(super) stop: Stop,
    pub(super) witness: Witness,
    pub(super) tally: Tally,
    /// The `trill`s that stay from the beginning to the end, by their process ids.
    pub(super) residents: Mutex<BTreeSet<u32>>,
    begun: Instant,
    troubles: Mutex<Vec<String>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        music: &'a Music,
        address: SocketAddr,
        bad: &'a Proxy,
        broken: &'a Proxy,
        folder: &'a Path,
    ) -> Self {
        let (stop, witness, tally) = (Stop::default(), Witness::default(), Tally::default());
        let (residents, troubles) = (Mutex::default(), Mutex::default());
        Self { music, address, bad, broken, folder, stop, witness, tally, residents, begun: Instant::now(), troubles }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Something is not as it must be. Of too much the run ends.
    pub(super) fn report(&self, trouble: &str) {
        let trouble = format!("after {:.0} s: {trouble}", self.elapsed().as_secs_f64());
        eprintln!("soak: {trouble}");
        let mut troubles = lock(&self.troubles);
        troubles.push(trouble);
        if troubles.len() >= MOST_TROUBLES {
            self.stop.set();
        }
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        lock(&self.troubles).clone()
    }
}

/// A panic elsewhere leaves what is here whole: each change is one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a word")
}

/// Whether all is over.
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

    /// Lets so much time pass, unless all is over before. Returns whether it is.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.is_set), time, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// What was asked for by those who listen.
    pub(super) operations: Count,
    /// Songs that began.
    pub(super) songs: Count,
    /// Bytes of songs that were compared.
    pub(super) bytes: Count,
    /// Songs that were compared sample by sample.
    pub(super) recordings: Count,
    /// Comings and goings of those whom nobody wants.
    pub(super) nuisances: Count,
    /// Faults of the paths.
    pub(super) faults: Count,
    /// Changes of the directory.
    pub(super) changes: Count,
    /// How often the music stopped for those whose path is good.
    pub(super) underruns: Count,
    /// … and how often while this machine stood still.
    pub(super) excused_underruns: Count,
}

/// How often something happened.
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
