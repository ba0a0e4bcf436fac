//! The program plays what an honest server sends: to the sample, in every way it can be asked.

mod common;

use common::server::{FakeServer, Setup};
use common::song::Song;
use common::{assert_same_sound, record, trill};
use trill_proto::error::ErrorCode;

/// How often the server was asked this.
fn count(server: &FakeServer, beginning: &str) -> usize {
    server.log().iter().filter(|line| line.starts_with(beginning)).count()
}

#[test]
fn a_song_has_exactly_the_samples_that_went_into_the_encoder() {
    let songs = [
        Song::short("stereo", 440.0),
        Song::encode("variable", 300.0, 3, 48_000, 2, &["-V", "4"]),
        Song::encode("mono", 200.0, 3, 22_050, 1, &["-b", "64", "-m", "m"]),
    ];
    let server = FakeServer::with(songs.clone());
    for (number, song) in (1_u32..).zip(songs) {
        let (run, heard) = record(server.address, &["play", &number.to_string()], "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{run:?}");
        assert!(run.only_error().starts_with(&format!("playing {number} {}", song.title)), "{run:?}");
        assert_same_sound(&heard, &song.music);
    }
}

#[test]
fn songs_of_a_range_follow_each_other_without_a_gap() {
    let songs = [Song::short("one", 300.0), Song::short("two", 500.0), Song::short("three", 700.0)];
    let numbered = [2, 5, 9].into_iter().zip(songs.clone()).collect();
    let server = FakeServer::start(Setup { songs: numbered, ..Setup::default() });
    let (run, heard) = record(server.address, &["-q", "play", "all"], "");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_same_sound(&heard, &songs.each_ref().map(|song| song.music.as_slice()).concat());

    let (run, heard) = record(server.address, &["-q", "play", "3-8"], "");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_same_sound(&heard, &songs[1].music);

    let (run, heard) = record(server.address, &["-q", "play", "10-20"], "");
    assert_eq!((run.code, heard.len()), (Some(1), 0));
    assert_eq!(run.only_error(), "trill: no songs from 10 to 20; list shows what there is");
}

#[test]
fn after_a_switch_there_is_only_the_new_song() {
    let songs = [Song::encode("long", 300.0, 60, 44_100, 2, &["-b", "128"]), Song::short("short", 700.0)];
    let server = FakeServer::with(songs.clone());
    let (run, heard) = record(server.address, &[], "play 1\nplay 2\n");
    assert_eq!(run.code, Some(0), "{run:?}");
    let (old, new) = heard.split_at(heard.len() - songs[1].music.len());
    assert_same_sound(new, &songs[1].music);
    assert!(old.len() < songs[0].music.len(), "the first song was interrupted");
    assert_same_sound(old, &songs[0].music[..old.len()]);
}

#[test]
fn a_wrong_song_number_leaves_the_music_alone() {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let (run, heard) = record(server.address, &["-q"], "play 1\nplay 99\ninfo 99\nnonsense\n");
    assert_eq!(run.code, Some(1), "something failed");
    assert_eq!(
        run.stderr,
        "trill: there is no song 99; list shows what there is\n\
         trill: there is no song 99; list shows what there is\n\
         trill: no command \"nonsense\"; help lists them\n"
    );
    assert_same_sound(&heard, &song.music);
}

#[test]
fn a_stop_reaches_the_server_and_ends_the_script() {
    let server = FakeServer::with([Song::encode("long", 300.0, 40, 44_100, 2, &["-b", "320"])]);
    let address = server.address.to_string();
    let run = trill(&["-q", "--output", "null", &address], "play 1\npause\nstop\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    server.wait_for("GOODBYE");
    assert_eq!(count(&server, "STOP"), 1, "{:?}", server.log());
}

#[test]
fn a_script_that_ends_in_a_pause_is_heard_to_its_end() {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let (run, heard) = record(server.address, &["-q"], "play 1\npause\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_same_sound(&heard, &song.music);
}

#[test]
fn nothing_is_cached() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let (run, _) = record(server.address, &["-q"], "list\nlist\ninfo 1\ninfo 1\nplay 1\nplay 1\nseek 1\n");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.stdout.matches("one").count(), 4, "{run:?}");
    assert_eq!((count(&server, "LIST 1 "), count(&server, "PLAY 1 at 0 ms")), (2, 2), "{:?}", server.log());
    assert_eq!(count(&server, "PLAY 1 at 1000 ms"), 1, "{:?}", server.log());
}

#[test]
fn a_list_is_shown_whole_however_many_pages_it_has() {
    let song = Song::short("x", 300.0);
    let songs = (1..=300).map(|number| Song { title: format!("Song\t{number}"), ..song.clone() });
    let server = FakeServer::with(songs);
    let run = trill(&[&server.address.to_string(), "list"], "");
    let expected: String = (1..=300).map(|number| format!("{number}\tSong {number}\t\t\t0:02\n")).collect();
    assert_eq!((run.code, run.stdout, run.stderr.as_str()), (Some(0), expected, ""));
    assert!(count(&server, "LIST") > 10, "pages of this server are short");
}

#[test]
fn a_cut_connection_is_resumed_and_not_heard() {
    let song = Song::encode("long", 300.0, 20, 44_100, 2, &["-b", "128"]);
    let setup = Setup { songs: vec![(1, song.clone())], cut_after: vec![20_001, 1, 100_000], ..Setup::default() };
    let server = FakeServer::start(setup);
    let (run, heard) = record(server.address, &["play", "1"], "");
    assert_eq!(run.code, Some(0), "{run:?} {:?}", server.log());
    assert_same_sound(&heard, &song.music);
    assert_eq!(count(&server, "PLAY 1 at 0 ms"), 1, "{:?}", server.log());
    assert_eq!(count(&server, "PLAY 1 from"), 3, "{:?}", server.log());
    assert!(run.stderr.contains("reconnecting"), "{run:?}");
}

#[test]
fn a_song_that_changed_meanwhile_ends_where_it_is_and_the_program_says_so() {
    let song = Song::encode("long", 300.0, 10, 44_100, 2, &["-b", "128"]);
    let server = FakeServer::start(Setup {
        songs: vec![(1, song.clone())],
        cut_after: vec![50_000],
        refuses_resume: Some(ErrorCode::SONG_CHANGED),
    });
    let (run, heard) = record(server.address, &["-q", "play", "1"], "");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.only_error(), "trill: song 1 has changed on the server; play it anew");
    assert!(!heard.is_empty() && heard.len() < song.music.len(), "{} samples", heard.len());
}

#[test]
fn what_a_server_sends_cannot_command_the_terminal() {
    let song = Song { title: "evil\u{1b}[2J\u{7}\u{202e}name".to_owned(), ..Song::short("x", 300.0) };
    let server = FakeServer::with([song]);
    let address = server.address.to_string();
    for command in [&["list"][..], &["info", "1"]] {
        let run = trill(&[&[&address[..]], command].concat(), "");
        assert!(run.stdout.contains("evilname"), "{run:?}");
    }
    let (run, _) = record(server.address, &["play", "1"], "");
    assert_eq!(run.stderr, "playing 1 evilname  0:02\n");
}
