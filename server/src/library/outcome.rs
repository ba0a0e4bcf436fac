//! What comes of work on another thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A value that is set once, for all who wait for it.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    value: Mutex<Option<T>>,
    done: Condvar,
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self { value: Mutex::new(None), done: Condvar::new() }
    }
}

impl<T: Clone> Outcome<T> {
    pub(super) fn set(&self, value: T) {
        *self.value() = Some(value);
        self.done.notify_all();
    }

    pub(super) fn is_set(&self) -> bool {
        self.value().is_some()
    }

    /// Waits until it is set, but no longer than `patience`; `None` if it is not set by then.
    pub(super) fn wait_for(&self, patience: Duration) -> Option<T> {
        let waited = self.done.wait_timeout_while(self.value(), patience, |value| value.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn value(&self) -> MutexGuard<'_, Option<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
