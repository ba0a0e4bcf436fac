//! Names of hosts, as a test wants them: for one process, and changed while it runs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// The library that takes the names of a process from a file; preloaded, it needs no privileges.
const WRAPPER: &str = "libnss_wrapper.so";

/// A file in the format of hosts(5) that stands in for the system's.
#[derive(Debug)]
pub struct Hosts {
    directory: TempDir,
    /// Changes are known by the time of the last one, in seconds: each has another.
    changes: u64,
}

impl Hosts {
    /// Each line is an address and a name.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn new(lines: &[&str]) -> Self {
        let directory = TempDir::with_prefix("trill-hosts-").expect("a temporary directory");
        let mut hosts = Self { directory, changes: 0 };
        hosts.change(lines);
        hosts
    }

    /// From now on names mean something else.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn change(&mut self, lines: &[&str]) {
        // In one step, so that no process reads half of it.
        let new = self.directory.path().join("new");
        fs::write(&new, lines.join("\n") + "\n").expect("a file of this test's own");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.changes);
        File::options().write(true).open(&new).and_then(|file| file.set_modified(time)).expect("a file just written");
        fs::rename(new, self.path()).expect("a file just written");
        self.changes += 1;
    }

    /// Lets `command` look names up here. If the package `libnss-wrapper` is missing, it says so on standard error and
    /// knows no such name.
    pub fn apply_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", WRAPPER).env("NSS_WRAPPER_HOSTS", self.path());
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("hosts")
    }
}
