//! The player on a board of std, against a server of the test's own: what every client must do, and what only a board
//! does.
#![cfg(target_os = "linux")]

mod board;
mod lying_server;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use board::{Board, REFUSED_RATE, StdClock, wait_for_playing};
use trill_firmware::command::{Seek, Selection, Volume};
use trill_firmware::{NotPossible, NowPlaying, Remote, SongState};
use trill_proto::ids::SongId;
use trill_proto::message::Started;
use trill_tests::client_scenarios;
use trill_tests::fake_server::{FakeServer, Setup, Song};
use trill_tests::proxy::{Conditions, Fault, Proxy};
use trill_tests::scenarios::{Client, Heard};

/// A board on which lines are typed.
struct Typist;

impl Client for Typist {
    fn run(&self, server: SocketAddr, lines: &[&str]) -> Heard {
        let mut board = Board::start(server);
        board.wait_for("connected to fake");
        for line in lines {
            board.type_line(line);
        }
        board.wait_for_the_end();
        Heard { frames: board.heard(), text: board.said() }
    }
}

client_scenarios!(Typist);

#[test]
fn buttons_control_a_board_without_a_console() {
    let server = FakeServer::with([
        Song::encode("long", 300.0, 200, 44_100, 2, &["-b", "128"]),
        Song::encode("other", 500.0, 200, 44_100, 2, &["-b", "128"]),
    ]);
    let is_done = Arc::new(AtomicBool::new(false));
    let pressed = Arc::clone(&is_done);
    let board = Board::start_without_console(server.address, move |remote| async move {
        press_every_button(remote).await;
        pressed.store(true, Ordering::Release);
    });
    board.wait_until("pressed every button", |_| is_done.load(Ordering::Acquire));
    server.wait_for("STOP");
    assert_eq!(board.said(), "");
}

async fn press_every_button(remote: Remote<StdClock>) {
    let playing = |number| move |now| matches!(now, NowPlaying::Song { song, state: SongState::Playing, .. } if song == SongId(number));
    assert_eq!(remote.stop(), Err(NotPossible::NothingPlays));
    assert_eq!(remote.set_volume(Volume::Down(60)), 40);

    remote.play(Selection::All);
    wait_for_playing(remote, playing(1)).await;
    assert_eq!(remote.pause(), Ok(()));
    assert!(matches!(remote.status().now_playing, NowPlaying::Song { state: SongState::Paused, .. }));
    assert_eq!(
        remote.seek(Seek::To(Duration::from_secs(1_000))),
        Err(NotPossible::TooShort { song: SongId(1), length_ms: 200_000 })
    );
    assert_eq!(remote.seek(Seek::To(Duration::from_secs(100))), Ok((Some(SongId(1)), 100_000)));
    assert_eq!(remote.resume(), Ok(()));
    assert_eq!(remote.next(), Ok(()));
    wait_for_playing(remote, playing(2)).await;
    assert_eq!(remote.previous(), Ok(()));
    wait_for_playing(remote, playing(1)).await;
    let status = remote.status();
    assert_eq!((status.is_connected, status.volume_percent), (true, 40));

    assert_eq!(remote.stop(), Ok(()));
    assert_eq!(remote.status().now_playing, NowPlaying::Nothing);
}

#[test]
fn a_list_is_shown_whole_and_in_order() {
    let song = Song::short("x", 300.0);
    let songs = (1..=100).map(|number| Song { title: format!("Song {number} {}", "y".repeat(number)), ..song.clone() });
    let server = FakeServer::with(songs);
    let mut board = Board::start(server.address);
    board.wait_for("connected");
    board.type_line("list");
    board.wait_for(&format!("Song 100 {}", "y".repeat(100)));
    let said = board.said();
    let numbers: Vec<usize> =
        said.lines().filter_map(|line| line.split_once("  Song ")?.0.trim().parse().ok()).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>(), "{said}");
    // As many songs as there is room for if their lines are as short as they mostly are.
    assert_eq!(server.count("LIST 0 0 16"), 1, "{:?}", server.log());
}

#[test]
fn help_is_told_whole_however_long_a_list_is_being_told() {
    let song = Song { title: "y".repeat(255), ..Song::short("x", 300.0) };
    let server = FakeServer::with(vec![song; 500]);
    let mut board = Board::start(server.address);
    board.wait_for("connected");
    board.type_line("list");
    for round in 1..=20 {
        board.type_line("help");
        board.wait_until("told it", |board| board.said().matches("server HOST[:PORT] connects").count() == round);
    }
    board.wait_for("  500  y");
}

