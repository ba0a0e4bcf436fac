//! When to connect again after a connection broke, or none was to be had: what every client does alike.

use core::time::Duration;

/// Before the first new attempt when a connection that delivered breaks: a network that changed is often back at once, and
/// the buffer is being played empty. Within 50 ms the next connection is to be there.
const FIRST: Duration = Duration::from_millis(40);

/// Before the second; doubled with every further one, up to the last.
const SECOND: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(3);

/// How long to wait after `failures` attempts since music last arrived, those to which a server had nothing to give
/// included: between half of what is due and all of it.
///
/// `random` is any number, and another one each time and in each client, so that those that all lost the same server do
/// not come back together.
#[must_use]
pub fn delay(failures: u32, random: u32) -> Duration {
    let longest = match failures.checked_sub(1) {
        None => FIRST,
        Some(doublings) => SECOND.saturating_mul(1 << doublings.min(16)).min(LAST),
    };
    longest / 2 + longest / 2 * (random >> 16) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_is_within_50_ms_and_the_last_within_3_s() {
        for (failures, shortest_ms, longest_ms) in [
            (0, 20, 40),
            (1, 100, 200),
            (2, 200, 400),
            (3, 400, 800),
            (4, 800, 1600),
            (5, 1500, 3000),
            (u32::MAX, 1500, 3000),
        ] {
            let ms = |random| delay(failures, random).as_millis();
            assert_eq!((ms(0), ms(u32::MAX)), (shortest_ms, longest_ms), "after {failures} failures");
        }
    }
}
