//! Tags and information frames that break their standards as in well-known programs' files: the output of `list` and
//! `info`, and the sound from several positions.

use super::{DEADLINE, check_places, last_ms};
use std::fs;
use std::thread;
use trill_tests::client::Client;
use trill_tests::corpus::tags::{self, Tags, plain, raw_id3v2, raw_id3v24, syncsafe};
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::reference;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

/// A file: its name, the bytes before and after the music, and the frame count of its information frame if wrong.
struct Row {
    name: &'static str,
    front: Vec<u8>,
    back: Vec<u8>,
    song: Song,
    promised_frames: Option<u32>,
    said: Tags<'static>,
}

const LONG_TITLE: &str = "A title that is longer than one byte of a syncsafe size can tell, so that a plain size of 32 bits \
                          and a syncsafe one differ by the bit that is missing";

const SAID: Tags<'static> = Tags { title: "Für Elise", artist: "Beethoven", album: "Bagatelles", track: 3 };

/// The frames of [`SAID`] with these names, as Latin-1.
fn frames_named(names: [&str; 4]) -> [(&str, &[u8]); 4] {
    let texts = [&b"\0F\xfcr Elise"[..], b"\0Beethoven", b"\0Bagatelles", b"\x003/25"];
    [0, 1, 2, 3].map(|index| (names[index], texts[index]))
}

fn tagged(name: &'static str, front: Vec<u8>, back: Vec<u8>, said: Tags<'static>) -> Row {
    Row { name, front, back, song: corpus::CBR_128, promised_frames: None, said }
}

fn promising(name: &'static str, song: Song, frames: u32) -> Row {
    Row { song, promised_frames: Some(frames), ..tagged(name, vec![], vec![], Tags { title: name, ..Tags::default() }) }
}