#[test]
fn the_output_follows_the_rate_of_the_song() {
    let songs = [22_050, 48_000, REFUSED_RATE].map(|rate| Song::encode("x", 300.0, 2, rate, 1, &["-b", "64"]));
    let server = FakeServer::with(songs);
    let mut board = Board::start(server.address);
    board.type_line("play all");
    board.wait_for("song 3 has 32000 Hz, at which this board cannot play");
    board.wait_for_the_end();
    assert_eq!((board.rate(), board.heard().len()), (48_000, 2 * (22_050 + 48_000)));
}

/// Frames at 8 kHz and a minute of frames at 44.1 kHz, with a cut among the latter: fifty seconds of them are heard, though
/// 1,152 of their samples are no whole number of the song's.
#[test]
fn frames_of_another_rate_are_counted_exactly() {
    let silence = |header: [u8; 4], bytes: usize| [&header[..], &vec![0; bytes - 4]].concat();
    let (first, second) = (silence([0xff, 0xe3, 0x18, 0xc4], 72), silence([0xff, 0xfb, 0x10, 0xc4], 104));
    let audio = [first.repeat(20), second.repeat(2_297)].concat();
    // The last frame before the change is lost.
    const FIRST_SAMPLES: u64 = 19 * 576;
    let started = Started {
        size_bytes: audio.len() as u64,
        end_sample: FIRST_SAMPLES + 50 * 8_000,
        bitrate: 32_000,
        ..Song::mute().started
    };
    let song = Song { title: "two rates".to_owned(), audio, started, music: Vec::new() };
    let server = FakeServer::start(Setup { songs: vec![(1, song)], cut_after: vec![150_000], ..Setup::default() });
    let mut board = Board::start(server.address);
    board.type_line("play 1");
    board.wait_for("connected again");
    board.wait_for_the_end();
    assert_eq!((board.rate(), board.heard().len() as u64), (44_100, FIRST_SAMPLES + 50 * 44_100));
}

#[test]
fn a_stop_reaches_the_server() {
    let server = FakeServer::with([Song::encode("long", 300.0, 200, 44_100, 2, &["-b", "128"])]);
    let mut board = Board::start(server.address);
    board.type_line("stop");
    board.wait_for("nothing is playing");
    board.type_line("play 1");
    board.wait_until("sounds", |board| !board.heard().is_empty());
    board.type_line("stop");
    server.wait_for("STOP");
    board.wait_for_the_end();
}

#[test]
fn a_pause_keeps_the_place_and_a_volume_is_remembered() {
    let song = Song::encode("long", 300.0, 30, 44_100, 2, &["-b", "128"]);
    let server = FakeServer::with([song.clone()]);
    let mut board = Board::start(server.address);
    board.type_line("pause");
    board.wait_for("nothing is playing; play N plays song N");
    board.type_line("play 1");
    board.wait_until("sounds", |board| !board.heard().is_empty());
    board.type_line("pause");
    board.wait_for("song    1, paused at");
    board.type_line("volume 40");
    board.wait_for("volume 40\r\n");
    board.type_line("volume +10");
    board.wait_for("volume 50\r\n");
    board.wait_for_song("1, paused at");
    board.type_line("resume");
    board.wait_for("song    1, playing at");
    board.wait_for_the_end();
    assert_eq!(board.heard().len() * 2, song.music.len());
}

#[test]
fn what_was_paused_or_stopped_stays_so_when_the_connection_is_cut() {
    let server = FakeServer::with([Song::encode("long", 300.0, 200, 44_100, 2, &["-b", "128"])]);
    let proxy = Proxy::start(server.address, Conditions::PERFECT);
    let mut board = Board::start(proxy.address());
    board.type_line("play 1");
    board.wait_until("sounds", |board| !board.heard().is_empty());
    board.type_line("pause");
    board.wait_for("song    1, paused at");
    board.wait_for_periods(2);
    let heard = board.heard().len();

    cut(&proxy, &board);
    board.wait_until("asked for the rest", |_| server.count("PLAY 1 from") == 1);
    board.type_line("stop");
    server.wait_for("STOP");
    cut(&proxy, &board);
    board.type_line("info 1");
    server.wait_for("INFO 1");
    board.wait_for_the_end();
    assert_eq!(board.heard().len(), heard, "not a sample since the pause");
    assert_eq!(server.count("PLAY"), 2, "{:?}", server.log());
}

/// Cuts the connection, and waits for another.
#[track_caller]
fn cut(proxy: &Proxy, board: &Board) {
    let again = |board: &Board| board.said().matches("connected again").count();
    let before = again(board);
    proxy.inject_both(Fault::Reset);
    board.wait_until("came back", |board| again(board) > before);
}

