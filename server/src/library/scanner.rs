//! Decides when the storage is checked and scanned, on threads that end when there is nothing to do.
//!
//! ```text
//!  a list ──► check ── unchanged ──► the list is answered, and a scan follows, which nobody waits for: it shows
//!               │                    what was changed in its place
//!               └───── changed ────► scan ──► the list is answered
//! ```
//!
//! All who ask during a check share the next one, and likewise a scan. Checks take at most a quarter of one core, scans a
//! tenth.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::index::{Changes, Comparison, Outcome, remember};
use super::scan::Reason;
use super::song::Song;
use super::watched::Watched;
use super::{Library, State};
use crate::threads;

/// A check that took one second has paid for itself after so many seconds: it took a quarter of them. People wait for it.
const CHECK_COST: u32 = 4;

/// The same for a scan.
const SCAN_COST: u32 = 10;

/// Rounds of a small library may follow each other until they have cost this much.
const BURST: Duration = Duration::from_secs(1);

/// So many rounds of any library may follow each other, whatever they cost.
const BURST_ROUNDS: u32 = 3;

/// A list does not wait for a scan that may only begin after this time. Then the songs have changed again and again, and
/// a scan takes seconds: the list shows them as they were at the last scan, which was not long ago.
const SCAN_PATIENCE: Duration = Duration::from_secs(3);

/// Content tags that are removed from the index at a time, while everybody else waits.
const TAGS_AT_ONCE: usize = 256;

/// Rounds of the same work, shared by all who ask for it.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    wanted: u64,
    begun: u64,
    done: u64,
    is_running: bool,
    /// When the rounds so far will have paid for themselves.
    paid_off: Option<Instant>,
}

/// A check of the storage that sees everything that was there when it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Check(u64);

impl Rounds {
    /// The first round that begins from now on, and whether the caller must start a thread for it. A round that is
    /// running is not enough, for it may have passed what has changed since.
    pub(super) const fn want(&mut self) -> (u64, bool) {
        self.wanted = self.begun + 1;
        let must_start = !self.is_running;
        self.is_running = true;
        (self.wanted, must_start)
    }

    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    pub(super) const fn is_done(&self, round: u64) -> bool {
        self.done >= round
    }

    /// Begins with the next round. Returns whether one is wanted; if not, the thread must end.
    pub(super) const fn begin(&mut self) -> bool {
        self.is_running = self.wanted > self.begun;
        self.begun = self.wanted;
        self.is_running
    }

    /// How long the next round has to wait.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.paid_off.map_or(Duration::ZERO, |paid_off| paid_off.saturating_duration_since(now))
    }

    /// A round is over at `now`: everybody has it who asked before it began. The next may begin when this time has passed.
    pub(super) fn finish(&mut self, cost: Duration, now: Instant) {
        self.done = self.begun;
        let earliest = now.checked_sub(BURST.max(cost * BURST_ROUNDS)).unwrap_or(now);
        self.paid_off = Some(self.paid_off.unwrap_or(earliest).max(earliest) + cost);
    }
}

/// What is remembered from one scan to the next.
#[derive(Default)]
pub(super) struct LastScan {
    /// Songs whose files have vanished, those that vanished first in front.
    vanished: Vec<Arc<Song>>,
    most_listed: usize,
    /// The files that were left out. Each is reported once, not at every scan.
    skipped: HashMap<PathBuf, Reason>,
    has_failed: bool,
}

impl Library {
    /// Begins to look for what was added, removed or renamed before this call: for the first page of a list. What was
    /// changed in its place shows soon after, at the latest in the list after this one. Runs on a thread of its own;
    /// blocks only if there is none to be had.
    pub fn begin_check(&self) -> Check {
        let (round, must_start) = self.state().checks.want();
        if must_start && self.spawn("check", Self::run_checks).is_err() {
            self.run_checks();
        }
        Check(round)
    }

    /// Waits until a check is over, but no longer than `patience`. Returns whether it is.
    pub fn wait_until_checked_for(&self, check: Check, patience: Duration) -> bool {
        self.wait_for(patience, |state| state.checks.is_done(check.0))
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
        threads::spawn(name, run).map(drop)
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

    /// What the storage can be checked against. `None` if it must be scanned.
    fn watched(&self) -> Option<Arc<Watched>> {
        let state = self.state();
        state.watched.clone().filter(|_| !state.has_uncertain)
    }

    /// Has the storage scanned, and waits for that unless it may only begin much later.
    fn scan_and_wait(&self) {
        match self.begin_scan() {
            Ok(_) if self.state().scans.pause(Instant::now()) > SCAN_PATIENCE => {}
            Ok(round) => self.wait_while(|state| !state.scans.is_done(round)),
            Err(_) => self.run_scans(),
        }
    }

    pub(super) fn run_scans(&self) {
        while self.begin_round(|state| &mut state.scans) {
            let begun = Instant::now();
            // A file that causes a panic is a bug, but no reason to let others wait for ever.
            match catch_unwind(AssertUnwindSafe(|| self.scan())) {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) => self.note_failure(&error),
            }
            let mut state = self.state();
            state.scans.finish(begun.elapsed() * SCAN_COST, Instant::now());
            state.index.first_scan_is_over();
            drop(state);
            self.progress.notify_all();
        }
    }

    /// Waits until the next round may begin, if one is wanted. Returns whether one is; if not, the thread must end.
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

    /// Compares what is there with what is known, and takes it over.
    fn scan(&self) -> io::Result<()> {
        let mut last = self.last_scan();
        let mut state = self.state();
        // Songs that become uncertain from now on may already have been passed by this scan.
        state.has_uncertain = false;
        let listed = state.index.listed().clone();
        drop(state);
        let mut comparison = Comparison::new(&listed, &last.vanished);
        let report = self.storage.scan(self.now, &mut comparison)?;
        let outcome = comparison.finish();
        let is_first = listed.generation == 0;
        drop(listed);
        self.log_scan(&mut last, report.skipped, (!is_first).then_some(outcome.changes));
        self.take_over(&mut last, outcome, report.watched);
        drop(last);
        self.start_reading();
        Ok(())
    }

    fn take_over(&self, last: &mut LastScan, mut outcome: Outcome, watched: Watched) {
        for tags in outcome.stale_tags.chunks(TAGS_AT_ONCE) {
            self.state().index.forget_tags(tags);
        }
        let mut state = self.state();
        let before = state.index.update(&mut outcome);
        state.readers.due.append(&mut outcome.due.into());
        let before_watched = state.watched.replace(Arc::new(watched));
        let now_listed = state.index.listed().len();
        drop(state);
        last.most_listed = last.most_listed.max(now_listed);
        remember(&mut last.vanished, outcome.vanished, last.most_listed);
        drop((before, before_watched)); // without the lock: it may take long
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
    /// What was not skipped at the last scan, or for another reason.
    pub(super) fn new_among(&mut self, skipped: Vec<(PathBuf, Reason)>) -> Vec<(PathBuf, Reason)> {
        let before = std::mem::take(&mut self.skipped);
        let is_new = |(path, reason): &&(PathBuf, Reason)| before.get(path) != Some(reason);
        let new = skipped.iter().filter(is_new).cloned().collect();
        self.skipped = skipped.into_iter().collect();
        new
    }

    /// Why this was skipped at the last scan, if it was.
    #[cfg(test)]
    pub(super) fn skipped(&self, path: &std::path::Path) -> Option<Reason> {
        self.skipped.get(path).copied()
    }
}
