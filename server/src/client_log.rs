//! Rate-limited log lines about clients, so that clients cannot fill the server's disk.
//!
//! Lines are limited per network and in total. The next line written reports how many were left out before it. `--verbose`
//! lines are not limited.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

use crate::address::Network;

/// Lines about one network.
const PER_NETWORK: Limit = Limit { burst: 32, interval: Duration::from_secs(4) };

/// Lines about all clients: about 20 MB a day at most.
const TOTAL: Limit = Limit { burst: 256, interval: Duration::from_secs(1) };

/// Networks that are counted separately. Only the total limit holds for further ones.
const MAX_NETWORKS: usize = 1_024;

/// Writes lines about clients to the log.
#[derive(Debug, Default)]
pub(crate) struct ClientLog {
    counts: Mutex<Counts>,
}

impl ClientLog {
    /// Writes a line about a client in the network `from`, unless there were too many. Does not block.
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

    /// Reports the lines that were left out since the last report.
    pub(crate) fn finish(&self) {
        let left_out = std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner).left_out);
        if left_out > 0 {
            log::info!("{left_out} lines about clients were left out");
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    per_network: HashMap<Network, Bucket>,
    total: Bucket,
    /// Lines left out since the last one written.
    left_out: u64,
}

impl Counts {
    /// `Some` if a line may be written, with the number of lines left out before it.
    fn admit(&mut self, now: Instant, from: Network) -> Option<u64> {
        if self.has_room(now, from) {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }

    fn has_room(&mut self, now: Instant, from: Network) -> bool {
        if !self.total.has_room(now, TOTAL) {
            return false;
        }
        if self.per_network.len() >= MAX_NETWORKS && !self.per_network.contains_key(&from) {
            self.per_network.retain(|_, bucket| !bucket.is_empty(now));
        }
        if self.per_network.len() < MAX_NETWORKS || self.per_network.contains_key(&from) {
            let bucket = self.per_network.entry(from).or_default();
            if !bucket.has_room(now, PER_NETWORK) {
                return false;
            }
            bucket.add(now, PER_NETWORK);
        }
        self.total.add(now, TOTAL);
        true
    }
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    /// Lines at once.
    burst: u32,
    /// Average interval between lines after the burst.
    interval: Duration,
}

/// A leaky bucket.
#[derive(Debug, Default)]
struct Bucket {
    /// When the interval of the last line is over.
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

    /// Number of lines written out of `attempts`.
    fn written(counts: &mut Counts, now: Instant, from: Network, attempts: usize) -> usize {
        (0..attempts).filter_map(|_| counts.admit(now, from)).count()
    }

    #[test]
    fn one_network_does_not_use_up_the_lines_of_others() {
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
        assert!(counts.per_network.len() <= MAX_NETWORKS);
        let day: usize = (1..=24).map(|hour| all(&mut counts, begin + Duration::from_secs(3_600 * hour))).sum();
        assert!(day <= 24 * 256, "{day}");
    }

    #[test]
    fn quiet_networks_are_forgotten() {
        let (mut counts, begin) = (Counts::default(), Instant::now());
        for from in 0..3 * MAX_NETWORKS as u32 {
            let now = begin + Duration::from_secs(10) * from;
            assert_eq!(counts.admit(now, network(from)), Some(0));
            assert!(counts.per_network.len() <= MAX_NETWORKS);
        }
    }
}
