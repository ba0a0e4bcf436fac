//! Which files of a directory are songs.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::library::scan::Reason;
use crate::library::{BuiltIn, OpenError};

/// Takes the paths of all files.
#[derive(Default)]
struct Paths(Vec<PathBuf>);

impl Sink for Paths {
    fn is_known(&mut self, _: &Found<'_>) -> bool {
        false
    }

    fn add(&mut self, file: &Found<'_>) {
        self.0.push(file.directory.join(file.name));
    }
}

/// The files that a scan finds, and what else it reports.
fn scan(directory: &Path, follow_symlinks: bool) -> (Vec<PathBuf>, Report) {
    let mut paths = Paths::default();
    let report = Folder::new(directory, follow_symlinks).unwrap().scan(SystemTime::now, &mut paths).unwrap();
    (paths.0, report)
}

#[track_caller]
fn check(directory: &TempDir, follow_symlinks: bool, found: &[&str], skipped: &[(&str, Reason)]) {
    let (paths, report) = scan(directory.path(), follow_symlinks);
    assert_eq!(paths, found.iter().map(Path::new).collect::<Vec<_>>());
    let mut actual = report.skipped;
    actual.sort_by(|a, b| a.0.cmp(&b.0));
    let expected: Vec<_> = skipped.iter().map(|(path, reason)| (PathBuf::from(path), *reason)).collect();
    assert_eq!(actual, expected);
}

#[test]
fn files_are_songs_by_their_names_in_path_order() {
    let names = ["b.mp3", "B.MP3", "a/2.mp3", "a/10.Mp3", "a b.mp3", "a/b/c/d.mP3", "a!/x.mp3", ".mp3", "é.mp3"];
    let mut files: Vec<_> = names.iter().map(|name| (*name, &b""[..])).collect();
    files.extend([("mp3", &b""[..]), ("a.mp3.txt", b""), ("a/cover.jpg", b""), ("song.mp4", b"")]);
    let expected = [".mp3", "B.MP3", "a/10.Mp3", "a/2.mp3", "a/b/c/d.mP3", "a b.mp3", "a!/x.mp3", "b.mp3", "é.mp3"];
    check(&directory(&files), false, &expected, &[]);
}

#[test]
fn path_order_is_what_paths_compare_to() {
    let names = ["a/x.mp3", "a.mp3", "a b/x.mp3", "a/b/x.mp3", "a-/x.mp3", "aa/x.mp3", "a/b.mp3", "z/a.mp3", "Z.mp3"];
    let files: Vec<_> = names.iter().map(|name| (*name, &b""[..])).collect();
    let (paths, _) = scan(directory(&files).path(), false);
    assert_eq!(paths.len(), names.len());
    assert!(paths.is_sorted_by(|a, b| a < b), "{paths:?}");
}

#[test]
fn files_of_macos_beside_each_are_skipped() {
    let directory = directory(&[("._a.mp3", b""), ("a.mp3", b""), ("._folder/b.mp3", b"")]);
    check(&directory, false, &["._folder/b.mp3", "a.mp3"], &[("._a.mp3", Reason::AppleDouble)]);
}

