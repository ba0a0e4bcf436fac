//! Measures the stack, in bytes, and the instructions of the boards' client.
//!
//! QEMU derives a board's time from the number of instructions, and the boards report how long they were busy. The
//! decoder's count is exact. The total varies slightly with the arrival of packets and the polling of the console.

use super::{Board, HOST, Kind, check};
use crate::corpus::tags::Tags;
use crate::corpus::{self, MusicDir};
use crate::reference;
use crate::server::ServerProcess;
use crate::wait;
use id3::Version;
use std::net::SocketAddr;
use std::time::Duration;

/// Instructions per microsecond with [`super::CLOCK`].
const INSTRUCTIONS_PER_MICROSECOND: u64 = 125;

const RATE: u32 = 44_100;
const SONG_MS: u32 = 10_000;

/// Number of starts of a song; the cheapest counts. A board that waits for the host plays silence meanwhile.
const BEGINNINGS: usize = 7;

/// An emulated second takes longer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// The cost of playback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Peak stack in bytes, in a session that uses every function.
    pub stack: u64,
    /// Instructions for a second of a 128 kbit/s song, including network, console and interrupts.
    pub second: u64,
    /// Instructions from the return key after `play N` to the first output sample.
    pub first_sample: u64,
}

/// Instructions of the decoder on the constrained board for a second of a 128 kbit/s song.
///
/// # Panics
/// As [`check`].
#[track_caller]
pub fn decoder() -> u64 {
    let audio = reference::layout::audio_of(&corpus::CBR_128.milliseconds(5_000).make());
    let found = check(&[], &audio);
    found.decoder_instructions * u64::from(RATE) / found.samples as u64
}

/// Measures a board that plays a 128 kbit/s song.
///
/// # Panics
/// When it does not play.
#[track_caller]
pub fn measure(kind: Kind) -> Costs {
    let directory = MusicDir::new();
    directory.add("1.mp3", &corpus::CBR_128.milliseconds(SONG_MS));
    let server = ServerProcess::start(directory.path());
    let first_sample = count_beginnings(kind, server.address());
    let second = count_song(kind, server.address());
    Costs { stack: peak_stack(kind), second, first_sample }
}

/// Uses every function once, with songs of every kind and the longest names.
fn peak_stack(kind: Kind) -> u64 {
    let directory = MusicDir::new();
    let long = "Ж".repeat(127);
    let tags = Tags { title: &long, artist: &long, album: &long, track: 1 };
    directory.add_tagged("1.mp3", &tags.id3v2(Version::Id3v24), &corpus::CBR_320);
    for (name, song) in [("2.mp3", corpus::MONO_22050), ("3.mp3", corpus::VBR), ("4.mp3", corpus::CBR_128)] {
        directory.add(name, &song.milliseconds(1_000));
    }
    let server = ServerProcess::start(directory.path());
    let address = server.address();
    let mut board = Board::start(kind, address, RATE);
    board.wait_for("connected to ");
    for (line, answer) in [
        ("help", "connects to another server"),
        ("list", "    4  "),
        ("info 1", "size    "),
        ("info 99", "there is no such song"),
        ("nonsense", "no command"),
        ("play 99", "there is no such song"),
        ("play 2", "playing 2 "),
        ("play all", "playing 1 "),
        ("pause", "song    1, paused at "),
        ("resume", "song    1, "),
        ("volume 50", "volume 50"),
        ("seek +5", "song 1 from "),
        ("albums", "    1  "),
        ("find 2", "    2  "),
        ("add 3-4", "added at place"),
        ("next 3", "added at place"),
        ("queue", "    1  "),
        ("shuffle on", "shuffle on"),
        ("shuffle off", "shuffle off"),
        ("repeat all", "repeat all"),
        ("repeat off", "repeat off"),
        ("gain auto", "gain auto"),
        ("gain off", "gain off"),
        ("sleep 1h", "the music stops in "),
        ("sleep off", "sleep off"),
        ("status", "song    1, "),
    ] {
        board.ask(line, answer);
    }
    drop(server);
    board.wait_for("trying again");
    let _server = ServerProcess::start_at(directory.path(), address);
    board.wait_for("connected again");
    board.type_line("seek 11");
    board.wait_for("playing 4 ");
    board.wait_for_the_end();
    board.ask("server 10.0.2.2:1", "trying again");
    board.ask(&format!("server {HOST}:{}", address.port()), "connected to ");
    let told = board.ask("memory", "stack: ");
    let bytes = told.split_whitespace().nth(1).and_then(|bytes| bytes.parse().ok());
    bytes.unwrap_or_else(|| panic!("no stack size in {told}"))
}

fn count_beginnings(kind: Kind, server: SocketAddr) -> u64 {
    let mut board = start(kind, server);
    (0..BEGINNINGS).map(|_| count_beginning(&mut board)).min().expect("several")
}

fn count_beginning(board: &mut Board) -> u64 {
    let before = load(board);
    board.type_line("play 1");
    let after = wait::wait_for_some(DEADLINE, "sound", || {
        let after = load(board);
        (after.at_sound != before.at_sound).then_some(after)
    });
    board.type_line("stop");
    board.wait_for_the_end();
    instructions(before.busy, after.at_sound)
}

fn count_song(kind: Kind, server: SocketAddr) -> u64 {
    let mut board = start(kind, server);
    let before = load(&mut board);
    board.type_line("play 1");
    // Without `status` commands, which cost instructions too.
    let last = (RATE / 1000 * SONG_MS) as usize;
    let is_over = || (board.heard(RATE).sounding().end >= last).then_some(());
    wait::wait_for_some(DEADLINE, "the end of the song", is_over);
    instructions(before.busy, load(&mut board).busy) * 1000 / u64::from(SONG_MS)
}

fn start(kind: Kind, server: SocketAddr) -> Board {
    let mut board = Board::start(kind, server, RATE);
    board.wait_for("connected to ");
    board
}

/// Reads microseconds since the start.
struct Load {
    busy: u64,
    at_sound: u64,
}

/// Reads `processor: busy 3718 of 3567629 us, 0 when sound began`.
fn load(board: &mut Board) -> Load {
    let line = board.ask("load", "processor: busy ");
    let mut numbers = line.split(|char: char| !char.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
    let mut next = || numbers.next().expect("three numbers");
    let (busy, _all, at_sound) = (next(), next(), next());
    Load { busy, at_sound }
}

fn instructions(from: u64, to: u64) -> u64 {
    (to - from) * INSTRUCTIONS_PER_MICROSECOND
}
