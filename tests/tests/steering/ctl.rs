//! `trill ctl`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use trill_tests::client::Client;
use trill_tests::proxy::{Conditions, Direction, Fault, Proxy};
use trill_tests::terminal::{Terminal, key};
use trill_tests::wait;

use crate::{DEADLINE, Session, prompt};

#[test]
fn the_player_in_another_terminal_obeys_and_answers_like_its_prompt() {
    let session = Session::start();
    let mut player = session.playing();
    assert_eq!(session.answer(&["pause"]), "");
    player.wait_for_text(DEADLINE, "paused");
    assert!(session.answer(&["status"]).contains("state      paused\nsong       1\n"));
    assert_eq!(session.answer(&["resume"]), "");
    assert_eq!(session.answer(&["next"]), "");
    assert!(session.answer(&["stat"]).contains("state      playing\nsong       2\n"));
    session.answer(&["seek", "0:30"]);
    player.wait_for_text(DEADLINE, "0:30");
    session.answer(&["seek", "-10"]);
    assert!(session.answer(&["status"]).contains("position   0:2"));
    session.answer(&["volume", "30"]);
    assert_eq!(session.answer(&["volume"]), "volume 30\n");
    for question in [&["list"][..], &["info", "2"], &["help"], &["help", "play"]] {
        let asked = session.client().args(question).run(DEADLINE).expect_code(0);
        assert_eq!(session.answer(question), asked.stdout, "{question:?}");
    }
    let objects = session.answer(&["queue", "--json"]);
    let places: Vec<Value> = objects.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert_eq!((places.len(), &places[1]["place"], &places[1]["title"]), (2, &2.into(), &"2".into()), "{objects}");
    assert_eq!(session.answer(&["find", "nobody", "--json"]), "");
    session.answer(&["stop"]);
    player.wait_for_text(DEADLINE, "stopped");
    session.answer(&["quit"]);
    assert_eq!(player.wait(DEADLINE).code(), Some(0), "{player}");
    session.check_failure(&["pause"], 1, "trill: no player is running; start trill in another terminal");
    assert!(sockets(&session).is_empty());
}

#[test]
fn what_is_not_possible_is_said_where_it_was_typed() {
    let session = Session::start();
    let player = session.player();
    session.check_failure(&["pause"], 1, "trill: nothing is playing; play N plays song N");
    session.check_failure(&["play", "9"], 1, "trill: there is no song 9; list shows what there is");
    session.check_failure(&["info", "9"], 1, "trill: there is no song 9; list shows what there is");
    session.check_failure(&["fly"], 2, "trill: no command \"fly\"; help lists them");
    session.check_failure(&[], 2, "trill: ctl needs a command, for example: trill ctl pause");
    session.check_failure(&["--player=x", "stop"], 2, "trill: --player takes a process id, not \"x\"");
    session.check_failure(
        &["stop", "--json"],
        2,
        "trill: --json goes with list, find, albums, artists, info, queue and status",
    );
    for arguments in [&["stop", "--follow"][..], &["status", "--follow"]] {
        let reason = "trill: --follow goes with status: trill ctl status --json --follow";
        session.check_failure(arguments, 2, reason);
    }
    session.check_failure(&["--volume=3", "stop"], 2, "trill: no option \"--volume=3\"; --help lists them");
    assert!(!player.screen_contains("nothing is playing"), "{player}");
    session.answer(&["stop"]);
}

#[test]
fn the_full_screen_and_a_client_get_their_own_answers() {
    let session = Session::with_empty_songs(120);
    let mut player = session.player();
    session.check_failure(&["browse"], 1, "trill: browse needs the player's own terminal");
    player.type_line("browse");
    player.wait_for_text(DEADLINE, "3 Songs                      122");
    for number in 0..20 {
        let number = format!("{number:05}");
        player.type_text(&format!("/{number}"));
        let found = session.answer(&["find", "empty0011"]);
        assert_eq!(found.lines().count(), 10, "{found}");
        player.wait_for(DEADLINE, "one song", |screen| {
            screen.contains("3 Songs                        1") && screen.contains(&format!("empty{number}"))
        });
        player.type_text("\x1b");
        player.wait_for_text(DEADLINE, "3 Songs                      122");
    }
    player.type_text("q");
    player.wait_for(DEADLINE, "the prompt", |screen| screen.contains("trill>") && !screen.contains("empty0011"));
    player.type_line("quit");
    assert_eq!(player.wait(DEADLINE).code(), Some(0), "{player}");
}

#[test]
fn while_the_server_is_away_clients_are_told_so_at_once() {
    let session = Session::with_empty_songs(120);
    let player = session.playing();
    session.server.signal(Signal::KILL);
    player.wait_for_text(DEADLINE, "reconnecting");
    let reason = format!("trill: not connected: reconnecting to {}", session.server.address());
    // More often than there is room for questions.
    for _ in 0..3 {
        for question in [&["list"][..], &["find", "empty"], &["info", "1"]] {
            session.check_failure(question, 1, &reason);
        }
    }
    player.type_line("stop");
    player.wait_for_text(DEADLINE, "stopped");
}

