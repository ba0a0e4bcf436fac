//! `trill HOST play …` at a terminal: the status row, and the keys that control the music.
#![cfg(target_os = "linux")]

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Screen, Terminal, VT100, key};

const DEADLINE: Duration = Duration::from_secs(60);

/// A test runner in the background ignores signals, and a shell would inherit that.
const DEFAULT_SIGNALS: &str = "--default-signal=HUP,INT,QUIT,TERM,TSTP,TTIN,TTOU";

/// Arrow right, alone and with Shift.
const RIGHT: &str = "\x1b[C";
const SHIFT_RIGHT: &str = "\x1b[1;2C";

fn serve(milliseconds: &[u32]) -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    for (number, milliseconds) in (1..).zip(milliseconds) {
        music.add(format!("{number}.mp3"), &corpus::CBR_128.milliseconds(*milliseconds));
    }
    let server = ServerProcess::start(music.path());
    (music, server)
}

fn play(server: &ServerProcess, what: &str) -> Client {
    let client = Client::of(server.address()).args(["--output=null", "play", what]);
    client.started_by("env", [DEFAULT_SIGNALS])
}

/// The row below all others.
fn last_row(screen: &Screen) -> &str {
    screen.rows.iter().rev().find(|row| !row.is_empty()).map_or("", String::as_str)
}

#[track_caller]
fn wait_for_row(terminal: &Terminal, parts: &[&str]) {
    let is_shown = |screen: &Screen| parts.iter().all(|part| last_row(screen).contains(part));
    terminal.wait_for(DEADLINE, &format!("{parts:?} in the last row"), is_shown);
}

/// Checks that only lines about songs are left, and that the terminal is as the shell had it.
#[track_caller]
fn check_left(terminal: &Terminal, last: &str) {
    let screen = terminal.screen();
    assert!(last_row(&screen).starts_with(last), "{last:?} in {terminal}");
    assert!(!["▶", "paused", "━", "─"].iter().any(|part| screen.contains(part)), "a status row in {terminal}");
    assert!(terminal.is_cooked(), "{terminal}");
    assert_eq!(terminal.side_effects(), [""; 0]);
}

#[test]
fn single_keys_skip_seek_pause_and_change_the_volume() {
    let (_music, server) = serve(&[60_000, 90_000, 90_000]);
    let mut terminal = play(&server, "1-3").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "playing 1 1  1:00; ? shows the keys");
    wait_for_row(&terminal, &["▶ 1", "/1:00", "next: 2"]);
    terminal.type_text("n");
    wait_for_row(&terminal, &["▶ 2", "/1:30"]);
    terminal.type_text("-");
    wait_for_row(&terminal, &["vol 95"]);
    terminal.type_text(SHIFT_RIGHT);
    wait_for_row(&terminal, &["▶ 2", "0:3"]);
    terminal.type_text(&[RIGHT; 5].concat());
    wait_for_row(&terminal, &["▶ 2", "0:5"]);
    terminal.type_text(" ");
    wait_for_row(&terminal, &["paused 2"]);
    terminal.type_text(" ");
    wait_for_row(&terminal, &["▶ 2"]);
    terminal.type_text("p");
    wait_for_row(&terminal, &["▶ 1"]);
    terminal.type_text("s");
    terminal.wait_for_text(DEADLINE, "shuffle on; 3 songs in the queue");
    terminal.type_text("r");
    terminal.wait_for_text(DEADLINE, "repeat all; 3 songs in the queue");
    terminal.type_text("?");
    terminal.wait_for_text(DEADLINE, "Left Right                   seek 5 s; 30 s with Shift");
    wait_for_row(&terminal, &["▶ 1"]);
    terminal.type_text("xyz\tq");
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
    check_left(&terminal, "q                            quit");
}

#[test]
fn the_program_ends_after_the_last_song_and_a_key_without_effect_is_no_failure() {
    let (_music, server) = serve(&[3_000]);
    let mut terminal = play(&server, "1").in_terminal(VT100);
    wait_for_row(&terminal, &["▶ 1"]);
    terminal.type_text("n");
    terminal.wait_for_text(DEADLINE, "trill: ");
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
    check_left(&terminal, "trill: ");
}

#[test]
fn a_song_that_cannot_play_is_a_failure() {
    let (_music, server) = serve(&[3_000]);
    let mut terminal = play(&server, "9").in_terminal(VT100);
    assert_eq!(terminal.wait(DEADLINE).code(), Some(1), "{terminal}");
    check_left(&terminal, "trill: there is no song 9");
}

#[test]
fn ctrl_c_sigterm_and_a_lost_server_restore_the_terminal() {
    // Longer than the buffer.
    let (_music, server) = serve(&[900_000]);
    for signal in [Signal::INT, Signal::TERM] {
        let mut terminal = play(&server, "1").in_terminal(VT100);
        wait_for_row(&terminal, &["▶ 1"]);
        match signal {
            Signal::INT => terminal.type_text(key::CTRL_C),
            signal => terminal.signal(signal),
        }
        assert_eq!(terminal.wait(DEADLINE).signal(), Some(signal.as_raw()), "{terminal}");
        check_left(&terminal, "playing 1");
    }
    let mut terminal = play(&server, "1").in_terminal(VT100);
    wait_for_row(&terminal, &["▶ 1"]);
    server.stop();
    wait_for_row(&terminal, &["reconnecting"]);
    terminal.type_text("q");
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
    check_left(&terminal, "");
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let (_music, server) = serve(&[60_000]);
    for shell in ["sh", "bash"] {
        let script = "\"$@\"; echo halt 1; read line; fg; echo halt 2; read line; fg";
        let client = Client::of(server.address()).args(["--output=null", "play", "1"]);
        let client = client.started_by("env", [DEFAULT_SIGNALS, shell, "-m", "-c", script, shell]);
        let terminal = client.in_terminal(VT100);
        for number in 1..=2 {
            wait_for_row(&terminal, &["▶ 1"]);
            terminal.type_text(key::CTRL_Z);
            terminal.wait_for_text(DEADLINE, &format!("halt {number}"));
            assert!(terminal.is_cooked() && !terminal.screen_contains("▶"), "{shell}: {terminal}");
            terminal.type_text("\n");
        }
        wait_for_row(&terminal, &["▶ 1"]);
        terminal.type_text(" ");
        wait_for_row(&terminal, &["paused 1"]);
    }
}

#[test]
fn in_the_background_and_without_a_terminal_nothing_but_titles_is_shown() {
    let (_music, server) = serve(&[1_500]);
    let client = Client::of(server.address()).args(["--output=null", "play", "1"]);
    let script = "\"$@\" & wait; echo over; \"$@\" | cat; echo over again";
    let client = client.started_by("env", [DEFAULT_SIGNALS, "bash", "-m", "-c", script, "bash"]);
    let mut terminal = client.in_terminal(VT100);
    terminal.wait(DEADLINE);
    let mut rows = terminal.screen().rows;
    rows.retain(|row| !row.is_empty() && !row.contains("Done"));
    assert_eq!(rows, ["playing 1 1  0:01", "over", "playing 1 1  0:01", "over again"], "{terminal}");
    assert!(!terminal.transcript().contains('▶'), "{terminal}");
}
