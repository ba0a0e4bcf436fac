//! A directory of music for a server.

use super::Song;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary music directory. Dropping it removes it.
#[derive(Debug)]
pub struct MusicDir(TempDir);

impl MusicDir {
    /// An empty directory.
    pub fn new() -> Self {
        Self(TempDir::with_prefix("trill-music-").expect("a temporary directory"))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Adds a copy of a song under `name`, which may include folders. Returns its path.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[track_caller]
    pub fn add(&self, name: impl AsRef<Path>, song: &Song) -> PathBuf {
        self.place(name.as_ref(), |path| fs::copy(song.make(), path).map(drop))
    }

    /// Adds a copy of a song with a tag, for example of [`tags`](super::tags), in front.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[track_caller]
    pub fn add_tagged(&self, name: impl AsRef<Path>, tag: &[u8], song: &Song) -> PathBuf {
        let audio = fs::read(song.make()).expect("a song that was just made");
        self.add_bytes(name, &[tag, &audio].concat())
    }

    /// Writes a file with any content, replacing an existing one.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[track_caller]
    pub fn add_bytes(&self, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        self.place(name.as_ref(), |path| fs::write(path, bytes))
    }

    /// Removes a file.
    ///
    /// # Panics
    /// When there is none of that name.
    #[track_caller]
    pub fn remove(&self, name: impl AsRef<Path>) {
        if let Err(e) = fs::remove_file(self.path().join(&name)) {
            panic!("{}: {e}", name.as_ref().display());
        }
    }

    /// Writes a file atomically: under a name that is not a song's, then renamed.
    #[track_caller]
    fn place(&self, name: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> PathBuf {
        let path = self.path().join(name);
        let parent = path.parent().expect("a file in this directory has a parent");
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let placed = fs::create_dir_all(parent)
            .and_then(|()| write(partial.as_ref()))
            .and_then(|()| fs::rename(&partial, &path));
        if let Err(e) = placed {
            panic!("{}: {e}", path.display());
        }
        path
    }
}

impl Default for MusicDir {
    fn default() -> Self {
        Self::new()
    }
}
