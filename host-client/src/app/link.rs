//! The way to the server: at most one connection, and when to try for the next.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use trill_proto::retry::{Outcome, Retry};

use crate::app::Event;
use crate::buffer::Buffer;
use crate::network::{ConnectError, Connection, Identity};
use crate::options::ServerAddress;

/// A server must have said WELCOME this long after it took the connection.
const WELCOME_DEADLINE: Duration = Duration::from_secs(5);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// The connection, or the lack of it.
pub(super) struct Link {
    pub(super) server: ServerAddress,
    identity: Identity,
    buffer: Arc<Buffer>,
    events: Sender<Event>,
    /// Counts connections, so that events of old ones are known.
    attempt: u64,
    state: State,
    retry: Retry,
    /// What came of the last attempt.
    outcome: Outcome,
    /// When the last useful connection was lost, if music is missing since.
    lost_at: Option<Instant>,
    /// Servers take connections and bring nothing.
    is_flapping: bool,
}

enum State {
    Down,
    Connecting,
    Greeting { connection: Arc<Connection>, until: Instant },
    Up(Arc<Connection>),
    Waiting { until: Instant },
}

impl Link {
    pub(super) fn new(server: ServerAddress, identity: Identity, buffer: Arc<Buffer>, events: Sender<Event>) -> Self {
        let (retry, outcome) = (Retry::new(), Outcome::Unreachable);
        let (state, lost_at, is_flapping) = (State::Down, None, false);
        Self { server, identity, buffer, events, attempt: 0, state, retry, outcome, lost_at, is_flapping }
    }

    /// The connection, once the server has welcomed us on it.
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        match &self.state {
            State::Up(connection) => Some(connection),
            _ => None,
        }
    }

    /// Whether an attempt is under way.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting | State::Greeting { .. })
    }

    /// Whether a connection is there, or will be tried for again.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Whether `attempt` is the present one, so that its news count.
    pub(super) fn is_present(&self, attempt: u64) -> bool {
        self.attempt == attempt
    }

    /// Tries now, unless a connection is there or being tried for. An [`Event::Connected`] follows.
    pub(super) fn connect(&mut self) {
        if !matches!(self.state, State::Down | State::Waiting { .. }) {
            return;
        }
        self.attempt += 1;
        let (attempt, events) = (self.attempt, self.events.clone());
        let (server, identity, buffer) = (self.server.clone(), self.identity.clone(), self.buffer.clone());
        let connect = move || {
            let news = events.clone();
            let notify = move |event| {
                // Nobody listens any more once the program ends.
                let _ = news.send(Event::Network { attempt, event });
            };
            let result = Connection::open(&server, &identity, buffer, Box::new(notify));
            let opened = result.as_ref().ok().cloned();
            let _ = events.send(Event::Connected { attempt, result });
            // Only now, so that no WELCOME can overtake the news of its connection.
            if let Some(connection) = opened {
                connection.start();
            }
        };
        self.state = match thread::Builder::new().name("connect".into()).spawn(connect) {
            Ok(_) => State::Connecting,
            Err(_) => self.next_attempt(Instant::now()),
        };
    }

    /// An attempt is over.
    ///
    /// # Errors
    ///
    /// Its own.
    pub(super) fn on_connected(
        &mut self,
        attempt: u64,
        result: Result<Arc<Connection>, ConnectError>,
    ) -> Result<(), ConnectError> {
        if !self.is_present(attempt) || !matches!(self.state, State::Connecting) {
            if let Ok(connection) = result {
                connection.close();
            }
            return Ok(());
        }
        (self.state, self.outcome) = (State::Down, Outcome::Unreachable);
        let until = Instant::now() + WELCOME_DEADLINE;
        self.state = State::Greeting { connection: result?, until };
        self.outcome = Outcome::Useless;
        Ok(())
    }

    pub(super) fn on_welcome(&mut self) {
        if let State::Greeting { connection, .. } = &self.state {
            self.state = State::Up(connection.clone());
        }
    }

    /// The connection is over. Returns whether the server had welcomed us on it.
    pub(super) fn on_closed(&mut self) -> bool {
        let State::Up(connection) = std::mem::replace(&mut self.state, State::Down) else { return false };
        if connection.was_useful() {
            (self.outcome, self.lost_at, self.is_flapping) = (Outcome::Useful, None, false);
        } else {
            self.is_flapping = true;
        }
        true
    }

    /// Tries again later, the later the more often it failed.
    pub(super) fn retry(&mut self, now: Instant) {
        self.lost_at.get_or_insert(now);
        self.state = self.next_attempt(now);
    }

    /// Whether no connection has been useful for so long.
    pub(super) fn is_lost_for(&self, patience: Duration, now: Instant) -> bool {
        self.lost_at.is_some_and(|lost| now.saturating_duration_since(lost) > patience)
    }

    /// Whether a server welcomes us and brings nothing. That was told.
    pub(super) fn is_flapping(&self) -> bool {
        self.is_flapping
    }

    /// Gives up trying.
    pub(super) fn give_up(&mut self) {
        if matches!(self.state, State::Waiting { .. }) {
            self.state = State::Down;
        }
        (self.retry, self.lost_at, self.is_flapping) = (Retry::new(), None, false);
    }

    /// When [`on_time`](Self::on_time) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Greeting { until, .. } | State::Waiting { until } => Some(until),
            State::Down | State::Connecting | State::Up(_) => None,
        }
    }

    /// Does what is due. Returns whether a server took the connection and then said nothing.
    pub(super) fn on_time(&mut self, now: Instant) -> bool {
        match &self.state {
            State::Waiting { until } if *until <= now => {
                self.connect();
                false
            }
            State::Greeting { connection, until } if *until <= now => {
                connection.close();
                // Whatever it says now comes too late.
                self.attempt += 1;
                self.state = State::Down;
                true
            }
            _ => false,
        }
    }

    /// Says goodbye, if there is somebody to say it to.
    pub(super) fn close(&mut self) {
        if let State::Up(connection) | State::Greeting { connection, .. } = &self.state {
            connection.close();
            connection.wait_until_closed(GOODBYE);
        }
        self.state = State::Down;
    }

    fn next_attempt(&mut self, now: Instant) -> State {
        State::Waiting { until: now + self.retry.next_delay(self.outcome, random()) }
    }
}

fn random() -> u32 {
    // Without randomness the attempts are merely not spread.
    getrandom::u32().unwrap_or(u32::MAX)
}
