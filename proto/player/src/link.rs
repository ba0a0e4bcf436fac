//! Whether there is a connection, and when to make the next.
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

/// How long an attempt to connect may take; and a server, from then on, to say WELCOME.
pub const CONNECT_PATIENCE: Duration = HELLO_DEADLINE;

/// Whether a listener should be told of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// They asked for it, or know why.
    No,
    /// If they have not been told of the same reason last.
    IfOther,
    /// In any case: music may have been lost.
    Yes,
}

/// What is known of the present connection and of those before it.
#[derive(Debug)]
pub(crate) struct Link {
    state: State,
    /// Connects even when nothing is wanted of a server.
    is_persistent: bool,
    /// The server has welcomed us on the present connection.
    was_open: bool,
    /// There was a connection to this server, so the next is another one.
    was_connected: bool,
    /// Servers welcome us and bring no music that is wanted.
    is_flapping: bool,
    /// Why no connection is made before a command asks for one.
    bar: Option<Bar>,
    /// The connection is to be closed, to make another.
    is_leaving: bool,
    retry: Retry,
    random: u32,
}

/// Why a client does not come back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bar {
    /// Another attempt would end in the same way.
    Lasting,
    /// A newer connection took the place of the last one. The listener was told.
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { not_before: Instant },
    Connecting,
    Connected { welcome_by: Instant },
}

impl Link {
    /// `seed` differs from client to client, so that those that lost the same server do not come back together.
    pub(crate) fn new(seed: u32, is_persistent: bool) -> Self {
        Self {
            state: State::Idle { not_before: Instant::default() },
            is_persistent,
            was_open: false,
            was_connected: false,
            is_flapping: false,
            bar: None,
            is_leaving: false,
            retry: Retry::new(),
            // xorshift cannot leave zero.
            random: seed | 1,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// Whether the listener wanted the present connection to end, or knows why it does.
    pub(crate) const fn is_expected(&self) -> bool {
        self.is_leaving || matches!(self.bar, Some(Bar::Superseded))
    }

    /// Whether the next connection is made without a command.
    pub(crate) const fn retries(&self) -> bool {
        self.bar.is_none()
    }

    /// Whether the next connection is made because the client is persistent, or because something is wanted of the server.
    pub(crate) const fn follows(&self, is_wanted: bool) -> bool {
        self.retries() && (self.is_persistent || is_wanted)
    }

    /// Whether songs that were to take the place of others are asked for again after the present connection, or attempt.
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

    /// When to connect, if that is wanted.
    pub(crate) fn poll_connect(&self, needs_server: bool) -> Option<Instant> {
        match self.state {
            State::Idle { not_before } if self.follows(needs_server) => Some(not_before),
            _ => None,
        }
    }

    /// When a server that says nothing is given up.
    pub(crate) fn welcome_by(&self) -> Option<Instant> {
        match self.state {
            State::Connected { welcome_by } if !self.was_open => Some(welcome_by),
            _ => None,
        }
    }

    /// The listener wants something: the next attempt is made, and not put off any longer.
    pub(crate) fn hasten(&mut self) {
        self.bar = None;
        if self.is_idle() {
            self.state = State::Idle { not_before: Instant::default() };
        }
    }

    /// One of the sides ends the session because of this error.
    pub(crate) fn on_error(&mut self, error: SessionError) {
        if is_lasting(error) {
            self.bar = Some(Bar::Lasting);
        }
    }

    pub(crate) const fn on_goodbye(&mut self, reason: GoodbyeReason) {
        self.bar = match reason {
            GoodbyeReason::Done => Some(Bar::Lasting),
            GoodbyeReason::Superseded => Some(Bar::Superseded),
            GoodbyeReason::Restarting | GoodbyeReason::Other(_) => None,
        };
    }

    /// The present connection, if any, is to end; the next is to another server.
    pub(crate) fn leave(&mut self) {
        self.forget();
        self.was_connected = false;
        self.is_leaving = !self.is_idle();
        self.hasten();
    }

    /// Attempts that failed until now do not count.
    pub(crate) const fn forget(&mut self) {
        self.retry = Retry::new();
        self.is_flapping = false;
    }

    pub(crate) const fn begin_attempt(&mut self) {
        self.state = State::Connecting;
    }

    pub(crate) fn on_connected(&mut self, now: Instant) {
        self.state = State::Connected { welcome_by: now + CONNECT_PATIENCE };
    }

    /// Returns whether it is the first time that this server welcomes us.
    pub(crate) const fn on_welcome(&mut self) -> bool {
        self.was_open = true;
        !core::mem::replace(&mut self.was_connected, true)
    }

    /// There is no connection, or none any more. `needs_server`: music is missing.
    pub(crate) fn on_disconnected(&mut self, now: Instant, outcome: Outcome, needs_server: bool) -> News {
        if outcome == Outcome::Useful {
            self.is_flapping = false;
        }
        let was_open = core::mem::take(&mut self.was_open);
        let news = match () {
            () if self.is_expected() => News::No,
            () if was_open && !self.is_flapping => News::Yes,
            () => News::IfOther,
        };
        self.is_flapping |= news != News::No && was_open && outcome == Outcome::Useless && needs_server;
        let delay = self.next_delay(outcome);
        let is_left = core::mem::take(&mut self.is_leaving);
        if is_left {
            self.retry = Retry::new();
        }
        self.state = State::Idle { not_before: if is_left { now } else { now + delay } };
        news
    }

    /// What [`on_disconnected`](Self::on_disconnected) would say of a connection that ended now.
    pub(crate) const fn is_news(&self) -> News {
        if self.was_open && !self.is_flapping { News::Yes } else { News::IfOther }
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

    fn next(link: &mut Link) -> Duration {
        let _ = link.on_disconnected(NOW, Outcome::Useless, true);
        link.poll_connect(true).expect("the next attempt").saturating_since(NOW)
    }

    #[test]
    fn no_two_clients_try_together() {
        let (mut one, mut other) = (Link::new(1, true), Link::new(2, true));
        let delays = [(); 8].map(|()| next(&mut one));
        assert!(delays.iter().any(|delay| *delay != next(&mut other)));
        one.forget();
        assert!(next(&mut one) <= Duration::from_millis(40));
    }

    #[test]
    fn a_connection_is_made_when_something_is_wanted_of_a_server() {
        let mut link = Link::new(1, false);
        let _ = link.on_disconnected(NOW, Outcome::Useful, false);
        assert_eq!(link.poll_connect(false), None);
        assert!(link.poll_connect(true).is_some_and(|at| at > NOW));
        link.hasten();
        assert!(link.poll_connect(true).is_some_and(|at| at < NOW), "a command tries at once");
    }

    #[test]
    fn the_next_server_is_tried_at_once() {
        let mut link = Link::new(1, true);
        link.begin_attempt();
        link.on_connected(NOW);
        link.leave();
        assert!(link.is_leaving());
        assert_eq!(link.on_disconnected(NOW, Outcome::Useless, true), News::No);
        assert_eq!(link.poll_connect(true), Some(NOW));
    }
}
