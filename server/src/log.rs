//! Log lines on stderr. Logging never blocks.
//!
//! One thread writes the lines, so that music goes on while stderr is a full pipe, a stopped terminal or a full disk. Lines
//! that cannot be written are dropped and counted; the count is written later.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use log::{Level, LevelFilter, Log, Metadata, Record};
use trill_proto::text::visible;

use crate::threads;

/// Lines that may wait to be written.
const MAX_QUEUED: usize = 1_024;

/// How long the program waits at its end for the last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// Sends the lines of the `log` macros up to `level`, and panics, to stderr. Does nothing if a logger is installed already.
///
/// # Errors
/// If the writing thread cannot be started.
pub fn init(level: LevelFilter) -> io::Result<()> {
    let (logger, lines) = Logger::new(MAX_QUEUED);
    threads::spawn("log", move || lines.write_all(&mut io::stderr()))?;
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

enum Entry {
    /// The writing thread formats the time: finding the time zone takes more stack than a connection's thread has.
    Line { time: Timestamp, level: Level, message: String },
    /// Reports that everything before this is written.
    Flush(SyncSender<()>),
}

struct Logger {
    queue: SyncSender<Entry>,
    /// Lines that did not fit into the queue.
    dropped: Arc<AtomicU64>,
}

impl Logger {
    fn new(queue_lines: usize) -> (Self, Lines) {
        let (queue, entries) = sync_channel(queue_lines);
        let dropped = Arc::new(AtomicU64::new(0));
        (Self { queue, dropped: Arc::clone(&dropped) }, Lines { entries, dropped })
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
            if self.queue.try_send(Entry::Line { time, level, message }).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Entry::Flush(done)).is_ok() {
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
    entries: Receiver<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// Writes every line until the logger is gone.
    fn write_all(self, out: &mut impl Write) {
        let zone = TimeZone::system();
        let mut lost = 0;
        for entry in self.entries {
            match entry {
                Entry::Line { time, level, message } => {
                    // A full disk may have room again later.
                    let line = line(&time.to_zoned(zone.clone()), level, &message);
                    lost += u64::from(out.write_all(line.as_bytes()).is_err());
                }
                Entry::Flush(done) => drop(done.try_send(())),
            }
            lost += self.dropped.swap(0, Ordering::Relaxed);
            if lost > 0 && out.write_all(format!("({lost} log lines were lost)\n").as_bytes()).is_ok() {
                lost = 0;
            }
        }
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
        logger.queue.send(Entry::Flush(done)).unwrap();
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
        assert!(matches!(lines.entries.try_recv(), Ok(Entry::Line { message, .. }) if message == "joined"));
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
}