#[test]
fn directories_that_are_called_like_songs_are_skipped_with_what_is_in_them() {
    let directory = directory(&[("x.mp3/y.mp3", b""), ("z.mp3", b"")]);
    check(&directory, false, &["z.mp3"], &[("x.mp3", Reason::NotAFile)]);
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    fn make_fifo(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    fn link(directory: &TempDir, to: &str, path: &str) {
        symlink(to, directory.path().join(path)).unwrap();
    }

    #[test]
    fn fifos_and_sockets_are_skipped() {
        let directory = directory(&[("a.mp3", b"")]);
        make_fifo(&directory.path().join("fifo.mp3"));
        let _socket = UnixListener::bind(directory.path().join("socket.mp3")).unwrap();
        let skipped = [("fifo.mp3", Reason::NotAFile), ("socket.mp3", Reason::NotAFile)];
        check(&directory, false, &["a.mp3"], &skipped);
    }

    #[test]
    fn links_to_devices_and_fifos_are_skipped() {
        let directory = directory(&[("a.mp3", b"")]);
        make_fifo(&directory.path().join("fifo"));
        link(&directory, "fifo", "fifo.mp3");
        link(&directory, "/dev/zero", "zero.mp3");
        let outside = [("fifo.mp3", Reason::NotAFile), ("zero.mp3", Reason::LeadsOutside)];
        check(&directory, false, &["a.mp3"], &outside);
        let skipped = [("fifo.mp3", Reason::NotAFile), ("zero.mp3", Reason::NotAFile)];
        check(&directory, true, &["a.mp3"], &skipped);
    }

    #[test]
    fn links_that_stay_inside_are_followed() {
        let directory = directory(&[("a/song.mp3", b"")]);
        link(&directory, "a/song.mp3", "relative.mp3");
        let absolute = directory.path().join("a/song.mp3");
        link(&directory, absolute.to_str().unwrap(), "absolute.mp3");
        link(&directory, "a", "b");
        let found = ["a/song.mp3", "absolute.mp3", "b/song.mp3", "relative.mp3"];
        check(&directory, false, &found, &[]);
        assert_eq!(list(&open(directory.path())).len(), 4);
    }

    #[test]
    fn links_that_lead_outside_are_followed_on_demand_only() {
        let outside = directory(&[("song.mp3", b""), ("deep/er.mp3", b"")]);
        let directory = directory(&[("a.mp3", b"")]);
        link(&directory, outside.path().to_str().unwrap(), "folder");
        link(&directory, outside.path().join("song.mp3").to_str().unwrap(), "song.mp3");
        let skipped = [("folder", Reason::LeadsOutside), ("song.mp3", Reason::LeadsOutside)];
        check(&directory, false, &["a.mp3"], &skipped);
        let found = ["a.mp3", "folder/deep/er.mp3", "folder/song.mp3", "song.mp3"];
        check(&directory, true, &found, &[]);
    }

    #[test]
    fn a_name_that_only_begins_like_the_directory_is_outside() {
        let parent = directory(&[("music/a.mp3", b""), ("music-private/b.mp3", b"")]);
        symlink("../music-private", parent.path().join("music/link")).unwrap();
        let (_, report) = scan(&parent.path().join("music"), false);
        assert_eq!(report.skipped, [(PathBuf::from("link"), Reason::LeadsOutside)]);
    }

    #[test]
    fn links_in_circles_are_skipped() {
        let directory = directory(&[("a/song.mp3", b""), ("b/c/song.mp3", b"")]);
        link(&directory, ".", "self");
        link(&directory, "..", "a/up");
        link(&directory, "../b", "a/to b");
        link(&directory, "../../a", "b/c/to a");
        link(&directory, "loop", "loop");
        let found = ["a/song.mp3", "a/to b/c/song.mp3", "b/c/song.mp3", "b/c/to a/song.mp3"];
        let circles = ["a/to b/c/to a", "a/up", "b/c/to a/to b", "b/c/to a/up", "loop", "self"];
        let skipped = circles.map(|path| (path, Reason::Circle));
        check(&directory, false, &found, &skipped);
    }

    #[test]
    fn a_circle_through_the_outside_is_one_too() {
        let parent = directory(&[("music/a.mp3", b""), ("more/b.mp3", b"")]);
        symlink("../more", parent.path().join("music/more")).unwrap();
        symlink("../music", parent.path().join("more/back")).unwrap();
        symlink("..", parent.path().join("music/up")).unwrap();
        let (paths, report) = scan(&parent.path().join("music"), true);
        assert_eq!(paths, [Path::new("a.mp3"), Path::new("more/b.mp3")]);
        assert_eq!(report.skipped, ["more/back", "up"].map(|path| (PathBuf::from(path), Reason::Circle)));
    }

    #[test]
    fn links_that_multiply_paths_are_entered_once() {
        let directory = directory(&[("0/song.mp3", b"")]);
        for level in 1..=30 {
            fs::create_dir(directory.path().join(level.to_string())).unwrap();
            for name in ["x", "y"] {
                link(&directory, &format!("../{}", level - 1), &format!("{level}/{name}"));
            }
        }
        let (paths, report) = scan(directory.path(), false);
        assert!(paths.len() < 1_000, "{} paths to one song", paths.len());
        assert!(report.skipped.iter().any(|(_, reason)| *reason == Reason::Twice));
    }

    #[test]
    fn links_to_nothing_are_skipped() {
        let directory = directory(&[("a.mp3", b"")]);
        link(&directory, "nothing", "gone.mp3");
        link(&directory, "nothing", "gone");
        check(&directory, false, &["a.mp3"], &[("gone.mp3", Reason::LeadsNowhere)]);
    }

    #[test]
    fn a_directory_as_deep_as_the_system_allows_fits_a_small_stack() {
        let directory = directory(&[]);
        let mut path = directory.path().to_owned();
        while fs::create_dir(path.join("d")).is_ok() {
            path.push("d");
        }
        let root = directory.path().to_owned();
        let scanning = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || scan(&root, false)).unwrap();
        assert_eq!(scanning.join().unwrap().0.len(), 0);
    }

    #[test]
    fn names_that_are_not_unicode_are_listed_and_play() {
        let directory = directory(&[]);
        let name = OsStr::from_bytes(b"caf\xe9 \x1b[2J.mp3");
        fs::write(directory.path().join(name), frames(20, 0)).unwrap();
        let library = open(directory.path());
        check_titles(&library, &[(1, "caf\u{fffd} \u{1b}[2J")]);
        let song = library.open_song(SongId(1)).unwrap();
        assert_eq!(song.read_at(0, &mut [0; 4_000]).unwrap(), 4_000);
    }

    /// Runs as somebody whom permissions bind, for those of root do not; if this is root, in another process.
    #[test]
    fn what_cannot_be_read_is_skipped() {
        if let Some(directory) = std::env::var_os(DIRECTORY_VARIABLE) {
            return check_unreadable(Path::new(&directory));
        }
        let directory = directory(&[("a.mp3", b""), ("closed.mp3", b""), ("closed/b.mp3", b"")]);
        for path in ["closed.mp3", "closed"] {
            fs::set_permissions(directory.path().join(path), fs::Permissions::from_mode(0o000)).unwrap();
        }
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let is_root = fs::read_dir(directory.path().join("closed")).is_ok();
        if is_root {
            as_nobody(directory.path());
        } else {
            check_unreadable(directory.path());
        }
        fs::set_permissions(directory.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    }

    fn check_unreadable(directory: &Path) {
        let library = open(directory);
        assert_eq!(library.song_count(), 1, "at the first scan");
        check_titles(&library, &[(1, "a")]);
        let denied = Reason::Unreadable(std::io::ErrorKind::PermissionDenied);
        let (_, report) = scan(directory, false);
        assert_eq!(report.skipped, ["closed", "closed.mp3"].map(|path| (PathBuf::from(path), denied)));
        assert_eq!(library.last_scan().skipped(Path::new("closed.mp3")), Some(denied));
    }

    /// Tells the test that it is the other process, and where to look.
    const DIRECTORY_VARIABLE: &str = "TRILL_TEST_UNREADABLE";

    fn as_nobody(directory: &Path) {
        let copy = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let test = copy.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
        let mut command = Command::new(&test);
        std::os::unix::process::CommandExt::uid(&mut command, 65_534);
        command.args(["--exact", "library::tests::directory::unix::what_cannot_be_read_is_skipped"]);
        let output = command.env(DIRECTORY_VARIABLE, directory).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && report.contains("1 passed"), "{report}");
    }
}

