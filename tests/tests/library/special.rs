//! Files with the name of a song that are not songs.

use super::{DEADLINE, check_audio, titles};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use trill_proto::error::ErrorCode;
use trill_proto::message::{EndReason, Start};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

#[test]
fn what_cannot_be_read_is_skipped() {
    let music = MusicDir::new();
    for name in ["1 song.mp3", "2 secret.mp3", "3 secret/song.mp3", "4 song.mp3"] {
        music.add(name, &SHORT);
    }
    let mut command = ServerProcess::command_without_privileges(music.path());
    for name in ["2 secret.mp3", "3 secret"] {
        fs::set_permissions(music.path().join(name), Permissions::from_mode(0o000)).expect("a file of this test's own");
    }
    command.args(["--listen", "127.0.0.1:0"]).arg(music.path());
    let mut server = ServerProcess::launch(command);
    server.wait_until_ready();
    let mut session = Session::open(server.address());
    assert_eq!(titles(&session.list()), ["1 song", "4 song"]);
    for name in ["2 secret.mp3", "3 secret"] {
        server.process().wait_for_line(DEADLINE, &format!("skipped {name:?}: cannot be read: permission denied"));
    }
    // When they become readable, they get the next numbers.
    for name in ["2 secret.mp3", "3 secret"] {
        fs::set_permissions(music.path().join(name), Permissions::from_mode(0o755)).expect("a file of this test's own");
    }
    let songs = session.list();
    assert_eq!(titles(&songs), ["1 song", "4 song", "2 secret", "song"]);
    check_audio(&mut session, 3, &layout::audio_of(&SHORT.make()));
}

#[test]
fn junk_is_listed_and_cannot_be_played() {
    let music = MusicDir::new();
    let mut random = vec![0; 100_000];
    fastrand::Rng::with_seed(1).fill(&mut random);
    for (name, bytes) in [
        ("1 empty.mp3", b"".as_slice()),
        ("2 text.mp3", b"This is not music.\n"),
        ("3 random.mp3", &random),
        ("4 zeros.mp3", &[0; 50_000]),
        ("5 ones.mp3", &[0xff; 50_000]),
        ("6 tag.mp3", b"ID3\x04\0\0\0\0\0\0"),
    ] {
        music.add_bytes(name, bytes);
    }
    music.add("7 song.mp3", &SHORT);
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let songs = session.list_measured();
    assert_eq!(titles(&songs), ["1 empty", "2 text", "3 random", "4 zeros", "5 ones", "6 tag", "7 song"]);
    for song in &songs[..6] {
        assert_eq!((song.duration_ms, song.size_bytes, song.rate, song.channels), (Some(0), 0, 0, 0), "{song:?}");
        for start in [Start::Time(0), Start::Time(1_000), Start::Resume(0), Start::Resume(1)] {
            let stream = session.request_play(song.id, start);
            assert_eq!(session.started(stream), Err(ErrorCode::NO_AUDIO), "{song:?}");
        }
    }
    check_audio(&mut session, 7, &layout::audio_of(&SHORT.make()));
}

/// Replaces a song between the list and the first PLAY.
#[test]
fn what_was_a_song_is_looked_at_again_when_it_is_opened() {
    let (music, outside) = (MusicDir::new(), MusicDir::new());
    let path = |name: &str| music.path().join(name);
    for name in ["1 fifo.mp3", "2 directory.mp3", "3 link.mp3", "4 linked/song.mp3", "5 gone.mp3"] {
        music.add(name, &SHORT);
    }
    let secret = outside.add("song.mp3", &corpus::CBR_320.milliseconds(500));
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    assert_eq!(session.list_measured().len(), 5);

    for name in ["1 fifo.mp3", "2 directory.mp3", "3 link.mp3", "4 linked/song.mp3", "5 gone.mp3"] {
        music.remove(name);
    }
    mknodat(CWD, path("1 fifo.mp3"), FileType::Fifo, Mode::from(0o666), 0).expect("a FIFO");
    fs::create_dir(path("2 directory.mp3")).expect("a directory");
    symlink(secret, path("3 link.mp3")).expect("a link");
    fs::remove_dir(path("4 linked")).expect("an empty directory");
    symlink(outside.path(), path("4 linked")).expect("a link");
    for (song, expected) in [
        (1, ErrorCode::READ_FAILED),
        (2, ErrorCode::READ_FAILED),
        (3, ErrorCode::READ_FAILED),
        (4, ErrorCode::READ_FAILED),
        (5, ErrorCode::SONG_GONE),
    ] {
        assert_eq!(session.play_out(song).map(|played| played.audio.len()), Err(expected), "song {song}");
        let request = session.request_info(song);
        assert_eq!(session.info(request), Err(expected), "song {song}");
    }
    assert_eq!(titles(&session.list()), Vec::<&str>::new());
}

