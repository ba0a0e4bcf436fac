//! Open songs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::library::{BuiltIn, OpenSong, SongError};
use crate::mp3::tests::corpus::file;

fn read(song: &OpenSong, position: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 5_000];
    loop {
        match song.read_at(position + bytes.len() as u64, &mut buffer).unwrap() {
            0 => return bytes,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

#[test]
fn only_audio_is_read() {
    let music = &file("cbr 128").bytes;
    let mut id3v1 = b"TAG".to_vec();
    id3v1.resize(128, b'x');
    let directory = directory(&[("a.mp3", &[&title("A")[..], music, &id3v1].concat())]);
    let song = open(directory.path()).open_song(SongId(1)).unwrap();
    assert_eq!(read(&song, 0), music[417..]);
    assert_eq!(read(&song, 100_000), music[100_417..]);
    assert_eq!(read(&song, u64::MAX), [0; 0]);
    assert_eq!(song.measured().size_bytes, music.len() as u64 - 417);
}

#[test]
fn all_clients_share_one_open_file() {
    let directory = directory(&[("a.mp3", &frames(50, 0)), ("b.mp3", &frames(50, 1))]);
    let library = open(directory.path());
    let songs: Vec<_> = std::thread::scope(|scope| {
        let open = || library.open_song(SongId(1)).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(songs.iter().all(|song| Arc::ptr_eq(song, &songs[0])));
    let weak = Arc::downgrade(&songs[0]);
    drop(songs);
    // The thread that counted its frames may still hold it for a moment.
    let deadline = Instant::now() + DEADLINE;
    while weak.upgrade().is_some() {
        assert!(Instant::now() < deadline, "the file is closed when nobody plays it");
        std::thread::yield_now();
    }
    library.open_song(SongId(2)).unwrap();
    while library.open_songs.len() > 1 {
        assert!(Instant::now() < deadline, "nothing is kept of songs that are closed");
        std::thread::yield_now();
    }
}

#[test]
fn frames_are_counted_once_for_all_who_open_the_song_and_seek_in_it() {
    // Built in, for a file that has just been written might be written again and is not trusted for two seconds.
    let (told, untold) = (file("cbr 128").bytes.clone().leak(), frames(3_000, 0).leak());
    let songs = [BuiltIn { name: "told.mp3", bytes: told }, BuiltIn { name: "untold.mp3", bytes: untold }];
    let library = Library::open(Source::BuiltIn(Vec::from(songs).leak())).unwrap();
    library.wait_until_scanned();
    assert!(library.wait_until_read_for(DEADLINE));
    let listed = |id| library.listed().song(id).unwrap().known().counted().cloned();
    assert!(listed(SongId(1)).is_none(), "the file tells, and is believed until it is opened");
    let counted = listed(SongId(2)).expect("the file does not tell");
    assert!(Arc::ptr_eq(&counted, library.open_song(SongId(2)).unwrap().counted()));

    let counted: Vec<_> = std::thread::scope(|scope| {
        let seek = || {
            let song = library.open_song(SongId(1)).unwrap();
            song.locate(5_000).unwrap();
            song.counted().clone() // and the song is closed
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(seek)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let listed = listed(SongId(1)).expect("what was counted is kept");
    assert!(counted.iter().all(|song| Arc::ptr_eq(song, &listed)));
}

#[test]
fn info_is_exact_even_where_the_information_frame_lies() {
    let mut music = file("vbr").bytes.clone();
    let tag = music.windows(4).position(|name| name == b"Xing").unwrap();
    let frames = u32::from_be_bytes(music[tag + 8..tag + 12].try_into().unwrap());
    music[tag + 8..tag + 12].copy_from_slice(&(frames * 3 / 4).to_be_bytes());
    let directory = directory(&[("a.mp3", &music)]);
    let library = open(directory.path());
    let believed = list(&library)[0].duration_ms.unwrap();
    let counted = library.info(&library.open_song(SongId(1)).unwrap()).unwrap().duration_ms.unwrap();
    assert!(believed < 9_000 && counted > 11_000, "{believed} ms believed, {counted} ms counted");
    assert_eq!(list(&library)[0].duration_ms, Some(counted), "what was counted is kept");
}

#[test]
fn a_song_that_is_replaced_plays_on_and_is_opened_anew_for_others() {
    let directory = directory(&[("a.mp3", &frames(50, 1))]);
    let library = open(directory.path());
    let old = library.open_song(SongId(1)).unwrap();
    write(&directory, "new", &frames(60, 2));
    fs::rename(directory.path().join("new"), directory.path().join("a.mp3")).unwrap();
    let new = library.open_song(SongId(1)).unwrap();
    assert_eq!(read(&old, 0), frames(50, 1));
    assert_eq!(read(&new, 0), frames(60, 2));
    assert_ne!(old.measured().content_tag, new.measured().content_tag);
}

#[test]
fn a_song_that_is_removed_plays_on() {
    let directory = directory(&[("a.mp3", &frames(50, 1))]);
    let library = open(directory.path());
    let song = library.open_song(SongId(1)).unwrap();
    fs::remove_file(directory.path().join("a.mp3")).unwrap();
    library.refresh();
    assert_eq!(read(&song, 0), frames(50, 1));
    assert!(song.locate(1_000).is_ok());
    assert!(matches!(library.open_song(SongId(1)), Err(SongError::Gone)));
}

/// A song of 50 frames behind a title. It is played while its file changes.
struct Played {
    directory: TempDir,
    song: Arc<OpenSong>,
}

impl Played {
    fn open() -> Self {
        let directory = directory(&[("a.mp3", &[title("A"), frames(50, 1)].concat())]);
        age(&directory.path().join("a.mp3"));
        let song = open(directory.path()).open_song(SongId(1)).unwrap();
        song.read_at(0, &mut [0; 100]).unwrap();
        Self { directory, song }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("a.mp3")
    }

    fn file(&self) -> fs::File {
        fs::File::options().write(true).open(self.path()).unwrap()
    }

    /// Reads until that succeeds or fails for good.
    fn read_on(&self) -> Result<usize, SongError> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.song.read_at(100, &mut [0; 100]) {
                Err(SongError::Changing) => assert!(Instant::now() < deadline, "it is neither right nor wrong"),
                read => return read,
            }
            std::thread::yield_now();
        }
    }
}

#[track_caller]
fn check_notices(name: &str, change: impl FnOnce(&mut fs::File)) {
    let played = Played::open();
    change(&mut played.file());
    assert!(matches!(played.read_on(), Err(SongError::Changed)), "{name}");
    assert!(matches!(played.song.locate(500), Err(SongError::Changing)), "{name}");
}

#[test]
fn a_song_that_is_written_to_while_it_plays_is_not_played_wrong() {
    use std::io::Write;
    check_notices("emptied", |file| file.set_len(0).unwrap());
    check_notices("cut", |file| file.set_len(10_000).unwrap());
    check_notices("overwritten", |file| file.write_all(&frames(10, 2)).unwrap());
    check_notices("another", |file| {
        file.set_len(0).unwrap();
        file.write_all(&frames(50, 2)).unwrap();
    });
}

#[track_caller]
fn check_plays_on(name: &str, change: impl FnOnce(&Path)) {
    let played = Played::open();
    change(&played.path());
    assert!(matches!(played.read_on(), Ok(100)), "{name}");
    assert!(read(&played.song, 0) == frames(50, 1), "{name}");
    assert!(played.song.locate(500).is_ok_and(|location| location.position > 0), "{name}");
}

#[test]
fn a_song_plays_on_while_all_but_its_audio_changes() {
    use std::io::{Seek, SeekFrom, Write};
    let append = |path: &Path, bytes: &[u8]| {
        let mut file = fs::File::options().append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    };
    let retitle = |path: &Path, tag: &[u8]| fs::write(path, [tag, &frames(50, 1)].concat()).unwrap();
    check_plays_on("touched", |path| {
        fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now()).unwrap();
    });
    check_plays_on("a title of the same length", |path| {
        let mut file = fs::File::options().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&title("B")).unwrap();
    });
    check_plays_on("a longer title", |path| retitle(path, &title("A title that needs more room")));
    check_plays_on("no title", |path| retitle(path, &[]));
    check_plays_on("a picture", |path| retitle(path, &[title("A"), title(&"x".repeat(100_000))].concat()));
    check_plays_on("a tag at the end", |path| append(path, &[&b"TAG"[..], &[b' '; 125]].concat()));
    check_plays_on("grown by what is no audio", |path| append(path, &[0; 100_000]));
    check_plays_on("copied over itself", |path| {
        fs::copy(path, path.with_extension("copy")).unwrap();
        fs::copy(path.with_extension("copy"), path).unwrap();
    });
    check_plays_on("another file in its place", |path| {
        fs::write(path.with_extension("new"), frames(50, 2)).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    });
}

#[test]
fn a_song_is_waited_for_while_its_file_is_written_anew() {
    use std::io::Write;
    let played = Played::open();
    let bytes = fs::read(played.path()).unwrap();
    let mut file = played.file();
    file.set_len(0).unwrap();
    for piece in bytes.chunks(5_000) {
        assert!(matches!(played.song.read_at(100, &mut [0; 100]), Err(SongError::Changing)));
        file.write_all(piece).unwrap();
    }
    assert!(matches!(played.read_on(), Ok(100)));
    assert!(read(&played.song, 0) == frames(50, 1));
}

#[test]
fn a_song_is_found_by_its_content_tag() {
    let directory = directory(&[("a.mp3", &frames(50, 1)), ("b.mp3", &frames(50, 2)), ("c.mp3", &frames(50, 2))]);
    let library = open(directory.path());
    let tag = library.open_song(SongId(3)).unwrap().measured().content_tag;
    list(&library);
    assert_eq!(library.find_tag(tag), Some(SongId(2)), "the lowest number");
    fs::remove_file(directory.path().join("b.mp3")).unwrap();
    list(&library);
    assert_eq!(library.find_tag(tag), Some(SongId(3)));
    assert_eq!(library.find_tag(tag ^ 1), None);
}

#[test]
fn everything_fits_the_small_stack_of_a_connection() {
    let directory = directory(&[("a.mp3", &[&title("A")[..], &file("vbr").bytes].concat())]);
    let path = directory.path().to_owned();
    let serve = move || {
        let library = open(&path);
        library.refresh();
        assert_eq!(library.page(SongId(1), 10).songs.len(), 1);
        assert_eq!(library.info(&library.open_song(SongId(1)).unwrap()).unwrap().title, "A");
        let song = library.open_song(SongId(1)).unwrap();
        assert!(song.locate(5_000).unwrap().position > 0);
        assert_eq!(song.read_at(0, &mut [0; 100]).unwrap(), 100);
        assert_eq!(library.find_tag(song.measured().content_tag), Some(SongId(1)));
    };
    std::thread::Builder::new().stack_size(64 * 1024).spawn(serve).unwrap().join().unwrap();
}

#[cfg(unix)]
mod swapped {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    /// A library of `x/a.mp3`, and another directory with a file of the same name that must not be read.
    fn library_and_secret() -> (TempDir, Arc<Library>) {
        let parent = directory(&[("music/x/a.mp3", &frames(50, 1)), ("secret/a.mp3", &frames(60, 2))]);
        let library = open(&parent.path().join("music"));
        (parent, library)
    }

    #[track_caller]
    fn check_refused(library: &Library) {
        match library.open_song(SongId(1)) {
            Err(SongError::Unreadable(error)) => println!("{error}"),
            other => panic!("{:?}", other.map(|song| song.measured().total_samples)),
        }
    }

    #[test]
    fn a_file_that_became_a_link_out_of_the_directory_is_not_opened() {
        let (parent, library) = library_and_secret();
        let path = parent.path().join("music/x/a.mp3");
        fs::remove_file(&path).unwrap();
        symlink(parent.path().join("secret/a.mp3"), &path).unwrap();
        check_refused(&library);
    }

    #[test]
    fn a_file_in_a_directory_that_became_a_link_out_of_it_is_not_opened() {
        let (parent, library) = library_and_secret();
        fs::remove_dir_all(parent.path().join("music/x")).unwrap();
        symlink("../secret", parent.path().join("music/x")).unwrap();
        check_refused(&library);
    }

    #[test]
    fn a_file_that_became_a_fifo_is_not_waited_for() {
        let (parent, library) = library_and_secret();
        let path = parent.path().join("music/x/a.mp3");
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        check_refused(&library);
    }

    #[test]
    fn a_file_that_became_a_directory_or_device_is_not_opened() {
        let (parent, library) = library_and_secret();
        let path = parent.path().join("music/x/a.mp3");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        check_refused(&library);
        fs::remove_dir(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        check_refused(&library);
    }

    #[test]
    fn a_directory_that_becomes_a_link_while_a_file_in_it_is_opened_leads_nowhere() {
        let (parent, _) = library_and_secret();
        let folder = Folder::new(&parent.path().join("music"), false).unwrap();
        let dir = folder.open_dir().unwrap();
        dir.open_song(Path::new("x/a.mp3")).unwrap();
        // Right here: after it was looked at, before it is opened.
        fs::rename(parent.path().join("music/x"), parent.path().join("spare")).unwrap();
        symlink("../secret", parent.path().join("music/x")).unwrap();
        dir.open_song(Path::new("x/a.mp3")).unwrap_err();
    }
}

/// A file that takes days to read.
fn endless(directory: &TempDir, path: &str) {
    write(directory, path, &frames(1, 0));
    let file = fs::File::options().write(true).open(directory.path().join(path)).unwrap();
    file.set_len(1 << 42).unwrap();
}

#[track_caller]
fn wait_until_workers_end(library: &Library) {
    let deadline = Instant::now() + DEADLINE;
    while library.workers.threads() > 0 {
        assert!(Instant::now() < deadline, "it is counted on for nobody");
        std::thread::yield_now();
    }
}

#[test]
fn a_file_in_the_place_of_an_endless_one_is_played_at_once() {
    let directory = directory(&[]);
    endless(&directory, "a.mp3");
    let library = open(directory.path());
    let endless = library.begin_opening(SongId(1)).unwrap();
    write(&directory, "b.mp3", &frames(50, 0));
    fs::rename(directory.path().join("b.mp3"), directory.path().join("a.mp3")).unwrap();
    library.refresh();
    let opened = library.begin_opening(SongId(1)).unwrap().wait_for(DEADLINE);
    assert_eq!(opened.expect("nobody waits for the other").unwrap().measured().total_samples, 50 * 1_152);
    let opened = endless.wait_for(DEADLINE).expect("the other is given up");
    assert_eq!(opened.unwrap().measured().total_samples, 50 * 1_152);
    wait_until_workers_end(&library);
}

#[test]
fn counting_stops_when_nobody_waits() {
    let directory = directory(&[]);
    endless(&directory, "a.mp3");
    let library = open(directory.path());
    let opening = library.begin_opening(SongId(1)).unwrap();
    assert!(library.workers.threads() > 0);
    drop(opening);
    wait_until_workers_end(&library);
    // It can be asked for again.
    let opening = library.begin_opening(SongId(1)).unwrap();
    fs::remove_file(directory.path().join("a.mp3")).unwrap();
    let opened = opening.wait_for(DEADLINE).expect("a file that is gone is given up");
    assert!(matches!(opened, Err(SongError::Gone)), "{opened:?}");
}

#[test]
fn endless_files_that_are_gone_keep_no_other_unread() {
    let directory = directory(&[]);
    let names = ["a.mp3", "b.mp3", "c.mp3", "d.mp3"];
    names.iter().for_each(|name| endless(&directory, name));
    write(&directory, "e.mp3", &frames(50, 0));
    let library = open(directory.path());
    names.iter().for_each(|name| fs::remove_file(directory.path().join(name)).unwrap());
    assert!(library.wait_until_read_for(DEADLINE));
    assert_eq!(list(&library)[0].duration_ms, Some(50 * 1_152 * 1_000 / 44_100));
}

#[test]
fn an_open_song_is_shared_until_its_file_is_another() {
    let directory = directory(&[("a.mp3", &frames(50, 0))]);
    let library = open(directory.path());
    let song = library.open_song(SongId(1)).unwrap();
    assert!(Arc::ptr_eq(&song, &library.open_song(SongId(1)).unwrap()));
    write(&directory, "b.mp3", &frames(60, 0));
    fs::rename(directory.path().join("b.mp3"), directory.path().join("a.mp3")).unwrap();
    assert_eq!(library.open_song(SongId(1)).unwrap().measured().total_samples, 60 * 1_152);
}

/// A song of two parts with a hole between them, through which a seek to the second part reads.
fn song_with_hole(hole_bytes: usize) -> (TempDir, Arc<Library>, Arc<OpenSong>) {
    let directory = directory(&[("a.mp3", &[frames(200, 1), vec![0; hole_bytes], frames(200, 2)].concat())]);
    let library = open(directory.path());
    let song = library.open_song(SongId(1)).unwrap();
    (directory, library, song)
}

#[test]
fn a_seek_is_cancelled_when_it_is_not_wanted() {
    let (_directory, _library, song) = song_with_hole(4 << 20);
    let asked = AtomicUsize::new(0);
    let is_wanted = || asked.fetch_add(1, Ordering::Relaxed) < 3;
    assert!(matches!(song.locate_while(8_000, &is_wanted), Err(SongError::Unreadable(_))));
    assert_eq!(asked.into_inner(), 4, "reads, the last of which was refused");
    assert!(song.locate(8_000).is_ok());
}

#[test]
fn a_seek_runs_on_a_worker_as_long_as_somebody_waits() {
    let (_directory, library, song) = song_with_hole(1 << 20);
    let task = library.begin_seek(song.clone(), 8_000);
    let found = task.wait_for(DEADLINE).expect("a seek within the deadline").unwrap();
    assert_eq!(found, song.locate(8_000).unwrap());
    drop(library.begin_seek(song.clone(), 8_000));
    drop(task);
    wait_until_workers_end(&library);
    assert_eq!(Arc::strong_count(&song), 1, "it is kept by nobody else");
}
