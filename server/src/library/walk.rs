//! Looking at the directory, one look at a time, on a thread of its own: a disk may be slow, or asleep.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use super::catalogue::Changes;
use super::file::is_exhaustion;
use super::scan::{Reason, Scan};
use super::{Library, State};

/// Who looks at the directory, and what was said about it.
#[derive(Default)]
pub(super) struct Walks {
    /// The latest look that somebody waits for.
    wanted: u64,
    begun: u64,
    done: u64,
    /// Somebody looks, as long as more looks are wanted.
    is_running: bool,
    /// The directory could not be read at the last look.
    is_lost: bool,
    /// What was skipped at the last look. Said once, not at every list.
    skipped: HashMap<PathBuf, Reason>,
}

/// A look at the directory that sees all that was there when it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Look(u64);

impl Library {
    /// Begins to look at the directory for what was added, changed or removed before this call: for the first page of a
    /// list. [`Self::open_song`] sees by itself whether its song has changed. Takes about 2 µs per file, on a thread of
    /// its own; blocks only where there is none to be had.
    pub fn begin_look(&self) -> Look {
        let mut state = self.state();
        let (look, must_begin) = state.walks.want();
        drop(state);
        if must_begin && self.spawn_walk().is_err() {
            self.walk();
        }
        look
    }

    pub(super) fn spawn_walk(&self) -> io::Result<()> {
        let library = self.this.clone();
        let walk = move || library.upgrade().iter().for_each(|library| library.walk());
        thread::Builder::new().name("library".into()).spawn(walk).map(drop)
    }

    /// Waits until a look is over, but no longer than `patience`; whether it is.
    pub fn wait_until_looked_for(&self, look: Look, patience: Duration) -> bool {
        let is_awaited = |state: &mut State| !state.walks.is_served(look);
        let waited = self.progress.wait_timeout_while(self.state(), patience, is_awaited);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Looks at the directory as often as somebody has asked for it.
    fn walk(&self) {
        let mut goes_on = true;
        while goes_on {
            // A directory that makes us panic is a bug, but no reason to let others wait for ever.
            let _ = catch_unwind(AssertUnwindSafe(|| self.look()));
            let mut state = self.state();
            goes_on = state.walks.end();
            state.catalogue.first_look_is_over();
            drop(state);
            self.progress.notify_all();
        }
    }

    fn look(&self) {
        if let Err(error) = self.origin.scan().and_then(|scan| self.take_over(scan)) {
            let was_lost = std::mem::replace(&mut self.state().walks.is_lost, true);
            if !was_lost {
                log::warn!("{}: cannot be read: {error}; its songs stay listed as they were", self.origin);
            }
        }
    }

    /// # Errors
    /// When the system is short of something, so that it cannot be told which songs can be read.
    fn take_over(&self, scan: Scan) -> io::Result<()> {
        let Scan { found, mut skipped } = scan;
        let known = self.state().catalogue.compare(&found);
        let mut files = Vec::with_capacity(found.len());
        for (file, known) in found.into_iter().zip(known) {
            // Whether a file can be read is only to be found out by trying; one that is as it was need not be tried.
            let readable = if known.is_unchanged { Ok(()) } else { self.origin.open(&file.path).map(drop) };
            match readable {
                Ok(()) => files.push((file, known.song)),
                // Removed this very moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if is_exhaustion(&error) => return Err(error),
                Err(error) => skipped.push((file.path, Reason::Unreadable(error.kind()))),
            }
        }
        let mut state = self.state();
        let is_first = state.catalogue.generation() == 0;
        let changes = state.catalogue.update(files);
        let was_lost = std::mem::take(&mut state.walks.is_lost);
        let news = state.walks.new_among(skipped);
        drop(state);
        for (path, reason) in news {
            log::warn!("skipped {path:?}: {reason}");
        }
        if was_lost {
            log::info!("{}: can be read again", self.origin);
        }
        if !is_first && changes != Changes::default() {
            let Changes { added, removed, changed } = changes;
            log::info!("{}: {added} songs added, {removed} removed, {changed} changed", self.origin);
        }
        self.start_reading();
        Ok(())
    }
}

impl Walks {
    /// The first look that sees all that is there now, and whether whoever asks has to begin with it. A look that is
    /// running is not enough, for it may have missed what is there by now; but all who ask meanwhile share the next.
    pub(super) const fn want(&mut self) -> (Look, bool) {
        self.wanted = self.begun + 1;
        let must_begin = !self.is_running;
        if must_begin {
            self.begin();
        }
        (Look(self.wanted), must_begin)
    }

    pub(super) const fn is_served(&self, look: Look) -> bool {
        self.done >= look.0
    }

    const fn begin(&mut self) {
        self.begun += 1;
        self.is_running = true;
    }

    /// Ends a look, and begins with the next one if somebody wants it; whether so.
    pub(super) const fn end(&mut self) -> bool {
        self.done = self.begun;
        self.is_running = false;
        if self.wanted > self.done {
            self.begin();
        }
        self.is_running
    }

    /// Why this was skipped at the last look, if it was.
    #[cfg(test)]
    pub(super) fn skipped(&self, path: &std::path::Path) -> Option<Reason> {
        self.skipped.get(path).copied()
    }

    /// What had not been skipped at the last look, or for another reason.
    pub(super) fn new_among(&mut self, skipped: Vec<(PathBuf, Reason)>) -> Vec<(PathBuf, Reason)> {
        let before = std::mem::take(&mut self.skipped);
        let is_new = |(path, reason): &&(PathBuf, Reason)| before.get(path) != Some(reason);
        let news = skipped.iter().filter(is_new).cloned().collect();
        self.skipped = skipped.into_iter().collect();
        news
    }
}