#[test]
fn a_seek_in_a_pause_is_not_heard_before_the_pause_ends() {
    let song = Song::encode("long", 300.0, 60, 44_100, 2, &["-b", "128"]);
    let server = FakeServer::with([song.clone()]);
    let mut board = Board::start(server.address);
    board.type_line("play 1");
    board.wait_until("is on its way", |board| board.heard().len() > 2 * 44_100);
    board.type_line("pause");
    board.wait_for("song    1, paused at 0:0");
    board.type_line("seek 20");
    // This server begins anew whatever it is asked for.
    server.wait_for("PLAY 1 at 20000 ms");
    board.wait_for_song("1, paused at 0:00");
    board.wait_for_periods(2);
    let heard = board.heard().len();
    board.type_line("resume");
    board.wait_for_the_end();
    assert_eq!(board.heard().len() - heard, song.music.len() / 2);
}

#[test]
fn a_pause_where_songs_of_two_rates_join_loses_nothing() {
    const FRAMES: usize = 1_500;
    let mut one = Song::encode("one", 300.0, 1, 22_050, 1, &["-b", "64"]);
    // All of its sound is in the ring before any is heard.
    one.started.end_sample = one.started.begin_sample + FRAMES as u64;
    let server = FakeServer::with([one, Song::encode("two", 500.0, 1, 48_000, 1, &["-b", "64"])]);
    let mut board = Board::start(server.address);
    board.hold_output(true);
    board.type_line("play all");
    server.wait_for("PLAY 2 at 0 ms");
    board.type_line("pause");
    board.wait_for("paused at 0:00");
    board.hold_output(false);
    board.wait_for_periods(2);
    // The player is at the second song, and waits for the end of the first.
    board.wait_for_song("2, paused at 0:00");
    assert_eq!((board.rate(), board.heard().len()), (22_050, 0));
    board.type_line("resume");
    board.wait_for_the_end();
    assert_eq!((board.rate(), board.heard().len()), (48_000, FRAMES + 48_000));
}

#[test]
fn a_volume_outlasts_a_connection() {
    let song = Song::encode("long", 300.0, 10, 44_100, 2, &["-b", "128"]);
    let setup = Setup { songs: vec![(1, song.clone())], cut_after: vec![50_000], ..Setup::default() };
    let server = FakeServer::start(setup);
    let mut board = Board::start(server.address);
    board.type_line("volume 50");
    board.wait_for("volume 50");
    board.type_line("play 1");
    board.wait_for("connected again");
    board.wait_for_the_end();
    // A cubic curve: an eighth of the amplitude.
    let heard = board.heard();
    assert_eq!(heard.len() * 2, song.music.len());
    let differs = |(heard, sent): (&i16, &i16)| heard.abs_diff(*sent / 8) > 1;
    assert_eq!(heard.as_flattened().iter().zip(&song.music).position(differs), None);
}

#[test]
fn nobody_there_is_said_once_and_tried_for_ever() {
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("its number");
    drop(reserved);
    let mut board = Board::start(address);
    let complaint = format!("{address}: it refused the connection; trying again");
    board.wait_for(&complaint);
    board.type_line("list");
    let warning = format!("not connected to {address}; connecting");
    board.wait_for(&warning);
    board.type_line("play 1");
    board.wait_until("warns of the song, too", |board| board.said().matches(&warning).count() == 2);
    // The song that was wanted all along plays as soon as there is a server.
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    board.type_line(&format!("server {}", server.address));
    board.wait_for("connected to fake");
    assert_eq!(board.said().matches(&complaint).count(), 1, "{}", board.said());
    board.type_line("play 1");
    board.wait_for("playing 1 one");
    board.wait_for_the_end();
    assert_eq!(board.heard().len() * 2, song.music.len());
    board.type_line("server a b");
    board.wait_for("a server is written HOST or HOST:PORT");
}

#[test]
fn the_commands_of_a_board_are_in_its_help() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let mut board = Board::start(server.address);
    board.wait_for("connected");
    board.type_line("help");
    board.wait_for("server HOST[:PORT] connects to another server\r\nlamp lights the lamp\r\n");
    board.type_line("lamp");
    board.wait_for("the lamp is lit");
}

#[test]
fn what_is_typed_stays_when_something_is_told() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let mut board = Board::start(server.address);
    board.wait_for("connected");
    board.type_line("help");
    board.wait_for("server HOST[:PORT] connects to another server");
    board.type_line("quit");
    board.wait_for("a board does not quit");
    board.type_line("");
    board.type_line("play 1\u{7f}1");
    board.wait_for("playing 1 one");
}

#[test]
fn a_line_that_is_too_long_is_not_obeyed_and_the_next_is() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let mut board = Board::start(server.address);
    board.wait_for("connected");
    // Cut, it would be another command.
    board.type_line(&format!("volume {}40", " ".repeat(120)));
    board.wait_for("\r\na line has at most 128 characters\r\n");
    board.type_line("volume");
    board.wait_for("volume 100\r\n");
}
