//! Looking at the directory, one look at a time.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;

use super::catalogue::Changes;
use super::scan::{Reason, Scan};
use super::{Library, State};

/// Who looks at the directory, and what was said about it.
#[derive(Default)]
pub(super) struct Walks {
    begun: u64,
    done: u64,
    is_running: bool,
    /// The directory could not be read at the last look.
    is_lost: bool,
    /// What was skipped at the last look. Said once, not at every list.
    skipped: HashMap<PathBuf, Reason>,
}

impl Library {
    /// Looks at the directory, or waits for somebody who does. A look that began before this call is not enough, for it may
    /// have missed what was there by then; but all who call while one is running share the next.
    pub(super) fn walk(&self) {
        let state = self.state();
        let ticket = state.walks.ticket();
        let must_wait = |state: &mut State| state.walks.is_running && !state.walks.is_served(ticket);
        let mut state = self.progress.wait_while(state, must_wait).unwrap_or_else(PoisonError::into_inner);
        if state.walks.is_served(ticket) {
            return;
        }
        state.walks.begin();
        drop(state);
        let _running = Running(self);
        match self.origin.scan() {
            Ok(scan) => self.take_over(scan),
            Err(error) => {
                let was_lost = std::mem::replace(&mut self.state().walks.is_lost, true);
                if !was_lost {
                    log::warn!("{}: cannot be read: {error}; its songs stay listed as they were", self.origin);
                }
            }
        }
    }

    fn take_over(&self, scan: Scan) {
        let Scan { found, mut skipped } = scan;
        let known = self.state().catalogue.compare(&found);
        let mut files = Vec::with_capacity(found.len());
        for (file, known) in found.into_iter().zip(known) {
            // Whether a file can be read is only to be found out by trying; one that is as it was need not be tried.
            let readable = if known.is_unchanged { Ok(()) } else { self.origin.check(&file.path) };
            match readable {
                Ok(()) => files.push((file, known.song)),
                // Removed this very moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
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
    }
}

impl Walks {
    /// The number of the first look that sees all that is there now.
    pub(super) const fn ticket(&self) -> u64 {
        self.begun + 1
    }

    pub(super) const fn is_served(&self, ticket: u64) -> bool {
        self.done >= ticket
    }

    pub(super) const fn begin(&mut self) {
        self.begun += 1;
        self.is_running = true;
    }

    pub(super) const fn end(&mut self) {
        self.done = self.begun;
        self.is_running = false;
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

/// Lets the others go on when the look is over, even if it ended in a panic.
struct Running<'a>(&'a Library);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.walks.end();
        state.catalogue.first_look_is_over();
        drop(state);
        self.0.progress.notify_all();
    }
}
