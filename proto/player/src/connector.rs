//! Tracks whether there is a connection, and decides when to make the next.
//!
//! ```text
//!         begin_attempt          on_connected
//!   Idle ──────────────▶ Connecting ────────▶ Connected
//!    ▲                       │                    │
//!    └───────────────────────┴────────────────────┘ on_disconnected: not before the back-off
//! ```

use core::time::Duration;

use trill_proto::error::{ErrorCode, Refusal, SessionError};
use trill_proto::limits::HELLO_DEADLINE;
use trill_proto::message::GoodbyeReason;
use trill_proto::retry::{Outcome, Retry};
use trill_proto::time::Instant;

/// The time limit for an attempt to connect, and from then on for the server's WELCOME.
pub const CONNECT_TIMEOUT: Duration = HELLO_DEADLINE;

/// Whether to tell the listener that a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossNotice {
    /// Do not tell: they asked for it, or know why.
    Silent,
    /// Tell if the reason differs from the one told last.
    IfNewReason,
    /// Tell in any case: music may be missing.
    Always,
}

/// The present connection, and the outcome of those before it.
#[derive(Debug)]
pub(crate) struct Connector {
    phase: Phase,
    /// Connects even when nothing is wanted of the server.
    is_persistent: bool,
    /// The server has welcomed us on the present connection.
    was_open: bool,
    /// This server welcomed us before.
    was_connected: bool,
    /// The last servers welcomed us and sent none of the music that is wanted.
    is_flapping: bool,
    /// Why the client connects only after a command.
    no_retry: Option<NoRetry>,
    /// The client leaves the present server for another.
    is_leaving: bool,
    retry: Retry,
    random: u32,
}

/// Why a client does not connect again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoRetry {
    /// Another attempt would end in the same way.
    Lasting,
    /// A newer connection replaced the last one. The listener was told.
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle { not_before: Instant },
    Connecting,
    Connected { welcome_by: Instant },
}

impl Connector {
    /// `seed` differs from client to client, so that clients that lost the same server do not come back together.
    pub(crate) fn new(seed: u32, is_persistent: bool) -> Self {
        Self {
            phase: Phase::Idle { not_before: Instant::default() },
            is_persistent,
            was_open: false,
            was_connected: false,
            is_flapping: false,
            no_retry: None,
            is_leaving: false,
            retry: Retry::new(),
            // From zero, xorshift yields only zeros.
            random: seed | 1,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle { .. })
    }

    /// Whether the listener wanted the present connection to end, or knows why it does.
    pub(crate) const fn is_expected(&self) -> bool {
        self.is_leaving || matches!(self.no_retry, Some(NoRetry::Superseded))
    }

    /// Whether the client connects again without a command.
    pub(crate) const fn retries(&self) -> bool {
        self.no_retry.is_none()
    }

    /// Whether the client connects without a command, when something is wanted of the server or not.
    pub(crate) const fn follows(&self, is_wanted: bool) -> bool {
        self.retries() && (self.is_persistent || is_wanted)
    }

    /// Whether the next connection repeats the switches of the present connection or attempt.
    pub(crate) const fn repeats_switches(&self) -> bool {
        self.follows(self.was_open)
    }

    pub(crate) const fn was_open(&self) -> bool {
        self.was_open
    }

    pub(crate) const fn is_flapping(&self) -> bool {
        self.is_flapping
    }

    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// When to connect; `None` if there is a connection, or none is wanted.
    pub(crate) fn poll_connect(&self, needs_server: bool) -> Option<Instant> {
        match self.phase {
            Phase::Idle { not_before } if self.follows(needs_server) => Some(not_before),
            _ => None,
        }
    }

