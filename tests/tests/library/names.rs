//! Which files are songs, their numbers and their INFO.

use super::{check_audio, ids, titles};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::{self, layout};
use trill_tests::server::ServerProcess;
use trill_tests::session::{Listing, Session};

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

#[test]
fn songs_are_numbered_in_the_order_of_their_paths() {
    let music = MusicDir::new();
    // Not in list order.
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
    // By directory, without case, with numbers by value.
    assert_eq!(titles(&songs), [".hidden", "9", "10", "1", "3", "a b", "B", "b", "6"]);
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
        assert_eq!(session.info(request).map(Listing::without_details).as_ref(), Ok(song), "INFO says what LIST says");
    }
}