#[test]
fn many_clients_ask_at_once_on_a_long_path() {
    let session = Session::with_empty_songs(20);
    let far = Conditions { delay: Duration::from_millis(50), ..Conditions::PERFECT };
    let proxy = Proxy::start(session.server.address(), far);
    let _player = prompt(Client::of(proxy.address()).env("XDG_RUNTIME_DIR", session.runtime()));
    let ask = |number: u32| (number, session.ctl_client(&["find", &format!("empty{number:05}")]).spawn());
    let asked: Vec<_> = (0..12).map(ask).collect();
    for (number, client) in asked {
        let answer = client.wait(DEADLINE).expect_code(0).stdout;
        assert!(answer.lines().count() == 1 && answer.contains(&format!("empty{number:05}")), "{answer}");
    }
}

#[test]
fn a_client_whose_question_is_on_its_way_does_not_wait_for_a_lost_server() {
    let session = Session::with_empty_songs(120);
    let proxy = Proxy::start(session.server.address(), Conditions::PERFECT);
    let player = prompt(Client::of(proxy.address()).env("XDG_RUNTIME_DIR", session.runtime()));
    player.type_line("play 1-2");
    player.wait_for_text(DEADLINE, "0:01");
    proxy.inject(Direction::ToClient, Fault::Freeze(Duration::MAX));
    let sent = proxy.received(Direction::ToServer);
    let list = session.ctl_client(&["list"]).spawn();
    wait::wait_for(DEADLINE, "the question", || proxy.received(Direction::ToServer) > sent);
    proxy.refuse(true);
    proxy.inject_both(Fault::Close);
    let list = list.wait(DEADLINE).expect_code(1);
    assert_eq!((list.stdout.as_str(), list.stderr.lines().count()), ("", 1), "{}", list.stderr);
    assert!(list.stderr.starts_with("trill: not connected: reconnecting to "), "{}", list.stderr);
    // The answer that comes after all is for nobody, and the next question gets its own.
    proxy.refuse(false);
    player.type_line("info 2");
    player.wait_for_text(DEADLINE, "file       2.mp3");
    assert!(!player.screen_contains("empty"), "{player}");
}