    /// When a server without WELCOME is given up.
    pub(crate) fn welcome_by(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connected { welcome_by } if !self.was_open => Some(welcome_by),
            _ => None,
        }
    }

    /// The listener gave a command: the next attempt begins at once.
    pub(crate) fn reconnect_now(&mut self) {
        self.no_retry = None;
        if self.is_idle() {
            self.phase = Phase::Idle { not_before: Instant::default() };
        }
    }

    /// The client or the server ends the session because of this error.
    pub(crate) fn on_error(&mut self, error: SessionError) {
        if is_lasting(error) {
            self.no_retry = Some(NoRetry::Lasting);
        }
    }

    pub(crate) const fn on_goodbye(&mut self, reason: GoodbyeReason) {
        self.no_retry = match reason {
            GoodbyeReason::Done => Some(NoRetry::Lasting),
            GoodbyeReason::Superseded => Some(NoRetry::Superseded),
            GoodbyeReason::Restarting | GoodbyeReason::Other(_) => None,
        };
    }

    /// Ends the present connection, if any. The next is to another server.
    pub(crate) fn leave(&mut self) {
        self.reset_backoff();
        self.was_connected = false;
        self.is_leaving = !self.is_idle();
        self.reconnect_now();
    }

    /// Attempts that failed until now do not delay the next.
    pub(crate) const fn reset_backoff(&mut self) {
        self.retry = Retry::new();
        self.is_flapping = false;
    }

    pub(crate) const fn begin_attempt(&mut self) {
        self.phase = Phase::Connecting;
    }

    pub(crate) fn on_connected(&mut self, now: Instant) {
        self.phase = Phase::Connected { welcome_by: now + CONNECT_TIMEOUT };
    }

    /// Returns whether this server welcomes us for the first time.
    pub(crate) const fn on_welcome(&mut self) -> bool {
        self.was_open = true;
        !core::mem::replace(&mut self.was_connected, true)
    }

    /// The attempt to connect failed, or the connection ended. `needs_server`: music is missing.
    pub(crate) fn on_disconnected(&mut self, now: Instant, outcome: Outcome, needs_server: bool) -> LossNotice {
        if outcome == Outcome::Useful {
            self.is_flapping = false;
        }
        let was_open = core::mem::take(&mut self.was_open);
        let notice = match () {
            () if self.is_expected() => LossNotice::Silent,
            () if was_open && !self.is_flapping => LossNotice::Always,
            () => LossNotice::IfNewReason,
        };
        self.is_flapping |= notice != LossNotice::Silent && was_open && outcome == Outcome::Useless && needs_server;
        let delay = self.next_delay(outcome);
        let is_left = core::mem::take(&mut self.is_leaving);
        if is_left {
            self.retry = Retry::new();
        }
        self.phase = Phase::Idle { not_before: if is_left { now } else { now + delay } };
        notice
    }

    /// What the listener would be told about an unexpected loss now.
    pub(crate) const fn loss_notice(&self) -> LossNotice {
        if self.was_open && !self.is_flapping { LossNotice::Always } else { LossNotice::IfNewReason }
    }

    fn next_delay(&mut self, outcome: Outcome) -> Duration {
        // xorshift32 (Marsaglia, "Xorshift RNGs", 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.retry.next_delay(outcome, self.random)
    }
}

/// Whether another connection would end in the same way.
const fn is_lasting(error: SessionError) -> bool {
    !matches!(
        error,
        SessionError::Silent
            | SessionError::Unanswered
            | SessionError::Stalled
            | SessionError::Refused(Refusal::Busy)
            | SessionError::Peer(ErrorCode::SILENT | ErrorCode::HELLO_TIMEOUT | ErrorCode::TOO_MANY_CLIENTS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(7_000_000);

    fn next(connector: &mut Connector) -> Duration {
        let _ = connector.on_disconnected(NOW, Outcome::Useless, true);
        connector.poll_connect(true).expect("the next attempt").saturating_since(NOW)
    }

    #[test]
    fn no_two_clients_try_together() {
        let (mut one, mut other) = (Connector::new(1, true), Connector::new(2, true));
        let delays = [(); 8].map(|()| next(&mut one));
        assert!(delays.iter().any(|delay| *delay != next(&mut other)));
        one.reset_backoff();
        assert!(next(&mut one) <= Duration::from_millis(40));
    }

    #[test]
    fn a_connection_is_made_when_something_is_wanted_of_a_server() {
        let mut connector = Connector::new(1, false);
        let _ = connector.on_disconnected(NOW, Outcome::Useful, false);
        assert_eq!(connector.poll_connect(false), None);
        assert!(connector.poll_connect(true).is_some_and(|at| at > NOW));
        connector.reconnect_now();
        assert!(connector.poll_connect(true).is_some_and(|at| at < NOW), "a command tries at once");
    }

    #[test]
    fn the_next_server_is_tried_at_once() {
        let mut connector = Connector::new(1, true);
        connector.begin_attempt();
        connector.on_connected(NOW);
        connector.leave();
        assert!(connector.is_leaving());
        assert_eq!(connector.on_disconnected(NOW, Outcome::Useless, true), LossNotice::Silent);
        assert_eq!(connector.poll_connect(true), Some(NOW));
    }
}
