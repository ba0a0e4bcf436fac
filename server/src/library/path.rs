//! Where a song's file is, and whether a name is a song's.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// A path to a file from the directory that is served. Songs of one directory share the first part. Ordered as [`Path`]
/// is: directory by directory, each by the bytes of its names.
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

    /// Compares with the file of this name in this directory.
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

/// Whether a file of this name is a song: it ends in `.mp3`, in any case.
pub(super) fn is_song_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.len().checked_sub(4).and_then(|stem| name.get(stem..)).is_some_and(|end| end.eq_ignore_ascii_case(b".mp3"))
}

/// The title of a song without a title tag: the file's name without `.mp3`, with `�` for what is not Unicode.
pub(super) fn title_of(name: &OsStr) -> String {
    let name = Path::new(name).file_stem().filter(|stem| !stem.is_empty()).unwrap_or(name);
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_the_order_of_their_paths() {
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
