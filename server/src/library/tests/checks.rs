//! What a check finds without a scan, and when checks and scans run.

use std::time::Instant;

use super::*;
use crate::library::scan::Probe;
use crate::library::scanner::Rounds;

/// A clock an hour ahead, so that all times of change can be trusted.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3_600)
}

/// Takes no files.
struct Nothing;

impl Sink for Nothing {
    fn is_known(&mut self, _: &Found<'_>) -> bool {
        false
    }

    fn add(&mut self, _: &Found<'_>) {}
}

fn watched(root: &Path, follow_symlinks: bool) -> Watched {
    Folder::new(root, follow_symlinks).unwrap().scan(later, &mut Nothing).unwrap().watched
}

#[track_caller]
fn check(change: impl FnOnce(&Path), is_unchanged: bool) {
    let parent =
        directory(&[("music/a.mp3", b"a"), ("music/x/y/b.mp3", b"b"), ("music/x/note.txt", b""), ("more/c.mp3", b"")]);
    let root = parent.path().join("music");
    let watched = watched(&root, false);
    assert!(watched.is_unchanged(&root), "nothing has happened");
    change(&root);
    assert_eq!(watched.is_unchanged(&root), is_unchanged && cfg!(unix));
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
    let folder = Folder::new(music.path(), false).unwrap();
    let watched = folder.scan(SystemTime::now, &mut Nothing).unwrap().watched;
    assert!(!watched.is_unchanged(music.path()), "another change may have the same time");
}

#[test]
fn what_was_never_scanned_tells_nothing() {
    let music = directory(&[("a.mp3", b"")]);
    assert!(!Watched::default().is_unchanged(music.path()));
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_a_link_leads_to_is_told_by_the_directory_it_leads_to() {
        let parent = directory(&[("music/a.mp3", b""), ("music/x/b.mp3", b"")]);
        let root = fs::canonicalize(parent.path().join("music")).unwrap();
        symlink(root.join("x"), root.join("link")).unwrap();
        let watched = watched(&root, false);
        assert!(watched.is_unchanged(&root));
        fs::write(root.join("x/c.mp3"), b"").unwrap();
        assert!(!watched.is_unchanged(&root));
    }

    #[test]
    fn a_loose_link_changes_nothing_until_it_leads_somewhere() {
        let parent = directory(&[("music/a.mp3", b"")]);
        let root = parent.path().join("music");
        for loose in ["later.mp3", "later"] {
            for follows in [false, true] {
                symlink("../not there yet", root.join(loose)).unwrap();
                let watched = watched(&root, follows);
                assert!(watched.is_unchanged(&root), "{loose}");
                fs::create_dir(parent.path().join("not there yet")).unwrap();
                assert!(!watched.is_unchanged(&root), "{loose}");
                fs::remove_dir(parent.path().join("not there yet")).unwrap();
                fs::remove_file(root.join(loose)).unwrap();
            }
        }
    }

    #[test]
    fn a_song_outside_that_a_link_leads_to_is_watched_itself() {
        let parent = directory(&[("music/a.mp3", b""), ("more/b.mp3", b""), ("more/c.mp3", b""), ("more/d.mp3", b"")]);
        let root = parent.path().join("music");
        let path = |name: &str| parent.path().join("more").join(name);
        symlink("../more", root.join("directory")).unwrap();
        let by_directory = watched(&root, true);
        assert!(by_directory.is_unchanged(&root));
        fs::remove_file(path("c.mp3")).unwrap();
        assert!(!by_directory.is_unchanged(&root));
        fs::remove_file(root.join("directory")).unwrap();
        symlink("../more/b.mp3", root.join("b.mp3")).unwrap();
        let by_link = watched(&root, true);
        fs::write(path("b.mp3"), b"it is being recorded").unwrap();
        assert!(by_link.is_unchanged(&root), "what is in it is for a scan to see");
        fs::rename(path("d.mp3"), path("b.mp3")).unwrap();
        assert!(!by_link.is_unchanged(&root), "another file");
        let by_link = watched(&root, true);
        fs::remove_file(path("b.mp3")).unwrap();
        assert!(!by_link.is_unchanged(&root), "no file");
        let (loose, outside) = (watched(&root, true), watched(&root, false));
        fs::write(path("b.mp3"), b"").unwrap();
        assert!(!loose.is_unchanged(&root), "a file again");
        assert!(!outside.is_unchanged(&root), "whether a loose link leads outside is not known before");
        assert!(watched(&root, false).is_unchanged(&root), "b.mp3 is not a song");
    }

    #[test]
    fn what_cannot_be_read_changes_nothing_until_it_can() {
        let music = directory(&[("a.mp3", b""), ("closed.mp3", b"")]);
        let mode =
            |mode| fs::set_permissions(music.path().join("closed.mp3"), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o000);
        let watched = watched(music.path(), false);
        assert!(watched.is_unchanged(music.path()));
        // Root may read it all the same; then it is a song, and its content does not matter here.
        let is_root = fs::File::open(music.path().join("closed.mp3")).is_ok();
        mode(0o600);
        assert_eq!(watched.is_unchanged(music.path()), is_root);
    }

    #[test]
    fn a_directory_in_the_place_of_another_with_equal_times_is_another() {
        let parent = directory(&[("music/x/a.mp3", b""), ("y/b.mp3", b"")]);
        let root = parent.path().join("music");
        let an_hour_ago = SystemTime::now() - Duration::from_secs(3_600);
        let set_time = |path: &Path| fs::File::open(path).unwrap().set_modified(an_hour_ago).unwrap();
        symlink("../y", root.join("link")).unwrap();
        [root.join("x"), parent.path().join("y")].iter().for_each(|path| set_time(path));
        let watched = watched(&root, true);
        fs::rename(parent.path().join("y"), parent.path().join("spare")).unwrap();
        fs::rename(root.join("x"), parent.path().join("y")).unwrap();
        set_time(&root);
        assert!(!watched.is_unchanged(&root));
    }
}

#[test]
fn a_directory_has_the_same_stamp_whichever_way_it_is_asked_for() {
    let music = directory(&[("x/a.mp3", b"")]);
    for path in ["", "x"] {
        let probed = Probe::new(music.path()).unwrap().mark(Path::new(path)).unwrap().stamp;
        let asked = fs::File::open(music.path().join(path)).unwrap().stamp().unwrap();
        assert_eq!(probed, Some(asked), "{path:?}");
    }
    assert!(Probe::new(music.path()).unwrap().mark(Path::new("y")).is_err());
}

/// A library that has scanned its directory once, and trusts all times.
fn settled(directory: &TempDir) -> Arc<Library> {
    let library = trusting(directory.path());
    library.refresh();
    assert!(library.wait_until_read_for(DEADLINE));
    library
}

/// What is listed once a check is over.
fn checked(library: &Library) -> Vec<Listing> {
    let check = library.begin_check();
    assert!(library.wait_until_checked_for(check, DEADLINE));
    assert!(library.wait_until_read_for(DEADLINE));
    library.page(SongId(1), usize::MAX).songs().collect()
}

#[test]
fn a_list_shows_what_was_added_and_removed_before_it() {
    let directory = directory(&[("a.mp3", b"1"), ("x/b.mp3", b"2")]);
    let library = settled(&directory);
    let titles = || checked(&library).into_iter().map(|song| song.title).collect::<Vec<_>>();
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
        checked(&library);
        library.wait_until_idle();
        assert_eq!(checked(&library)[0].title, text);
    }
}

