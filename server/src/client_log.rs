//! Log lines that clients cause. There are only so many of them in a time, however much the clients do: nobody fills the
//! disk of a server by connecting to it.
//!
//! Lines are limited for each network and in all. The next line that is written tells how many were left out before it.
//! Lines for `--verbose` are not limited.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

use crate::network::Network;

/// Lines about one network: at once, and then one in this time.
const OF_NETWORK: Limit = Limit { burst: 32, interval: Duration::from_secs(4) };

/// Lines about all clients: about 20 MB a day at most.
const IN_ALL: Limit = Limit { burst: 256, interval: Duration::from_secs(1) };

/// Networks that are counted one by one. With more than these, only the limit in all holds for those that come then.
const MAX_NETWORKS: usize = 1_024;

/// Writes lines about clients to the log.
#[derive(Debug, Default)]
pub(crate) struct ClientLog {
    counts: Mutex<Counts>,
}

impl ClientLog {
    /// Writes a line about a client in the network `from`, unless there were too many. Does not wait.
    pub(crate) fn write(&self, level: Level, from: Network, line: fmt::Arguments<'_>) {
        if level > log::max_level() {
            return;
        }
        // Every change is complete before anything can panic.
        let admitted = self.counts.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now(), from);
        match admitted {
            Some(0) => log::log!(level, "{line}"),
            Some(left_out) => log::log!(level, "{line} ({left_out} lines about clients were left out before this one)"),
            None => {}
        }
    }

    /// Tells how many lines were left out after the last that was written.
    pub(crate) fn finish(&self) {
        let left_out = std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner).left_out);
        if left_out > 0 {
            log::info!("{left_out} lines about clients were left out");
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    of_networks: HashMap<Network, Bucket>,
    in_all: Bucket,
    /// Lines that were left out since the last that was written.
    left_out: u64,
}

impl Counts {
    /// Whether a line may be written, and then how many were left out before it.
    fn admit(&mut self, now: Instant, from: Network) -> Option<u64> {
        if self.has_room(now, from) {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }

    fn has_room(&mut self, now: Instant, from: Network) -> bool {
        if !self.in_all.has_room(now, IN_ALL) {
            return false;
        }
        if self.of_networks.len() >= MAX_NETWORKS && !self.of_networks.contains_key(&from) {
            self.of_networks.retain(|_, bucket| !bucket.is_empty(now));
        }
        if self.of_networks.len() < MAX_NETWORKS || self.of_networks.contains_key(&from) {
            let bucket = self.of_networks.entry(from).or_default();
            if !bucket.has_room(now, OF_NETWORK) {
                return false;
            }
            bucket.add(now, OF_NETWORK);
        }
        self.in_all.add(now, IN_ALL);
        true
    }
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    burst: u32,
    interval: Duration,
}

/// A leaky bucket.
#[derive(Debug, Default)]
struct Bucket {
    /// When every line so far has had its interval.
    empty_at: Option<Instant>,
}

impl Bucket {
    fn is_empty(&self, now: Instant) -> bool {
        self.empty_at.is_none_or(|at| at <= now)
    }

    fn has_room(&self, now: Instant, limit: Limit) -> bool {
        self.empty_at.is_none_or(|at| at.saturating_duration_since(now) <= limit.interval * (limit.burst - 1))
    }

    fn add(&mut self, now: Instant, limit: Limit) {
        self.empty_at = Some(self.empty_at.map_or(now, |at| at.max(now)) + limit.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u32) -> Network {
        Network::of(std::net::Ipv4Addr::from_bits(number).into())
    }

    /// Lines that are written of so many attempts.
    fn written(counts: &mut Counts, now: Instant, from: Network, attempts: usize) -> usize {
        (0..attempts).filter_map(|_| counts.admit(now, from)).count()
    }

    #[test]
    fn one_network_leaves_the_others_their_lines() {
        let (mut counts, begin) = (Counts::default(), Instant::now());
        assert_eq!(written(&mut counts, begin, network(1), 1_000), 32);
        assert_eq!(counts.admit(begin, network(2)), Some(968));
        assert_eq!(counts.admit(begin, network(2)), Some(0));
        let later = begin + Duration::from_secs(41);
        assert_eq!(written(&mut counts, later, network(1), 1_000), 10);
        assert_eq!(written(&mut counts, begin + Duration::from_secs(10_000), network(1), 1_000), 32);
    }

    #[test]
    fn all_networks_together_are_limited() {
        let (mut counts, begin) = (Counts::default(), Instant::now());
        let all =
            |counts: &mut Counts, now| (0..5_000).map(|from| written(counts, now, network(from), 10)).sum::<usize>();
        assert_eq!(all(&mut counts, begin), 256);
        assert_eq!(all(&mut counts, begin + Duration::from_secs(100)), 100);
        assert!(counts.of_networks.len() <= MAX_NETWORKS);
        let day: usize = (1..=24).map(|hour| all(&mut counts, begin + Duration::from_secs(3_600 * hour))).sum();
        assert!(day <= 24 * 256, "{day}");
    }

    #[test]
    fn networks_that_are_quiet_are_forgotten() {
        let (mut counts, begin) = (Counts::default(), Instant::now());
        for from in 0..3 * MAX_NETWORKS as u32 {
            let now = begin + Duration::from_secs(10) * from;
            assert_eq!(counts.admit(now, network(from)), Some(0));
            assert!(counts.of_networks.len() <= MAX_NETWORKS);
        }
    }
}
