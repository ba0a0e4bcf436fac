//! What processes take, as the kernel counts it.

use super::Traffic;
use crate::usage;
use std::io;
use std::time::{Duration, Instant};

/// What some processes have taken so far, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meter {
    /// CPU time, user and system together, of the threads that exist now, to the nanosecond (`schedstat`).
    pub(super) cpu: Duration,
    /// Bytes handed to the kernel by write, writev and sendfile (`wchar` of proc(5)); not by send.
    pub(super) written_bytes: u64,
    /// Resident memory in bytes.
    pub(super) resident_bytes: u64,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) traffic: Traffic,
    pub(super) underruns: u64,
    pub(super) late_seconds: u64,
    pub(super) begun: usize,
    pub(super) server: Meter,
    pub(super) own: Meter,
}

impl Meter {
    pub(super) fn read(processes: &[u32]) -> io::Result<Self> {
        let mut all = Self::default();
        for process in processes {
            all.cpu += usage::running_time(*process)?;
            all.written_bytes += usage::written_bytes(*process)?;
            all.resident_bytes += usage::of(*process)?.resident_bytes;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn work_and_output_of_a_process_are_counted() {
        let own = [std::process::id()];
        let before = Meter::read(&own).expect("this process");
        let mut sum = 0_u64;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            sum = sum.wrapping_add(std::hint::black_box(begun).elapsed().as_nanos() as u64);
        }
        fs::write("/dev/null", [0; 10_000]).expect("a file that takes everything");
        let after = Meter::read(&own).expect("this process");
        assert!(after.cpu > before.cpu && sum > 0, "{before:?}, then {after:?}");
        assert!(after.written_bytes >= before.written_bytes + 10_000, "{before:?}, then {after:?}");
    }
}
