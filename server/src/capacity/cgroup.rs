//! Limits by the control groups of Linux: those of a container, a service or a user.
//!
//! A process is in one group of each hierarchy. Version 2 has one hierarchy, version 1 one for each controller. A group's limit
//! applies to all groups below it, so all groups up to the root count.

use std::fs;
use std::path::{Path, PathBuf};

/// The groups of a process in the hierarchies that count a resource, from the process's own group up.
#[derive(Debug)]
pub(super) struct Groups {
    controller: &'static str,
    directories: Vec<PathBuf>,
}

/// The groups that limit this process, for `"memory"` (in bytes) or `"pids"` (threads). None on other systems.
pub(super) fn of_process(controller: &'static str) -> Groups {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    Groups::find(controller, &read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
}

impl Groups {
    /// `groups` and `mounts` are the kernel's tables (cgroups(7), proc(5)).
    fn find(controller: &'static str, groups: &str, mounts: &str) -> Self {
        let directories = mounts.lines().filter_map(Mount::parse).filter_map(|mount| {
            let group = groups.lines().find_map(|line| mount.group_of(line, controller))?;
            // A process that sees a part of the hierarchy only may have its group outside of it. Then only the top is known.
            let below = group.strip_prefix(mount.root).unwrap_or_else(|_| Path::new(""));
            let ways = below.ancestors().map(|way| Path::new(mount.point).join(way));
            Some(ways.collect::<Vec<_>>())
        });
        Self { controller, directories: directories.flatten().collect() }
    }

    /// What is left of the tightest limit. `None` if there is none.
    pub(super) fn available(&self) -> Option<u64> {
        self.directories.iter().filter_map(|directory| self.available_in(directory)).min()
    }

    fn available_in(&self, directory: &Path) -> Option<u64> {
        let number = |name: &str| fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u64>().ok();
        let limits: &[&str] = match self.controller {
            // Above `high` the kernel slows the process down severely.
            "memory" => &["memory.max", "memory.high", "memory.limit_in_bytes"],
            _ => &["pids.max"],
        };
        let limit = limits.iter().filter_map(|name| number(name)).min()?;
        let used = match self.controller {
            "memory" => number("memory.current").or_else(|| number("memory.usage_in_bytes"))?,
            _ => number("pids.current")?,
        };
        Some(limit.saturating_sub(used.saturating_sub(reclaimable(directory))))
    }
}

/// The file cache, which the kernel frees before it refuses memory.
fn reclaimable(directory: &Path) -> u64 {
    let statistics = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
    // In version 1 the second counts this group alone, the first also those below it.
    let value = |name| statistics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value("total_inactive_file ").or_else(|| value("inactive_file ")).unwrap_or(0)
}

/// A hierarchy of control groups, from a line of `/proc/self/mountinfo`.
struct Mount<'a> {
    /// The group at the top of the mount.
    root: &'a str,
    point: &'a str,
    is_version_2: bool,
    /// These include the controllers in version 1.
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // 36 35 98:0 /root /point rw,noatime … - cgroup source rw,memory
        let (fields, of_system) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let mut of_system = of_system.split(' ');
        let (root, point, system) = (fields.next()?, fields.next()?, of_system.next()?);
        let options = of_system.nth(1).unwrap_or_default();
        let is_version_2 = system == "cgroup2";
        (is_version_2 || system == "cgroup").then_some(Self { root, point, is_version_2, options })
    }

    /// The process's group in this hierarchy, from a line of `/proc/self/cgroup`, if the group counts the wanted resource.
    fn group_of(&self, line: &'a str, controller: &str) -> Option<&'a Path> {
        // 4:memory:/group, or 0::/group in version 2
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let has = |list: &str| list.split(',').any(|name| name == controller);
        let is_it = if self.is_version_2 { controllers.is_empty() } else { has(controllers) && has(self.options) };
        is_it.then_some(Path::new(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a hierarchy of these files and contents.
    fn hierarchy(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[track_caller]
    fn check(controller: &'static str, files: &[(&str, &str)], groups: &str, mount: &str, expected: Option<u64>) {
        let root = hierarchy(files);
        let mount = mount.replace("POINT", &root.path().display().to_string());
        assert_eq!(Groups::find(controller, groups, &mount).available(), expected, "{files:?}");
    }

    const V2: &str = "41 31 0:38 / POINT rw,relatime - cgroup2 cgroup2 rw\n";
    const V1: &str = "35 31 0:32 / POINT rw,relatime - cgroup cgroup rw,memory\n";

    #[test]
    fn the_tightest_of_nested_groups_counts() {
        let files = [
            ("memory.current", "9000"),
            ("a/memory.max", "5000\n"),
            ("a/memory.current", "3000\n"),
            ("a/memory.stat", "anon 1\ninactive_file 500\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "100\n"),
            ("a/b/c/memory.max", "4000\n"),
            ("a/b/c/memory.high", "2900\n"),
            ("a/b/c/memory.current", "100\n"),
            ("a/other/memory.max", "1\n"),
        ];
        check("memory", &files, "0::/a/b/c\n", V2, Some(2_500));
        check("memory", &files[5..], "0::/a/b/c\n", V2, Some(2_800));
        check("memory", &files[..1], "0::/\n", V2, None);
    }

    #[test]
    fn version_1_has_a_hierarchy_for_each_controller() {
        let files = [
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.usage_in_bytes", "100000\n"),
            ("a/memory.limit_in_bytes", "1000\n"),
            ("a/memory.usage_in_bytes", "700\n"),
            ("a/memory.stat", "inactive_file 1\ntotal_inactive_file 200\n"),
        ];
        check("memory", &files, "3:cpuset:/\n4:memory:/a\n0::/\n", V1, Some(500));
        check("memory", &files, "4:cpu,memory:/a\n", V1, Some(500));
        check("pids", &files, "4:memory:/a\n", V1, None);
        check("memory", &files, "3:cpuset:/a\n", V1, None);
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_top() {
        let files =
            [("memory.max", "1000\n"), ("memory.current", "400\n"), ("pids.max", "9\n"), ("pids.current", "4\n")];
        check("memory", &files, "0::/\n", V2, Some(600));
        check("pids", &files, "0::/\n", V2, Some(5));
        // The group's name outside the container, with and without a namespace.
        let bound = V2.replacen(" / ", " /docker/1 ", 1);
        check("memory", &files, "0::/docker/1\n", &bound, Some(600));
        check("memory", &files, "0::/../../docker/1\n", V2, Some(600));
        check("memory", &files, "0::/docker/1\n", V1, None);
    }

    #[test]
    fn a_full_group_leaves_nothing() {
        check("memory", &[("memory.max", "100"), ("memory.current", "200")], "0::/\n", V2, Some(0));
    }
}
