//! The memory that this process may still use.

use std::fs;

use super::cgroup;

/// Memory that is free for this process, in bytes. `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Available {
    /// Memory of the machine or of the process's control groups, including kernel memory.
    pub(super) bytes: Option<u64>,
    /// Writable memory, by the process's resource limit.
    pub(super) data_bytes: Option<u64>,
    /// Address space, by the process's resource limit.
    pub(super) addresses: Option<u64>,
}

impl Available {
    /// Asks the system. All `None` on systems other than Linux.
    pub(super) fn of_process() -> Self {
        let bytes = [of_machine(), cgroup::of_process("memory").available()].into_iter().flatten().min();
        Self { bytes, data_bytes: limits::data(), addresses: limits::addresses() }
    }
}

fn of_machine() -> Option<u64> {
    field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// The value of a line such as `VmData:  1234 kB`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(target_os = "linux")]
mod limits {
    use rlimit::Resource;
    use std::fs;

    /// Arenas of the C library's allocator per processor, and the address space of each.
    const ARENAS_PER_PROCESSOR: u64 = 8;
    const ARENA_BYTES: u64 = 64 << 20;

    pub(super) fn data() -> Option<u64> {
        free(Resource::DATA, "VmData:")
    }

    pub(super) fn addresses() -> Option<u64> {
        let free = free(Resource::AS, "VmSize:")?;
        Some(free.saturating_sub(processors() * ARENAS_PER_PROCESSOR * ARENA_BYTES))
    }

    /// Processors that are online. The C library also counts those that a control group does not grant.
    fn processors() -> u64 {
        let table = fs::read_to_string("/proc/stat").unwrap_or_default();
        // cpu0 336361 515767 145209 …, after a line for all of them (proc(5))
        let is_processor = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with(' '));
        table.lines().filter(is_processor).count().max(1) as u64
    }

    fn free(resource: Resource, used: &str) -> Option<u64> {
        let limit = resource.get_soft().ok().filter(|limit| *limit != rlimit::INFINITY)?;
        let used = super::field(&fs::read_to_string("/proc/self/status").ok()?, used)?;
        Some(limit.saturating_sub(used))
    }
}

#[cfg(not(target_os = "linux"))]
mod limits {
    pub(super) const fn data() -> Option<u64> {
        None
    }

    pub(super) const fn addresses() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_tables() {
        let table = "MemTotal:       24683652 kB\nMemAvailable:   23386040 kB\nHugePages_Total:       0\n";
        assert_eq!(field(table, "MemAvailable:"), Some(23_386_040 * 1_024));
        assert_eq!(field(table, "HugePages_Total:"), None);
        assert_eq!(field(table, "SwapTotal:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_memory() {
        assert!(Available::of_process().bytes.is_some_and(|bytes| bytes > 1 << 20));
    }
}
