//! What directories tell without a look at their files, and what they do not.

use std::time::Instant;

use super::*;
use crate::library::directories::{Directories, Probe};
use crate::library::glance::Glance;
use crate::library::scan::{Pace, scan};

/// When all that a test has done was done long ago, so that times can be trusted.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3_600)
}

fn directories(root: &Path) -> Directories {
    directories_by_links(root, false)
}

fn directories_by_links(root: &Path, follow_symlinks: bool) -> Directories {
    let pace = Pace { now: later, goes_on: &mut || true };
    scan(&fs::canonicalize(root).unwrap(), follow_symlinks, pace, &mut |_| Ok(())).unwrap().unwrap().directories
}

#[track_caller]
fn check(change: impl FnOnce(&Path), are_as_they_were: bool) {
    let parent =
        directory(&[("music/a.mp3", b"a"), ("music/x/y/b.mp3", b"b"), ("music/x/note.txt", b""), ("more/c.mp3", b"")]);
    let root = parent.path().join("music");
    let directories = directories(&root);
    assert!(directories.are_as_they_were(&root), "nothing has happened");
    change(&root);
    assert_eq!(directories.are_as_they_were(&root), are_as_they_were && cfg!(unix));
}

#[test]
fn directories_tell_what_comes_and_goes() {
    check(|root| fs::write(root.join("c.mp3"), b"").unwrap(), false);
    check(|root| fs::write(root.join("x/y/c.mp3"), b"").unwrap(), false);
    check(|root| fs::remove_file(root.join("x/y/b.mp3")).unwrap(), false);
    check(|root| fs::rename(root.join("a.mp3"), root.join("x/a.mp3")).unwrap(), false);
    check(|root| fs::rename(root.join("x/note.txt"), root.join("x/note.mp3")).unwrap(), false);
    check(|root| fs::create_dir(root.join("x/y/z")).unwrap(), false);
    check(|root| fs::remove_dir_all(root.join("x")).unwrap(), false);
    check(|root| fs::rename(root, root.with_file_name("away")).unwrap(), false);
    // As most programs save a file: beside it, and then over it.
    check(
        |root| {
            fs::write(root.with_file_name("new"), b"n").unwrap();
            fs::rename(root.with_file_name("new"), root.join("x/y/b.mp3")).unwrap();
        },
        false,
    );
    // Another directory in the place of this, as when a disk is mounted.
    check(
        |root| {
            fs::rename(root.join("x/y"), root.with_file_name("away")).unwrap();
            fs::rename(root.with_file_name("more"), root.join("x/y")).unwrap();
        },
        false,
    );
}

#[test]
fn directories_do_not_tell_what_is_written_into_a_file() {
    check(|root| fs::write(root.join("a.mp3"), b"other").unwrap(), true);
    check(|root| drop(fs::read(root.join("a.mp3")).unwrap()), true);
}

#[test]
fn a_directory_that_has_just_changed_tells_nothing() {
    let music = directory(&[("a.mp3", b"")]);
    let root = fs::canonicalize(music.path()).unwrap();
    let pace = Pace { now: SystemTime::now, goes_on: &mut || true };
    let directories = scan(&root, false, pace, &mut |_| Ok(())).unwrap().unwrap().directories;
    assert!(!directories.are_as_they_were(&root), "another change may have the same time");
}

#[test]
fn directories_that_were_never_looked_at_tell_nothing() {
    let music = directory(&[("a.mp3", b"")]);
    assert!(!Directories::default().are_as_they_were(music.path()));
}

#[test]
#[cfg(unix)]
fn what_a_link_leads_to_is_told_by_the_directory_it_leads_to_and_a_loose_link_by_none() {
    use std::os::unix::fs::symlink;
    let parent = directory(&[("music/a.mp3", b""), ("music/x/b.mp3", b"")]);
    let root = fs::canonicalize(parent.path().join("music")).unwrap();
    symlink(root.join("x"), root.join("link")).unwrap();
    let told = directories(&root);
    assert!(told.are_as_they_were(&root));
    fs::write(root.join("x/c.mp3"), b"").unwrap();
    assert!(!told.are_as_they_were(&root));
    for loose in ["later.mp3", "later"] {
        symlink(parent.path().join("not there yet"), root.join(loose)).unwrap();
        assert!(!directories(&root).are_as_they_were(&root), "{loose}");
        fs::remove_file(root.join(loose)).unwrap();
        assert!(directories(&root).are_as_they_were(&root));
    }
}

#[test]
#[cfg(unix)]
fn of_a_song_outside_that_a_link_leads_to_no_directory_tells() {
    use std::os::unix::fs::symlink;
    let parent = directory(&[("music/a.mp3", b""), ("more/b.mp3", b""), ("more/c.mp3", b"")]);
    let root = fs::canonicalize(parent.path().join("music")).unwrap();
    symlink("../more", root.join("directory")).unwrap();
    let told = directories_by_links(&root, true);
    assert!(told.are_as_they_were(&root));
    fs::remove_file(parent.path().join("more/c.mp3")).unwrap();
    assert!(!told.are_as_they_were(&root));
    fs::remove_file(root.join("directory")).unwrap();
    symlink("../more/b.mp3", root.join("b.mp3")).unwrap();
    assert!(!directories_by_links(&root, true).are_as_they_were(&root), "b.mp3 may be removed");
    assert!(directories_by_links(&root, false).are_as_they_were(&root), "b.mp3 is no song");
}

