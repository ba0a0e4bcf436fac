//! Decides when the storage is checked and scanned, on threads that end when there is nothing to do.
//!
//! ```text
//!  a list ──► check ── unchanged ──► answer ──► scan in the background, which finds changes inside files
//!               └───── changed ────► scan ────► answer
//! ```
//!
//! Lists that arrive during a check share the next one, and likewise a scan. Checks take at most a quarter of one core, scans
//! a tenth.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::index::{Changes, Comparison, ScanResult, remember};
use super::scan::Reason;
use super::scan::Watched;
use super::song::Song;
use super::{Library, State};
use crate::spawn_thread;

/// After a check of one second no other begins for this many seconds on average. People wait for checks.
const CHECK_COST: u32 = 4;

/// The same for a scan.
const SCAN_COST: u32 = 10;

/// Rounds of a small library may follow each other at once until they have cost this much.
const BURST: Duration = Duration::from_secs(1);

/// Rounds of any library that may follow each other at once.
const BURST_ROUNDS: u32 = 3;

/// A list does not wait for a scan that may begin only after this time. Then the songs have changed repeatedly and a scan
/// takes seconds, so the list shows the last scan.
const MAX_SCAN_DELAY: Duration = Duration::from_secs(3);

/// Repeated work, each round shared by all callers that want it.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    wanted: u64,
    begun: u64,
    done: u64,
    is_running: bool,
    /// When the cost of the rounds so far is paid off.
    paid_at: Option<Instant>,
}

/// A check of the storage. It sees every change before the call that began it.
#[derive(Clone, Copy, Debug)]
pub struct Check(u64);

impl Rounds {
    /// The next round to begin, and whether the caller must start a thread for it. A running round does not suffice, since it
    /// may have missed the latest changes.
    pub(super) const fn want(&mut self) -> (u64, bool) {
        self.wanted = self.begun + 1;
        let must_start = !self.is_running;
        self.is_running = true;
        (self.wanted, must_start)
    }

    #[cfg(test)]
    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    pub(super) const fn is_done(&self, round: u64) -> bool {
        self.done >= round
    }

    /// Begins the next round. Returns whether one is wanted. If not, the thread must end.
    pub(super) const fn begin(&mut self) -> bool {
        self.is_running = self.wanted > self.begun;
        self.begun = self.wanted;
        self.is_running
    }

    /// How long the next round must wait.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.paid_at.map_or(Duration::ZERO, |paid_at| paid_at.saturating_duration_since(now))
    }

    /// Ends a round at `now`.
    pub(super) fn finish(&mut self, cost: Duration, now: Instant) {
        self.done = self.begun;
        let earliest = now.checked_sub(BURST.max(cost * BURST_ROUNDS)).unwrap_or(now);
        self.paid_at = Some(self.paid_at.unwrap_or(earliest).max(earliest) + cost);
    }
}

/// What is remembered from one scan to the next.
#[derive(Default)]
pub(super) struct LastScan {
    /// Songs whose files have vanished, oldest first.
    vanished: Vec<Arc<Song>>,
    most_listed: usize,
    /// The files that were skipped. Each is logged once, not at every scan.
    skipped: HashMap<PathBuf, Reason>,
    has_failed: bool,
}

impl Library {
    /// Begins to check for songs that were added, removed or renamed before this call, for the first page of a list. Edits
    /// inside a file appear by the second list. Blocks only if no thread can be started.
    pub fn begin_check(&self) -> Check {
        let (round, must_start) = self.state().checks.want();
        if must_start && self.spawn("check", Self::run_checks).is_err() {
            self.run_checks();
        }
        Check(round)
    }