#[test]
fn a_directory_that_is_none_is_refused() {
    let directory = directory(&[("a.mp3", b"")]);
    let open = |path: &str| Library::open(Source::directory(directory.path().join(path)));
    assert!(matches!(open("nothing"), Err(OpenError::Missing(_))));
    assert!(matches!(open("a.mp3"), Err(OpenError::NotADirectory(_))));
    assert!(matches!(open("a.mp3/b"), Err(OpenError::NotADirectory(_))));
}

#[test]
fn an_empty_directory_has_no_songs() {
    let library = open(directory(&[]).path());
    assert_eq!((library.wait_until_scanned(), library.generation()), (0, 1));
    check_titles(&library, &[]);
}

#[test]
fn a_song_is_called_by_its_tag_or_else_by_its_file() {
    let tagged = [title("A title"), frames(20, 0)].concat();
    let blank = [title("  "), frames(20, 0)].concat();
    let directory = directory(&[("x/tagged.mp3", &tagged), ("x/Not.Tagged.MP3", &frames(20, 0)), ("y.mp3", &blank)]);
    check_titles(&open(directory.path()), &[(1, "Not.Tagged"), (2, "A title"), (3, "y")]);
}

#[test]
fn all_that_a_file_says_is_listed() {
    let file = crate::mp3::tests::corpus::file("cbr 128");
    let directory = directory(&[("a.mp3", &file.bytes)]);
    let song = &list(&open(directory.path()))[0];
    let expected = Listing {
        id: SongId(1),
        title: "a".into(),
        artist: String::new(),
        album: String::new(),
        track: 0,
        duration_ms: Some((file.input_samples * 1_000 / 44_100) as u32),
        size_bytes: file.bytes.len() as u64 - 417,
        bitrate: 128_000,
        rate: 44_100,
        channels: 2,
        group: None,
        rank: None,
    };
    assert_eq!(song, &expected);
}

