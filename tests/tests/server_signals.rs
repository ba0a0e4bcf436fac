//! The server with signals of a shell and a system, and with blocked outputs.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use trill_proto::limits::MAX_NAME_BYTES;
use trill_proto::message::{Hello, MessageType};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::raw::RawConnection;
use trill_tests::server::ServerProcess;
use trill_tests::{usage, wait};

const DEADLINE: Duration = Duration::from_secs(60);

/// Capacity of a Linux pipe (pipe(7)).
const PIPE_BYTES: usize = 65_536;

fn music() -> MusicDir {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(500));
    music
}

/// Starts the server through `program`.
fn started_by(program: &str, arguments: &[&str], music: &MusicDir) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(ServerProcess::command().get_program());
    command.args(["--listen", "127.0.0.1:0"]).arg(music.path());
    command
}

#[track_caller]
fn check_list(server: &ServerProcess) {
    Client::of(server.address()).arg("list").run(DEADLINE).expect_code(0);
}

#[test]
fn each_signal_that_ends_it_is_a_line_in_the_log() {
    let music = music();
    for (signal, name) in [(Signal::HUP, "SIGHUP"), (Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let defaults = ["--default-signal=HUP,INT,TERM"];
        let mut server = ServerProcess::launch(started_by("env", &defaults, &music));
        server.wait_until_ready();
        server.signal(signal);
        let output = server.wait(DEADLINE).expect_code(0);
        assert!(output.stderr.ends_with(&format!("{name}: shutting down\n")), "{output}");
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let music = music();
    for signal in [Signal::HUP, Signal::INT] {
        let ignored = format!("--ignore-signal={}", signal.as_raw());
        let mut server = ServerProcess::launch(started_by("env", &[&ignored], &music));
        server.wait_until_ready();
        server.signal(signal);
        check_list(&server);
        assert!(!server.process().stderr().contains("shutting down"));
        server.stop().expect_code(0);
    }
}

#[test]
fn it_ends_though_nobody_empties_its_output() {
    let music = music();
    // Both outputs are full pipes.
    let (_stdout, mut to_stdout) = io::pipe().expect("a pipe");
    let (_stderr, mut to_stderr) = io::pipe().expect("a pipe");
    to_stdout.write_all(&[b'x'; PIPE_BYTES]).expect("as much as a pipe takes");
    to_stderr.write_all(&[b'x'; PIPE_BYTES]).expect("as much as a pipe takes");
    let mut command = started_by("env", &["--default-signal=TERM"], &music);
    command.stdin(Stdio::null()).stdout(to_stdout).stderr(to_stderr);
    let server = command.spawn().expect("env");
    wait::wait_for(DEADLINE, "the server to listen", || {
        usage::thread_names(server.id()).is_ok_and(|names| names.iter().any(|name| name == "listener"))
    });
    check_end(server);
}

/// Stops the server with a signal.
#[track_caller]
fn check_end(mut server: Child) {
    kill_process(Pid::from_child(&server), Signal::TERM).expect("a running process");
    let status = wait::try_wait(DEADLINE, || server.try_wait().expect("a child has a status"));
    let _ = server.kill();
    assert_eq!(status.map(|status| (status.code(), status.signal())), Some((Some(0), None)));
}

#[test]
fn it_serves_on_when_nobody_reads_its_log() {
    let music = music();
    let (_stderr, mut full) = io::pipe().expect("a pipe");
    full.write_all(&[b'x'; PIPE_BYTES]).expect("as much as a pipe takes");
    let (_, closed) = io::pipe().expect("a pipe");
    for stderr in [full, closed] {
        let mut command = started_by("env", &["--default-signal=TERM"], &music);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut server = command.spawn().expect("env");
        // Standard output is closed after its first line.
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
        let address: SocketAddr = line.trim().rsplit(' ').next().and_then(|it| it.parse().ok()).expect("an address");
        for _ in 0..3 {
            Client::of(address).arg("list").run(DEADLINE).expect_code(0);
        }
        check_end(server);
    }
}

#[test]
fn it_serves_on_when_its_log_has_reached_its_limit() {
    let music = music();
    let directory = tempfile::tempdir().expect("a directory");
    // `ulimit -f` counts kilobytes or half kilobytes.
    let script = "ulimit -f 1; log=$0; exec \"$@\" 2>\"$log\"";
    for (log, is_limited) in [(directory.path().join("log"), true), ("/dev/full".into(), false)] {
        let arguments = ["-c", script, &log.display().to_string()];
        let mut server = ServerProcess::launch(started_by("sh", &arguments, &music));
        server.wait_until_ready();
        let name = "x".repeat(MAX_NAME_BYTES);
        for _ in 0..20 {
            let mut client = RawConnection::connect(server.address());
            let hello = Hello { name: &name, ..Hello::default() };
            assert_eq!(client.greet(hello, DEADLINE).kind(), Some(MessageType::Welcome));
        }
        check_list(&server);
        if is_limited {
            let is_full = || fs::metadata(&log).is_ok_and(|log| log.len() >= 512);
            wait::wait_for(DEADLINE, "the log to be full", is_full);
        }
        server.stop().expect_code(0);
    }
}
