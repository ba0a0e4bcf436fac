//! Log lines on stderr, from any thread, without ever waiting.
//!
//! A thread of its own writes them: where stderr is a pipe that nobody empties, a terminal that is stopped or a disk
//! that is full, a listener's music must go on. What cannot be written is dropped, and how much that was is said when
//! writing works again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Lines that may wait to be written.
const QUEUE_LINES: usize = 1_024;

/// How long the end of the program waits for the last lines.
const FLUSH_PATIENCE: Duration = Duration::from_millis(200);

/// Lines that were dropped because the queue was full.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Sends the `log` macros' lines of at most `level` to stderr, and panics too.
///
/// Does nothing if a logger was installed before.
///
/// # Errors
/// If the writing thread cannot be started.
pub fn init(level: LevelFilter) -> io::Result<()> {
    let (queue, lines) = sync_channel(QUEUE_LINES);
    thread::Builder::new().name("log".into()).spawn(move || write_all(&lines, &mut io::stderr()))?;
    if log::set_boxed_logger(Box::new(Logger { queue })).is_ok() {
        log::set_max_level(level);
        std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    }
    Ok(())
}

/// Waits until what was logged is written, but not for long. For the end of the program.
pub fn flush() {
    log::logger().flush();
}

enum Entry {
    /// The time is put into words by the thread that writes: finding out the time zone takes more stack than a
    /// connection's thread has.
    Line { time: Timestamp, level: Level, message: String },
    /// Everything before this was written: say so.
    Flush(SyncSender<()>),
}

struct Logger {
    queue: SyncSender<Entry>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What libraries have to say is of no use to somebody who serves music.
        metadata.target().starts_with("trill")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let (time, level, message) = (Timestamp::now(), record.level(), record.args().to_string());
            if self.queue.try_send(Entry::Line { time, level, message }).is_err() {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Entry::Flush(done)).is_ok() {
            // Whether it was in time or not, the program ends now.
            let _ = is_done.recv_timeout(FLUSH_PATIENCE);
        }
    }
}

/// `2026-11-22 17:25:03 attic (192.168.1.7:50112) joined`; a level is named if it is a special one.
fn line(time: &Zoned, level: Level, message: &str) -> String {
    let level = match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info | Level::Debug | Level::Trace => "",
    };
    format!("{} {level}{}\n", time.strftime("%F %T"), printable(message))
}

/// `text` without what a terminal would obey or hide. Names, titles and file names come from others.
fn printable(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        _ if character.is_control() => None,
        // Marks that turn the direction of what follows.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        _ => Some(character),
    };
    text.chars().filter_map(shown).collect()
}

fn write_all(lines: &Receiver<Entry>, out: &mut impl Write) {
    let zone = TimeZone::system();
    for entry in lines {
        match entry {
            Entry::Line { time, level, message } => {
                let line = line(&time.to_zoned(zone.clone()), level, &message);
                // Where stderr is gone there is nobody to tell.
                let _ = out.write_all(line.as_bytes());
            }
            Entry::Flush(done) => drop(done.try_send(())),
        }
        let dropped = DROPPED.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let _ = out.write_all(format!("({dropped} log lines were lost)\n").as_bytes());
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
    fn a_line_has_a_time_and_a_level_only_if_it_is_special() {
        assert_eq!(line(&some_time(), Level::Info, "attic joined"), "2026-11-22 17:25:03 attic joined\n");
        assert_eq!(line(&some_time(), Level::Warn, "no"), "2026-11-22 17:25:03 warning: no\n");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_into_a_line() {
        assert_eq!(printable("\x1b[31mred\x07 \u{9b}2J\r\n\u{202e}evil — ř夜"), "[31mred 2J evil — ř夜");
    }

    /// Fails every write, as stderr does when its reader is gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_is_gone_does_no_harm() {
        let (queue, lines) = sync_channel(4);
        let (done, is_done) = sync_channel(1);
        queue.send(Entry::Line { time: Timestamp::UNIX_EPOCH, level: Level::Info, message: "lost".into() }).unwrap();
        queue.send(Entry::Flush(done)).unwrap();
        drop(queue);
        write_all(&lines, &mut Gone);
        assert_eq!(is_done.try_recv(), Ok(()));
    }

    #[test]
    fn a_line_takes_little_stack_of_the_thread_that_logs() {
        let (queue, lines) = sync_channel(1);
        let log = move || {
            Logger { queue }.log(&Record::builder().target("trill_server").args(format_args!("joined")).build());
        };
        thread::Builder::new().stack_size(64 * 1_024).spawn(log).unwrap().join().unwrap();
        assert!(matches!(lines.try_recv(), Ok(Entry::Line { message, .. }) if message == "joined"));
    }

    #[test]
    fn a_full_queue_is_not_waited_for() {
        let (queue, lines) = sync_channel(1);
        let logger = Logger { queue };
        let record = |text| Record::builder().target("trill_server").args(text).build();
        logger.log(&record(format_args!("first")));
        logger.log(&record(format_args!("second")));
        logger.flush();
        drop(logger);
        let mut out = Vec::new();
        write_all(&lines, &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("first") && !out.contains("second"), "{out}");
        assert!(out.ends_with("(1 log lines were lost)\n"), "{out}");
    }
}
