//! Seeks are exact to the sample in every kind of file.

use super::{DEADLINE, check_places, last_ms, play};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::proxy::{Conditions, Direction, Fault, Proxy, Script};
use trill_tests::reference::{self, likeness};
use trill_tests::server::ServerProcess;

/// CBR, VBR with and without an index, MPEG-2, and bit reservoirs that span many frames.
const SONGS: [Song; 6] = [
    corpus::CBR_128,
    corpus::VBR,
    corpus::VBR_WITHOUT_XING,
    corpus::MONO_22050,
    corpus::MONO_32_KBPS,
    corpus::MONO_8_KBPS,
];

/// Random positions in each song, and its first and last milliseconds.
const PLACES: usize = 20;

#[test]
fn twenty_places_in_every_kind_of_file() {
    let music = MusicDir::new();
    for (index, song) in SONGS.iter().enumerate() {
        music.add(format!("{}.mp3", index + 1), song);
    }
    let server = ServerProcess::start(music.path());
    let files = tempfile::tempdir().expect("a temporary directory");
    thread::scope(|scope| {
        for (index, song) in SONGS.iter().enumerate() {
            let (address, wav) = (server.address(), files.path().join(format!("{index}.wav")));
            scope.spawn(move || check_song(address, index + 1, song, &wav));
        }
    });
    println!("figure: seek: {} places in each of {} kinds of file are exact to the sample", PLACES + 2, SONGS.len());
}

/// Layer II and free format, from the same music.
#[test]
fn three_places_in_files_of_other_formats() {
    let (music, folder) = (MusicDir::new(), tempfile::tempdir().expect("a temporary directory"));
    let source = folder.path().join("source.wav");
    reference::decode(&corpus::CBR_128.make()).music.write_wav(&source);
    let make = |program: &str, options: &[&str], name: &str| {
        let run = Command::new(program).arg("--quiet").args(options).arg(&source).arg(music.path().join(name)).status();
        assert!(run.unwrap_or_else(|error| panic!("these tests need `{program}`: {error}")).success());
    };
    make("twolame", &["-b", "192"], "1.mp3");
    make("twolame", &["-b", "64", "-m", "mono"], "2.mp3");
    make("lame", &["--freeformat", "-b", "200", "-t"], "3.mp3");
    let server = ServerProcess::start(music.path());
    for number in 1..=3 {
        let file = music.path().join(format!("{number}.mp3"));
        let reference = reference::decode(&file);
        let places = [0, 1_000, last_ms(&reference)];
        check_places(server.address(), number, &file, &reference, places, &folder.path().join("out.wav"));
    }
}

/// A part at 22.05 kHz followed by one at 44.1 kHz: a seek must play exactly the end of the whole.
#[test]
fn a_place_behind_a_change_of_rate_is_where_its_time_says() {
    let (music, folder) = (MusicDir::new(), tempfile::tempdir().expect("a temporary directory"));
    let parts = [corpus::MONO_22050.milliseconds(3_000), corpus::CBR_128.milliseconds(3_000)];
    music.add_bytes("1.mp3", &parts.map(|part| fs::read(part.make()).expect("a song")).concat());
    let server = ServerProcess::start(music.path());
    let wav = folder.path().join("out.wav");
    let millis = |ms: u64| {
        let played = play(server.address(), 1, ms, &wav);
        played.frames() as u64 * 1_000 / u64::from(played.rate)
    };
    let whole = millis(0);
    assert!((6_000..6_200).contains(&whole), "{whole} ms");
    for ms in [1_000, 2_900, 3_100, 4_000, 5_900] {
        assert!((whole - ms).abs_diff(millis(ms)) <= 1, "from {ms} ms of {whole}");
    }
    let beyond = Client::of(server.address()).args(["--output=null", "play", "1", "at", "0:07"]).run(DEADLINE);
    assert!(beyond.expect_code(1).stderr.contains("not that long"));
}

/// A second of silence at one rate, then two minutes of music at another. A frame is not a whole number of the song's
/// samples, but errors must not add up.
#[test]
fn a_long_part_of_another_rate_is_heard_to_the_sample() {
    let silence = |header: [u8; 4], bytes: usize| [&header[..], &vec![0; bytes - 4]].concat().repeat(20);
    check_long_second_part(silence([0xff, 0xe3, 0x18, 0xc4], 72), (19 * 576, 8_000), &corpus::MONO_32_KBPS);
    check_long_second_part(silence([0xff, 0xfb, 0x10, 0xc4], 104), (19 * 1_152, 44_100), &corpus::MONO_8_KHZ);
}

/// `first` has so many samples at this rate. Its last frame does not count, because it is lost at the change.
fn check_long_second_part(first: Vec<u8>, (first_samples, rate): (u64, u64), music: &Song) {
    let music = fs::read(music.make()).expect("a song").repeat(10);
    let second = reference::decode_bytes(&music).music;
    let other_rate = u64::from(second.rate);
    let total = first_samples + second.frames() as u64 * rate / other_rate;
    // The first audible sample of the second part, from this absolute sample on.
    let second_from = |sample: u64| ((sample - first_samples) * other_rate).div_ceil(rate);
    // The client's output for the rest, converted to the rate of the first part and rounded.
    let frames_from = |sample: u64| {
        let heard = second_from(total) - second_from(sample);
        (2 * heard * rate + other_rate) / (2 * other_rate)
    };

    let (folder, file) = (MusicDir::new(), tempfile::tempdir().expect("a temporary directory"));
    folder.add_bytes("1.mp3", &[first, music].concat());
    let server = ServerProcess::start(folder.path());
    let wav = file.path().join("out.wav");
    let whole = play(server.address(), 1, 0, &wav);
    assert_eq!(whole.frames() as u64, first_samples + frames_from(first_samples), "all of it at {rate} Hz");
    for ms in [2_500, 60_001, 118_000] {
        let target = ms * rate / 1_000;
        let played = play(server.address(), 1, ms, &wav);
        let frames = played.frames() as u64;
        assert_eq!((u64::from(played.rate), frames), (rate, frames_from(target)), "from {ms} ms");
        let begin = second_from(target) as usize;
        let expected = likeness::resample(&second.slice(begin..begin + second.rate as usize), played.rate);
        let found = likeness::find(&played, &expected).expect("a second of sound");
        assert!(found.offset <= 1 && found.correlation > 0.99, "from {ms} ms at {rate} Hz: {found:?}");
    }
    let cut = Script::cut(Direction::ToClient, 100_000, Fault::Reset);
    let proxy = Proxy::scripted_in_turn(server.address(), Conditions::PERFECT, vec![cut]);
    let resumed = play(proxy.address(), 1, 2_500, &wav);
    assert_eq!(resumed.frames() as u64, frames_from(2_500 * rate / 1_000), "with a cut at {rate} Hz");
    assert_eq!(proxy.accepted(), 2, "connections");
}

fn check_song(server: SocketAddr, number: usize, song: &Song, wav: &Path) {
    let reference = reference::decode(&song.make());
    let last_ms = last_ms(&reference);
    let mut random = fastrand::Rng::with_seed(number as u64);
    let places = [0, last_ms].into_iter().chain((0..PLACES).map(|_| random.u64(0..=last_ms)));
    check_places(server, number, song, &reference, places, wav);
}
