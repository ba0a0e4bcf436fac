//! Starting, stopping and admission of `trill-server`.
#![cfg(target_os = "linux")]

use rustix::process::Signal;
use std::fs::{self, File, Permissions};
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::limits::MAX_CREDIT_BYTES;
use trill_proto::message::{
    EndReason, GoodbyeReason, Hello, Message, MessageType, PREAMBLE, Play, REFUSAL_MAGIC, Start, Welcome, refusal,
};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages::encode;
use trill_tests::process::Process;
use trill_tests::raw::{Ending, RawConnection};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;
use trill_tests::wait;

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Longer than the first credit.
const LONG: corpus::Song = corpus::CBR_128.milliseconds(5_000);

// ── starting ──

#[test]
fn help_names_every_option_and_version_the_version() {
    for flag in ["--help", "-h"] {
        let output = ServerProcess::run([flag]).expect_code(0);
        for option in [
            "--listen",
            "--max-clients",
            "--max-per-address",
            "--name",
            "--follow-symlinks",
            "--verbose",
            "--quiet",
            "--version",
        ] {
            assert!(output.stdout.contains(option), "{option}: {output}");
        }
        assert_eq!(output.stderr, "");
        assert!(output.stdout.lines().all(|line| line.len() <= 80), "it fits a terminal: {output}");
    }
    for flag in ["--version", "-V"] {
        let output = ServerProcess::run([flag]).expect_code(0);
        assert_eq!(output.stdout, format!("trill-server {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_directory_that_may_not_be_read_ends_with_1() {
    let music = MusicDir::new();
    let closed = music.path().join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).expect("a directory of this test's own");
    let mut command = ServerProcess::command_without_privileges(music.path());
    command.args(["--listen", "127.0.0.1:0"]).arg(&closed);
    let output = Process::spawn("trill-server", command).wait(DEADLINE).expect_code(1);
    assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 1), "{output}");
    assert!(output.stderr.starts_with("trill-server: ") && output.stderr.contains("cannot be read: "), "{output}");
}

#[test]
fn it_says_where_it_listens_before_it_knows_its_songs_and_what_to_type() {
    let music = MusicDir::new();
    music.add("1.mp3", &LONG);
    let mut server = ServerProcess::start(music.path());
    let address = server.address();
    assert_ne!(address.port(), 0, "the port that it got");
    let typed = server.process().wait_for_line(DEADLINE, "on this machine type:");
    server.process().wait_for_line(DEADLINE, "other machines cannot connect");
    let stdout = server.process().stdout();
    let lines: Vec<_> = stdout.lines().take(2).collect();
    assert_eq!(lines, [format!("listening on {address}"), "ready, 1 song".to_owned()]);
    // The suggested command works.
    let (_, command) = typed.split_once("trill ").expect("the name of the client");
    let client = Client::new().arg(command).arg("list").run(DEADLINE).expect_code(0);
    assert_eq!(client.stdout.lines().count(), 1, "{client}");
}

#[test]
fn all_addresses_are_both_kinds_of_addresses() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("not tested: this machine has no IPv6");
        return;
    }
    let mut command = ServerProcess::command();
    command.args(["--listen", "[::]:0", "--no-announce"]);
    let mut server = ServerProcess::launch(command);
    server.process().wait_for_line(DEADLINE, "open to everybody on the network: there is no password");
    for ip in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(ip.parse().expect("an address"), server.address().port());
        assert_eq!(Session::open(address).list().len(), 3, "{ip}");
    }
}

#[test]
fn without_a_directory_it_serves_the_songs_that_are_built_in() {
    let mut command = ServerProcess::command();
    command.args(["--listen", "127.0.0.1:0", "--name", "demo"]);
    let mut server = ServerProcess::launch(command);
    assert_eq!(server.wait_until_ready(), 3);
    server.process().wait_for_line(DEADLINE, "serving 3 built-in songs");
    let mut session = Session::open(server.address());
    assert_eq!(session.greeting().server_name, "demo");
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/assets");
    let mut files: Vec<_> =
        fs::read_dir(assets).expect("the songs").map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "mp3"));
    files.sort();
    let songs = session.list_measured();
    for (song, path) in songs.iter().zip(&files) {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        assert_eq!(Some(song.title.as_str()), name.get(3..), "{song:?}");
        let played = session.play_out(song.id).expect("a song that was listed");
        assert!(played.audio == layout::audio_of(path), "{song:?} is not {}", path.display());
    }
    assert_eq!((songs.len(), files.len()), (3, 3));
}

