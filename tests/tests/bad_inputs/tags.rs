//! Contents of tags. Each is put around the same half second of music, which must always play.

use super::{DEADLINE, Findings, is_plain};
use id3::Version;
use trill_tests::client::Client;
use trill_tests::corpus::tags::{Tags, id3v2_header as header, raw_id3v24};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

/// A row: its name; the bytes before and after the music; and the expected list entry.
type Row = (&'static str, Vec<u8>, Vec<u8>, Said);

/// Title, artist, album and track. A song without a title has its file's name.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    title: String,
    artist: String,
    album: String,
    track: u16,
}

const ELISE: Tags<'_> = Tags { title: "Für Elise", artist: "Beethoven", album: "Bagatelles", track: 3 };

fn said(title: &str, artist: &str, album: &str, track: u16) -> Said {
    Said { title: title.into(), artist: artist.into(), album: album.into(), track }
}

fn elise() -> Said {
    said("Für Elise", "Beethoven", "Bagatelles", 3)
}

fn only(title: &str) -> Said {
    said(title, "", "", 0)
}

/// Tags in front of the music.
fn id3v2() -> Vec<Row> {
    let front = |name, tag: Vec<u8>, said| (name, tag, vec![], said);
    let title = |text: &[u8]| raw_id3v24(&[("TIT2", text)]);
    let album = |frame: (&str, &[u8])| raw_id3v24(&[frame, ("TALB", b"\x03Album")]);
    let escapes = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u{9b}m\u{202e}\r\nx";
    let lying_frame = [&header(4, 0, 32)[..], b"TIT2\x7f\x7f\x7f\x7f\0\0\x03", &[b'x'; 21]].concat();
    let many = [("TXXX", b"\x03x".as_slice()); 999].into_iter().chain([("TIT2", b"\x03the thousandth".as_slice())]);
    let too_many = [("TXXX", b"\x03x".as_slice()); 1_000].into_iter().chain([("TIT2", b"\x03one more".as_slice())]);
    let (many, too_many) = (many.collect::<Vec<_>>(), too_many.collect::<Vec<_>>());
    let flagged = |version, flags, content: &[u8]| frame_of(version, flags, content);
    let mut padded = title(b"\x03Padded");
    padded.extend([0; 500]);
    let size = padded.len() - 10;
    padded[6..10].copy_from_slice(&header(4, 0, size)[6..]);
    vec![
        front("none at all", vec![], only("")),
        front("2.2", ELISE.id3v2(Version::Id3v22), elise()),
        front("2.3", ELISE.id3v2(Version::Id3v23), elise()),
        front("2.4", ELISE.id3v2(Version::Id3v24), elise()),
        front("a picture of 3 MB", ELISE.id3v2_with_picture(3_000_000), elise()),
        front("a tag that says nothing", Tags::default().id3v2(Version::Id3v24), only("")),
        front("a tag of no bytes", header(4, 0, 0), only("")),
        front("two tags", [title(b"\x03First"), title(b"\x03Second")].concat(), only("First")),
        front("padding", padded, only("Padded")),
        front("2.5", [&header(5, 0, 20)[..], &[0; 20]].concat(), only("")),
        front("a version that cannot be", [&header(0xff, 0, 0)[..], &[0; 20]].concat(), only("")),
        front("Latin-1", title(b"\x00caf\xe9"), only("café")),
        front("UTF-16", title(b"\x01\xff\xfen\0o\0c\0"), only("noc")),
        front("UTF-16, half a character", title(b"\x01\xff\xfen\0o"), only("n")),
        front("UTF-16, half a surrogate pair", title(b"\x01\xff\xfe\x00\xd8"), only("")),
        front("UTF-16 without a mark", title(b"\x02\0n\0o\0c"), only("noc")),
        front("an encoding that does not exist", album(("TIT2", b"\x09what")), said("", "", "Album", 0)),
        front("several values", title(b"\x03one\0two"), only("one / two")),
        front("NULs and spaces", title(b"\x03\0 \0 a \0\0"), only("a")),
        front("nothing but spaces", title(b"\x03   "), only("")),
        front("a frame without content", album(("TIT2", b"")), said("", "", "Album", 0)),
        front("not UTF-8", title(b"\x03not \xff\xfe UTF-8"), only("not ?? UTF-8")),
        front("a surrogate in UTF-8", title(b"\x03\xed\xa0\x80\xc3"), only("????")),
        // Text may hold any character. The client makes it printable.
        front("escapes", title(format!("\x03a{escapes}z").as_bytes()), only(&format!("a{escapes}z"))),
        front("300 bytes", title(&[b"\x03".as_slice(), "é".repeat(150).as_bytes()].concat()), only(&"é".repeat(127))),
        front("a very long title", title(&[b"\x03".as_slice(), &[b'x'; 5_000]].concat()), only(&"x".repeat(255))),
        front("a frame that is longer than the tag", lying_frame, only("")),
        front("a frame of 4 GB", [&header(3, 0, 11)[..], b"TIT2\xff\xff\xff\xff\0\0\x00"].concat(), only("")),
        front(
            "a tag that is longer than the file",
            [&header(4, 0, 200_000_000)[..], &title(b"\x03x")[10..]].concat(),
            only("x"),
        ),
        front("a length of eight bits a byte", b"ID3\x04\0\0\xff\xff\xff\xff".to_vec(), only("")),
        front("999 frames and the title", raw_id3v24(&many), only("the thousandth")),
        front("1,000 frames and the title", raw_id3v24(&too_many), only("")),
        front("a compressed title", flagged(4, 8, b"\x03\x78\x9c\x4b\x04\0\0\x62"), only("")),
        front("an encrypted title", flagged(4, 4, b"\x00\x03secret"), only("")),
        front(
            "an extended header that is longer than the tag",
            [&header(4, 0x40, 4)[..], b"\x7f\x7f\x7f\x7f"].concat(),
            only(""),
        ),
        front(
            "a track that is not a number",
            raw_id3v24(&[("TRCK", b"\x03seven"), ("TALB", b"\x03Album")]),
            said("", "", "Album", 0),
        ),
        front("a track before the first", raw_id3v24(&[("TRCK", b"\x03-1")]), only("")),
        front("a track number above the limit", raw_id3v24(&[("TRCK", b"\x0370000/3")]), only("")),
        front("a track of so many", raw_id3v24(&[("TRCK", b"\x033/12")]), said("", "", "", 3)),
        front("half a header", b"ID3\x04\0".to_vec(), only("")),
        front("a title twice", raw_id3v24(&[("TIT2", b"\x03first"), ("TIT2", b"\x03second")]), only("first")),
    ]
}

