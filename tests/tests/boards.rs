//! The boards' programs in QEMU, against the real server: what is typed, what is told, and every sample.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;

use trill_tests::board::{Board, Kind};
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::pcm::Pcm;
use trill_tests::reference;
use trill_tests::server::ServerProcess;

/// The songs in the directory, in the order of their numbers.
fn songs() -> [Song; 5] {
    [corpus::CBR_128, corpus::CBR_320, corpus::VBR, corpus::MONO_22050, corpus::WITH_PICTURE]
        .map(|song| song.milliseconds(2_500))
}

fn directory() -> MusicDir {
    let directory = MusicDir::new();
    for (number, song) in (1..).zip(&songs()) {
        directory.add(format!("{number}.mp3"), song);
    }
    directory
}

/// What a board plays of a song: stereo, whatever the song is.
fn music(song: &Song) -> Pcm {
    reference::decode_as_a_board(&song.make()).music.to_stereo()
}

#[track_caller]
fn assert_equal(heard: &Pcm, expected: &Pcm, what: &str) {
    let differs = heard.samples.iter().zip(&expected.samples).position(|(a, b)| a != b);
    assert_eq!((differs, heard.frames()), (None, expected.frames()), "{what}: the first sample that differs, frames");
}

fn connect(kind: Kind, server: SocketAddr) -> Board {
    let mut board = Board::start(kind, server);
    board.wait_for("connected to ");
    board
}

#[test]
fn the_constrained_board_plays_every_kind_of_file_to_the_sample() {
    let directory = directory();
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::Mps2An386, server.address());
    let mut heard = 0;
    for (number, song) in (1..).zip(&songs()) {
        board.type_line(&format!("play {number}"));
        board.wait_for(&format!("playing {number} "));
        board.wait_for_the_end();
        let expected = music(song);
        let all = board.heard(expected.rate);
        assert_equal(&all.slice(heard..all.frames()), &expected, song.kind());
        heard = all.frames();
    }
}