#[test]
fn junk_is_listed_and_has_no_audio() {
    let directory = directory(&[("junk.mp3", &[0x55; 10_000]), ("nothing.mp3", b"")]);
    let library = open(directory.path());
    for song in list(&library) {
        assert_eq!((song.duration_ms, song.size_bytes, song.rate), (Some(0), 0, 0), "{}", song.title);
        let song = library.open_song(song.id).unwrap();
        assert_eq!(song.read_at(0, &mut [0; 10]).unwrap(), 0);
        assert_eq!(song.locate(0).unwrap().position, 0);
    }
}

#[test]
fn equal_directories_have_equal_numbers_and_tags() {
    let files: &[(&str, &[u8])] = &[("c.mp3", &frames(20, 1)), ("a/b.mp3", &frames(21, 2)), ("B.mp3", &frames(22, 3))];
    let mut backwards = files.to_vec();
    backwards.reverse();
    let (one, other) = (directory(files), directory(&backwards));
    let (one, other) = (open(one.path()), open(other.path()));
    assert_eq!(list(&one), list(&other));
    for id in 1..=3 {
        let tag = one.open_song(SongId(id)).unwrap().measured().content_tag;
        assert_eq!(other.find_tag(tag), Some(SongId(id)));
    }
}

#[test]
fn built_in_songs_are_served_like_files() {
    static BYTES: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| frames(30, 0));
    let songs = [BuiltIn { name: "2.mp3", bytes: BYTES.as_slice() }, BuiltIn { name: "1.mp3", bytes: b"" }];
    let library = Library::open(Source::BuiltIn(Vec::leak(songs.to_vec()))).unwrap();
    assert_eq!(library.wait_until_scanned(), 2);
    check_titles(&library, &[(1, "1"), (2, "2")]);
    let song = library.open_song(SongId(2)).unwrap();
    let mut bytes = vec![0; BYTES.len()];
    assert_eq!(song.read_at(0, &mut bytes).unwrap(), bytes.len());
    assert_eq!(bytes, *BYTES);
    assert_eq!(library.generation(), 1, "nothing has changed");
}

#[test]
fn a_list_comes_in_pages() {
    let files: Vec<_> = (0..25).map(|index| format!("{index:02}.mp3")).collect();
    let files: Vec<_> = files.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let directory = directory(&files);
    let library = open(directory.path());
    let page = |first, at_most| {
        let page = library.page(SongId(first), at_most);
        (page.songs.iter().map(|song| song.id.0).collect::<Vec<_>>(), page.next.map(|id| id.0), page.total)
    };
    assert_eq!(page(1, 3), (vec![1, 2, 3], Some(4), 25));
    assert_eq!(page(23, 3), (vec![23, 24, 25], None, 25));
    assert_eq!(page(24, 3), (vec![24, 25], None, 25));
    assert_eq!(page(26, 3), (vec![], None, 25));
    assert_eq!(page(u32::MAX, 3), (vec![], None, 25));
    assert_eq!(page(0, 1), (vec![1], Some(2), 25));
    assert_eq!(page(1, 0), (vec![], Some(1), 25));
    fs::remove_file(directory.path().join("02.mp3")).unwrap();
    fs::remove_file(directory.path().join("04.mp3")).unwrap();
    library.refresh();
    assert_eq!(page(2, 3), (vec![2, 4, 6], Some(7), 23));
    assert_eq!(page(3, 1), (vec![4], Some(6), 23));
}
