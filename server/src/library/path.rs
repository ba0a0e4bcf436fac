//! Where a song's file is.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::texts::from_bytes;

/// A path to a file from the directory that is served, in two parts: many songs share the first. Ordered as a [`Path`] is,
/// directory by directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath<'a> {
    pub(super) directory: Cow<'a, Path>,
    pub(super) name: Cow<'a, OsStr>,
}

impl<'a> FilePath<'a> {
    pub(super) fn new(directory: &'a Path, name: &'a OsStr) -> Self {
        Self { directory: directory.into(), name: name.into() }
    }

    /// Of what [`to_bytes`](super::texts::to_bytes) made of the two.
    pub(super) fn from_bytes(directory: &'a [u8], name: &'a [u8]) -> Self {
        let directory = match from_bytes(directory) {
            Cow::Borrowed(directory) => Cow::Borrowed(Path::new(directory)),
            Cow::Owned(directory) => Cow::Owned(directory.into()),
        };
        Self { directory, name: from_bytes(name) }
    }

    pub(super) fn to_path_buf(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

impl Ord for FilePath<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.directory == other.directory {
            return self.name.cmp(&other.name);
        }
        fn components<'a>(path: &'a FilePath<'_>) -> impl Iterator<Item = Component<'a>> {
            path.directory.components().chain([Component::Normal(&path.name)])
        }
        components(self).cmp(components(other))
    }
}

impl PartialOrd for FilePath<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_the_order_of_their_paths() {
        let paths = ["", "a", "a/b", "a b", "b", "a/a", "a.mp3"].map(Path::new);
        let names = ["a.mp3", "b.mp3", "b", "a"].map(OsStr::new);
        let files: Vec<_> = paths.iter().flat_map(|path| names.map(|name| FilePath::new(path, name))).collect();
        for a in &files {
            for b in &files {
                assert_eq!(a.cmp(b), a.to_path_buf().cmp(&b.to_path_buf()), "{a:?} {b:?}");
            }
        }
    }
}
