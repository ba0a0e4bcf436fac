//! How fast a client may be.

use crate::limits::{COMMAND_BURST, COMMAND_TIME};
use crate::time::Instant;
use core::time::Duration;

/// How many commands the client may still send: a leaky bucket.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// When every command so far has had its time.
    paid_until: Instant,
}

impl RateLimiter {
    pub(super) const fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    pub(super) fn take(&mut self, now: Instant) {
        self.paid_until = self.paid_until.max(now) + COMMAND_TIME;
    }

    /// How long the next command has to wait, if it has to.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let ahead = self.paid_until.saturating_since(now) + COMMAND_TIME;
        ahead.checked_sub(COMMAND_TIME * COMMAND_BURST).filter(|pause| !pause.is_zero())
    }
}
