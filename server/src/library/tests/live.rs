//! Files that come, change and go while the library is served.

use std::sync::Barrier;

use super::*;
use crate::library::SongError;
use crate::library::scan::Reason;

#[test]
fn what_is_added_takes_the_next_numbers() {
    let directory = directory(&[("b.mp3", b""), ("d.mp3", b"")]);
    let library = open(directory.path());
    check_titles(&library, &[(1, "b"), (2, "d")]);
    for path in ["c.mp3", "a/a.mp3"] {
        write(&directory, path, b"");
    }
    check_titles(&library, &[(1, "b"), (2, "d"), (3, "a"), (4, "c")]);
    write(&directory, "a/0.mp3", b"");
    check_titles(&library, &[(1, "b"), (2, "d"), (3, "a"), (4, "c"), (5, "0")]);
}

#[test]
fn what_is_removed_leaves_its_number_unused() {
    let directory = directory(&[("a.mp3", b""), ("b.mp3", b""), ("c.mp3", b"")]);
    let library = open(directory.path());
    fs::remove_file(directory.path().join("b.mp3")).unwrap();
    check_titles(&library, &[(1, "a"), (3, "c")]);
    write(&directory, "d.mp3", b"");
    check_titles(&library, &[(1, "a"), (3, "c"), (4, "d")]);
    assert!(matches!(library.open_song(SongId(2)), Err(SongError::Gone)));
    assert!(matches!(library.open_song(SongId(5)), Err(SongError::NoSuchSong)));
    assert!(matches!(library.open_song(SongId(0)), Err(SongError::NoSuchSong)));
}

#[test]
fn another_file_at_the_path_of_one_that_was_removed_has_another_number() {
    let directory = directory(&[("a.mp3", b""), ("b.mp3", b"")]);
    let library = open(directory.path());
    fs::remove_file(directory.path().join("a.mp3")).unwrap();
    check_titles(&library, &[(2, "b")]);
    write(&directory, "a.mp3", b"something else");
    check_titles(&library, &[(2, "b"), (3, "a")]);
    fs::remove_file(directory.path().join("a.mp3")).unwrap();
    check_titles(&library, &[(2, "b")]);
}

#[test]
fn what_comes_back_as_it_was_has_its_old_number() {
    let parent = directory(&[("music/a.mp3", b""), ("music/x/b.mp3", b"x"), ("music/x/c.mp3", b"y")]);
    let library = open(&parent.path().join("music"));
    let (here, away) = (parent.path().join("music/x"), parent.path().join("away"));
    fs::rename(&here, &away).unwrap();
    check_titles(&library, &[(1, "a")]);
    write(&parent, "music/new.mp3", b"");
    check_titles(&library, &[(1, "a"), (4, "new")]);
    fs::rename(&away, &here).unwrap();
    check_titles(&library, &[(1, "a"), (2, "b"), (3, "c"), (4, "new")]);
}

#[test]
fn a_renamed_file_is_another_song() {
    let directory = directory(&[("a.mp3", b""), ("b.mp3", b"")]);
    let library = open(directory.path());
    fs::rename(directory.path().join("a.mp3"), directory.path().join("z.mp3")).unwrap();
    check_titles(&library, &[(2, "b"), (3, "z")]);
}

#[test]
fn a_changed_file_keeps_its_number_and_is_read_again() {
    let directory = directory(&[("a.mp3", &frames(20, 0)), ("b.mp3", &frames(20, 0))]);
    let library = open(directory.path());
    let before = list(&library);
    write(&directory, "a.mp3", &[title("New"), frames(40, 0)].concat());
    let after = list(&library);
    assert_eq!((after[0].id, after[0].title.as_str()), (SongId(1), "New"));
    assert_eq!(after[0].duration_ms, Some(40 * 1_152_000 / 44_100));
    assert_eq!(after[1], before[1]);
}

#[test]
fn a_file_replaced_by_another_of_the_same_size_and_time_is_read_again() {
    let directory = directory(&[("a.mp3", &title("one"))]);
    let library = open(directory.path());
    check_titles(&library, &[(1, "one")]);
    // At once, so that the clock of the file system may not have ticked.
    write(&directory, "a.mp3", &title("two"));
    check_titles(&library, &[(1, "two")]);
    write(&directory, "a.mp3", &title("six"));
    check_titles(&library, &[(1, "six")]);
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let directory = directory(&[("a.mp3", &title("one"))]);
    let path = directory.path().join("a.mp3");
    age(&path);
    let library = open(directory.path());
    check_titles(&library, &[(1, "one")]);
    let generation = library.generation();
    check_titles(&library, &[(1, "one")]);
    assert_eq!(library.generation(), generation);
}

