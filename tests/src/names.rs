//! Host names for one process, changeable while it runs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// The library that redirects a process's name lookups to a file. It is preloaded and needs no privileges.
const WRAPPER: &str = "libnss_wrapper.so";

/// A file in the format of hosts(5) that replaces the system's.
#[derive(Debug)]
pub struct Hosts {
    directory: TempDir,
    /// The library detects changes by the file's time in seconds, so each version gets a new time.
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

    /// Replaces the names.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn change(&mut self, lines: &[&str]) {
        // Replaced atomically, so that no process reads half of it.
        let new = self.directory.path().join("new");
        fs::write(&new, lines.join("\n") + "\n").expect("a file of this test's own");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.changes);
        File::options().write(true).open(&new).and_then(|file| file.set_modified(time)).expect("a file just written");
        fs::rename(new, self.path()).expect("a file just written");
        self.changes += 1;
    }

    /// Makes `command` look names up here. If the package `libnss-wrapper` is missing, the loader prints an error and
    /// lookups fail.
    pub fn apply_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", WRAPPER).env("NSS_WRAPPER_HOSTS", self.path());
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("hosts")
    }
}