fn rows() -> Vec<Row> {
    const PROPER: [&str; 4] = ["TIT2", "TPE1", "TALB", "TRCK"];
    let title_alone = |title| Tags { title, ..Tags::default() };
    let picture = [b"\0image/jpeg\0\x03\0".as_slice(), &[0x55; 20_000]].concat();
    let comment = [b"\0eng\0".as_slice(), &[b'c'; 300]].concat();
    let long_title = [b"\x03", LONG_TITLE.as_bytes()].concat();
    let behind = |frame, size, version| raw_id3v2(version, size, &[&[frame], &frames_named(PROPER)[..]].concat());
    let long = [&[("APIC", picture.as_slice()), ("TIT2", &long_title)], &frames_named(PROPER)[1..]].concat();
    let utf_16 = |text: &str| [vec![1], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let unmarked = [("TIT2", utf_16("Für Elise")), ("TPE1", utf_16("Beethoven"))];
    let unmarked = unmarked.each_ref().map(|(name, text)| (*name, text.as_slice()));
    let cp1252 = [("TIT2", b"\0\x8cuvre".as_slice()), ("TPE1", b"\0Don\x92t"), ("TALB", b"\0Song \x9c \x9b Paris")];
    let mut old = Tags { track: 3, ..Tags::default() }.id3v1();
    old[3..8].copy_from_slice(b"\x8cuvre");
    old[33..38].copy_from_slice(b"Don\x92t");
    let track = |text| raw_id3v2(3, plain, &[("TIT2", b"\0Third"), ("TRCK", text)]);
    let third = Tags { title: "Third", track: 3, ..Tags::default() };
    vec![
        tagged("plain sizes in 2.4", raw_id3v2(4, plain, &long), vec![], Tags { title: LONG_TITLE, ..SAID }),
        tagged("a comment with a plain size in 2.4", behind(("COMM", &comment), plain, 4), vec![], SAID),
        tagged("a comment with a syncsafe size in 2.3", behind(("COMM", &comment), syncsafe, 3), vec![], SAID),
        tagged("2.2 names", raw_id3v2(3, plain, &frames_named(["TT2\0", "TP1\0", "TAL\0", "TRK\0"])), vec![], SAID),
        tagged("UTF-16 without a mark", raw_id3v24(&unmarked), vec![], Tags { album: "", track: 0, ..SAID }),
        tagged(
            "CP1252 as Latin-1",
            raw_id3v24(&cp1252),
            vec![],
            Tags { title: "Œuvre", artist: "Don’t", album: "Song œ › Paris", track: 0 },
        ),
        tagged(
            "CP1252 in ID3v1",
            vec![],
            old.to_vec(),
            Tags { title: "Œuvre", artist: "Don’t", track: 3, ..Tags::default() },
        ),
        tagged("APE beside ID3v2", raw_id3v24(&frames_named(PROPER)), tags::ape(131), SAID),
        tagged("APE alone", vec![], tags::ape(131), title_alone("APE alone")),
        tagged("a space before the track", track(b"\0 3"), vec![], third),
        tagged("a space behind the track", track(b"\x003 "), vec![], third),
        promising("VBR of no frames", corpus::VBR, 0),
        promising("VBR of too many frames", corpus::VBR, u32::MAX),
        promising("CBR of no frames", corpus::CBR_128, 0),
        promising("CBR of too many frames", corpus::CBR_128, u32::MAX),
    ]
}

/// The bytes between the tags.
fn audio(row: &Row, number: usize) -> Vec<u8> {
    let song = row.song.milliseconds(2_000).seed(number as u64);
    let mut audio = fs::read(song.make()).expect("a song that was just made");
    if let Some(frames) = row.promised_frames {
        let at = audio.windows(4).position(|name| name == b"Xing" || name == b"Info").expect("an information frame");
        audio[at + 8..at + 12].copy_from_slice(&frames.to_be_bytes());
    }
    audio
}

#[test]
fn songs_with_wrong_headers_are_listed_and_played_as_meant() {
    let (rows, music) = (rows(), MusicDir::new());
    let songs: Vec<_> = (1..).zip(&rows).map(|(number, row)| (number, row, audio(row, number))).collect();
    for (number, row, audio) in &songs {
        // In the table's order; a song without a title has its file's name.
        music.add_bytes(format!("{number:02}/{}.mp3", row.name), &[&row.front[..], audio, &row.back].concat());
    }
    let server = ServerProcess::start(music.path());
    let list = || Client::of(server.address()).arg("list").run(DEADLINE).expect_code(0).stdout;
    let line = |number: usize, said: &Tags<'_>, time: &str| {
        format!("{number}\t{}\t{}\t{}\t{time}\n", said.title, artist(number, said), said.album)
    };
    // The length of a song is unknown until it is measured, but never wrong.
    for (found, (number, row, _)) in list().split_inclusive('\n').zip(&songs) {
        let expected = ["0:02", ""].map(|time| line(*number, &row.said, time));
        assert!(expected.contains(&found.to_owned()), "{}: {found:?}", row.name);
    }
    Session::open(server.address()).list_measured();
    let expected: String = songs.iter().map(|(number, row, _)| line(*number, &row.said, "0:02")).collect();
    assert_eq!(list(), expected);

    let mut client = Client::of(server.address()).spawn();
    songs.iter().for_each(|(number, ..)| client.write(format!("info {number}\n").as_bytes()));
    client.close_stdin();
    let infos = client.wait(DEADLINE).expect_code(0).stdout;
    let said: Vec<_> = infos.lines().filter(|line| !line.starts_with("sound") && !line.starts_with("size")).collect();
    let expected: String = songs
        .iter()
        .map(|(number, row, _)| format!("{}file       {number:02}/{}.mp3\n", particulars(*number, &row.said), row.name))
        .collect();
    assert_eq!(said, expected.lines().collect::<Vec<_>>());
    assert_eq!(infos.matches(" kbit/s, 44100 Hz, stereo\n").count(), songs.len(), "{infos}");

    let files = tempfile::tempdir().expect("a temporary directory");
    thread::scope(|scope| {
        for (number, row, audio) in &songs {
            let (address, wav) = (server.address(), files.path().join(format!("{number}.wav")));
            scope.spawn(move || {
                let reference = reference::decode_bytes(audio);
                let places = [0, 500, 1_234, last_ms(&reference)];
                check_places(address, *number, &row.name, &reference, places, &wav);
            });
        }
    });
    println!("figure: wrong headers: {} songs, each listed, described and played from four places", songs.len());
}

/// The artist that is shown: that of the tags, or the folder's name if they have neither artist nor album.
fn artist(number: usize, said: &Tags<'_>) -> String {
    let is_unknown = said.artist.is_empty() && said.album.is_empty();
    if is_unknown { format!("{number:02}") } else { said.artist.to_owned() }
}

/// The output of `info` for a song, apart from its sound and size.
fn particulars(number: usize, said: &Tags<'_>) -> String {
    let (song, track, artist) = (number.to_string(), said.track.to_string(), artist(number, said));
    let track = if said.track == 0 { "" } else { &track };
    let fields = [
        ("song", song.as_str()),
        ("title", said.title),
        ("artist", &artist),
        ("album", said.album),
        ("track", track),
        ("length", "0:02"),
    ];
    let known = fields.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(label, value)| format!("{label:<11}{value}\n")).collect()
}