    /// Waits until a check is over, at most for `timeout`. Returns whether it is.
    pub fn wait_until_checked_for(&self, check: Check, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.checks.is_done(check.0))
    }

    pub(super) fn begin_scan(&self) -> io::Result<u64> {
        let (round, must_start) = self.state().scans.want();
        if must_start {
            self.spawn("scan", Self::run_scans)?;
        }
        Ok(round)
    }

    fn spawn(&self, name: &str, run: fn(&Self)) -> io::Result<()> {
        let library = self.this.clone();
        let run = move || library.upgrade().iter().for_each(|library| run(library));
        spawn_thread(name, run).map(drop)
    }

    fn run_checks(&self) {
        while self.begin_round(|state| &mut state.checks) {
            let begun = Instant::now();
            let is_unchanged = self.watched().is_some_and(|watched| self.storage.is_unchanged(&watched));
            let took = begun.elapsed();
            if !is_unchanged {
                self.scan_and_wait();
            }
            self.state().checks.finish(took * CHECK_COST, Instant::now());
            self.progress.notify_all();
            if is_unchanged {
                let _ = self.begin_scan(); // without a thread the next list begins one
            }
        }
    }

    /// What to check the storage against. `None` if it must be scanned.
    fn watched(&self) -> Option<Arc<Watched>> {
        let state = self.state();
        state.watched.clone().filter(|_| !state.has_uncertain)
    }

    /// Begins a scan, and waits for it unless it may begin only much later.
    fn scan_and_wait(&self) {
        match self.begin_scan() {
            Ok(_) if self.state().scans.pause(Instant::now()) > MAX_SCAN_DELAY => {}
            Ok(round) => self.wait_while(|state| !state.scans.is_done(round)),
            Err(_) => self.run_scans(),
        }
    }

    pub(super) fn run_scans(&self) {
        while self.begin_round(|state| &mut state.scans) {
            let begun = Instant::now();
            // A file that causes a panic must not block the callers.
            match catch_unwind(AssertUnwindSafe(|| self.scan())) {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) => self.note_failure(&error),
            }
            let mut state = self.state();
            state.scans.finish(begun.elapsed() * SCAN_COST, Instant::now());
            state.listed.generation = state.listed.generation.max(1); // the first scan is over
            drop(state);
            self.progress.notify_all();
        }
    }

    /// Waits until the next round may begin. Returns whether one is wanted. If not, the thread must end.
    fn begin_round(&self, rounds: fn(&mut State) -> &mut Rounds) -> bool {
        let mut state = self.state();
        loop {
            let next = rounds(&mut state);
            let pause = next.pause(Instant::now());
            if pause.is_zero() || next.wanted == next.begun {
                let is_wanted = next.begin();
                drop(state);
                self.progress.notify_all();
                return is_wanted;
            }
            state = self.progress.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Scans the storage and updates the songs.
    fn scan(&self) -> io::Result<()> {
        let mut last = self.last_scan();
        let mut state = self.state();
        // This scan may miss songs that become uncertain from now on.
        state.has_uncertain = false;
        let listed = state.listed.clone();
        drop(state);
        let mut comparison = Comparison::new(&listed, &last.vanished);
        let report = self.storage.scan(self.now, &mut comparison)?;
        let result = comparison.finish();
        let is_first = listed.generation == 0;
        drop(listed);
        self.log_scan(&mut last, report.skipped, (!is_first).then_some(result.changes));
        self.take_over(&mut last, result, report.watched);
        drop(last);
        self.start_reading();
        Ok(())
    }

    fn take_over(&self, last: &mut LastScan, mut result: ScanResult, watched: Watched) {
        let mut state = self.state();
        let before = state.listed.update(&mut result);
        state.tags_version += 1;
        state.readers.due.append(&mut result.due.into());
        let before_watched = state.watched.replace(Arc::new(watched));
        last.most_listed = last.most_listed.max(state.listed.len());
        drop(state);
        remember(&mut last.vanished, result.vanished, last.most_listed);
        drop((before, before_watched)); // without the lock, because it may take long
    }

    fn log_scan(&self, last: &mut LastScan, skipped: Vec<(PathBuf, Reason)>, changes: Option<Changes>) {
        for (path, reason) in last.new_among(skipped) {
            log::warn!("skipped {path:?}: {reason}");
        }
        if std::mem::take(&mut last.has_failed) {
            log::info!("{}: can be read again", self.storage);
        }
        if let Some(Changes { added, removed, changed }) = changes.filter(|changes| *changes != Changes::default()) {
            log::info!("{}: {added} songs added, {removed} removed, {changed} changed", self.storage);
        }
    }

    fn note_failure(&self, error: &io::Error) {
        self.state().watched = None;
        let had_failed = std::mem::replace(&mut self.last_scan().has_failed, true);
        if !had_failed {
            log::warn!("{}: cannot be read: {error}; its songs stay listed as they were", self.storage);
        }
    }
}

impl LastScan {
    /// The files that the last scan did not skip, or skipped for another reason.
    pub(super) fn new_among(&mut self, skipped: Vec<(PathBuf, Reason)>) -> Vec<(PathBuf, Reason)> {
        let before = std::mem::take(&mut self.skipped);
        let is_new = |(path, reason): &&(PathBuf, Reason)| before.get(path) != Some(reason);
        let new = skipped.iter().filter(is_new).cloned().collect();
        self.skipped = skipped.into_iter().collect();
        new
    }

    /// Why the last scan skipped a file, if it did.
    #[cfg(test)]
    pub(super) fn skipped(&self, path: &std::path::Path) -> Option<Reason> {
        self.skipped.get(path).copied()
    }
}