/// Tags behind the music.
fn trailing() -> Vec<Row> {
    let back = |name, tag: Vec<u8>, said| (name, vec![], tag, said);
    let plain = Tags { title: "Plain", artist: "Old", ..ELISE };
    let mut unended = plain.id3v1();
    unended[3..33].fill(b'x');
    let mut latin = Tags::default().id3v1();
    latin[3..7].copy_from_slice(b"caf\xe9");
    let mut escapes = Tags::default().id3v1();
    escapes[3..9].copy_from_slice(b"\x1b[2Jhi");
    let ape = |size: u32, flags: u8| {
        [b"APETAGEX\xd0\x07\0\0".as_slice(), &size.to_le_bytes(), &[0, 0, 0, 0, 0, 0, 0, flags], &[0; 8]].concat()
    };
    let newer = raw_id3v24(&[("TIT2", b"\x03Newer")]);
    vec![
        back("ID3v1", plain.id3v1().to_vec(), said("Plain", "Old", "Bagatelles", 3)),
        // The older tag fills fields that the newer one leaves empty.
        (
            "ID3v1 behind what says more",
            newer,
            Tags { title: "Older", ..ELISE }.id3v1().to_vec(),
            said("Newer", "Beethoven", "Bagatelles", 3),
        ),
        back("ID3v1 whose fields are full", unended.to_vec(), said(&"x".repeat(30), "Old", "Bagatelles", 3)),
        back("ID3v1 of other letters", latin.to_vec(), only("café")),
        back("ID3v1 of escapes", escapes.to_vec(), only("[2Jhi")),
        back("ID3v1 that says nothing", Tags::default().id3v1().to_vec(), only("")),
        back("ID3v1 twice", [plain.id3v1(), plain.id3v1()].concat(), said("Plain", "Old", "Bagatelles", 3)),
        back("an APE tag", ape(32, 0), only("")),
        back("an APE tag that is longer than the file", ape(u32::MAX, 0), only("")),
        back("an APE tag that is shorter than itself", ape(0, 0x80), only("")),
        back("Lyrics3 that is longer than the file", b"LYRICSBEGIN999999LYRICS200".to_vec(), only("")),
        back("Lyrics3 of so many letters", b"LYRICSBEGINx00011LYRICS200".to_vec(), only("")),
        back("half of an ID3v1", b"TAG Plain".to_vec(), only("")),
        back("zeros", vec![0; 5_000], only("")),
    ]
}

/// A tag with one title and this second byte of frame flags.
fn frame_of(version: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let frame = [b"TIT2".as_slice(), &[0, 0, 0, content.len() as u8, 0, flags], content].concat();
    [header(version, 0, frame.len()), frame].concat()
}

fn rows() -> Vec<Row> {
    [id3v2(), trailing()].concat()
}

pub(crate) fn names() -> Vec<&'static str> {
    rows().iter().map(|row| row.0).collect()
}

#[test]
fn each_is_read_as_far_as_it_can_be_and_the_music_is_whole() {
    let rows = rows();
    let music = MusicDir::new();
    let short = std::fs::read(SHORT.make()).expect("a song that was just made");
    for (number, (_, front, back, _)) in (1..).zip(&rows) {
        music.add_bytes(format!("file {number:03}.mp3"), &[front.as_slice(), &short, back].concat());
    }
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let songs = session.list_measured();
    let audio = layout::audio_of(&SHORT.make());
    let mut findings = Findings::default();
    for (song, (name, .., mut expected)) in songs.iter().zip(rows) {
        if expected.title.is_empty() {
            expected.title = format!("file {:03}", song.id);
        }
        let found = said(&song.title, &song.artist, &song.album, song.track);
        findings.compare(name, "listed", found, expected);
        findings.compare(name, "whether a text was cut", song.is_cut, song.title.len() > 250);
        let played = session.play_out(song.id).expect("a song that was listed");
        findings.compare(name, "the bytes that are played", played.audio == audio, true);
    }
    session.leave();
    let printed = Client::of(server.address()).arg("list").run(DEADLINE).expect_code(0).stdout;
    findings.compare("all of them", "a list that is plain", is_plain(&printed), true);
    findings.compare("all of them", "a line for each song", printed.lines().count(), songs.len());
}