#[test]
fn a_status_bar_gets_a_line_at_every_change() {
    let session = Session::start();
    let mut player = session.player();
    let mut bar = session.ctl_client(&["status", "--json", "--follow"]).spawn();
    bar.wait_for_line(DEADLINE, r#""state":"stopped","song":null"#);
    player.type_line("play 1-2");
    bar.wait_for_line(DEADLINE, r#""state":"playing","song":1"#);
    player.type_line("pause");
    bar.wait_for_line(DEADLINE, r#""state":"paused","song":1"#);
    session.answer(&["seek", "40"]);
    bar.wait_for_line(DEADLINE, r#""position":40.0"#);
    session.answer(&["volume", "70"]);
    bar.wait_for_line(DEADLINE, r#""volume":70"#);
    session.answer(&["resume"]);
    // Positions pass without a line, unless a busy machine stops the music for a second. The next line comes at the next change.
    player.wait_for_text(DEADLINE, "0:43");
    session.answer(&["next"]);
    bar.wait_for_line(DEADLINE, r#""state":"playing","song":2"#);
    player.type_line("shuffle on");
    bar.wait_for_line(
        DEADLINE,
        r#""place":2,"songs":2,"shuffle":"on","repeat":"off","stops_after":false,"sleep":null"#,
    );
    player.type_line("repeat all");
    player.type_line("stop after");
    player.type_line("gain auto");
    player.type_line("sleep 30m");
    bar.wait_for_line(DEADLINE, r#""repeat":"all","stops_after":true,"sleep":1"#);
    let queue = "queue      place 2 of 2, shuffled, repeat all, stops after this song\nsleep      in ";
    let status = session.answer(&["status"]);
    assert!(status.contains(queue) && status.contains("gain       auto\n"), "{status}");
    let lines = bar.lines();
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    let later = |line: &&Value| line["song"] == 1 && line["position"].as_f64().is_some_and(|at| at > 41.0);
    assert!(lines.iter().filter(later).count() < 3, "{lines:?}");
    let once: Value = serde_json::from_str(&session.answer(&["status", "--json"])).expect("a JSON object");
    assert_eq!((&once["song"], &once["duration"]), (&2.into(), &60.0.into()), "{once}");
    player.type_text(key::CTRL_D);
    player.wait(DEADLINE);
    bar.wait(DEADLINE).expect_code(0);
}

#[test]
fn of_several_players_the_newest_answers_or_the_one_that_is_named() {
    let session = Session::start();
    let older = session.player();
    let mut newer = session.player();
    session.answer(&["volume", "20"]);
    let named = |player: &Terminal| session.answer(&["--player", &player.id().to_string(), "volume"]);
    assert_eq!([named(&older), named(&newer)], ["volume 100\n", "volume 20\n"]);
    newer.type_text(key::CTRL_D);
    newer.wait(DEADLINE);
    assert_eq!(session.answer(&["volume"]), "volume 100\n");
    let ended = newer.id().to_string();
    session.check_failure(&["--player", &ended, "stop"], 1, &format!("trill: no player {ended} is running"));
}

#[test]
fn the_socket_of_a_killed_player_is_in_nobodys_way() {
    let session = Session::start();
    drop(session.player());
    assert_eq!(sockets(&session).len(), 1, "a killed player removes nothing");
    let newer = session.player();
    assert_eq!(session.answer(&["volume"]), "volume 100\n");
    drop(newer);
    session.check_failure(&["stop"], 1, "trill: no player is running; start trill in another terminal");
    assert!(sockets(&session).is_empty(), "a client removes what dead players have left");
}

#[test]
fn only_the_user_can_reach_the_socket() {
    let session = Session::start();
    let client = session.client().started_by("sh", ["-c", "umask 000; exec \"$@\"", "sh"]);
    let _player = prompt(client);
    let mode = |path: PathBuf| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(session.runtime().join("trill")), 0o700);
    assert_eq!(sockets(&session).into_iter().map(mode).collect::<Vec<_>>(), [0o600]);
}

#[test]
fn without_a_runtime_directory_the_sockets_are_in_the_temporary_one() {
    let session = Session::start();
    let with_temporary = |client: Client| client.env("XDG_RUNTIME_DIR", "").env("TMPDIR", session.runtime());
    let _player = prompt(with_temporary(session.client()));
    let volume = with_temporary(session.ctl_client(&["volume"])).run(DEADLINE);
    assert_eq!(volume.expect_code(0).stdout, "volume 100\n");
    let user = rustix::process::geteuid().as_raw();
    assert!(session.runtime().join(format!("trill-{user}")).is_dir());
}

// ── clients that misbehave ──

#[test]
fn no_client_stops_the_music_or_other_clients() {
    let session = Session::with_empty_songs(5_000);
    let player = session.playing();
    let socket = sockets(&session).remove(0);
    let connect = || UnixStream::connect(&socket).expect("a player listens");
    let send = |bytes: &[u8]| {
        let mut stream = connect();
        stream.write_all(bytes).expect("a player reads");
        stream
    };
    // It says nothing, it says half a line, and it reads no answer.
    let _stalled = [connect(), send(b"pau"), send(b"list\nlist\nlist\n")];
    // A megabyte without a line end. The player closes the connection before the end.
    let mut endless = connect();
    let _ = endless.write_all(&[b'x'; 1 << 20]);
    let mut refusal = String::new();
    let _ = endless.read_to_string(&mut refusal);
    assert_eq!(refusal, "err line too long\nend 1\n");
    // Bytes that are not text, and an empty line.
    let mut junk = send(b"\xff\x00\n\nvolume\n");
    junk.shutdown(std::net::Shutdown::Write).expect("an open socket");
    let mut answers = String::new();
    junk.read_to_string(&mut answers).expect("a player answers");
    assert!(answers.starts_with("err no command "), "{answers}");
    assert!(answers.ends_with("end 1\nend 0\nout volume 100\nend 0\n"), "{answers}");
    // More clients than there is room for.
    let crowd: Vec<_> = (0..30).map(|_| connect()).collect();
    let last = crowd.last().expect("thirty");
    let refusal = BufReader::new(last).lines().next().expect("a line").expect("text");
    assert_eq!(refusal, "err too many clients");
    drop(crowd);
    // There is room again.
    let answer = wait::wait_for_some(DEADLINE, "room for a client", || {
        Some(session.ctl(&["volume"])).filter(|output| output.status.success())
    });
    assert_eq!(answer.stdout, "volume 100\n");
    // A flood of commands.
    let mut flood = send(&b"volume 50\n".repeat(2_000));
    flood.shutdown(std::net::Shutdown::Write).expect("an open socket");
    let mut ends = String::new();
    flood.read_to_string(&mut ends).expect("a player answers");
    assert_eq!(ends, "end 0\n".repeat(2_000));
    player.wait_for_text(DEADLINE, "trill>");
    session.answer(&["seek", "0:50"]);
    player.wait_for_text(DEADLINE, "0:51");
    let status = session.answer(&["status"]);
    assert!(status.contains("state      playing") && status.contains("underruns  0"), "{status}");
}

/// The sockets of the session's players.
fn sockets(session: &Session) -> Vec<PathBuf> {
    let entries = fs::read_dir(session.runtime().join("trill")).expect("the directory of sockets");
    entries.map(|entry| entry.expect("a readable directory").path()).collect()
}
