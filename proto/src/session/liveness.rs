//! Whether the peer is still there. Any byte counts as a sign of life.

use crate::error::SessionError;
use crate::limits::{CLOSE_AFTER, PING_AFTER};
use crate::message::{Ping, Pong};
use crate::time::Instant;
use core::time::Duration;

#[derive(Debug)]
pub(super) struct Liveness {
    last_received: Instant,
    /// When a PING was sent because of silence, if nothing has come since.
    pinged: Option<Instant>,
    /// A PING that is due.
    ping: Option<Ping>,
    /// The token of the last PING that was sent; 0 before the first.
    sent_token: u64,
    /// A PING that has not been answered: its token, and when it came.
    owed: Option<(u64, Instant)>,
}

/// How long the peer may be silent.
#[derive(Clone, Copy)]
pub(super) struct LivenessTimeouts {
    /// When the waiting began, if that is later than the last sign of life.
    pub(super) since: Instant,
    pub(super) ping_after: Duration,
    /// Counted from the PING.
    pub(super) close_after: Duration,
}

impl LivenessTimeouts {
    pub(super) const NORMAL: Self = Self {
        since: Instant::from_micros(0),
        ping_after: PING_AFTER,
        close_after: CLOSE_AFTER.saturating_sub(PING_AFTER),
    };
}

impl Liveness {
    pub(super) const fn new(now: Instant) -> Self {
        Self { last_received: now, pinged: None, ping: None, sent_token: 0, owed: None }
    }

    pub(super) const fn on_received(&mut self, now: Instant) {
        self.last_received = now;
        self.pinged = None;
    }

    pub(super) const fn on_ping(&mut self, now: Instant, ping: Ping) {
        self.owed = Some((ping.token, now));
    }

    pub(super) const fn last_received(&self) -> Instant {
        self.last_received
    }

    /// Whether a PING was sent because nothing had come, and nothing has come since.
    pub(super) const fn is_silent(&self) -> bool {
        self.pinged.is_some()
    }

    /// The round-trip, if this answers the last PING: its token is the time at which it was sent. A peer may make up
    /// other tokens, so they show nothing.
    pub(super) fn on_pong(&self, now: Instant, pong: Pong) -> Option<Duration> {
        let is_answer = pong.token != 0 && pong.token == self.sent_token;
        is_answer.then(|| now.saturating_since(Instant::from_micros(pong.token)))
    }

    pub(super) fn poll_timeout(&self, timeouts: LivenessTimeouts) -> Instant {
        match self.pinged {
            None => self.last_received.max(timeouts.since) + timeouts.ping_after,
            Some(pinged) => pinged.max(timeouts.since) + timeouts.close_after,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, timeouts: LivenessTimeouts) -> Result<(), SessionError> {
        if now < self.poll_timeout(timeouts) {
            return Ok(());
        }
        if self.pinged.is_some() {
            return Err(SessionError::Silent);
        }
        self.ask(now);
        self.pinged = Some(now);
        Ok(())
    }

    /// Sends a PING now. It neither starts nor moves a deadline.
    pub(super) const fn ask(&mut self, now: Instant) {
        self.ping = Some(Ping { token: now.as_micros() });
    }

    pub(super) fn take_ping(&mut self) -> Option<Ping> {
        let ping = self.ping.take();
        self.sent_token = ping.map_or(self.sent_token, |ping| ping.token);
        ping
    }

    /// The PONG that is due. If several PINGs came at once, it answers the last.
    pub(super) fn take_pong(&mut self, now: Instant) -> Option<Pong> {
        let (token, received) = self.owed.take()?;
        Some(Pong { token, received_us: received.as_micros(), sent_us: now.as_micros() })
    }
}
