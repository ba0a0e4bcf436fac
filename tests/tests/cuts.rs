//! A connection that is cut repeatedly, at any byte: no data may be lost, and little sent twice.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use trill_proto::retry::USEFUL_BYTES;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::proxy::{Conditions, Proxy, Script};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::stretch::{self, Stretch};

/// Ten times the usual duration.
const DEADLINE: Duration = Duration::from_secs(600);

/// Parallel clients, because each waits most of the time for its next connection.
const CLIENTS: u64 = 4;

/// Cuts per client.
const CUTS: usize = 250;

/// The bytes of a connection in which the cut falls: the client's messages before the song, since it sends little later
/// on a good path, and an equal share of the song.
const TO_SERVER: u64 = 80;
const TO_CLIENT: u64 = 12_000;

/// 2.8 MB.
const LONG: Song = corpus::CBR_320.milliseconds(70_000);

#[test]
fn after_a_thousand_cuts_the_files_are_the_same_to_the_bit() {
    let music = MusicDir::new();
    music.add("long.mp3", &LONG);
    let server = ServerProcess::start(music.path());
    let undisturbed = play(server.address());
    thread::scope(|scope| {
        for seed in 1..=CLIENTS {
            let (server, undisturbed) = (server.address(), &undisturbed);
            scope.spawn(move || check_cuts(server, seed, undisturbed));
        }
    });
}

/// The client's output file.
#[track_caller]
fn play(server: SocketAddr) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("song.wav");
    let output = format!("--output=wav:{}", file.display());
    Client::of(server).args(["-q", &output, "play", "1"]).run(DEADLINE).expect_code(0);
    std::fs::read(file).expect("the file that was just written")
}

fn check_cuts(server: SocketAddr, seed: u64, undisturbed: &[u8]) {
    let scripts = Script::random_cuts(seed, CUTS, TO_SERVER, TO_CLIENT);
    let proxy = Proxy::scripted_in_turn(server, Conditions::PERFECT, scripts.clone());
    let begun = Instant::now();
    let disturbed = play(proxy.address());
    println!("figure: cuts: {CUTS} (seed {seed}) survived in {:.1?}", begun.elapsed());
    assert!(undisturbed == disturbed, "the files differ (seed {seed})");
    assert_eq!(proxy.accepted(), CUTS + 1, "connections (seed {seed})");

    let stretches = stretch::all(&proxy, &scripts);
    let song = layout::audio_of(&LONG.make()).len() as u64;
    let stretch::Sum { sent, outstanding } = stretch::check(&stretches, song);
    let more = 100.0 * (sent as f64 / song as f64 - 1.0);
    println!(
        "figure: cuts: {sent} bytes sent of a song of {song}, {more:.1} % more; {outstanding} bytes of credit outstanding \
         at the cuts"
    );
    check_retries(&proxy, &stretches);
}

/// After a useful connection, the next attempt comes within 50 ms.
fn check_retries(proxy: &Proxy, stretches: &[Stretch]) {
    let after = |index: usize| {
        let cut = proxy.cut_at(index).expect("every connection but the last was cut");
        proxy.accepted_at(index + 1).saturating_duration_since(cut)
    };
    let delivered = (0..CUTS).filter(|index| stretches[*index].handed >= USEFUL_BYTES);
    let mut times: Vec<Duration> = delivered.map(after).collect();
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let within = times.iter().filter(|time| **time <= Duration::from_millis(50)).count();
    println!(
        "figure: cuts: {} of {} connections after one that was useful came within 50 ms, median {median:.1?}, slowest \
         {slowest:.1?}",
        within,
        times.len()
    );
    // The program draws the delay from 20 to 40 ms; the rest allows for a busy machine.
    assert!(median < Duration::from_millis(200) && slowest < Duration::from_secs(10), "median {median:?}");
}