#[test]
fn the_log_tells_who_joined_what_they_play_who_left_and_why() {
    let music = MusicDir::new();
    music.add("Nocturne.mp3", &LONG);
    let said = |options: &[&str]| {
        let server = ServerProcess::start_with(music.path(), options);
        let mut session = Session::open(server.address());
        session.list_measured();
        let stream = session.request_play(1, Start::Time(0));
        session.started(stream).expect("a song that is there");
        let unknown = session.request_play(9, Start::Time(0));
        session.started(unknown).expect_err("there is one song");
        let mut browser = RawConnection::connect(server.address());
        browser.send(b"GET / HTTP/1.1\r\n\r\n");
        browser.receive_to_end(DEADLINE);
        let client = session.stream().local_addr().expect("a connected socket has an address");
        session.leave();
        let log = server.stop().expect_code(0).stderr;
        // Every line begins with date and time.
        let lines: Vec<_> = log.lines().map(|line| line.get("2026-11-22 17:25:03 ".len()..).unwrap_or(line)).collect();
        let lines = lines.join("\n").replace(&format!("session ({client})"), "it");
        (log.is_empty(), lines)
    };
    let (_, lines) = said(&[]);
    for line in ["it joined", "it plays 1 \"Nocturne\"", "it left: goodbye", "SIGTERM: shutting down"] {
        assert!(lines.lines().any(|said| said == line), "{line}: {lines}");
    }
    assert!(!lines.contains("lists songs"), "{lines}");
    let (_, details) = said(&["-v"]);
    for part in [
        "it lists songs from 1 on",
        "it asked for song 9: there is no such song",
        " was refused: the other side does not speak Trill",
    ] {
        assert!(details.contains(part), "{part}: {details}");
    }
    let (is_silent, lines) = said(&["-q"]);
    assert!(is_silent, "{lines}");
}

// ── admission ──

/// The server's answer to a client's preamble and HELLO.
fn answer(address: SocketAddr) -> (RawConnection, Vec<u8>) {
    let mut connection = RawConnection::connect(address);
    connection.send(&[PREAMBLE.as_slice(), &encode(&Message::Hello(Hello::default()))].concat());
    let answer = connection.receive(PREAMBLE.len(), DEADLINE);
    (connection, answer)
}

#[test]
fn a_full_server_is_busy_and_takes_the_next_when_somebody_has_left() {
    let music = MusicDir::new();
    music.add("1.mp3", &LONG);
    let server = ServerProcess::start_with(music.path(), &["--max-clients", "2"]);
    let nonce = [7; 16];
    let (mut first, second) = (Session::open_as(server.address(), nonce), Session::open(server.address()));

    let (mut third, refused) = answer(server.address());
    assert_eq!(refused, refusal(Refusal::Busy));
    assert_eq!(third.receive_to_end(DEADLINE), (Vec::new(), Ending::EndOfStream));
    let client = Client::of(server.address()).arg("list").run(DEADLINE).expect_code(1);
    assert!(client.stderr.contains("full") && client.stderr.lines().count() == 1, "{client}");

    // A client that returns to its own place is not a third one.
    let mut again = Session::open_as(server.address(), nonce);
    assert_eq!(first.until_closed(), (Some(GoodbyeReason::Superseded), Ending::EndOfStream));
    assert_eq!(again.list().len(), 1);

    // A place becomes free when the server has noticed the disconnection, not at GOODBYE.
    drop(second);
    let welcomed = wait::wait_for_some(DEADLINE, "a place", || {
        let (connection, answer) = answer(server.address());
        (answer[..4] != REFUSAL_MAGIC).then_some(connection)
    });
    drop(welcomed);
    again.leave();
}

