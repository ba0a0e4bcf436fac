//! Texts of tags that exceed a client's limit.

use id3::Version;
use trill_proto::message::Hello;
use trill_tests::corpus::tags::Tags;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::server::ServerProcess;
use trill_tests::session::{Listing, Session};

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

const ELISE: Tags<'_> = Tags { title: "Für Elise", artist: "Beethoven", album: "Bagatelles", track: 3 };

/// A board accepts 256 bytes and gets as much of each text as fits.
#[test]
fn long_texts_are_cut_to_what_the_client_takes() {
    let (long, wide) = ("x".repeat(300), "夜".repeat(100));
    let music = MusicDir::new();
    let all_long = Tags { title: &long, artist: &wide, album: &long, track: 1 };
    music.add_tagged("1.mp3", &all_long.id3v2(Version::Id3v24), &SHORT);
    music.add_tagged("2.mp3", &ELISE.id3v2(Version::Id3v24), &SHORT);
    let server = ServerProcess::start(music.path());
    let list = |max_control| {
        // The session checks that no frame is longer.
        let mut session = Session::connect(server.address(), Hello { max_control, ..Hello::default() });
        let songs = session.list_measured();
        let infos = (1..=2).map(|id| session.request_info(id)).collect::<Vec<_>>();
        let infos: Vec<_> = infos.into_iter().map(|request| session.info(request).expect("a song")).collect();
        assert_eq!(infos[1], songs[1], "INFO says what LIST says");
        // The path is included, and long texts leave room for it.
        assert!(songs[0].title.starts_with(&infos[0].title) && songs[0].title.len() - infos[0].title.len() < 10);
        songs
    };
    let lengths = |song: &Listing| [song.title.len(), song.artist.len(), song.album.len()];
    let (board, laptop) = (list(256), list(1_024));
    assert_eq!(lengths(&laptop[0]), [255, 255, 255]);
    let room = 256 - 28 - 3 * 3;
    let used: usize = lengths(&board[0]).iter().sum();
    // Up to two bytes of a wide character are lost.
    assert!((room - 3 * 3..=room).contains(&used), "{used} of {room} bytes: {:?}", board[0]);
    assert!(long.starts_with(&board[0].title) && wide.starts_with(&board[0].artist), "{:?}", board[0]);
    assert!(board[0].is_cut && laptop[0].is_cut && !board[1].is_cut);
    assert_eq!(board[1], laptop[1]);
}
