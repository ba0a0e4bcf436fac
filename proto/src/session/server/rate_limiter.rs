//! How many commands a client may send.

use crate::limits::{COMMAND_BURST, COMMAND_TIME, STALL_PING_AFTER};
use crate::time::Instant;
use core::time::Duration;

/// Limits the commands of a client: a leaky bucket.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// The time by which all commands so far have had their intervals.
    paid_until: Instant,
}

impl RateLimiter {
    pub(super) const fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    pub(super) fn take(&mut self, now: Instant) {
        self.charge(now, COMMAND_TIME);
    }

    /// Takes as many commands as a client may send in this time. No single one makes it wait so long that it takes the server for
    /// stalled.
    pub(super) fn charge(&mut self, now: Instant, time: Duration) {
        self.paid_until = self.paid_until.max(now) + time.min(STALL_PING_AFTER);
    }

    /// How long the next command must wait; `None` if it need not.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let ahead = self.paid_until.saturating_since(now) + COMMAND_TIME;
        ahead.checked_sub(COMMAND_TIME * COMMAND_BURST).filter(|pause| !pause.is_zero())
    }
}
