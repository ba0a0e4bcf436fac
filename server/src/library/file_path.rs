//! The path of a song's file, and its orders.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::fold::natural_cmp;

/// A path relative to the served directory. Songs in one directory share its path. Ordered like [`Path`]: directory by
/// directory, each by the bytes of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath {
    pub(super) directory: Arc<Path>,
    pub(super) name: Box<OsStr>,
}

impl FilePath {
    pub(super) fn new(directory: &Arc<Path>, name: &OsStr) -> Self {
        Self { directory: directory.clone(), name: name.into() }
    }

    pub(super) fn to_path_buf(&self) -> PathBuf {
        self.directory.join(&*self.name)
    }

    /// What the folders say of a song without tags: `artist/album/song.mp3`, or `artist/song.mp3`.
    pub(super) fn artist_and_album(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        let mut folders = self.directory.components().rev().map(|component| component.as_os_str().to_string_lossy());
        match (folders.next(), folders.next()) {
            (Some(album), Some(artist)) => (artist, album),
            (artist, _) => (artist.unwrap_or_default(), "".into()),
        }
    }

    /// Compares in library order: directory by directory, names without case and accents, numbers by their value. The order is
    /// total: equal directories have it on every server.
    pub(super) fn library_cmp(&self, other: &Self) -> Ordering {
        let directories = if Arc::ptr_eq(&self.directory, &other.directory) {
            [Path::new(""), Path::new("")]
        } else {
            [&*self.directory, &*other.directory]
        };
        let [ours, others] = directories.map(Path::components);
        let mut ours = ours.chain([Component::Normal(&self.name)]);
        let mut others = others.chain([Component::Normal(&other.name)]);
        loop {
            let order = match (ours.next(), others.next()) {
                (Some(ours), Some(others)) => {
                    let [ours, others] = [ours.as_os_str(), others.as_os_str()];
                    natural_cmp(&ours.to_string_lossy(), &others.to_string_lossy()).then_with(|| ours.cmp(others))
                }
                (ours, others) => return ours.is_some().cmp(&others.is_some()),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    }

    /// The file's name without `.mp3`, with `�` for what is not Unicode.
    pub(super) fn stem(&self) -> Cow<'_, str> {
        let name = Path::new(&self.name).file_stem().filter(|stem| !stem.is_empty()).unwrap_or(&self.name);
        name.to_string_lossy()
    }

    /// Compares with the path of a file in a directory.
    pub(super) fn cmp_with(&self, directory: &Path, name: &OsStr) -> Ordering {
        if *self.directory == *directory {
            return (*self.name).cmp(name);
        }
        let ours = self.directory.components().chain([Component::Normal(&self.name)]);
        ours.cmp(directory.components().chain([Component::Normal(name)]))
    }
}

impl Ord for FilePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_with(&other.directory, &other.name)
    }
}

impl PartialOrd for FilePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a file with this name is a song: the name ends in `.mp3` in any case.
pub(super) fn is_song_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.len().checked_sub(4).and_then(|stem| name.get(stem..)).is_some_and(|end| end.eq_ignore_ascii_case(b".mp3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_ordered_like_std_paths() {
        let paths = ["", "a", "a/b", "a b", "b", "a/a", "a.mp3"].map(|path| Arc::from(Path::new(path)));
        let names = ["a.mp3", "b.mp3", "b", "a"].map(OsStr::new);
        let files: Vec<_> = paths.iter().flat_map(|path| names.map(|name| FilePath::new(path, name))).collect();
        for a in &files {
            for b in &files {
                assert_eq!(a.cmp(b), a.to_path_buf().cmp(&b.to_path_buf()), "{a:?} {b:?}");
            }
        }
    }
}