#[test]
fn a_directory_has_the_same_stamp_whichever_way_it_is_asked_for() {
    let music = directory(&[("x/a.mp3", b"")]);
    for path in ["", "x"] {
        let probed = Probe::new(music.path()).unwrap().stamp(Path::new(path)).unwrap();
        let asked = crate::library::file::Stamp::of(&fs::metadata(music.path().join(path)).unwrap());
        assert_eq!(probed, asked, "{path:?}");
    }
    assert!(Probe::new(music.path()).unwrap().stamp(Path::new("y")).is_err());
}

#[test]
fn a_look_ends_when_it_is_not_to_go_on() {
    let music = directory(&[("a/1.mp3", b""), ("b/2.mp3", b""), ("c/3.mp3", b"")]);
    let root = fs::canonicalize(music.path()).unwrap();
    let mut asked = 0;
    let mut goes_on = || {
        asked += 1;
        asked < 2
    };
    assert!(scan(&root, false, Pace { now: later, goes_on: &mut goes_on }, &mut |_| Ok(())).unwrap().is_none());
    assert_eq!(asked, 2);
}

/// A library that has looked at its directory once, and trusts all times.
fn settled(directory: &TempDir) -> Arc<Library> {
    let library = Library::trusting(directory.path());
    library.refresh();
    assert!(library.wait_until_read_for(DEADLINE));
    library
}

fn looked_at(library: &Library) -> Vec<Listing> {
    let look = library.begin_look();
    assert!(library.wait_until_looked_for(look, DEADLINE));
    assert!(library.wait_until_read_for(DEADLINE));
    library.page(SongId(1), usize::MAX).songs
}

#[test]
fn a_list_shows_what_was_added_and_removed_before_it() {
    let directory = directory(&[("a.mp3", b"1"), ("x/b.mp3", b"2")]);
    let library = settled(&directory);
    let titles = || looked_at(&library).into_iter().map(|song| song.title).collect::<Vec<_>>();
    assert_eq!(titles(), ["a", "b"]);
    for round in 0..50 {
        let name = format!("{round}");
        write(&directory, &format!("x/{name}.mp3"), b"3");
        assert_eq!(titles(), ["a", "b", &name]);
        fs::remove_file(directory.path().join(format!("x/{name}.mp3"))).unwrap();
        assert_eq!(titles(), ["a", "b"]);
    }
}

#[test]
fn the_list_after_it_shows_at_the_latest_what_was_written_into_a_file() {
    let directory = directory(&[("a.mp3", &title("one"))]);
    let library = settled(&directory);
    for text in ["two", "three", "four"] {
        write(&directory, "a.mp3", &title(text));
        looked_at(&library);
        library.wait_until_rested();
        assert_eq!(looked_at(&library)[0].title, text);
    }
}

#[test]
#[cfg(unix)]
fn a_glance_sees_what_was_added_before_it() {
    let albums = ["a", "b", "c", "d", "e", "f"];
    let directory = directory(&[]);
    albums.iter().for_each(|album| write(&directory, &format!("{album}/1.mp3"), b"1"));
    let library = settled(&directory);
    for album in albums {
        let begun = Instant::now();
        // On a busy machine memory takes as long as a disk now and then.
        while !library.is_unchanged_at_a_glance() {
            assert!(begun.elapsed() < DEADLINE, "no glance is enough");
            looked_at(&library);
            library.wait_until_rested(); // or it takes note of what is about to come
        }
        write(&directory, &format!("{album}/2.mp3"), b"2");
        assert!(!library.is_unchanged_at_a_glance());
    }
}

#[test]
fn whoever_asks_may_glance_if_it_was_told_at_once_and_just_now_and_nobody_else_does() {
    let begun = Instant::now();
    let after = |millis| begun + Duration::from_millis(millis);
    let mut glance = Glance::default();
    assert!(!glance.take(begun), "nobody knows how long it takes");
    glance.note(true, begun, begun);
    assert!(glance.take(after(10_000)));
    assert!(!glance.take(begun), "somebody glances already, and may be stuck");
    glance.note(true, begun, begun);
    assert!(!glance.take(after(10_001)), "memory may have been needed for something else");
    glance.note(true, begun, after(2));
    assert!(!glance.take(after(2)), "that was a disk");
    glance.note(true, begun, begun);
    glance.note(false, begun, begun);
    assert!(!glance.take(begun), "something has changed");
}

#[test]
fn many_who_list_while_files_come_each_see_their_own() {
    const CALLERS: usize = 8;
    let directory = directory(&[("a.mp3", b"")]);
    let library = settled(&directory);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (library, directory) = (&library, &directory);
            scope.spawn(move || {
                for round in 0..20 {
                    let name = format!("{caller}-{round}");
                    write(directory, &format!("{caller}/{name}.mp3"), b"");
                    assert!(looked_at(library).iter().any(|song| song.title == name), "{name} is not listed");
                }
            });
        }
    });
}
