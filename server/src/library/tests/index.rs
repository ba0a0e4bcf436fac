//! The changes that a scan makes, and when a file is read again.

use super::*;
use crate::library::index::{Changes, Comparison, Listed, Page, ScanResult, TagIndex, remember};
use crate::library::song::{Album, Details, Presence, Song, Title};
use crate::mp3::duration::{Audio, Counted, Measure, Measured};
use crate::mp3::seek::SeekIndex;

/// A list, and the vanished songs that are remembered from scan to scan.
#[derive(Default)]
struct Songs {
    listed: Listed,
    vanished: Vec<Arc<Song>>,
}

impl Songs {
    /// The comparison with a scan that finds these files.
    fn compare(&self, files: &[(&str, Stamp)]) -> Comparison {
        let mut comparison = Comparison::new(&self.listed, &self.vanished);
        for (path, stamp) in files {
            let path = Path::new(path);
            let file =
                Found { directory: &path.parent().unwrap().into(), name: path.file_name().unwrap(), stamp: *stamp };
            if !comparison.is_known(&file) {
                comparison.add(&file);
            }
        }
        comparison
    }

    /// Applies a comparison. Returns the changes and the songs to read.
    fn update(&mut self, comparison: Comparison) -> (Changes, Vec<u32>) {
        let mut outcome: ScanResult = comparison.finish();
        drop(self.listed.update(&mut outcome));
        remember(&mut self.vanished, outcome.vanished, 0);
        // The songs are read at once.
        outcome.due.iter().for_each(|song| song.known().is_due = false);
        (outcome.changes, outcome.due.iter().map(|song| song.id.0).collect())
    }

    /// Scans a directory with these files.
    fn scan(&mut self, files: &[(&str, Stamp)]) -> (Changes, Vec<u32>) {
        self.update(self.compare(files))
    }

    /// Scans a directory with one file. Returns whether it must be read.
    fn scan_one(&mut self, stamp: Stamp) -> bool {
        !self.scan(&[("a.mp3", stamp)]).1.is_empty()
    }

    fn song(&self, id: u32) -> Arc<Song> {
        self.listed.song(SongId(id)).unwrap().clone()
    }

    fn learn(&mut self, stamp: Stamp, now: SystemTime) {
        self.learn_with(measure(9), stamp, now);
    }

    fn learn_with(&mut self, measure: Measure, stamp: Stamp, now: SystemTime) {
        self.song(1).known().learn(details(measure), stamp, now);
    }

    fn details(&self, stamp: &Stamp) -> Option<Details> {
        self.song(1).known().details(stamp)
    }

    fn ids(&self) -> Vec<u32> {
        Page::by_id(&self.listed, SongId(1), usize::MAX).songs().map(|song| song.id.0).collect()
    }
}

fn stamp(directory: &TempDir) -> Stamp {
    fs::File::open(directory.path().join("a.mp3")).unwrap().stamp().unwrap()
}

fn details(measure: Measure) -> Details {
    let album = Album::default();
    Details { title: Title::default(), album: Arc::new(album), track: 0, gain: [None; 2], measure: Some(measure) }
}

/// What an information frame states about audio with this content tag.
fn measure(content_tag: u64) -> Measure {
    Measure::Stated(Audio::from(&Measured { content_tag, ..Measured::default() }))
}

fn counted() -> Measure {
    Measure::Counted(Arc::new(Counted { measured: Measured::default(), index: SeekIndex::default() }))
}

fn changes(added: u32, removed: u32, changed: u32) -> Changes {
    Changes { added, removed, changed }
}

#[test]
fn a_file_that_was_read_right_after_a_change_is_read_again() {
    let directory = directory(&[("a.mp3", b"")]);
    let (stamp, now) = (stamp(&directory), SystemTime::now());
    let mut songs = Songs::default();
    assert!(songs.scan_one(stamp), "it is new");
    assert!(!songs.scan_one(stamp), "it is being read");
    songs.learn(stamp, now);
    assert!(songs.scan_one(stamp), "it may have changed without its time showing that");
    assert!(songs.details(&stamp).is_none());
    songs.learn(stamp, now + Duration::from_secs(3));
    assert!(!songs.scan_one(stamp), "now its time would show that");
    assert!(songs.details(&stamp).is_some());
}

