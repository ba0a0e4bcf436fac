//! What was measured, as one line that another program reads.

use super::meter::Reading;
use serde_json::{Value, json};

/// What a server took for its listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Listeners whose music had begun.
    pub listeners: f64,
    /// Memory of the server at the end beyond what it had before the first listener, in bytes.
    pub server_memory: f64,
    /// Quarters of a second for which the music was not there in time.
    pub underruns: f64,
    /// Seconds in which that happened, of each listener.
    pub late_seconds: f64,
    /// From before the first connection to the end.
    pub whole: Span,
    /// The window at its end, when nobody connects.
    pub window: Span,
}

/// What happened in a span of time, of all listeners together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// CPU time of the server in seconds.
    pub server_cpu: f64,
    /// Bytes that the server handed to the kernel by write, writev and sendfile.
    pub server_written: f64,
    /// CPU time of the generator in seconds.
    pub own_cpu: f64,
    /// Bytes of music that came.
    pub payload: f64,
    /// Bytes that came.
    pub received: f64,
    /// Bytes that were sent to the server.
    pub sent: f64,
}

impl Report {
    pub(super) fn of(first: &Reading, before: &Reading, after: &Reading) -> Self {
        Self {
            listeners: after.begun as f64,
            server_memory: difference(after.server.resident_bytes, first.server.resident_bytes),
            underruns: after.underruns as f64,
            late_seconds: after.late_seconds as f64,
            whole: Span::between(first, after),
            window: Span::between(before, after),
        }
    }

    /// For the program that started the generator.
    pub fn to_json(self) -> Value {
        let Self { listeners, server_memory, underruns, late_seconds, whole, window } = self;
        json!({
            "listeners": listeners, "server_memory": server_memory, "underruns": underruns, "late_seconds": late_seconds,
            "whole": whole.to_json(), "window": window.to_json(),
        })
    }

    /// From what [`to_json`](Self::to_json) made; `None` if it is something else.
    pub fn from_json(value: &Value) -> Option<Self> {
        let number = |key: &str| value.get(key)?.as_f64();
        Some(Self {
            listeners: number("listeners")?,
            server_memory: number("server_memory")?,
            underruns: number("underruns")?,
            late_seconds: number("late_seconds")?,
            whole: Span::from_json(value.get("whole")?)?,
            window: Span::from_json(value.get("window")?)?,
        })
    }
}

impl Span {
    fn between(before: &Reading, after: &Reading) -> Self {
        Self {
            seconds: (after.at - before.at).as_secs_f64(),
            server_cpu: after.server.cpu.saturating_sub(before.server.cpu).as_secs_f64(),
            server_written: difference(after.server.written_bytes, before.server.written_bytes),
            own_cpu: after.own.cpu.saturating_sub(before.own.cpu).as_secs_f64(),
            payload: difference(after.traffic.payload_bytes, before.traffic.payload_bytes),
            received: difference(after.traffic.received_bytes, before.traffic.received_bytes),
            sent: difference(after.traffic.sent_bytes, before.traffic.sent_bytes),
        }
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

fn difference(after: u64, before: u64) -> f64 {
    after.saturating_sub(before) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let report = Report { listeners: 1.0, server_memory: 2.0, underruns: 3.0, late_seconds: 4.0, whole, window };
        assert_eq!(Report::from_json(&report.to_json()), Some(report));
        assert_eq!(Report::from_json(&json!({ "listeners": 7 })), None);
    }
}
