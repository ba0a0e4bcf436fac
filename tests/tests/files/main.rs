//! Files of every kind, from the server's directory to the client's sound.
#![cfg(target_os = "linux")]

mod no_audio;
mod seek;
mod wrong_headers;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use trill_player::command::Clock;
use trill_tests::client::Client;
use trill_tests::pcm::Pcm;
use trill_tests::reference::{Reference, compare};

const DEADLINE: Duration = Duration::from_secs(60);

/// The last start position of a song in milliseconds.
fn last_ms(reference: &Reference) -> u64 {
    (reference.music.frames() as u64 - 1) * 1000 / u64::from(reference.music.rate)
}

/// Checks that the client plays the song exactly from each of these times, in milliseconds.
fn check_places(
    server: SocketAddr,
    number: usize,
    song: &dyn Debug,
    reference: &Reference,
    places: impl IntoIterator<Item = u64>,
    wav: &Path,
) {
    for ms in places {
        check_sound(&play(server, number, ms, wav), reference, ms, song);
    }
}

/// The client's sound for a song from a time on.
fn play(server: SocketAddr, number: usize, ms: u64, wav: &Path) -> Pcm {
    let place = Clock(Duration::from_millis(ms)).to_string();
    let words = ["play".to_owned(), number.to_string(), "at".to_owned(), place];
    let output = format!("--output=wav:{}", wav.display());
    Client::of(server).arg(output).args(words).run(DEADLINE).expect_code(0);
    Pcm::read_wav(wav)
}

#[track_caller]
fn check_sound(played: &Pcm, reference: &Reference, ms: u64, song: &dyn Debug) {
    let frame = reference.frame_at(ms);
    assert_eq!(played.frames(), reference.music.frames() - frame, "frames from {ms} ms of {song:?}");
    compare::assert_same_from(played, &reference.music, frame);
}
