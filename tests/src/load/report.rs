//! The report of a run, as one line of JSON.

use super::meter::{Meter, Reading};
use serde_json::{Value, json};
use std::io;

/// CPU share of a core from which the generator's single thread limits the result.
const MOST_OWN_SHARE: f64 = 0.9;

/// In a shorter time, the 10 ms resolution of CPU time is too coarse for the share.
const LEAST_SECONDS: f64 = 1.0;

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Listeners whose music began, including those that failed later.
    pub listeners: f64,
    /// Listeners that received no music in time or failed before the end.
    pub failed: f64,
    /// The reason of the first failure.
    pub first_failure: Option<String>,
    /// Longest time from a connection to its first music, in seconds, rounded to a quarter.
    pub latest_beginning: f64,
    /// The server's memory at the end minus that before the first listener, in bytes.
    pub server_memory: f64,
    /// Ticks without enough music after its start, summed over all listeners.
    pub underruns: f64,
    /// Seconds with at least one such tick, summed over all listeners.
    pub late_seconds: f64,
    /// From before the first connection to the end.
    pub whole: Span,
    /// The window at the end, without new connections.
    pub window: Span,
}

/// Usage and traffic of an interval, summed over all listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    /// Length in seconds.
    pub seconds: f64,
    /// CPU time of the server in seconds.
    pub server_cpu: f64,
    /// Bytes that the server wrote with write, writev and sendfile.
    pub server_written: f64,
    /// CPU time of the generator in seconds.
    pub own_cpu: f64,
    /// Bytes of music received.
    pub payload: f64,
    /// All bytes received.
    pub received: f64,
    /// All bytes sent to the server.
    pub sent: f64,
}

impl Report {
    pub(super) fn of(first: &Reading, before: &Reading, after: &Reading) -> io::Result<Self> {
        Ok(Self {
            listeners: after.begun as f64,
            failed: after.failed as f64,
            first_failure: None,
            latest_beginning: after.latest_beginning.as_secs_f64(),
            // Memory can shrink.
            server_memory: after.server.resident_bytes as f64 - first.server.resident_bytes as f64,
            underruns: after.underruns as f64,
            late_seconds: after.late_seconds as f64,
            whole: Span::between(first, after)?,
            window: Span::between(before, after)?,
        })
    }

    /// The generator's share of a core: the larger of before and in the window.
    pub fn own_share(&self) -> f64 {
        let Self { whole, window, .. } = self;
        let gathering = (whole.own_cpu - window.own_cpu, whole.seconds - window.seconds);
        let spans = [gathering, (window.own_cpu, window.seconds)];
        let shares =
            spans.into_iter().filter(|(_, seconds)| *seconds >= LEAST_SECONDS).map(|(cpu, seconds)| cpu / seconds);
        shares.fold(0.0, f64::max)
    }

    /// Whether the generator limited the result.
    pub fn is_saturated(&self) -> bool {
        self.own_share() > MOST_OWN_SHARE
    }

    /// Warnings for readers of the figures.
    pub fn remarks(&self) -> Vec<String> {
        let why = self.first_failure.as_deref().unwrap_or("unknown reason");
        let failed = || format!("{} listeners failed or did not begin, the first because: {why}", self.failed);
        let saturated = || {
            let share = self.own_share();
            format!("the generator took {share:.2} of a core: it limits the result")
        };
        [(self.failed > 0.0).then(failed), self.is_saturated().then(saturated)].into_iter().flatten().collect()
    }

    /// Formats the report for the program that started the generator.
    pub fn to_json(&self) -> Value {
        let Self { listeners, failed, first_failure, latest_beginning, .. } = self;
        let Self { server_memory, underruns, late_seconds, whole, window, .. } = self;
        json!({
            "listeners": listeners, "failed": failed, "first_failure": first_failure,
            "latest_beginning": latest_beginning, "server_memory": server_memory,
            "underruns": underruns, "late_seconds": late_seconds,
            "whole": whole.to_json(), "window": window.to_json(),
        })
    }

    /// Parses the output of [`to_json`](Self::to_json); `None` for anything else.
    pub fn from_json(value: &Value) -> Option<Self> {
        let number = |key: &str| value.get(key)?.as_f64();
        Some(Self {
            listeners: number("listeners")?,
            failed: number("failed")?,
            first_failure: value.get("first_failure")?.as_str().map(str::to_owned),
            latest_beginning: number("latest_beginning")?,
            server_memory: number("server_memory")?,
            underruns: number("underruns")?,
            late_seconds: number("late_seconds")?,
            whole: Span::from_json(value.get("whole")?)?,
            window: Span::from_json(value.get("window")?)?,
        })
    }
}