/// Shortest duration of the swaps during requests.
const SWAPPING: Duration = Duration::from_secs(3);

/// Number of successful and of refused PLAYs.
const LEAST: usize = 20;

/// Replaces a song's file and restores it, as fast as possible, to hit every gap between two operations of the server
/// on the path.
#[test]
fn whatever_is_put_in_a_songs_place_only_a_file_inside_is_ever_sent() {
    let (music, outside) = (MusicDir::new(), MusicDir::new());
    let path = |name: &str| music.path().join(name);
    music.add("1 song.mp3", &SHORT);
    music.add("2 folder/song.mp3", &SHORT);
    let secret = outside.add("song.mp3", &corpus::CBR_128.milliseconds(500).seed(7));
    // The replacements. Each exchanges its name with the song.
    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::from(0o666), 0).expect("a FIFO");
    fs::create_dir(path("directory")).expect("a directory");
    let upwards = Path::new("..").join(outside.path().file_name().expect("a name")).join("song.mp3");
    for (link, target) in [
        ("link outside", secret.as_path()),
        ("link upwards", &upwards),
        ("link to device", Path::new("/dev/zero")),
        ("link to fifo", Path::new("fifo")),
        ("link to folder outside", outside.path()),
    ] {
        symlink(target, path(link)).expect("a link");
    }
    assert!(path("link upwards").exists(), "both directories are in the same one");
    let swaps: Vec<_> = ["fifo", "directory", "link outside", "link upwards", "link to device", "link to fifo"]
        .map(|name| (path(name), path("1 song.mp3")))
        .into_iter()
        .chain([(path("link to folder outside"), path("2 folder"))])
        .collect();

    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    assert_eq!(session.list_measured().len(), 2);
    let audio = layout::audio_of(&SHORT.make());
    let (stop, stopped) = mpsc::channel::<()>();
    let (mut sent, mut refused) = (0, 0);
    thread::scope(|scope| {
        let swapping = scope.spawn(move || swap_until(&swaps, &stopped));
        let begun = Instant::now();
        while begun.elapsed() < SWAPPING || sent.min(refused) < LEAST {
            assert!(begun.elapsed() < DEADLINE, "{sent} times sent, {refused} times refused: nothing was shown");
            for song in [1, 2] {
                match session.play_out(song) {
                    // A file that was opened before the swap is still the song.
                    Ok(played) => {
                        assert_eq!(played.end, Some(EndReason::Finished));
                        assert!(played.audio == audio, "song {song} is not the song: {:?}", played.started());
                        sent += 1;
                    }
                    Err(ErrorCode::READ_FAILED | ErrorCode::SONG_GONE) => refused += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
            // The server finds the songs again after any replacement.
            assert!(session.list().len() <= 8);
        }
        drop(stop);
        println!(
            "figure: library: {} swaps; {sent} times the song was sent, {refused} times nothing",
            swapping.join().expect("no panic")
        );
    });
}

/// Exchanges the names of each pair repeatedly until stopped. Returns how often.
fn swap_until(pairs: &[(PathBuf, PathBuf)], stopped: &mpsc::Receiver<()>) -> usize {
    let mut swaps = 0;
    while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
        for (other, song) in pairs {
            for _ in 0..2 {
                renameat_with(CWD, other, CWD, song, RenameFlags::EXCHANGE).expect("both are there");
                swaps += 1;
            }
        }
    }
    swaps
}
