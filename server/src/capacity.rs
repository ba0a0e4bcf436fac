//! How many connections this process can hold, and how many the server takes.
//!
//! Each connection has a thread, file descriptors, and memory in the process and in the kernel. If one of these runs out, all
//! clients suffer:
//!
//! - Linux limits a process to `max_map_count` memory mappings. A thread takes up to four. When they run out, the C library
//!   *aborts the process* instead of reporting an error.
//! - When memory runs out, the kernel kills the process, or a failed allocation aborts it.
//! - When descriptors run out, no song can be opened.
//!
//! So the server refuses connections well before.

mod cgroup;
mod memory;

use std::fs;
use std::num::NonZeroUsize;

use crate::STACK_BYTES;
use crate::connection;
use crate::connection::buffer_pool::LARGE_BUFFERS;
use crate::listener::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
use memory::Available;
use trill_proto::limits::{MAX_PAYLOAD_BYTES, MAX_WAITING};

/// Descriptors for other uses: tag reading, scans, the log.
const RESERVED_DESCRIPTORS: u64 = 128;

/// Descriptors of a client: its socket, the song that it plays, and the song that it switches to.
const DESCRIPTORS_PER_CLIENT: u64 = 3;

/// Mappings of a thread: its stack with a guard page, and an arena of the allocator with another.
const MAPS_PER_THREAD: u64 = 4;

/// Mappings for everything else, in threads.
const RESERVED_THREADS: u64 = 1_000;

/// Threads of the server besides those of its connections, at most.
const OWN_THREADS: u64 = 128;

/// The capacity where the system has no limit.
const UNLIMITED: u64 = 65_536;

/// Memory of a connection in the process, at most.
const PROCESS_BYTES_EACH: u64 = TOUCHED_STACK_BYTES + connection::MAX_HEAP_BYTES;

/// Stack memory that a connection uses.
const TOUCHED_STACK_BYTES: u64 = 32 * 1_024;

/// Memory of a connection in the kernel, at most: the thread and its page tables, the socket and its file, and the socket's
/// buffers. Linux doubles the size of these, and a full buffer takes one more segment of up to 64 KiB.
const KERNEL_BYTES_EACH: u64 = 48 * 1_024 + 2 * (RECEIVE_BUFFER_BYTES + SEND_BUFFER_BYTES) as u64 + 64 * 1_024;

/// Memory of a connection in total, at most. The announced number of clients follows from this.
const BYTES_EACH: u64 = PROCESS_BYTES_EACH + KERNEL_BYTES_EACH;

/// Address space of a connection's thread, with its guard page.
const ADDRESSES_EACH: u64 = STACK_BYTES as u64 + 4_096 + connection::MAX_HEAP_BYTES;

/// Address space for the server's own threads, and for 40 MB of stacks of ended threads that the C library keeps.
const OWN_ADDRESSES: u64 = 96 << 20;

/// The part of the memory that is left for the song list, searches (8 MB each among 100,000 albums, one for each core) and the
/// operating system's file cache.
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

/// What the system grants. `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default)]
struct Resources {
    open_files: Option<u64>,
    memory_maps: Option<u64>,
    threads: Option<u64>,
    memory: Available,
}

impl Capacity {
    /// Asks the system. Raises the process's limit of open files as far as possible.
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

/// How many connections a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Clients.
    pub(crate) max_clients: usize,
    /// Clients from one address.
    pub(crate) max_per_address: usize,
    /// Whether clients on this machine count, too.
    pub(crate) limits_loopback: bool,
    /// Connections that have not sent HELLO.
    pub(crate) max_waiting: usize,
    /// Connections of all kinds, including those that are closing.
    pub(crate) max_connections: usize,
}

/// Default limit of clients from one address, such as a house or an office. At most half of all clients in any case.
const DEFAULT_PER_ADDRESS: usize = 64;

impl Limits {
    /// The limits of a process with this `capacity`, with at most the wanted number of clients in total and per address. A
    /// user who sets the number of clients accepts that they cannot all play different songs.
    pub(crate) fn new(capacity: Capacity, wanted: Option<NonZeroUsize>, per_address: Option<NonZeroUsize>) -> Self {
        let capacity = if wanted.is_some() { capacity.with_same_songs } else { capacity.with_own_songs };
        let max_waiting = MAX_WAITING.min(capacity / 4).max(1);
        let possible = capacity.saturating_sub(max_waiting).max(1);
        let max_clients = wanted.map_or(possible, |wanted| wanted.get().min(possible));
        // As many again may be closing.
        let max_connections = capacity.min(max_clients + 2 * max_waiting);
        let max_per_address = per_address.map_or(DEFAULT_PER_ADDRESS.min(max_clients.div_ceil(2)), NonZeroUsize::get);
        let limits_loopback = per_address.is_some();
        Self { max_clients, max_per_address, limits_loopback, max_waiting, max_connections }
    }
}

/// How many connections of `each` bytes fit into this much memory.
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

    #[test]
    fn limits_follow_what_the_system_can_hold() {
        let capacity = |count| Capacity { with_own_songs: count, with_same_songs: count };
        let clients = |count, wanted| Limits::new(capacity(count), NonZeroUsize::new(wanted), None).max_clients;
        assert_eq!(clients(15_382, 0), 15_126);
        assert_eq!(clients(15_382, 100), 100);
        assert_eq!(clients(15_382, 1_000_000), 15_126);
        assert_eq!(clients(1, 0), 1);
        let limits = Limits::new(capacity(100), None, None);
        assert_eq!((limits.max_clients, limits.max_waiting, limits.max_connections), (75, 25, 100));
    }

    #[test]
    fn more_clients_than_files_for_different_songs_are_allowed_only_on_request() {
        let capacity = Capacity { with_own_songs: 300, with_same_songs: 900 };
        let clients = |wanted| Limits::new(capacity, NonZeroUsize::new(wanted), None).max_clients;
        assert_eq!((clients(0), clients(200), clients(400), clients(1_000)), (225, 200, 400, 675));
    }
}
