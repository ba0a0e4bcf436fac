//! Which files are songs, their numbers, and what they are called that have no title.

use super::{check_audio, check_printed_list, ids, titles};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::{self, layout};
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

#[test]
fn songs_are_numbered_in_the_order_of_their_paths() {
    let music = MusicDir::new();
    // Not in the order in which they are to be listed.
    for name in
        ["sub/deep/er/6.mP3", "b.mp3", "a/1.mp3", "B.MP3", "a b.mp3", "a/2/3.mp3", ".hidden.mp3", "10.Mp3", "9.mp3"]
    {
        music.add(name, &SHORT);
    }
    for name in ["notes.txt", "x.mp3.part", "mp3", "x.mp", "x.mp33", "cover.jpg", "sub/list.m3u"] {
        music.add(name, &SHORT);
    }
    let server = ServerProcess::start(music.path());
    let songs = Session::open(server.address()).list();
    // Directory by directory, each by the bytes of its names.
    assert_eq!(titles(&songs), [".hidden", "10", "9", "B", "1", "3", "a b", "b", "6"]);
    assert_eq!(ids(&songs), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn equal_directories_have_equal_numbers() {
    let names = ["2.mp3", "x/1.mp3", "1.mp3", "x/y.mp3", "X.mp3"];
    let list = |order: &mut dyn Iterator<Item = &&str>| {
        let music = MusicDir::new();
        order.for_each(|name| drop(music.add(name, &SHORT)));
        let server = ServerProcess::start(music.path());
        Session::open(server.address()).list_measured()
    };
    assert_eq!(list(&mut names.iter()), list(&mut names.iter().rev()));
}

#[test]
fn any_name_is_listed_played_and_printed() {
    let names: [(&[u8], &str); 11] = [
        (b" .mp3", " "),
        (b"%s%n%x.mp3", "%s%n%x"),
        (b"-rf.mp3", "-rf"),
        (b".mp3", ".mp3"),
        (b"..mp3", "."),
        (b"\xff\xfe and \xc3.mp3", "\u{fffd}\u{fffd} and \u{fffd}"),
        (b"\x1b]0;owned\x07\x1b[2J.mp3", "\x1b]0;owned\x07\x1b[2J"),
        (b"two\nlines\r.mp3", "two\nlines\r"),
        ("\u{202e}3pm.evil\u{9b}31m.mp3".as_bytes(), "\u{202e}3pm.evil\u{9b}31m"),
        ("夜想曲 — ř.mp3".as_bytes(), "夜想曲 — ř"),
        // The longest name that Linux takes: 255 bytes.
        (&[&[b'x'; 251], b".mp3".as_slice()].concat(), &"x".repeat(251)),
    ];
    let music = MusicDir::new();
    let audio = layout::audio_of(&SHORT.make());
    for (name, _) in names {
        // A name of 255 bytes leaves no room for another while it is written.
        std::fs::copy(SHORT.make(), music.path().join(OsStr::from_bytes(name))).expect("a name that Linux takes");
    }
    let mut server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let songs = session.list();
    let mut expected = names.map(|(_, title)| title);
    expected.sort_by_key(|title| titles(&songs).iter().position(|listed| listed == title));
    assert_eq!(titles(&songs), expected);
    for song in &songs {
        check_audio(&mut session, song.id, &audio);
    }
    session.leave();
    check_printed_list(server.address(), songs.len());
    let log = server.process().stderr();
    assert!(log.chars().all(|character| character == '\n' || !character.is_control()), "{}", log.escape_debug());
    assert!(!log.contains('\u{202e}'), "{}", log.escape_debug());
}

#[test]
fn particulars_are_exact_for_every_kind_of_file() {
    let music = MusicDir::new();
    for (index, kind) in corpus::ALL_KINDS.iter().enumerate() {
        music.add(format!("{index}.mp3"), &kind.milliseconds(3_000));
    }
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    for (id, kind) in (1..).zip(corpus::ALL_KINDS) {
        let path = kind.milliseconds(3_000).make();
        let (decoded, audio) = (reference::decode(&path), layout::audio_of(&path));
        let rate = u64::from(decoded.music.rate);
        let duration_ms = decoded.music.frames() as u64 * 1_000 / rate;
        let bitrate = audio.len() as u64 * 8 * rate / decoded.total as u64;
        let request = session.request_info(id);
        let info = session.info(request).expect("a song that is there");
        assert_eq!(info.duration_ms.map(u64::from), Some(duration_ms), "{kind:?}");
        assert_eq!((info.size_bytes, u64::from(info.rate)), (audio.len() as u64, rate), "{kind:?}");
        assert_eq!(usize::from(info.channels), decoded.music.channels, "{kind:?}");
        assert!(u64::from(info.bitrate).abs_diff(bitrate) <= 1, "{kind:?}: {} bit/s, not {bitrate}", info.bitrate);
        check_audio(&mut session, id, &audio);
    }
    let listed = session.list_measured();
    for song in &listed {
        let request = session.request_info(song.id);
        assert_eq!(session.info(request).as_ref(), Ok(song), "INFO says what LIST says");
    }
}
