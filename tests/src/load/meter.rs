//! What processes take, as the kernel counts it.

use super::Traffic;
use crate::usage;
use std::io;
use std::time::{Duration, Instant};

/// What some processes have taken so far, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meter {
    /// CPU time, user and system together, to 10 ms. What threads took that have ended stays in it: a server may start one
    /// for each song that it opens.
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
    /// Listeners whose music has begun.
    pub(super) begun: usize,
    /// The longest time that one of these waited for that.
    pub(super) latest_beginning: Duration,
    /// Listeners whose music did not begin in time, or whose connection failed.
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
        let before = Meter::read(&own).expect("this process");
        // Reading it takes time too.
        let is_more = || Meter::read(&own).is_ok_and(|now| now.cpu > before.cpu);
        wait::wait_for(Duration::from_secs(10), "a hundredth of a second of work", is_more);
        fs::write("/dev/null", [0; 10_000]).expect("a file that takes everything");
        let after = Meter::read(&own).expect("this process");
        assert!(after.written_bytes >= before.written_bytes + 10_000, "{before:?}, then {after:?}");
    }
}