#[test]
fn the_generation_grows_with_each_change() {
    let directory = directory(&[]);
    let library = open(directory.path());
    let mut generation = library.generation();
    assert_eq!(generation, 1);
    let mut check_grows = |what: &str| {
        library.refresh();
        assert!(library.generation() > generation, "{what}");
        generation = library.generation();
        library.refresh();
        assert_eq!(library.generation(), generation, "nothing after {what}");
    };
    write(&directory, "a.mp3", b"");
    check_grows("added");
    write(&directory, "a.mp3", b"longer");
    check_grows("changed");
    fs::remove_file(directory.path().join("a.mp3")).unwrap();
    check_grows("removed");
}

#[test]
fn a_directory_that_vanishes_for_a_while_costs_nothing() {
    let parent = directory(&[("music/a.mp3", &frames(20, 1)), ("music/b.mp3", &frames(20, 2))]);
    let (here, away) = (parent.path().join("music"), parent.path().join("away"));
    let library = open(&here);
    let song = library.open_song(SongId(1)).unwrap();
    fs::rename(&here, &away).unwrap();
    check_titles(&library, &[(1, "a"), (2, "b")]);
    assert!(matches!(library.open_song(SongId(2)), Err(SongError::Gone)));
    assert_eq!(song.read_at(0, &mut [0; 100]).unwrap(), 100, "what is open goes on");
    fs::rename(&away, &here).unwrap();
    check_titles(&library, &[(1, "a"), (2, "b")]);
    library.open_song(SongId(2)).unwrap();
}

#[test]
fn a_disk_that_is_unmounted_for_a_while_costs_nothing() {
    let parent = directory(&[("music/a.mp3", &frames(20, 1)), ("music/b.mp3", &frames(20, 2))]);
    let (here, away) = (parent.path().join("music"), parent.path().join("away"));
    let library = open(&here);
    fs::rename(&here, &away).unwrap();
    fs::create_dir(&here).unwrap();
    check_titles(&library, &[]);
    fs::remove_dir(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    check_titles(&library, &[(1, "a"), (2, "b")]);
}

#[test]
fn what_is_skipped_is_said_once() {
    let directory = directory(&[("._a.mp3", b"")]);
    let library = open(directory.path());
    let skipped = |path: &str| library.last_scan().skipped(Path::new(path));
    assert_eq!(skipped("._a.mp3"), Some(Reason::AppleDouble));
    let said = |library: &Library| {
        let folder = Folder::new(directory.path(), false).unwrap();
        let report =
            folder.scan(SystemTime::now, &mut crate::library::index::Comparison::new(&library.listed(), &[])).unwrap();
        library.last_scan().new_among(report.skipped).len()
    };
    assert_eq!(said(&library), 0);
    write(&directory, "._b.mp3", b"");
    assert_eq!(said(&library), 1);
    assert_eq!(said(&library), 0);
    fs::remove_file(directory.path().join("._b.mp3")).unwrap();
    assert_eq!(said(&library), 0);
    write(&directory, "._b.mp3", b"");
    assert_eq!(said(&library), 1, "it was away");
}

#[test]
fn many_who_add_at_once_each_see_their_own() {
    const CALLERS: usize = 8;
    let directory = directory(&[("a.mp3", b"")]);
    let library = open(directory.path());
    let barrier = Barrier::new(CALLERS);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (library, barrier, directory) = (&library, &barrier, &directory);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..10 {
                    let name = format!("{caller}-{round}");
                    write(directory, &format!("{name}.mp3"), b"");
                    library.refresh();
                    let page = library.page(SongId(1), usize::MAX);
                    assert!(page.songs().any(|song| song.title == name), "{name} is not listed");
                }
            });
        }
    });
    assert_eq!(list(&library).len(), 1 + CALLERS * 10);
}

#[test]
fn threads_that_read_tags_end_when_there_are_none_left() {
    let files: Vec<_> = (0..200).map(|index| format!("{index}.mp3")).collect();
    let files: Vec<_> = files.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let directory = directory(&files);
    let library = open(directory.path());
    list(&library);
    let is_busy = |state: &mut crate::library::State| state.readers.threads > 0;
    let waited = library.progress.wait_timeout_while(library.state(), DEADLINE, is_busy).unwrap();
    assert!(!waited.1.timed_out());
    drop(waited);
    let weak = Arc::downgrade(&library);
    drop(library);
    // The last of them may be about to return.
    let start = std::time::Instant::now();
    while weak.upgrade().is_some() {
        assert!(start.elapsed() < DEADLINE, "somebody keeps it");
        std::thread::yield_now();
    }
}
