//! Resource use of processes, from the kernel's counters.

use super::Traffic;
use crate::usage;
use std::io;
use std::time::{Duration, Instant};

/// Sums over some processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meter {
    /// CPU time, user and system, with a resolution of 10 ms. Includes threads that have ended.
    pub(super) cpu: Duration,
    /// Bytes written with write, writev and sendfile (`wchar` of proc(5)), but not with send.
    pub(super) written_bytes: u64,
    /// Resident memory in bytes.
    pub(super) resident_bytes: u64,
}

/// All readings at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) traffic: Traffic,
    pub(super) underruns: u64,
    pub(super) late_seconds: u64,
    /// Listeners whose music has begun.
    pub(super) begun: usize,
    /// The longest time from a connection to its first music.
    pub(super) latest_beginning: Duration,
    /// Listeners that failed or received no music in time.
    pub(super) failed: usize,
    pub(super) server: Meter,
    pub(super) own: Meter,
}

impl Meter {
    pub(super) fn read(processes: &[u32]) -> io::Result<Self> {
        let mut all = Self::default();
        for process in processes {
            let usage = usage::of(*process)?;
            all.cpu += usage.cpu_time;
            all.resident_bytes += usage.resident_bytes;
            all.written_bytes += usage::written_bytes(*process)?;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;
    use std::fs;

    #[test]
    fn work_and_output_of_a_process_are_counted() {
        let own = [std::process::id()];
        let before = Meter::read(&own).expect("this process exists");
        // Reading the counters takes CPU time too.
        let is_more = || Meter::read(&own).is_ok_and(|now| now.cpu > before.cpu);
        wait::wait_for(Duration::from_secs(10), "a hundredth of a second of work", is_more);
        fs::write("/dev/null", [0; 10_000]).expect("a file that takes everything");
        let after = Meter::read(&own).expect("this process exists");
        assert!(after.written_bytes >= before.written_bytes + 10_000, "{before:?}, then {after:?}");
    }
}
