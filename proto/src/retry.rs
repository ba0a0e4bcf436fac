//! When to connect again after a connection broke or could not be made. Every client does the same.

use core::time::Duration;

/// Wait before the first new attempt when a useful connection breaks. A changed network is often back at once, and the
/// buffer runs empty meanwhile: the next connection should be there within 50 ms.
const FIRST: Duration = Duration::from_millis(40);

/// Wait before the second attempt. It doubles with every further one.
const SECOND: Duration = Duration::from_millis(200);

/// Longest wait while no server accepts the connection. A server may be back at any moment, and an attempt costs it nothing.
const LONGEST_UNREACHABLE: Duration = Duration::from_secs(3);

/// Longest wait while a server accepts connections but sends no music.
const LONGEST_USELESS: Duration = Duration::from_secs(30);

/// Music that makes a connection useful, in bytes. Connections that bring so much and follow each other within 40 ms bring
/// more than is played at 128 kbit/s.
pub const USEFUL_BYTES: u64 = 1_024;

/// A connection that was open for this long was useful, even without music.
pub const USEFUL_TIME: Duration = Duration::from_secs(30);

/// Result of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No server accepted the connection.
    Unreachable,
    /// A server accepted it and sent no music.
    Useless,
    /// It was useful: see [`Client::was_useful`](crate::session::client::Client::was_useful).
    Useful,
}

/// The attempts since the last useful connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retry {
    failures: u32,
}

impl Retry {
    /// No attempt has failed.
    #[must_use]
    pub const fn new() -> Self {
        Self { failures: 0 }
    }

    /// How long to wait after an attempt with this outcome: between half of the current interval and all of it.
    ///
    /// `random` must differ from call to call and from client to client, so that the clients of a server that restarts
    /// do not all come back at once.
    #[must_use]
    pub fn next_delay(&mut self, outcome: Outcome, random: u32) -> Duration {
        let longest = match outcome {
            Outcome::Useful => return self.first_delay(random),
            Outcome::Useless => LONGEST_USELESS,
            Outcome::Unreachable => LONGEST_UNREACHABLE,
        };
        let Some(doublings) = self.failures.checked_sub(1) else { return self.first_delay(random) };
        let due = SECOND.saturating_mul(1 << doublings.min(16));
        if due < longest {
            self.failures += 1;
        }
        spread(due.min(longest), random)
    }

    fn first_delay(&mut self, random: u32) -> Duration {
        self.failures = 1;
        spread(FIRST, random)
    }
}

fn spread(longest: Duration, random: u32) -> Duration {
    longest / 2 + longest / 2 * (random >> 16) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(outcome: Outcome, longest_ms: &[u128]) {
        let (mut early, mut late) = (Retry::new(), Retry::new());
        for longest in longest_ms {
            let delays =
                [early.next_delay(outcome, 0), late.next_delay(outcome, u32::MAX)].map(|delay| delay.as_millis());
            assert_eq!(delays, [longest / 2, *longest]);
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_tried_every_3_s() {
        check(Outcome::Unreachable, &[40, 200, 400, 800, 1_600, 3_000, 3_000, 3_000]);
    }

    #[test]
    fn a_server_that_brings_nothing_is_tried_every_30_s() {
        check(Outcome::Useless, &[40, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn a_server_that_brings_music_is_tried_within_50_ms() {
        check(Outcome::Useful, &[40, 40, 40]);
        let mut retry = Retry::new();
        for _ in 0..20 {
            let _ = retry.next_delay(Outcome::Useless, 0);
        }
        assert_eq!(retry.next_delay(Outcome::Useful, u32::MAX), FIRST);
        assert_eq!(retry.next_delay(Outcome::Useless, u32::MAX), SECOND);
    }

    #[test]
    fn after_a_long_absence_a_server_is_tried_soon() {
        let mut retry = Retry::new();
        for _ in 0..100 {
            let _ = retry.next_delay(Outcome::Unreachable, 0);
        }
        assert_eq!(retry.next_delay(Outcome::Useless, u32::MAX), Duration::from_millis(3_200));
    }
}