#[test]
fn a_file_that_could_not_be_read_is_read_after_the_next_scan() {
    let directory = directory(&[("a.mp3", b"")]);
    let (stamp, later) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut songs = Songs::default();
    songs.scan_one(stamp);
    songs.song(1).known().is_uncertain = true;
    assert!(songs.scan_one(stamp));
    songs.learn(stamp, later);
    assert!(!songs.scan_one(stamp));
}

#[test]
fn a_file_that_was_touched_is_read_again() {
    let directory = directory(&[("a.mp3", b"")]);
    let (before, now) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut songs = Songs::default();
    songs.scan_one(before);
    songs.learn(before, now);
    age(&directory.path().join("a.mp3"));
    assert!(songs.scan_one(stamp(&directory)));
}

#[test]
fn a_stated_duration_does_not_replace_a_counted_one() {
    let directory = directory(&[("a.mp3", b"")]);
    let (before, later) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut songs = Songs::default();
    songs.scan_one(before);
    let is_counted = |songs: &Songs, stamp| matches!(songs.details(stamp).unwrap().measure, Some(Measure::Counted(_)));
    songs.learn_with(counted(), before, later);
    songs.learn(before, later);
    assert!(is_counted(&songs, &before));
    // It does not hold for a changed file.
    age(&directory.path().join("a.mp3"));
    let after = stamp(&directory);
    songs.scan_one(after);
    songs.learn(after, later);
    assert!(!is_counted(&songs, &after));
}

#[test]
fn tags_read_during_a_scan_are_newer_than_the_scan() {
    let directory = directory(&[("a.mp3", b"")]);
    let (before, later) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut songs = Songs::default();
    songs.scan_one(before);
    songs.learn(before, later);
    let comparison = songs.compare(&[("a.mp3", before)]);
    age(&directory.path().join("a.mp3"));
    let after = stamp(&directory);
    songs.learn(after, later);
    assert_eq!(songs.update(comparison).1, [] as [u32; 0]);
    assert!(songs.details(&after).is_some());
}

#[test]
fn a_file_in_the_place_of_a_vanished_one_gets_a_new_id() {
    let (gone, other) = (Stamp::of_built_in(b""), Stamp::of_built_in(b"other"));
    let mut songs = Songs::default();
    songs.scan_one(gone);
    let song = songs.song(1);
    songs.scan(&[]);
    // A thread that was about to read the old file reads the new one.
    song.known().learn(details(measure(9)), other, SystemTime::now());
    assert_eq!(songs.scan(&[("a.mp3", other)]).0, changes(1, 0, 0));
    assert_eq!(songs.ids(), [2]);
}

#[test]
fn only_new_or_changed_files_are_read() {
    let stamp = |bytes: &'static [u8]| Stamp::of_built_in(bytes);
    let mut songs = Songs::default();
    let files = ["a/1.mp3", "a/2.mp3", "a.mp3", "b.mp3"].map(|path| (path, stamp(b"")));
    assert_eq!(songs.scan(&files), (changes(4, 0, 0), vec![1, 2, 3, 4]));
    assert_eq!(songs.scan(&files), (changes(0, 0, 0), vec![]));
    let files = [("0.mp3", stamp(b"")), ("a/1.mp3", stamp(b"")), ("a/3.mp3", stamp(b"")), ("a.mp3", stamp(b"new"))];
    assert_eq!(songs.scan(&files), (changes(2, 2, 1), vec![3, 5, 6]));
    assert_eq!(songs.ids(), [1, 3, 5, 6]);
    let back = songs.scan(&[("a/2.mp3", stamp(b"")), ("b.mp3", stamp(b"another"))]);
    assert_eq!(back, (changes(2, 4, 0), vec![2, 7]));
    assert_eq!(songs.ids(), [2, 7], "the first is back, and another file is at the path of the second");
    let last = songs.scan(&[("0.mp3", stamp(b"")), ("b.mp3", stamp(b"another"))]);
    assert_eq!(last, (changes(1, 1, 0), vec![5]), "files that were added later are found by their paths, too");
}

