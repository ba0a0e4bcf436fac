//! Log lines on stderr. Logging never blocks.
//!
//! One thread writes the lines, so that music goes on while stderr is a full pipe, a stopped terminal or a full disk. Lines
//! that cannot be written are dropped and counted; the count is written later.
//!
//! Lines about clients are limited per network and in total, so that clients cannot fill the disk. `--verbose` lines are not
//! limited.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use log::{Level, LevelFilter, Log, Metadata, Record};
use trill_proto::text::visible;

use crate::address::Network;
use crate::spawn_thread;

/// Lines that may wait to be written.
const MAX_QUEUED: usize = 1_024;

/// How long the program waits at its end for the last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// Lines about one network.
const PER_NETWORK: LineLimit = LineLimit { burst: 32, interval: Duration::from_secs(4) };

/// Lines about all clients: about 20 MB a day at most.
const TOTAL: LineLimit = LineLimit { burst: 256, interval: Duration::from_secs(1) };

/// Networks that are counted separately. Only the total limit holds for further ones.
const MAX_NETWORKS: usize = 1_024;

/// Sends the lines of the `log` macros up to `level`, and panics, to stderr. Does nothing if a logger is installed already.
///
/// # Errors
/// If the writing thread cannot be started.
pub fn init(level: LevelFilter) -> io::Result<()> {
    let (logger, lines) = Logger::new(MAX_QUEUED);
    spawn_thread("log", move || lines.write_all(&mut io::stderr()))?;
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
        std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    }
    Ok(())
}

/// Waits a moment until all lines are written. Call this at the end of the program.
pub fn flush() {
    log::logger().flush();
}

enum LogItem {
    /// The writing thread formats the time: finding the time zone takes more stack than a connection's thread has.
    Line { time: Timestamp, level: Level, message: String },
    /// Reports that everything before this is written.
    Flush(SyncSender<()>),
}

struct Logger {
    queue: SyncSender<LogItem>,
    /// Lines that did not fit into the queue.
    dropped: Arc<AtomicU64>,
}

impl Logger {
    fn new(queue_lines: usize) -> (Self, Lines) {
        let (queue, queued) = sync_channel(queue_lines);
        let dropped = Arc::new(AtomicU64::new(0));
        (Self { queue, dropped: Arc::clone(&dropped) }, Lines { queue: queued, dropped })
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The log lines of libraries do not help the user.
        metadata.target().starts_with("trill")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let (time, level, message) = (Timestamp::now(), record.level(), record.args().to_string());
            if self.queue.try_send(LogItem::Line { time, level, message }).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(LogItem::Flush(done)).is_ok() {
            // The program ends now in any case.
            let _ = is_done.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// `2026-11-22 17:25:03 attic (192.168.1.7:50112) joined`. Only warnings and errors show their level.
fn line(time: &Zoned, level: Level, message: &str) -> String {
    let level = match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info | Level::Debug | Level::Trace => "",
    };
    // Names, titles and file names are untrusted.
    let message: String = visible(message).collect();
    format!("{} {level}{message}\n", time.strftime("%F %T"))
}

/// The receiving end of a [`Logger`]'s queue.
struct Lines {
    queue: Receiver<LogItem>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// Writes every line until the logger is gone.
    fn write_all(self, out: &mut impl Write) {
        let zone = TimeZone::system();
        let mut lost = 0;
        for item in self.queue {
            match item {
                LogItem::Line { time, level, message } => {
                    // A full disk may have room again later.
                    let line = line(&time.to_zoned(zone.clone()), level, &message);
                    lost += u64::from(out.write_all(line.as_bytes()).is_err());
                }
                LogItem::Flush(done) => drop(done.try_send(())),
            }
            lost += self.dropped.swap(0, Ordering::Relaxed);
            if lost > 0 && out.write_all(format!("({lost} log lines were lost)\n").as_bytes()).is_ok() {
                lost = 0;
            }
        }
    }
}

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
struct LineLimit {
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

    fn has_room(&self, now: Instant, limit: LineLimit) -> bool {
        self.empty_at.is_none_or(|at| at.saturating_duration_since(now) <= limit.interval * (limit.burst - 1))
    }

    fn add(&mut self, now: Instant, limit: LineLimit) {
        self.empty_at = Some(self.empty_at.map_or(now, |at| at.max(now)) + limit.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_time() -> Zoned {
        "2026-11-22T17:25:03+01:00[+01:00]".parse().expect("a time")
    }

    #[test]
    fn only_warnings_and_errors_show_their_level() {
        assert_eq!(line(&some_time(), Level::Info, "attic joined"), "2026-11-22 17:25:03 attic joined\n");
        assert_eq!(line(&some_time(), Level::Warn, "no"), "2026-11-22 17:25:03 warning: no\n");
    }

    #[test]
    fn control_characters_are_removed() {
        let message = "\x1b[31mred\x07\u{9b}2J\r\n\u{202e}evil\u{61c}\u{200b} — ř夜";
        assert_eq!(line(&some_time(), Level::Info, message), "2026-11-22 17:25:03 red  evil — ř夜\n");
    }

    /// A disk that is full for a number of writes.
    struct Full {
        writes: usize,
        written: Vec<u8>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.writes > 0 {
                self.writes -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_lost_to_a_full_disk_are_counted_once_there_is_room() {
        let (logger, lines) = Logger::new(8);
        for text in ["first", "second", "third"] {
            logger.log(&Record::builder().target("trill_server").args(format_args!("{text}")).build());
        }
        let (done, is_done) = sync_channel(1);
        logger.queue.send(LogItem::Flush(done)).unwrap();
        drop(logger);
        // Two lines and two reports of lost lines.
        let mut out = Full { writes: 4, written: Vec::new() };
        lines.write_all(&mut out);
        assert_eq!(is_done.try_recv(), Ok(()));
        let out = String::from_utf8(out.written).unwrap();
        assert!(out.ends_with("third\n(2 log lines were lost)\n"), "{out}");
    }

    #[test]
    fn logging_takes_little_stack() {
        let (logger, lines) = Logger::new(1);
        let log = move || logger.log(&Record::builder().target("trill_server").args(format_args!("joined")).build());
        std::thread::Builder::new().stack_size(64 * 1_024).spawn(log).unwrap().join().unwrap();
        assert!(matches!(lines.queue.try_recv(), Ok(LogItem::Line { message, .. }) if message == "joined"));
    }

    #[test]
    fn a_full_queue_does_not_block() {
        let (logger, lines) = Logger::new(1);
        let record = |text| Record::builder().target("trill_server").args(text).build();
        logger.log(&record(format_args!("first")));
        logger.log(&record(format_args!("second")));
        logger.flush();
        drop(logger);
        let mut out = Vec::new();
        lines.write_all(&mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("first") && !out.contains("second"), "{out}");
        assert!(out.ends_with("(1 log lines were lost)\n"), "{out}");
    }

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
