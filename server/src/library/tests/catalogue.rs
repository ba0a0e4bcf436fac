//! When a file is read again.

use super::*;
use crate::library::catalogue::Catalogue;
use crate::library::file::Stamp;
use crate::library::measure::{Audio, Counted, Measure, Measured};
use crate::library::scan::Files;
use crate::library::seek::SeekIndex;
use crate::library::songs::Details;
use crate::library::tags::Tags;

fn stamp(directory: &TempDir) -> Stamp {
    Stamp::of(&fs::metadata(directory.path().join("a.mp3")).unwrap())
}

/// A look at the directory that shows one file like this; whether it should be read then.
fn look(catalogue: &mut Catalogue, stamp: Stamp) -> bool {
    let mut files = Files::default();
    files.push(Path::new(""), "a.mp3".as_ref(), stamp);
    let known = catalogue.compare(&files);
    catalogue.update(files.iter().zip(known).map(|(file, known)| (file, known.song)));
    catalogue.take_due().is_some()
}

fn learn(catalogue: &mut Catalogue, stamp: Stamp, now: SystemTime) {
    learn_with(catalogue, Measure::Believed(Audio::from(&Measured::default())), stamp, now);
}

fn counted() -> Measure {
    Measure::Counted(Arc::new(Counted { measured: Measured::default(), index: SeekIndex::default() }))
}

fn learn_with(catalogue: &mut Catalogue, measure: Measure, stamp: Stamp, now: SystemTime) {
    catalogue.learn(SongId(1), Details { tags: Tags::default(), measure }, stamp, now);
}

#[test]
fn a_file_that_was_read_right_after_a_change_is_read_again() {
    let directory = directory(&[("a.mp3", b"")]);
    let (stamp, now) = (stamp(&directory), SystemTime::now());
    let mut catalogue = Catalogue::default();
    assert!(look(&mut catalogue, stamp), "it is new");
    assert!(!look(&mut catalogue, stamp), "it is being read");
    learn(&mut catalogue, stamp, now);
    assert!(look(&mut catalogue, stamp), "it may have changed without its time showing that");
    assert_eq!(catalogue.details(SongId(1), &stamp).map(|_| ()), None);
    learn(&mut catalogue, stamp, now + Duration::from_secs(3));
    assert!(!look(&mut catalogue, stamp), "now its time would show that");
    assert!(catalogue.details(SongId(1), &stamp).is_some());
}

#[test]
fn a_file_that_could_not_be_read_for_now_is_read_at_the_next_look() {
    let directory = directory(&[("a.mp3", b"")]);
    let (stamp, later) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut catalogue = Catalogue::default();
    look(&mut catalogue, stamp);
    catalogue.put_off(SongId(1));
    assert_eq!(catalogue.due(1), 0, "not again and again");
    assert!(look(&mut catalogue, stamp));
    learn(&mut catalogue, stamp, later);
    assert!(!look(&mut catalogue, stamp));
}

#[test]
fn a_file_that_was_touched_is_read_again() {
    let directory = directory(&[("a.mp3", b"")]);
    let (before, now) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut catalogue = Catalogue::default();
    look(&mut catalogue, before);
    learn(&mut catalogue, before, now);
    age(&directory.path().join("a.mp3"));
    assert!(look(&mut catalogue, stamp(&directory)));
}

#[test]
fn what_was_counted_is_not_forgotten_for_what_is_just_believed() {
    let directory = directory(&[("a.mp3", b"")]);
    let (before, later) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut catalogue = Catalogue::default();
    look(&mut catalogue, before);
    let is_counted = |catalogue: &Catalogue, stamp| {
        matches!(catalogue.details(SongId(1), stamp).unwrap().measure, Measure::Counted(_))
    };
    learn_with(&mut catalogue, counted(), before, later);
    learn(&mut catalogue, before, later);
    assert!(is_counted(&catalogue, &before));
    // Of a file that has changed it says nothing.
    age(&directory.path().join("a.mp3"));
    let after = stamp(&directory);
    look(&mut catalogue, after);
    learn(&mut catalogue, after, later);
    assert!(!is_counted(&catalogue, &after));
}

#[test]
fn a_time_in_the_far_future_is_not_taken_for_now() {
    let directory = directory(&[("a.mp3", b"")]);
    let a_year_ago = SystemTime::now() - Duration::from_secs(365 * 86_400);
    assert!(!stamp(&directory).is_fresh(a_year_ago));
}