#[test]
fn a_scan_that_fails_changes_nothing() {
    let stamp = |bytes: &'static [u8]| Stamp::of_built_in(bytes);
    let mut songs = Songs::default();
    songs.scan(&[("a.mp3", stamp(b"")), ("b.mp3", stamp(b""))]);
    drop(songs.compare(&[("b.mp3", stamp(b"new")), ("c.mp3", stamp(b""))]));
    assert_eq!(songs.ids(), [1, 2]);
    assert_eq!(songs.song(1).presence(), Presence::Listed);
    assert_eq!(songs.scan(&[("a.mp3", stamp(b"")), ("b.mp3", stamp(b"new"))]), (changes(0, 0, 1), vec![2]));
}

#[test]
fn the_lowest_listed_song_with_a_content_tag_is_found() {
    let (stamp, now) = (Stamp::of_built_in(b""), SystemTime::now());
    let mut songs = Songs::default();
    let files = ["a.mp3", "b.mp3", "c.mp3"].map(|path| (path, stamp));
    songs.scan(&files);
    for id in [3, 1, 2] {
        songs.song(id).known().learn(details(measure(if id == 1 { 5 } else { 9 })), stamp, now);
    }
    let found = |songs: &Songs, tag| TagIndex::of(&songs.listed).find(tag).map(|id| id.0);
    assert_eq!([5, 7, 9].map(|tag| found(&songs, tag)), [Some(1), None, Some(2)]);
    songs.scan(&[files[0], files[2]]);
    assert_eq!(found(&songs, 9), Some(3));
    songs.learn_with(measure(9), stamp, now);
    assert_eq!([5, 9].map(|tag| found(&songs, tag)), [None, Some(1)]);
    songs.scan(&[("a.mp3", Stamp::of_built_in(b"new")), files[2]]);
    assert_eq!(found(&songs, 9), Some(3), "the content of the other is unknown now");
}

#[test]
fn the_oldest_vanished_songs_are_forgotten_and_their_ids_stay_unused() {
    const EACH: usize = 600;
    let stamp = Stamp::of_built_in(b"");
    let names = |round: usize| (0..EACH).map(|index| format!("{round}-{index:03}.mp3")).collect::<Vec<_>>();
    let mut songs = Songs::default();
    let mut scan = |round: usize| {
        let names = names(round);
        songs.scan(&names.iter().map(|name| (name.as_str(), stamp)).collect::<Vec<_>>());
        (songs.ids()[0], songs.vanished.len())
    };
    assert_eq!(scan(1), (1, 0));
    assert_eq!(scan(2), (601, 600));
    assert_eq!(scan(1), (1, 600), "these are back");
    assert_eq!(scan(3), (1_201, 1_000), "of 1,200");
    assert_eq!(scan(1), (1, 1_000), "these vanished last");
    assert_eq!(scan(2), (801, 1_000), "of these only some are remembered");
    let ids: Vec<_> = scan_ids(&mut songs);
    assert_eq!((ids.len(), ids[399], ids[400]), (EACH, 1_200, 1_801), "others are new");
}

fn scan_ids(songs: &mut Songs) -> Vec<u32> {
    songs.ids()
}

#[test]
fn a_time_in_the_far_future_is_not_taken_for_now() {
    let directory = directory(&[("a.mp3", b"")]);
    let a_year_ago = SystemTime::now() - Duration::from_secs(365 * 86_400);
    assert!(!stamp(&directory).is_fresh(a_year_ago));
}
