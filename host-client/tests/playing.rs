//! The program plays what an honest server sends: to the sample, in every way it can be asked.

mod common;

use std::net::SocketAddr;

use common::{record, trill};
use trill_proto::error::ErrorCode;
use trill_tests::client_scenarios;
use trill_tests::fake_server::{FakeServer, Setup, Song};
use trill_tests::scenarios::{Client, Heard};

/// The program, run with a script.
struct Program;

impl Client for Program {
    fn run(&self, server: SocketAddr, lines: &[&str]) -> Heard {
        let input = lines.join("\n") + "\n";
        let (run, frames) = record(server, &[], &input);
        Heard { frames, text: run.stdout + &run.stderr }
    }
}

client_scenarios!(Program);

#[test]
fn a_range_without_songs_is_said() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let (run, heard) = record(server.address, &["-q", "play", "10-20"], "");
    assert_eq!((run.code, heard.len()), (Some(1), 0));
    assert_eq!(run.only_error(), "trill: no songs from 10 to 20; list shows what there is");
}

#[test]
fn mistakes_in_a_script_are_told_and_make_it_fail() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let (run, _) = record(server.address, &["-q"], "play 1\nplay 99\ninfo 99\nnonsense\n");
    assert_eq!(run.code, Some(1), "something failed");
    assert_eq!(
        run.stderr,
        "trill: there is no song 99; list shows what there is\n\
         trill: there is no song 99; list shows what there is\n\
         trill: no command \"nonsense\"; help lists them\n"
    );
}

#[test]
fn a_stop_reaches_the_server_and_ends_the_script() {
    let server = FakeServer::with([Song::encode("long", 300.0, 40, 44_100, 2, &["-b", "320"])]);
    let address = server.address.to_string();
    let run = trill(&["-q", "--output", "null", &address], "play 1\npause\nstop\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    server.wait_for("GOODBYE");
    assert_eq!(server.count("STOP"), 1, "{:?}", server.log());
}

#[test]
fn a_script_that_ends_in_a_pause_is_heard_to_its_end() {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let (run, heard) = record(server.address, &["-q"], "play 1\npause\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(heard.len() * 2, song.music.len());
}

#[test]
fn a_wav_file_has_the_music_as_it_is_and_a_change_of_volume_says_so() {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let (run, heard) = record(server.address, &[], "volume 10\nplay 1\n");
    assert!(run.stderr.contains("as if the volume were 100"), "{run:?}");
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
    let run = trill(&[&server.address.to_string(), "list"], "");
    let expected: String = (1..=300).map(|number| format!("{number}\tSong {number}\t\t\t0:02\n")).collect();
    assert_eq!((run.code, run.stdout, run.stderr.as_str()), (Some(0), expected, ""));
    assert!(server.count("LIST") > 10, "pages of this server are short");
}

#[test]
fn what_a_lost_connection_means_is_told() {
    let songs = vec![(1, Song::short("one", 300.0))];
    let server = FakeServer::start(Setup { songs, cut_after: vec![10_000], ..Setup::default() });
    let (run, _) = record(server.address, &["play", "1"], "");
    assert!(run.code == Some(0) && run.stderr.contains("reconnecting"), "{run:?}");
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
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.only_error(), "trill: song 1 has changed on the server; play it anew");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pause_while_the_first_song_is_looked_for_holds_when_it_is_found() {
    use common::DEADLINE;
    use trill_proto::ids::{RequestId, SongId, StreamId};
    use trill_proto::message::{self, ListEnd, Message, MessageType, Started, Welcome};
    use trill_tests::raw::RawListener;
    use trill_tests::terminal::{Terminal, VT100};

    let song = Song::encode("long", 300.0, 60, 44_100, 2, &["-b", "128"]);
    let listener = RawListener::bind();
    let mut command = trill_tests::binaries::command(env!("CARGO_BIN_EXE_trill"));
    command
        .args(["-v", "--output", "null", &listener.address().to_string()])
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm");
    let terminal = Terminal::spawn("trill", command, VT100);
    let mut connection = listener.accept(DEADLINE);
    connection.welcome(Welcome { server_name: "fake", generation: 1, ..Welcome::new() }, DEADLINE);
    terminal.wait_for_text(DEADLINE, "trill>");

    terminal.type_line("play all");
    let request = RequestId(connection.receive_until(MessageType::List, DEADLINE).header.id);
    terminal.type_line("pause");
    // Answered after the pause.
    terminal.type_line("volume");
    terminal.wait_for_text(DEADLINE, "volume 100");
    let found = message::Song { request, song: SongId(1), title: "long", ..message::Song::default() };
    connection.send_message(&Message::Song(found));
    connection.send_message(&Message::ListEnd(ListEnd { request, total: 1, next: None, generation: 1 }));
    let stream = StreamId(connection.receive_until(MessageType::Play, DEADLINE).header.id);
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..16_000]));
    // Told after the song has begun.
    terminal.wait_for_text(DEADLINE, "first sample after");
    terminal.wait_for_text(DEADLINE, "paused 1");
    assert!(!terminal.screen_contains("nothing is playing"), "{terminal}");
}

/// A board takes the next line before the song has started.
#[cfg(target_os = "linux")]
#[test]
fn a_seek_finds_the_same_music_under_another_number() {
    trill_tests::scenarios::a_seek_finds_the_same_music_under_another_number(&Program);
}
