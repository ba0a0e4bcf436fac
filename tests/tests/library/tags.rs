//! What is told of a song's tags, and texts that exceed a client's limit.

use id3::frame::ExtendedText;
use id3::{Encoder, Tag, TagLike, Version};
use trill_proto::message::{Gain, Hello, Start};
use trill_tests::corpus::tags::Tags;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::server::ServerProcess;
use trill_tests::session::{Details, Listing, Session};

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
        assert_eq!(infos[1].clone().without_details(), songs[1], "INFO says what LIST says");
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

/// A tag with all that INFO tells.
fn complete_tag() -> Vec<u8> {
    let mut tag = Tag::new();
    tag.set_title("Hunter");
    tag.set_artist("Björk");
    tag.set_album("Homogenic");
    tag.set_album_artist("Björk & Friends");
    tag.set_genre("Electronic");
    tag.set_text("TDRC", "1997-09-22");
    tag.set_disc(2);
    for (description, value) in
        [("REPLAYGAIN_TRACK_GAIN", "-6.50 dB"), ("replaygain_track_peak", "0.5"), ("replaygain_album_gain", "+1.2 dB")]
    {
        tag.add_frame(ExtendedText { description: description.into(), value: value.into() });
    }
    let mut bytes = Vec::new();
    Encoder::new().version(Version::Id3v24).encode(&tag, &mut bytes).expect("a vector takes every byte");
    bytes
}

#[test]
fn info_and_started_tell_what_a_list_does_not() {
    let music = MusicDir::new();
    music.add_tagged("Björk/2/1.mp3", &complete_tag(), &SHORT);
    music.add("Can/Tago Mago/1.mp3", &SHORT);
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let songs = session.list_measured();
    assert_eq!([&songs[1].artist, &songs[1].album], ["Can", "Tago Mago"], "the folders, for lack of tags");
    let gain = Gain { track: Some(-650), track_peak: Some(-602), album: Some(120), album_peak: None };
    let details = Details {
        album_artist: "Björk & Friends".into(),
        genre: "Electronic".into(),
        path: "Björk/2/1.mp3".into(),
        year: 1997,
        disc: 2,
        gain,
    };
    let untagged = Details { path: "Can/Tago Mago/1.mp3".into(), ..Details::default() };
    for (song, expected) in songs.iter().zip([details, untagged]) {
        assert_eq!(song.details, Details::default(), "not in a list");
        let request = session.request_info(song.id);
        let info = session.info(request).expect("a song that is there");
        assert_eq!(info.details, expected);
        let stream = session.request_play(song.id, Start::Time(0));
        assert_eq!(session.started(stream).expect("a song that is there").gain, expected.gain);
    }
}