impl Span {
    fn between(before: &Reading, after: &Reading) -> io::Result<Self> {
        let cpu = |after: &Meter, before: &Meter, whose| {
            let step = after.cpu.checked_sub(before.cpu).ok_or_else(|| went_backwards(whose));
            step.map(|step| step.as_secs_f64())
        };
        let (came, had) = (&after.traffic, &before.traffic);
        let received = step(came.received_bytes, had.received_bytes, "the bytes that came")?;
        // The kernel does not count sendmsg, so at least the received bytes were written.
        let written = step(after.server.written_bytes, before.server.written_bytes, "what the server wrote")?;
        Ok(Self {
            seconds: (after.at - before.at).as_secs_f64(),
            server_cpu: cpu(&after.server, &before.server, "the server's CPU time")?,
            server_written: written.max(received),
            own_cpu: cpu(&after.own, &before.own, "the generator's CPU time")?,
            payload: step(came.payload_bytes, had.payload_bytes, "the bytes of music")?,
            received,
            sent: step(came.sent_bytes, had.sent_bytes, "the bytes that were sent")?,
        })
    }

    fn to_json(self) -> Value {
        let Self { seconds, server_cpu, server_written, own_cpu, payload, received, sent } = self;
        json!({
            "seconds": seconds, "server_cpu": server_cpu, "server_written": server_written, "own_cpu": own_cpu,
            "payload": payload, "received": received, "sent": sent,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |key: &str| value.get(key)?.as_f64();
        Some(Self {
            seconds: number("seconds")?,
            server_cpu: number("server_cpu")?,
            server_written: number("server_written")?,
            own_cpu: number("own_cpu")?,
            payload: number("payload")?,
            received: number("received")?,
            sent: number("sent")?,
        })
    }
}

/// The increase of a counter. A decrease means that the wrong thing was counted.
fn step(after: u64, before: u64, what: &str) -> io::Result<f64> {
    after.checked_sub(before).map(|step| step as f64).ok_or_else(|| went_backwards(what))
}

fn went_backwards(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} went backwards"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Traffic;
    use std::time::{Duration, Instant};

    #[test]
    fn a_report_comes_back() {
        let span = |first: f64| Span {
            seconds: first,
            server_cpu: first + 1.0,
            server_written: first + 2.0,
            own_cpu: first + 3.0,
            payload: first + 4.0,
            received: first + 5.0,
            sent: first + 6.0,
        };
        let (whole, window) = (span(10.0), span(20.0));
        let report = Report {
            listeners: 1.0,
            failed: 2.0,
            first_failure: Some("a cable was cut".into()),
            latest_beginning: 3.0,
            server_memory: -4.0,
            underruns: 5.0,
            late_seconds: 6.0,
            whole,
            window,
        };
        for report in [Report { first_failure: None, ..report.clone() }, report] {
            assert_eq!(Report::from_json(&report.to_json()), Some(report));
        }
        assert_eq!(Report::from_json(&json!({ "listeners": 7 })), None);
    }

    #[test]
    fn a_generator_without_time_left_says_so() {
        let check = |whole: (f64, f64), window: (f64, f64), share: f64, is_saturated| {
            let span = |(own_cpu, seconds)| Span { own_cpu, seconds, ..Span::default() };
            let report = Report { whole: span(whole), window: span(window), ..Report::default() };
            assert!((report.own_share() - share).abs() < 1e-9, "{report:?}");
            assert_eq!((report.is_saturated(), report.remarks().len()), (is_saturated, usize::from(is_saturated)));
        };
        check((4.0, 20.0), (1.0, 10.0), 0.3, false);
        check((9.0, 20.0), (9.0, 10.0), 0.9, false);
        check((10.0, 20.0), (9.5, 10.0), 0.95, true);
        // During the ramp.
        check((10.0, 20.0), (0.5, 10.0), 0.95, true);
        // One 10 ms step in a very short time.
        check((1.01, 10.001), (1.0, 10.0), 0.1, false);
    }

    #[test]
    fn nothing_that_is_counted_goes_back() {
        let reading = |cpu: u64, payload_bytes: u64| Reading {
            at: Instant::now(),
            traffic: Traffic { payload_bytes, ..Traffic::default() },
            underruns: 0,
            late_seconds: 0,
            begun: 0,
            latest_beginning: Duration::ZERO,
            failed: 0,
            server: Meter { cpu: Duration::from_secs(cpu), ..Meter::default() },
            own: Meter::default(),
        };
        let first = reading(5, 10);
        let span = Span::between(&first, &reading(7, 30)).expect("everything went on");
        assert_eq!((span.server_cpu, span.payload), (2.0, 20.0));
        let check = |after: &Reading, expected: &str| {
            let error = Span::between(&first, after).expect_err("something went back");
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(&reading(4, 30), "the server's CPU time");
        check(&reading(7, 9), "the bytes of music");
    }
}