#[test]
fn one_client_too_many_from_an_address_is_told_so_and_others_come_in() {
    let music = MusicDir::new();
    music.add("1.mp3", &LONG);
    // A server for both address families sees IPv4 clients as IPv4-mapped IPv6.
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let mut command = ServerProcess::command();
    command.args([
        "--listen",
        if has_ipv6 { "[::]:0" } else { "0.0.0.0:0" },
        "--no-announce",
        "--max-per-address",
        "2",
        "-v",
    ]);
    command.arg(music.path());
    let mut server = ServerProcess::launch(command);
    let at = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), server.address().port());
    let nonce = [7; 16];
    let (mut first, second) = (Session::open_as(at("127.0.0.1"), nonce), Session::open(at("127.0.0.1")));

    let (mut third, preamble) = answer(at("127.0.0.1"));
    assert_eq!(preamble, PREAMBLE);
    let refused = third.receive_frame(DEADLINE);
    let Message::Error(error) = refused.message() else { panic!("{refused:?}") };
    assert_eq!((error.id, error.code), (0, ErrorCode::TOO_MANY_CLIENTS));
    assert_eq!(error.text, "at most 2 clients from one address");
    assert_eq!(third.receive_to_end(DEADLINE), (Vec::new(), Ending::EndOfStream));
    let client = Client::of(at("127.0.0.1")).arg("list").run(DEADLINE).expect_code(1);
    assert!(client.stderr.contains("at most 2 clients from one address"), "{client}");
    let elsewhere = "127.0.0.2".parse().expect("an address");
    let answer = RawConnection::connect_from(elsewhere, at("127.0.0.1")).greet(Hello::default(), DEADLINE);
    assert_eq!(answer.kind(), Some(MessageType::Welcome));
    if has_ipv6 {
        Session::open(at("::1")).leave();
    }

    // A client that returns to its own place is not a third one.
    let mut again = Session::open_as(at("127.0.0.1"), nonce);
    assert_eq!(first.until_closed(), (Some(GoodbyeReason::Superseded), Ending::EndOfStream));
    assert_eq!(again.list().len(), 1);
    second.leave();
    Session::open(at("127.0.0.1")).leave();
    server.process().wait_for_line(DEADLINE, "was refused: at most 2 clients from one address");
}

#[test]
fn a_client_that_comes_again_takes_the_place_of_its_ghost() {
    let music = MusicDir::new();
    music.add("1.mp3", &LONG);
    let server = ServerProcess::start(music.path());
    let mut others = [[0; 16], [0; 16], [8; 16]].map(|nonce| Session::open_as(server.address(), nonce));
    let mut ghost = Session::open_as(server.address(), [9; 16]);
    let stream = ghost.request_play(1, Start::Time(0));
    ghost.receive_audio(stream, 16_384);
    let mut live = Session::open_as(server.address(), [9; 16]);
    assert_eq!(ghost.until_closed(), (Some(GoodbyeReason::Superseded), Ending::EndOfStream));
    assert_eq!(ghost.played(stream).end, None, "a stream that GOODBYE cuts may be resumed");
    for session in others.iter_mut().chain([&mut live]) {
        assert_eq!(session.list().len(), 1);
    }
}

// ── ending ──

/// A client that is sent 16 MiB and reads only the first frame.
fn stuck_client(server: &ServerProcess) -> RawConnection {
    let mut connection = RawConnection::connect(server.address());
    connection.set_receive_buffer(4_096);
    let answer = connection.greet(Hello::default(), DEADLINE);
    assert!(matches!(answer.message(), Message::Welcome(Welcome { .. })), "{answer:?}");
    connection.send_message(&Message::Play(Play {
        stream: trill_proto::ids::StreamId(1),
        song: trill_proto::ids::SongId(2),
        start: Start::Time(0),
        content_tag: 0,
        credit: MAX_CREDIT_BYTES,
    }));
    connection.receive_until(MessageType::Data, DEADLINE);
    connection
}

/// A client that requests a song whose scan takes minutes. The server has the request.
fn patient_client(server: &mut ServerProcess) -> Session {
    let mut session = Session::open(server.address());
    session.request_info(3);
    server.process().wait_for_line(DEADLINE, "asks about song 3");
    session
}

