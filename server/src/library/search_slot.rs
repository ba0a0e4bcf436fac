//! Limits how many searches run at once.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Slots for the searches that run. Each search looks through all songs and may need a table of their groups, so more searches
/// than cores would only take more memory.
pub(super) struct SearchSlots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to search. Drop it after the search.
pub struct SearchSlot(Arc<SearchSlots>);

impl Default for SearchSlots {
    fn default() -> Self {
        Self { free: Mutex::new(cores()), freed: Condvar::new() }
    }
}

impl SearchSlots {
    /// Waits for a free slot, at most for `timeout`.
    pub(super) fn take(self: &Arc<Self>, timeout: Duration) -> Option<SearchSlot> {
        let waited = self.freed.wait_timeout_while(self.free(), timeout, |free| *free == 0);
        let mut free = waited.unwrap_or_else(PoisonError::into_inner).0;
        *free = free.checked_sub(1)?;
        Some(SearchSlot(self.clone()))
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SearchSlot {
    fn drop(&mut self) {
        *self.0.free() += 1;
        self.0.freed.notify_one();
    }
}

impl fmt::Debug for SearchSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SearchSlot")
    }
}

/// The number of searches that run at once at most.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_waits_for_the_end_of_another() {
        let slots = Arc::new(SearchSlots { free: Mutex::new(2), freed: Condvar::new() });
        let held = [(); 2].map(|()| slots.take(Duration::ZERO).expect("a free slot"));
        assert!(slots.take(Duration::ZERO).is_none());
        let waiting = thread::spawn({
            let slots = slots.clone();
            move || slots.take(Duration::from_secs(60)).is_some()
        });
        drop(held);
        assert!(waiting.join().expect("no panic"));
        assert_eq!(*slots.free(), 2);
    }
}
