//! What songs are called that have tags, right ones and wrong ones.

use super::{check_audio, check_printed_list};
use id3::Version;
use trill_proto::message::Hello;
use trill_tests::corpus::tags::{Tags, raw_id3v24};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::{Listing, Session};

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

const ELISE: Tags<'_> = Tags { title: "Für Elise", artist: "Beethoven", album: "Bagatelles", track: 3 };

/// What is in front of the audio, what is behind it, and what is listed: title, artist, album, track.
type Case = (Vec<u8>, Vec<u8>, [String; 3], u16);

/// The songs of [`cases`] are called by this and their number when they have no title.
const UNTITLED: &str = "file";

fn cases() -> Vec<Case> {
    let said = |title: &str, artist: &str, album: &str| [title, artist, album].map(str::to_owned);
    let elise = || said("Für Elise", "Beethoven", "Bagatelles");
    let title = |text: &[u8]| raw_id3v24(&[("TIT2", text)]);
    let only = |text: &str| said(text, "", "");
    let escapes = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u{9b}m\u{202e}\r\n";
    let lying_frame = [b"ID3\x04\x00\x00\x00\x00\x00\x20TIT2\x7f\x7f\x7f\x7f\0\0\x03".as_slice(), &[b'x'; 21]].concat();
    vec![
        (vec![], vec![], only(""), 0),
        (ELISE.id3v2(Version::Id3v22), vec![], elise(), 3),
        (ELISE.id3v2(Version::Id3v23), vec![], elise(), 3),
        (ELISE.id3v2(Version::Id3v24), vec![], elise(), 3),
        (ELISE.id3v2_with_picture(3_000_000), vec![], elise(), 3),
        (
            vec![],
            Tags { title: "Plain", artist: "Old", ..ELISE }.id3v1().to_vec(),
            said("Plain", "Old", "Bagatelles"),
            3,
        ),
        // What the newer tag leaves open the older one tells.
        (
            title(b"\x03Newer"),
            Tags { title: "Older", ..ELISE }.id3v1().to_vec(),
            said("Newer", "Beethoven", "Bagatelles"),
            3,
        ),
        (Tags::default().id3v2(Version::Id3v24), vec![], only(""), 0),
        (title(b"\x00caf\xe9"), vec![], only("café"), 0),
        (title(b"\x01\xff\xfen\0o\0c\0"), vec![], only("noc"), 0),
        (title(b"\x03one\0two"), vec![], only("one / two"), 0),
        (title(b"\x03not \xff\xfe UTF-8"), vec![], only("not ?? UTF-8"), 0),
        (title(b"\x03\xed\xa0\x80\xc3"), vec![], only("????"), 0),
        // Text may hold any character: the client makes it fit to be seen.
        (title(format!("\x03a{escapes}z").as_bytes()), vec![], only(&format!("a{escapes}z")), 0),
        (title(&[b"\x03".as_slice(), "é".repeat(150).as_bytes()].concat()), vec![], only(&"é".repeat(127)), 0),
        // A frame, and a whole tag, that say that they are longer than the file.
        (lying_frame, vec![], only(""), 0),
    ]
}

#[test]
fn tags_are_read_as_far_as_they_can_be() {
    let music = MusicDir::new();
    let short = std::fs::read(SHORT.make()).expect("a song that was just made");
    for (index, (front, back, ..)) in cases().iter().enumerate() {
        music.add_bytes(format!("{UNTITLED} {:03}.mp3", index + 1), &[front.as_slice(), &short, back].concat());
    }
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let songs = session.list_measured();
    let audio = layout::audio_of(&SHORT.make());
    for (song, (.., [title, artist, album], track)) in songs.iter().zip(cases()) {
        let title = if title.is_empty() { format!("{UNTITLED} {:03}", song.id) } else { title };
        assert_eq!([&song.title, &song.artist, &song.album], [&title, &artist, &album], "song {}", song.id);
        assert_eq!((song.track, song.is_cut), (track, title.len() > 250), "song {}", song.id);
        check_audio(&mut session, song.id, &audio);
    }
    assert_eq!(songs.len(), cases().len());
    let printed = check_printed_list(server.address(), songs.len());
    assert!(printed.contains("Für Elise\tBeethoven\tBagatelles"), "{printed}");
}

/// A board takes 256 bytes, and gets of each text what fits.
#[test]
fn long_texts_are_cut_to_what_the_client_takes() {
    let (long, wide) = ("x".repeat(300), "夜".repeat(100));
    let music = MusicDir::new();
    let all_long = Tags { title: &long, artist: &wide, album: &long, track: 1 };
    music.add_tagged("1.mp3", &all_long.id3v2(Version::Id3v24), &SHORT);
    music.add_tagged("2.mp3", &ELISE.id3v2(Version::Id3v24), &SHORT);
    let server = ServerProcess::start(music.path());
    let list = |max_control| {
        // The session sees to it that no frame is longer than this.
        let mut session = Session::connect(server.address(), Hello { max_control, ..Hello::default() });
        let songs = session.list_measured();
        let infos = (1..=2).map(|id| session.request_info(id)).collect::<Vec<_>>();
        let infos: Vec<_> = infos.into_iter().map(|request| session.info(request).expect("a song")).collect();
        assert_eq!(infos, songs, "INFO says what LIST says");
        songs
    };
    let lengths = |song: &Listing| [song.title.len(), song.artist.len(), song.album.len()];
    let (board, laptop) = (list(256), list(1_024));
    assert_eq!(lengths(&laptop[0]), [255, 255, 255]);
    let room = 256 - 28 - 3 * 3;
    let used: usize = lengths(&board[0]).iter().sum();
    // Of the wide characters up to two bytes are lost.
    assert!((room - 3 * 3..=room).contains(&used), "{used} of {room} bytes: {:?}", board[0]);
    assert!(long.starts_with(&board[0].title) && wide.starts_with(&board[0].artist), "{:?}", board[0]);
    assert!(board[0].is_cut && laptop[0].is_cut && !board[1].is_cut);
    assert_eq!(board[1], laptop[1]);
}
