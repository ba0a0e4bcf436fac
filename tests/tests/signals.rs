//! The client with signals of a shell and a system.
#![cfg(target_os = "linux")]

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::process::Process;
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{VT100, key};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);

/// A test runner in the background ignores signals, and a client would inherit that.
const DEFAULT_SIGNALS: [&str; 1] = ["--default-signal=HUP,INT,TERM,XFSZ"];

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let (_music, server) = serve_a_song(1_500);
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        let ignored = format!("--ignore-signal={}", signal.as_raw());
        let client = Client::of(server.address()).args(["--output=null", "play", "1"]);
        let mut client = client.started_by("env", [ignored]).spawn();
        client.wait_for_line(DEADLINE, "playing 1");
        client.signal(signal);
        client.wait(DEADLINE).expect_code(0);
    }
}

#[test]
fn nohup_keeps_the_music_on_when_the_terminal_closes() {
    let (_music, server) = serve_a_song(1_500);
    let client = Client::of(server.address()).args(["--output=null", "play", "1"]);
    let mut client = client.started_by("nohup", [""; 0]).spawn();
    client.wait_for_line(DEADLINE, "playing 1");
    client.signal(Signal::HUP);
    client.wait(DEADLINE).expect_code(0);
}

#[test]
fn a_client_that_is_asked_to_end_dies_of_the_signal() {
    let (_music, server) = serve_a_song(60_000);
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        let client = Client::of(server.address()).args(["--output=null", "play", "1"]);
        let mut client = client.started_by("env", DEFAULT_SIGNALS).spawn();
        client.wait_for_line(DEADLINE, "playing 1");
        client.signal(signal);
        let output = client.wait(DEADLINE);
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output}");
    }
}

#[test]
fn one_ctrl_c_ends_a_loop_of_the_shell() {
    let (_music, server) = serve_a_song(60_000);
    let client = Client::of(server.address()).args(["--output=null", "play", "1"]);
    let script = r#"for song in 1 2 3; do "$@"; done; echo "the loop went on""#;
    let shell = client.started_by("env", DEFAULT_SIGNALS.into_iter().chain(["bash", "-c", script, "bash"]));
    let mut terminal = shell.in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "playing 1");
    terminal.type_text(key::CTRL_C);
    let status = terminal.wait(DEADLINE);
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{terminal}");
    assert!(!terminal.screen_contains("the loop went on"), "{terminal}");
}

#[test]
fn one_signal_ends_a_client_whose_output_nobody_reads() {
    let music = MusicDir::new();
    // A list longer than a pipe's capacity.
    let name = "x".repeat(200);
    for index in 0..1_000 {
        music.add_bytes(format!("{index:04} {name}.mp3"), b"");
    }
    let server = ServerProcess::start(music.path());
    let (reader, writer) = io::pipe().expect("the system has free descriptors");
    let mut command = Client::of(server.address()).arg("list").started_by("env", DEFAULT_SIGNALS).into_command();
    command.stdin(Stdio::null()).stdout(writer);
    let mut client = command.spawn().expect("env is installed");
    drop(command);
    let unread = || rustix::io::ioctl_fionread(&reader).expect("a pipe knows what is in it");
    wait::wait_for(DEADLINE, "a full pipe", || unread() > 60_000);
    kill_process(Pid::from_child(&client), Signal::TERM).expect("the client runs");
    let ended = || client.try_wait().expect("a child can be asked for its status");
    let status = wait::wait_for_some(DEADLINE, "the end of a client that cannot write", ended);
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn one_signal_ends_a_client_that_waits_for_the_reader_of_a_fifo() {
    let (_music, server) = serve_a_song(1_500);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let fifo = directory.path().join("out.wav");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is installed");
    assert!(made.success());
    let client = Client::of(server.address()).arg(format!("--output=wav:{}", fifo.display())).args(["play", "1"]);
    let client = client.started_by("env", DEFAULT_SIGNALS).spawn();
    wait::wait_for(DEADLINE, "a client that watches for signals", || has_thread(&client, "signals"));
    client.signal(Signal::TERM);
    let output = client.wait(DEADLINE);
    assert_eq!(output.status.signal(), Some(Signal::TERM.as_raw()), "{output}");
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_no_crash() {
    let (_music, server) = serve_a_song(1_500);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("out");
    for (blocks, words, reason) in [
        (8, vec![format!("--output=wav:{}", path.display()), "play".into(), "1".into()], "File too large"),
        (0, vec!["list".into()], "cannot write to standard output: File too large"),
        (0, vec!["--help".into()], "cannot write to standard output: File too large"),
    ] {
        let script = format!("ulimit -f {blocks}; exec \"$@\" > {}", path.display());
        let arguments = DEFAULT_SIGNALS.into_iter().chain(["sh", "-c", &script, "sh"]);
        let output = Client::of(server.address()).args(&words).started_by("env", arguments).run(DEADLINE);
        let output = output.expect_code(1);
        assert!(output.stderr.contains(reason), "{words:?}: {output}");
    }
}

#[test]
fn an_old_recording_survives_a_new_one_that_fails() {
    let (_music, server) = serve_a_song(1_500);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("old.wav");
    fs::write(&path, "an old recording").expect("a file in a directory of one's own");
    let arguments = DEFAULT_SIGNALS.into_iter().chain(["sh", "-c", "ulimit -f 8; exec \"$@\"", "sh"]);
    let client = Client::of(server.address()).arg(format!("--output=wav:{}", path.display())).args(["play", "1"]);
    let output = client.started_by("env", arguments).run(DEADLINE).expect_code(1);
    assert!(output.stderr.contains("File too large"), "{output}");
    assert_eq!(fs::read(&path).expect("the old file"), b"an old recording");
    assert_eq!(fs::read_dir(directory.path()).expect("the directory").count(), 1);
}

fn has_thread(process: &Process, name: &str) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).into_iter().flatten().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok()).any(|comm| comm.trim_end() == name)
}

fn serve_a_song(milliseconds: u32) -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(milliseconds));
    let server = ServerProcess::start(music.path());
    (music, server)
}