#[test]
fn a_list_waits_for_no_scan_while_nothing_was_added_or_removed() {
    let directory = directory(&[("a.mp3", b"1")]);
    let library = settled(&directory);
    library.wait_until_idle();
    // Nobody can scan now.
    let scanning = library.last_scan();
    assert_eq!(checked(&library).len(), 1);
    write(&directory, "b.mp3", b"2");
    let check = library.begin_check();
    assert!(!library.wait_until_checked_for(check, Duration::from_millis(1)), "it has not been scanned");
    drop(scanning);
    assert!(library.wait_until_checked_for(check, DEADLINE));
    assert_eq!(library.song_count(), 2);
}

#[test]
fn all_who_ask_during_a_round_share_the_next() {
    let now = Instant::now();
    let mut rounds = Rounds::default();
    let (first, must_start) = rounds.want();
    assert!(must_start && rounds.begin());
    let during = [rounds.want(), rounds.want()];
    rounds.finish(Duration::ZERO, now);
    assert!(rounds.is_done(first));
    for (round, must_start) in during {
        assert!(!must_start, "there is a thread already");
        assert!(!rounds.is_done(round), "that round may have missed what they want to see");
    }
    assert!(rounds.begin());
    rounds.finish(Duration::ZERO, now);
    assert!(during.iter().all(|(round, _)| rounds.is_done(*round)));
    assert!(!rounds.begin(), "nobody wants to see more");
    let (later, must_start) = rounds.want();
    assert!(must_start && !rounds.is_done(later));
}

#[test]
fn rounds_take_their_share_of_a_core_at_most_and_the_first_need_not_wait() {
    let begun = Instant::now() + Duration::from_secs(100);
    for took in [1, 20, 250, 4_000].map(Duration::from_millis) {
        let (mut rounds, mut now, mut count, mut before_a_pause) = (Rounds::default(), begun, 0, 0);
        while now < begun + 100 * took {
            before_a_pause += u32::from(rounds.pause(now).is_zero() && before_a_pause == count);
            now += rounds.pause(now) + took;
            rounds.finish(10 * took, now);
            count += 1;
        }
        assert!(before_a_pause >= 3, "{took:?}");
        assert!(rounds.pause(now) <= 10 * took, "{took:?}");
        let burst = (Duration::from_millis(100).as_micros() / took.as_micros()).max(3) as u32;
        assert!(count <= 10 + burst + 1, "{count} rounds of {took:?}");
    }
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
                    assert!(checked(library).iter().any(|song| song.title == name), "{name} is not listed");
                }
            });
        }
    });
}
