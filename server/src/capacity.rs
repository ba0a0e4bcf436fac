//! How many connections this process can hold.
//!
//! Each has a thread and a file descriptor. Linux gives a process `max_map_count` memory mappings, a thread takes up
//! to four of them, and when they run out the C library *aborts the process* instead of reporting an error. So
//! connections are refused well before.

use std::fs;

/// Descriptors that are not connections: songs in use and being read, directories that are looked through, the log.
const RESERVED_DESCRIPTORS: u64 = 128;

/// Mappings of one thread: its stack, the guard page, and an arena of the allocator with a guard of its own.
const MAPS_PER_THREAD: u64 = 4;

/// Threads' worth of mappings that are left for everything else.
const RESERVED_THREADS: u64 = 1_000;

/// Enough for everybody where the system names no limit.
const UNLIMITED: u64 = 65_536;

/// Connections that this process can hold. Raises its limit of open files as far as it may.
pub(crate) fn of_process() -> usize {
    bound(open_files(), memory_maps())
}

fn bound(open_files: Option<u64>, memory_maps: Option<u64>) -> usize {
    let by_files = open_files.map(|files| files.saturating_sub(RESERVED_DESCRIPTORS));
    let by_maps = memory_maps.map(|maps| (maps / MAPS_PER_THREAD).saturating_sub(RESERVED_THREADS));
    let bound = by_files.unwrap_or(UNLIMITED).min(by_maps.unwrap_or(UNLIMITED)).clamp(1, UNLIMITED);
    usize::try_from(bound).unwrap_or(usize::MAX)
}

#[cfg(unix)]
fn open_files() -> Option<u64> {
    // Where the limit cannot be raised, it stays as it is.
    rlimit::increase_nofile_limit(u64::MAX).or_else(|_| rlimit::Resource::NOFILE.get_soft()).ok()
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

/// `None` on systems other than Linux.
fn memory_maps() -> Option<u64> {
    fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_resource_decides() {
        for (files, maps, expected) in [
            (Some(1_024), Some(65_530), 896),
            (Some(1_048_576), Some(65_530), 15_382),
            (None, Some(65_530), 15_382),
            (Some(20_000), None, 19_872),
            (None, None, 65_536),
            (Some(u64::MAX), Some(u64::MAX), 65_536),
            (Some(64), Some(65_530), 1),
        ] {
            assert_eq!(bound(files, maps), expected, "{files:?} files, {maps:?} mappings");
        }
    }
}
