//! Looking at the directory, one look at a time, on a thread of its own: a disk may be slow, or asleep. Only what a
//! [glance](super::glance) can tell is asked by whoever wants to know it.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::catalogue::Changes;
use super::directories::Directories;
use super::glance::Glance;
use super::scan::{Found, Pace, Reason, Scan};
use super::survey::{Known, Survey};
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
    /// Where the last look went. `None` if there was none that shows everything.
    directories: Option<Arc<Directories>>,
    /// Whether those can tell at a glance that nothing has changed.
    glance: Glance,
    /// What was skipped at the last look. Said once, not at every list.
    skipped: HashMap<PathBuf, Reason>,
}

/// A look at the directory that sees all that was there when it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Look(u64);

impl Library {
    /// Whether it can be told at a glance that nothing was added, removed or renamed before this call. Takes up to a millisecond, and
    /// is not tried where it would take longer, unless memory has since been taken from under the directories: then it
    /// blocks. Files that were changed where they are still want a look.
    pub fn is_unchanged_at_a_glance(&self) -> bool {
        let may_glance = self.state().walks.glance.take(Instant::now());
        may_glance && self.is_told_by_directories()
    }

    /// Begins to look at the directory for what was added, removed or renamed before this call: for the first page of a
    /// list. Files that were changed where they are show soon after, at the latest in the list after this; a song that is
    /// opened is looked at by itself. Takes about 1 µs per directory or, if anything was, 2 µs per file, on a thread of its
    /// own; blocks only where there is none to be had.
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
        while !self.state().walks.end() {
            if self.is_told_by_directories() {
                self.serve();
                self.look_at_all_files();
            } else {
                self.look(&mut || true);
                self.serve();
            }
        }
        self.progress.notify_all();
    }

    /// Whether all files are there, and no others, that were there at the last look, and all were read.
    fn is_told_by_directories(&self) -> bool {
        let state = self.state();
        let directories = state.walks.directories.clone().filter(|_| !state.catalogue.is_uncertain());
        drop(state);
        let begun = Instant::now();
        let is_told = directories.is_some_and(|directories| self.origin.is_told_by(&directories));
        self.state().walks.glance.note(is_told, begun, Instant::now());
        is_told
    }

    /// Whoever waits for the look that was begun last has it.
    fn serve(&self) {
        let mut state = self.state();
        state.walks.serve();
        state.catalogue.first_look_is_over();
        drop(state);
        self.progress.notify_all();
    }

    /// Finds files that were changed where they are, of which directories do not tell. Whoever wants a list meanwhile is
    /// served in between, as far as the directories suffice for that; the look is given up when they do not.
    fn look_at_all_files(&self) {
        let mut is_stale = true;
        while is_stale {
            is_stale = false;
            let goes_on = self.look(&mut || {
                if !self.state().walks.begin_next() {
                    thread::yield_now(); // whoever answers with another page may need the processor
                    return true;
                }
                let is_told = self.is_told_by_directories();
                if is_told {
                    self.serve();
                    is_stale = true; // what they may want to see was perhaps passed already
                }
                is_told
            });
            is_stale &= goes_on;
        }
    }

    /// Looks at the directory, as long as `goes_on` says so at each directory in it; whether to the end.
    fn look(&self, goes_on: &mut dyn FnMut() -> bool) -> bool {
        // A directory that makes us panic is a bug, but no reason to let others wait for ever.
        let look = catch_unwind(AssertUnwindSafe(|| {
            let Some((scan, survey)) = self.survey(goes_on)? else { return Ok(false) };
            self.take_over(scan, survey);
            Ok(true)
        }));
        let error: io::Error = match look {
            Ok(Ok(is_whole)) => return is_whole,
            Ok(Err(error)) => error,
            Err(_) => return true,
        };
        let mut state = self.state();
        state.walks.directories = None;
        let was_lost = std::mem::replace(&mut state.walks.is_lost, true);
        drop(state);
        if !was_lost {
            log::warn!("{}: cannot be read: {error}; its songs stay listed as they were", self.origin);
        }
        true
    }

    /// Compares what is there with what is known; `None` if it was not to go on.
    ///
    /// # Errors
    /// Whatever the file system reports about the directory itself, or when the system is short of something, so that it
    /// cannot be told which songs can be read.
    fn survey(&self, goes_on: &mut dyn FnMut() -> bool) -> io::Result<Option<(Scan, Survey)>> {
        let opener = self.origin.opener()?;
        let mut survey = self.state().catalogue.begin_survey();
        let mut take = |file: Found<'_>| {
            let known = survey.compare(&self.state().catalogue, &file);
            // One that is as it was need not be tried again.
            if !matches!(known, Known::Unchanged(_)) {
                opener.check(&file.path.to_path_buf())?;
            }
            survey.push(&file, known);
            Ok(())
        };
        let scan = self.origin.scan(Pace { now: self.now, goes_on }, &mut take)?;
        Ok(scan.map(|scan| (scan, survey)))
    }

    fn take_over(&self, Scan { skipped, directories }: Scan, survey: Survey) {
        let mut state = self.state();
        let is_first = state.catalogue.generation() == 0;
        let changes = state.catalogue.update(survey);
        let was_lost = std::mem::take(&mut state.walks.is_lost);
        let news = state.walks.new_among(skipped);
        state.walks.directories = Some(Arc::new(directories));
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
    /// The first look that sees all that is there now, and whether whoever asks has to begin with it. A look that is
    /// running is not enough, for it may have missed what is there by now; but all who ask meanwhile share the next.
    pub(super) const fn want(&mut self) -> (Look, bool) {
        self.wanted = self.begun + 1;
        let must_begin = !self.is_running;
        self.is_running = true;
        (Look(self.wanted), must_begin)
    }

    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    pub(super) const fn is_served(&self, look: Look) -> bool {
        self.done >= look.0
    }

    /// Begins with the next look if somebody wants it; whether so.
    pub(super) const fn begin_next(&mut self) -> bool {
        let is_wanted = self.wanted > self.begun;
        if is_wanted {
            self.begun += 1;
        }
        is_wanted
    }

    /// The look that was begun last is over.
    pub(super) const fn serve(&mut self) {
        self.done = self.begun;
    }

    /// Begins with the next look if somebody waits for one, and else lets whoever comes next begin; whether so.
    pub(super) const fn end(&mut self) -> bool {
        self.is_running = self.begin_next() || self.done < self.begun;
        !self.is_running
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
