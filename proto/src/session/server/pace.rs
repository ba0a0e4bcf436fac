//! How fast a client may be, and how large the frames that go to it.

use crate::limits::{COMMAND_BURST, COMMAND_TIME, DATA_FRAME_TIME, MAX_PAYLOAD_BYTES, MIN_DATA_BYTES};
use crate::scale::{micros, scaled};
use crate::time::Instant;
use core::time::Duration;

/// How many commands the client may still send: a leaky bucket.
#[derive(Debug)]
pub(super) struct Allowance {
    /// When every command so far has had its time.
    paid_until: Instant,
}

impl Allowance {
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

/// How large a DATA frame may be, from the rate at which credit comes back.
#[derive(Debug)]
pub(super) struct Pace {
    measured: Instant,
    sent_since: u32,
    /// The highest rate seen. A lower one later says that the client is full, not that the path is slower.
    bytes_per_second: u64,
}

/// A DATA frame before anything was measured, in bytes.
const FIRST_DATA_BYTES: u32 = 4 * 1_024;

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { measured: now, sent_since: 0, bytes_per_second: 0 }
    }

    pub(super) fn on_sent(&mut self, bytes: u32) {
        self.sent_since = self.sent_since.saturating_add(bytes);
    }

    /// Credit came: what was sent since the last measurement has arrived, or is about to. Credits that follow one another
    /// closely are taken together, since a burst says nothing about the path.
    pub(super) fn on_credit(&mut self, now: Instant) {
        let elapsed = now.saturating_since(self.measured);
        if elapsed < DATA_FRAME_TIME {
            return;
        }
        let rate = scaled(self.sent_since.into(), 1_000_000, micros(elapsed));
        self.bytes_per_second = self.bytes_per_second.max(rate);
        self.measured = now;
        self.sent_since = 0;
    }

    pub(super) fn frame_bytes(&self) -> u32 {
        if self.bytes_per_second == 0 {
            return FIRST_DATA_BYTES;
        }
        let carried = scaled(self.bytes_per_second, micros(DATA_FRAME_TIME), 1_000_000);
        u32::try_from(carried).unwrap_or(u32::MAX).clamp(MIN_DATA_BYTES, MAX_PAYLOAD_BYTES as u32)
    }
}
