//! A seek is exact to the sample, in every kind of file.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;
use trill_proto::command::Clock;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::pcm::Pcm;
use trill_tests::reference::{self, Reference, compare};
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

/// Random places in each song, beside its first and its last millisecond.
const PLACES: usize = 20;

const DEADLINE: Duration = Duration::from_secs(60);

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
            scope.spawn(move || check_places(address, index + 1, song, &wav));
        }
    });
    println!("figure: seek: {} places in each of {} kinds of file are exact to the sample", PLACES + 2, SONGS.len());
}

fn check_places(server: SocketAddr, number: usize, song: &Song, wav: &Path) {
    let reference = reference::decode(&song.make());
    let last_ms = (reference.music.frames() as u64 - 1) * 1000 / u64::from(reference.music.rate);
    let mut random = fastrand::Rng::with_seed(number as u64);
    let places = [0, last_ms].into_iter().chain((0..PLACES).map(|_| random.u64(0..=last_ms)));
    for ms in places {
        let place = Clock(Duration::from_millis(ms)).to_string();
        let words = ["play".to_owned(), number.to_string(), "at".to_owned(), place];
        let output = format!("--output=wav:{}", wav.display());
        Client::of(server).arg(output).args(words).run(DEADLINE).expect_code(0);
        check_sound(&Pcm::read_wav(wav), &reference, ms, song);
    }
}

#[track_caller]
fn check_sound(played: &Pcm, reference: &Reference, ms: u64, song: &Song) {
    let frame = reference.frame_at(ms);
    assert_eq!(played.frames(), reference.music.frames() - frame, "frames from {ms} ms of {song:?}");
    compare::assert_same_from(played, &reference.music, frame);
}
