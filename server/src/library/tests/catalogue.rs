//! What a look changes, and when a file is read again.

use super::*;
use crate::library::catalogue::{Catalogue, Changes};
use crate::library::file::Stamp;
use crate::library::path::FilePath;
use crate::library::scan::Found;
use crate::library::songs::Details;
use crate::library::survey::Survey;
use crate::mp3::duration::{Audio, Counted, Measure, Measured};
use crate::mp3::seek::SeekIndex;
use crate::mp3::tags::Tags;

fn stamp(directory: &TempDir) -> Stamp {
    Stamp::of(&fs::metadata(directory.path().join("a.mp3")).unwrap())
}

/// A look at the directory that shows one file like this; whether it should be read then.
fn look(catalogue: &mut Catalogue, stamp: Stamp) -> bool {
    catalogue.update(survey(catalogue, &[("a.mp3", stamp)]));
    catalogue.take_due().is_some()
}

/// A look that finds these files.
fn survey(catalogue: &Catalogue, files: &[(&str, Stamp)]) -> Survey {
    let mut survey = catalogue.begin_survey();
    for (path, stamp) in files {
        let path = Path::new(path);
        let file = Found { path: FilePath::new(path.parent().unwrap(), path.file_name().unwrap()), stamp: *stamp };
        let known = survey.compare(catalogue, &file);
        survey.push(&file, known);
    }
    survey
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
fn what_is_learnt_of_a_file_during_a_look_is_newer_than_what_that_saw() {
    let directory = directory(&[("a.mp3", b"")]);
    let (before, later) = (stamp(&directory), SystemTime::now() + Duration::from_secs(3));
    let mut catalogue = Catalogue::default();
    look(&mut catalogue, before);
    learn(&mut catalogue, before, later);
    let survey = survey(&catalogue, &[("a.mp3", before)]);
    age(&directory.path().join("a.mp3"));
    let after = stamp(&directory);
    learn(&mut catalogue, after, later);
    catalogue.update(survey);
    assert_eq!(catalogue.due(1), 0);
    assert!(catalogue.details(SongId(1), &after).is_some());
}

#[test]
fn what_is_learnt_of_a_file_in_the_place_of_one_that_is_gone_does_not_give_it_that_ones_number() {
    let (gone, other) = (Stamp::of_built_in(b""), Stamp::of_built_in(b"other"));
    let mut catalogue = Catalogue::default();
    look(&mut catalogue, gone);
    catalogue.update(survey(&catalogue, &[]));
    // Whoever was about to read the one reads the other.
    learn(&mut catalogue, other, SystemTime::now());
    assert_eq!(catalogue.update(survey(&catalogue, &[("a.mp3", other)])), Changes { added: 1, removed: 0, changed: 0 });
    let ids: Vec<_> = catalogue.songs_from(SongId(1)).map(|(id, _)| id.0).collect();
    assert_eq!(ids, [2]);
}

#[test]
fn of_files_that_are_as_they_were_only_a_mark_is_kept() {
    let stamp = |bytes: &'static [u8]| Stamp::of_built_in(bytes);
    let mut catalogue = Catalogue::default();
    let files = ["a/1.mp3", "a/2.mp3", "a.mp3", "b.mp3"].map(|path| (path, stamp(b"")));
    let others = |survey: &Survey| {
        let others = survey.others.iter().map(|(file, song)| (file.path.to_path_buf().display().to_string(), song));
        others.collect::<Vec<_>>()
    };
    let first = survey(&catalogue, &files);
    assert_eq!(others(&first), files.map(|(path, _)| (path.to_owned(), None)));
    assert_eq!(catalogue.update(first), Changes { added: 4, removed: 0, changed: 0 });
    let second = survey(&catalogue, &files);
    assert_eq!(others(&second), []);
    assert_eq!(catalogue.update(second), Changes::default());

    let files = [("0.mp3", stamp(b"")), ("a/1.mp3", stamp(b"")), ("a/3.mp3", stamp(b"")), ("a.mp3", stamp(b"new"))];
    let third = survey(&catalogue, &files);
    assert_eq!(
        others(&third),
        [("0.mp3", None), ("a/3.mp3", None), ("a.mp3", Some(2))].map(|(path, song)| (path.to_owned(), song))
    );
    assert_eq!(catalogue.update(third), Changes { added: 2, removed: 2, changed: 1 });
    let back = survey(&catalogue, &[("a/2.mp3", stamp(b"")), ("b.mp3", stamp(b"another"))]);
    assert_eq!(others(&back), [("a/2.mp3", Some(1)), ("b.mp3", Some(3))].map(|(path, song)| (path.to_owned(), song)));
    assert_eq!(catalogue.update(back), Changes { added: 2, removed: 4, changed: 0 });
    let ids: Vec<_> = catalogue.songs_from(SongId(1)).map(|(id, _)| id.0).collect();
    assert_eq!(ids, [2, 7], "the one is back, and what is at the other's path is another file");
    let last = survey(&catalogue, &[("0.mp3", stamp(b"")), ("b.mp3", stamp(b"another"))]);
    assert_eq!(others(&last), [("0.mp3".to_owned(), Some(4))], "files that came later are found by their paths, too");
    assert_eq!(catalogue.update(last), Changes { added: 1, removed: 1, changed: 0 });
}

#[test]
fn a_time_in_the_far_future_is_not_taken_for_now() {
    let directory = directory(&[("a.mp3", b"")]);
    let a_year_ago = SystemTime::now() - Duration::from_secs(365 * 86_400);
    assert!(!stamp(&directory).is_fresh(a_year_ago));
}
