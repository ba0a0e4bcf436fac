//! The host client plays a correct server's songs exactly, through every kind of command.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::time::Duration;

use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{self, ListEnd, Message, MessageType, Started, Welcome};
use trill_tests::client::Client;
use trill_tests::client_scenarios;
use trill_tests::fake_server::{FakeServer, Setup, Song};
use trill_tests::pcm::Pcm;
use trill_tests::process::Output;
use trill_tests::raw::RawListener;
use trill_tests::scenarios::{self, Heard};
use trill_tests::terminal::VT100;

/// A generous deadline.
const DEADLINE: Duration = Duration::from_secs(60);

/// The client, run with a script.
struct Program;

impl scenarios::Client for Program {
    fn run(&self, server: SocketAddr, lines: &[&str]) -> Heard {
        let (run, frames) = record(server, &[], &(lines.join("\n") + "\n"));
        Heard { frames, text: run.stdout + &run.stderr }
    }
}

/// Runs the client with a script and a WAV file as output. Returns the frames of the file too, or none if there is no
/// file. For mono, left and right are the same.
#[track_caller]
fn record(server: SocketAddr, words: &[&str], script: &str) -> (Output, Vec<[i16; 2]>) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("out.wav");
    let output = format!("--output=wav:{}", file.display());
    let run = Client::of(server).arg(output).args(words).run_script(script, DEADLINE);
    let sound = file.exists().then(|| Pcm::read_wav(&file).to_stereo());
    let frames = sound.iter().flat_map(|sound| (0..sound.frames()).map(|frame| sound.frame(frame)));
    (run, frames.map(|frame| [frame[0], frame[1]]).collect())
}

client_scenarios!(Program);

/// A board accepts the next line before the song has started.
#[test]
fn a_seek_finds_the_same_music_under_another_number() {
    scenarios::a_seek_finds_the_same_music_under_another_number(&Program);
}

#[test]
fn a_stop_reaches_the_server_and_ends_the_script() {
    let server = FakeServer::with([Song::encode("long", 300.0, 40, 44_100, 2, &["-b", "320"])]);
    let client = Client::of(server.address).args(["-q", "--output=null"]);
    let run = client.run_script("play 1\npause\nstop\n", DEADLINE).expect_code(0);
    assert_eq!(run.stderr, "");
    server.wait_for("GOODBYE");
    assert_eq!(server.count("STOP"), 1, "{:?}", server.log());
}

#[test]
fn a_script_that_ends_in_a_pause_is_heard_to_its_end() {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let (run, heard) = record(server.address, &["-q"], "play 1\npause\n");
    assert_eq!(run.expect_code(0).stderr, "");
    assert_eq!(heard.len() * 2, song.music.len());
}

#[test]
fn a_wav_file_has_the_music_as_it_is_and_a_change_of_volume_says_so() {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let (run, heard) = record(server.address, &[], "volume 10\nplay 1\n");
    assert!(run.stderr.contains("the volume does not apply to a WAV file"), "{run}");
    let loudest = |samples: &mut dyn Iterator<Item = i16>| samples.map(i16::unsigned_abs).max().unwrap_or(0);
    let (played, sent) =
        (loudest(&mut heard.into_iter().map(|[left, _]| left)), loudest(&mut song.music.iter().copied()));
    assert!(played > sent / 2, "{played} of {sent}");
}

#[test]
fn a_list_is_shown_whole_however_many_pages_it_has() {
    let song = Song::short("x", 300.0);
    let songs = (1..=300).map(|number| Song { title: format!("Song\t{number}"), ..song.clone() });
    let server = FakeServer::with(songs);
    let run = Client::of(server.address).arg("list").run(DEADLINE).expect_code(0);
    let expected: String = (1..=300).map(|number| format!("{number}\tSong {number}\t\t\t0:02\n")).collect();
    assert_eq!((run.stdout, run.stderr.as_str()), (expected, ""));
    assert!(server.count("LIST") > 10, "pages of this server are short");
}

#[test]
fn what_a_lost_connection_means_is_told() {
    let songs = vec![(1, Song::short("one", 300.0))];
    let server = FakeServer::start(Setup { songs, cut_after: vec![10_000], ..Setup::default() });
    let (run, _) = record(server.address, &["play", "1"], "");
    assert!(run.expect_code(0).stderr.contains("reconnecting"));
}

#[test]
fn a_song_that_changed_meanwhile_makes_the_program_fail() {
    let song = Song::encode("long", 300.0, 10, 44_100, 2, &["-b", "128"]);
    let server = FakeServer::start(Setup {
        songs: vec![(1, song)],
        cut_after: vec![50_000],
        refuses_resume: Some(ErrorCode::SONG_CHANGED),
        ..Setup::default()
    });
    let (run, _) = record(server.address, &["-q", "play", "1"], "");
    assert_eq!(run.expect_code(1).stderr, "trill: song 1 has changed on the server; play it anew\n");
}

#[test]
fn a_pause_while_the_first_song_is_looked_for_holds_when_it_is_found() {
    let song = Song::encode("long", 300.0, 60, 44_100, 2, &["-b", "128"]);
    let listener = RawListener::bind();
    let terminal = Client::of(listener.address()).args(["-v", "--output=null"]).in_terminal(VT100);
    let mut connection = listener.accept(DEADLINE);
    connection.welcome(Welcome { server_name: "fake", generation: 1, ..Welcome::new() }, DEADLINE);
    terminal.wait_for_text(DEADLINE, "trill>");

    terminal.type_line("play all");
    let request = RequestId(connection.receive_until(MessageType::List, DEADLINE).header.id);
    terminal.type_line("pause");
    // The answer comes after the pause.
    terminal.type_line("volume");
    terminal.wait_for_text(DEADLINE, "volume 100");
    let found = message::Song { request, song: SongId(1), title: "long", rank: Some(0), ..message::Song::default() };
    connection.send_message(&Message::Song(found));
    connection.send_message(&Message::ListEnd(ListEnd { request, total: 1, next: None, generation: 1 }));
    let stream = StreamId(connection.receive_until(MessageType::Play, DEADLINE).header.id);
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..16_000]));
    // Printed after the song has started.
    terminal.wait_for_text(DEADLINE, "first sample after");
    terminal.wait_for_text(DEADLINE, "paused song 1");
    assert!(!terminal.screen_contains("nothing is playing"), "{terminal}");
}
