mod checks;

mod directory;
mod index;
mod live;
mod many;
mod playing;
mod search;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use trill_proto::ids::SongId;

use super::folder::Folder;
use super::scan::Watched;
use super::storage::Stamp;
use super::storage::{Found, Report, Sink, SongFile, Storage};
use super::{LIST_TIMEOUT, Library, Listing, Source};
use crate::mp3::tests::frames;

/// Longer than any event takes that a test waits for.
const DEADLINE: Duration = Duration::from_secs(30);

/// An ID3v2.3 tag with this title.
fn title(title: &str) -> Vec<u8> {
    let mut tag = id3::Tag::new();
    id3::TagLike::set_title(&mut tag, title);
    let mut bytes = Vec::new();
    id3::Encoder::new().version(id3::Version::Id3v23).encode(&tag, &mut bytes).unwrap();
    bytes
}

/// A directory for one test, with these files.
fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        write(&directory, path, bytes);
    }
    directory
}

fn write(directory: &TempDir, path: &str, bytes: &[u8]) {
    let path = directory.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Makes a file look as if it had been there for an hour, so that its stamp can be trusted.
fn age(path: &Path) {
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    fs::File::options().write(true).open(path).unwrap().set_modified(an_hour_ago).unwrap();
}

fn open(directory: &Path) -> Arc<Library> {
    let library = Library::open(Source::directory(directory)).unwrap();
    library.wait_until_scanned();
    library
}

impl Library {
    /// Finds all songs that were added, changed or removed before this call.
    fn refresh(&self) {
        self.begin_check();
        self.wait_until_idle();
        self.wait_for_tags(LIST_TIMEOUT);
    }

    /// Waits until no check or scan is running or wanted.
    fn wait_until_idle(&self) {
        self.wait_while(|state| state.checks.is_running() || state.scans.is_running());
    }
}

/// The list once everything has been read.
fn list(library: &Library) -> Vec<Listing> {
    library.refresh();
    library.wait_until_read_for(DEADLINE);
    library.page(SongId(1), usize::MAX).songs().collect()
}

/// Ids and titles of the list once everything has been read.
fn titles(library: &Library) -> Vec<(u32, String)> {
    list(library).into_iter().map(|song| (song.id.0, song.title)).collect()
}

#[track_caller]
fn check_titles(library: &Library, expected: &[(u32, &str)]) {
    let titles = titles(library);
    let titles: Vec<_> = titles.iter().map(|(id, title)| (*id, title.as_str())).collect();
    assert_eq!(titles, expected);
}

/// A library of this directory with a clock an hour ahead, so that it trusts all times of change.
pub(crate) fn trusting(directory: &Path) -> Arc<Library> {
    let later = || SystemTime::now() + Duration::from_secs(3_600);
    Library::serve(Box::new(Folder::new(directory, false).unwrap()), later).unwrap()
}

/// A disk with one song. Its directory, or its file, waits while the lock of it is held. An open file can be read.
struct SleepingDisk {
    directory: Arc<Mutex<()>>,
    file: Arc<Mutex<()>>,
    song: &'static [u8],
}

/// A library of one song on a disk that sleeps while the lock is held.
pub(crate) fn sleeping(lock: Arc<Mutex<()>>, song: &'static [u8]) -> Arc<Library> {
    let disk = SleepingDisk { directory: lock.clone(), file: lock, song };
    Library::serve(Box::new(disk), SystemTime::now).unwrap()
}

/// A library of one song whose file cannot be opened while the lock is held.
pub(crate) fn stuck(file: Arc<Mutex<()>>, song: &'static [u8]) -> Arc<Library> {
    let disk = SleepingDisk { directory: Arc::default(), file, song };
    Library::serve(Box::new(disk), SystemTime::now).unwrap()
}

impl Storage for SleepingDisk {
    fn is_unchanged(&self, _: &Watched) -> bool {
        drop(self.directory.lock());
        true
    }

    fn scan(&self, _: fn() -> SystemTime, sink: &mut dyn Sink) -> io::Result<Report> {
        drop(self.directory.lock());
        let stamp = Stamp::of_built_in(self.song);
        let file = Found { directory: &Path::new("").into(), name: "1.mp3".as_ref(), stamp };
        if !sink.is_known(&file) {
            sink.add(&file);
        }
        Ok(Report::default())
    }

    fn open(&self, _: &Path) -> io::Result<(Box<dyn SongFile>, Stamp)> {
        drop(self.file.lock());
        Ok((Box::new(self.song), Stamp::of_built_in(self.song)))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        Ok(self.open(path)?.1)
    }
}

impl fmt::Display for SleepingDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sleeping disk")
    }
}
