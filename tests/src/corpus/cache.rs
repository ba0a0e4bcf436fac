//! Files that are generated once and kept in the target directory.

use crate::binaries;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Returns the file for `key`. If no process has made it yet, `make` writes it.
///
/// `make` gets a private path. The file is renamed when complete, so an interrupted run leaves no partial file. `name`
/// is the readable part of the file name.
///
/// # Panics
/// When the file cannot be made.
#[track_caller]
pub(super) fn get_or_make(name: &str, key: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> PathBuf {
    match try_get_or_make(&binaries::target_dir().join("trill-corpus"), name, key, make) {
        Ok(path) => path,
        Err(e) => panic!("making {name}: {e}"),
    }
}

fn try_get_or_make(
    directory: &Path,
    name: &str,
    key: &str,
    make: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("{name}-{:016x}.mp3", hash(key)));
    if path.exists() {
        return Ok(path);
    }
    // Several test processes may want the same song: one makes it, the others wait. The kernel releases the lock when
    // its holder dies.
    let lock = File::create(path.with_extension("lock"))?;
    lock.lock()?;
    if !path.exists() {
        let partial = path.with_extension("partial");
        make(&partial)?;
        fs::rename(partial, &path)?;
    }
    Ok(path)
}

/// FNV-1a, 64 bits: the same in every run, unlike the standard library's hashers.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn makes_a_file_once_for_many_who_want_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let made = AtomicU32::new(0);
        let get = |key| {
            let make = |path: &Path| {
                made.fetch_add(1, Ordering::Relaxed);
                fs::write(path, key)
            };
            try_get_or_make(directory.path(), "song", key, make).expect("a writable directory")
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(fs::read(get("one")).expect("a whole file"), b"one"));
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert_ne!(get("one"), get("two"));
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let fail = |path: &Path| fs::write(path, "half").and(Err(io::Error::other("interrupted")));
        try_get_or_make(directory.path(), "song", "key", fail).expect_err("the maker failed");
        let make = |path: &Path| fs::write(path, "whole");
        let path = try_get_or_make(directory.path(), "song", "key", make).expect("a writable directory");
        assert_eq!(fs::read(path).expect("a whole file"), b"whole");
    }
}