/// Song 1 is [`LONG`], song 2 has 20 MB, song 3 has 64 GB without sound.
fn music_for_difficult_clients() -> MusicDir {
    let music = MusicDir::new();
    let long = fs::read(music.add("1.mp3", &LONG)).expect("a song that was just added");
    music.add_bytes("2.mp3", &long.repeat(20_000_000 / long.len()));
    let silence = File::create(music.path().join("3.mp3")).expect("a file of this test's own");
    silence.set_len(64 << 30).expect("a file system with sparse files");
    music
}

#[test]
fn told_to_end_it_says_goodbye_to_everybody_and_waits_for_nobody() {
    let music = music_for_difficult_clients();
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = ServerProcess::start_with(music.path(), &["-v"]);
        let (mut idle, mut playing) = (Session::open(server.address()), Session::open(server.address()));
        let stream = playing.request_play(1, Start::Time(0));
        playing.receive_audio(stream, 16_384);
        let (_stuck, _patient) = (stuck_client(&server), patient_client(&mut server));
        let _silent = RawConnection::connect(server.address());
        let asked = Instant::now();
        server.signal(signal);
        for session in [&mut idle, &mut playing] {
            assert_eq!(session.until_closed(), (Some(GoodbyeReason::Restarting), Ending::EndOfStream), "{signal:?}");
        }
        assert_eq!(playing.played(stream).end, None, "a stream that GOODBYE cuts may be resumed");
        wait::wait_for(DEADLINE, "the server's end", || server.process().has_ended());
        let took = asked.elapsed();
        println!("figure: server: ended {took:?} after {signal:?}, with clients that did not let go");
        assert!(took < Duration::from_secs(5), "{took:?}");
        server.stop().expect_code(0);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let music = music_for_difficult_clients();
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = ServerProcess::start_with(music.path(), &["-v"]);
        let _patient = patient_client(&mut server);
        // A second signal from an impatient user. The client delays the server's end by a second.
        let asked = Instant::now();
        wait::wait_for(DEADLINE, "the server's end", || {
            server.signal(signal);
            server.process().has_ended()
        });
        println!("figure: server: ended {:?} after {signal:?} again and again", asked.elapsed());
        assert_eq!(server.stop().status.signal(), Some(signal.as_raw()), "it dies of the signal");
    }
}

#[test]
fn a_stream_that_a_restart_has_cut_is_resumed_to_the_byte() {
    const HEARD: usize = 16_384;
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::VBR.milliseconds(2_000));
    music.add("2.mp3", &LONG);
    let audio = layout::audio_of(&LONG.make());
    for (kill, expected) in [
        (Signal::TERM, (Some(GoodbyeReason::Restarting), Ending::EndOfStream)),
        (Signal::KILL, (None, Ending::EndOfStream)),
    ] {
        let mut server = ServerProcess::start(music.path());
        let mut session = Session::open(server.address());
        let stream = session.request_play(2, Start::Time(0));
        let before = session.started(stream).expect("a song that is there");
        session.receive_audio(stream, HEARD);
        server.signal(kill);
        assert_eq!(session.until_closed(), expected, "{kill:?}");
        let mut heard = session.played(stream).audio.clone();
        wait::wait_for(DEADLINE, "the server's end", || server.process().has_ended());

        // On the same port, although old connections may linger there.
        let mut command: Command = ServerProcess::command();
        command.args(["--listen", &server.address().to_string()]).arg(music.path());
        let restarted = ServerProcess::launch(command);
        let mut session = Session::open(restarted.address());
        let stream = session.request_play_of(2, Start::Resume(heard.len() as u64), before.content_tag, 10_000);
        let after = session.started(stream).expect("the same song");
        assert_eq!((after.song, after.content_tag), (before.song, before.content_tag));
        assert_eq!(
            (after.position, after.size_bytes, after.end_sample),
            (HEARD as u64, before.size_bytes, before.end_sample)
        );
        let rest = session.receive_all(stream);
        assert_eq!(rest.end, Some(EndReason::Finished));
        heard.extend(rest.audio);
        assert!(heard == audio, "{kill:?}: the two parts are not the song");
        // A client that missed only the end.
        let stream = session.request_play_of(2, Start::Resume(audio.len() as u64), before.content_tag, 0);
        assert_eq!(session.ended(stream).end, Some(EndReason::Finished));
        restarted.stop().expect_code(0);
    }
}
