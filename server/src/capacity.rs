//! How many connections this process can hold.
//!
//! Each has a thread, file descriptors, and memory in the process and in the kernel. Where one of these runs out, the music
//! of everybody is in danger:
//!
//! - Linux gives a process `max_map_count` memory mappings, a thread takes up to four of them, and when they run out the C
//!   library *aborts the process* instead of reporting an error.
//! - When memory runs out, the kernel kills the process, or an allocation that fails aborts it.
//! - When descriptors run out, no song can be opened.
//!
//! So connections are refused well before.

mod cgroup;
mod memory;

use std::fs;

use crate::connection;
use crate::listener::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
use crate::payloads::LARGE_BUFFERS;
use crate::threads::STACK_BYTES;
use memory::Available;
use trill_proto::limits::MAX_PAYLOAD_BYTES;

/// Descriptors that are not connections: songs being read, directories that are looked through, the log.
const RESERVED_DESCRIPTORS: u64 = 128;

/// Descriptors of a client: its socket, the song that it plays, and the one that is being opened when it switches.
const DESCRIPTORS_PER_CLIENT: u64 = 3;

/// Mappings of one thread: its stack, the guard page, and an arena of the allocator with a guard of its own.
const MAPS_PER_THREAD: u64 = 4;

/// Threads' worth of mappings that are left for everything else.
const RESERVED_THREADS: u64 = 1_000;

/// Threads that a server has besides those of its connections, at most.
const OWN_THREADS: u64 = 128;

/// Enough for everybody where the system names no limit.
const UNLIMITED: u64 = 65_536;

/// What a connection takes of the process's memory at most.
const PROCESS_BYTES_EACH: u64 = TOUCHED_STACK_BYTES + connection::MAX_HEAP_BYTES;

/// Stack that a connection touches.
const TOUCHED_STACK_BYTES: u64 = 32 * 1_024;

/// What a connection takes of the kernel's memory at most: the thread and its page tables, the socket and its file, and the
/// socket's buffers. Linux doubles the size of these, and a full buffer takes one more segment, of 64 KiB at most.
const KERNEL_BYTES_EACH: u64 = 48 * 1_024 + 2 * (RECEIVE_BUFFER_BYTES + SEND_BUFFER_BYTES) as u64 + 64 * 1_024;

/// What a connection costs at most, wherever that is. The start line is computed from this.
const BYTES_EACH: u64 = PROCESS_BYTES_EACH + KERNEL_BYTES_EACH;

/// Address space of a connection's thread, with its guard page.
const ADDRESSES_EACH: u64 = STACK_BYTES as u64 + 4_096 + connection::MAX_HEAP_BYTES;

/// Address space for the server's own threads, and for the 40 MB of stacks that the C library keeps after threads have ended.
const OWN_ADDRESSES: u64 = 96 << 20;

/// What is left of the memory for the songs' names and for the operating system's copies of files.
const RESERVED_MEMORY: Fraction = Fraction(1, 4);

struct Fraction(u64, u64);

/// Connections that this process can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// If each plays a song of its own.
    pub(crate) with_own_songs: usize,
    /// If they play the same songs.
    pub(crate) with_same_songs: usize,
}

/// What the system grants; `None` where it names no limit.
#[derive(Clone, Copy, Debug, Default)]
struct Resources {
    open_files: Option<u64>,
    memory_maps: Option<u64>,
    threads: Option<u64>,
    memory: Available,
}

impl Capacity {
    /// Asks the system. Raises the process's limit of open files as far as it may.
    pub(crate) fn of_process() -> Self {
        let resources = Resources {
            open_files: open_files(),
            memory_maps: memory_maps(),
            threads: cgroup::of_process("pids").available(),
            memory: Available::of_process(),
        };
        resources.capacity()
    }
}

impl Resources {
    fn capacity(&self) -> Capacity {
        let by_files = self.open_files.map(|files| files.saturating_sub(RESERVED_DESCRIPTORS));
        let bounds = [
            by_files,
            self.memory_maps.map(|maps| (maps / MAPS_PER_THREAD).saturating_sub(RESERVED_THREADS)),
            self.threads.map(|threads| threads.saturating_sub(OWN_THREADS)),
            self.memory.bytes.map(|bytes| share(bytes, BYTES_EACH)),
            self.memory.data_bytes.map(|bytes| share(bytes.saturating_sub(OWN_ADDRESSES), ADDRESSES_EACH)),
            self.memory.addresses.map(|bytes| share(bytes.saturating_sub(OWN_ADDRESSES), ADDRESSES_EACH)),
        ];
        let bound = bounds.into_iter().flatten().min().unwrap_or(UNLIMITED);
        let with_own_songs = by_files.map_or(bound, |files| bound.min(files / DESCRIPTORS_PER_CLIENT));
        Capacity { with_own_songs: count(with_own_songs), with_same_songs: count(bound) }
    }
}

/// How many connections of `each` bytes fit into so much memory.
fn share(bytes: u64, each: u64) -> u64 {
    let Fraction(part, whole) = RESERVED_MEMORY;
    let buffers = (LARGE_BUFFERS * MAX_PAYLOAD_BYTES) as u64;
    bytes.saturating_sub(bytes / whole * part).saturating_sub(buffers) / each
}

fn count(bound: u64) -> usize {
    usize::try_from(bound.clamp(1, UNLIMITED)).unwrap_or(usize::MAX)
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

    const MIB: u64 = 1 << 20;

    #[track_caller]
    fn check(resources: Resources, with_own_songs: usize, with_same_songs: usize) {
        assert_eq!(resources.capacity(), Capacity { with_own_songs, with_same_songs }, "{resources:?}");
    }

    #[test]
    fn the_scarcest_resource_decides() {
        for (open_files, memory_maps, with_own_songs, with_same_songs) in [
            (Some(1_024), Some(65_530), 298, 896),
            (Some(1_048_576), Some(65_530), 15_382, 15_382),
            (None, Some(65_530), 15_382, 15_382),
            (Some(20_000), None, 6_624, 19_872),
            (None, None, 65_536, 65_536),
            (Some(u64::MAX), Some(u64::MAX), 65_536, 65_536),
            (Some(64), Some(65_530), 1, 1),
        ] {
            let memory = Available::default();
            check(Resources { open_files, memory_maps, threads: None, memory }, with_own_songs, with_same_songs);
        }
        check(Resources { threads: Some(4_915), ..Resources::default() }, 4_787, 4_787);
    }

    #[test]
    fn all_connections_together_fit_into_the_memory() {
        for mib in [32, 128, 512, 4_096] {
            let memory = |bytes, data_bytes, addresses| Available { bytes, data_bytes, addresses };
            let (bytes, addresses) = (Some(mib * MIB), Some(mib * MIB + OWN_ADDRESSES));
            for memory in [memory(bytes, None, None), memory(None, addresses, None), memory(None, None, addresses)] {
                let each = if memory.bytes.is_some() { BYTES_EACH } else { ADDRESSES_EACH };
                let capacity = Resources { memory, ..Resources::default() }.capacity();
                let taken = capacity.with_same_songs as u64 * each;
                assert!((mib * MIB / 2..=mib * MIB * 3 / 4).contains(&taken), "{taken} bytes of {mib} MiB");
                assert_eq!(capacity.with_own_songs, capacity.with_same_songs);
            }
        }
        let memory = Available { bytes: Some(MIB), ..Available::default() };
        check(Resources { memory, ..Resources::default() }, 1, 1);
    }
}
