//! What the program says and how it ends when there is no music to play.

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::Stdio;

use common::trill;
use trill_tests::binaries;
use trill_tests::fake_server::{FakeServer, Song};

#[track_caller]
fn check(arguments: &[&str], code: i32, stdout: &str, stderr: &str) {
    let run = trill(arguments, "");
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(code), stdout, stderr), "{arguments:?}");
}

#[test]
fn help_needs_no_server() {
    let run = trill(&["help", "seek"], "");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(run.stdout.starts_with("seek "), "{run:?}");
    assert_eq!(trill(&["--help"], "").code, Some(0));
}

#[test]
fn what_acts_on_playing_music_makes_no_sense_alone() {
    for command in ["stop", "pause", "resume", "next", "previous", "seek 3", "volume 5", "quit"] {
        let run = trill(&["localhost", command], "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{command}");
        assert!(run.only_error().contains("start it without a command"), "{run:?}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_status_2() {
    for arguments in [&["--bogus"][..], &["localhost", "bogus"], &["--output", "mp3:x"], &["localhost", "play", "x"]] {
        let run = trill(arguments, "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        run.only_error();
    }
}

#[test]
fn nobody_there_is_said_in_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number").to_string();
    drop(listener);
    let reason = format!("trill: {address} refused the connection; is trill-server running there?\n");
    check(&[&address, "list"], 1, "", &reason);
    check(&[&address], 1, "", &reason);
    let run = trill(&["no-such-host.invalid", "list"], "");
    assert_eq!(run.code, Some(1));
    assert!(run.only_error().starts_with("trill: cannot find the host no-such-host.invalid: "), "{run:?}");
}

#[test]
fn a_server_that_closes_without_a_word_is_called_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number").to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let run = trill(&[&address, "list"], "");
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.only_error(),
        format!("trill: {address} closed the connection without a word; is it a Trill server?")
    );
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_the_server_is_asked() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let run = trill(&["--output", "wav:/nowhere/x.wav", &server.address.to_string(), "play", "1"], "");
    assert_eq!(run.code, Some(1));
    assert!(run.only_error().contains("/nowhere/x.wav"), "{run:?}");
    assert!(server.log().iter().all(|line| !line.starts_with("PLAY")), "{:?}", server.log());
}

#[test]
fn status_tells_of_the_server() {
    let server = FakeServer::with([Song::short("one", 300.0)]);
    let address = server.address.to_string();
    let expected = format!("server     fake at {address}\nstate      stopped\nunderruns  0\nvolume     100 %\n");
    check(&[&address, "status"], 0, &expected, "");
}

#[test]
fn an_empty_script_does_nothing() {
    let server = FakeServer::with([]);
    check(&[&server.address.to_string()], 0, "", "");
    let run = trill(&[&server.address.to_string()], "\n\n  \nquit\nlist\n");
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn an_empty_library_is_said() {
    let server = FakeServer::with([]);
    let address = server.address.to_string();
    check(&[&address, "list"], 0, "", "the server has no songs\n");
    check(&["--output", "null", &address, "play", "all"], 1, "", "trill: the server has no songs\n");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let song = Song::short("x", 300.0);
    let title = "t".repeat(200);
    let songs = (0..2_000).map(|_| Song { title: title.clone(), audio: Vec::new(), music: Vec::new(), ..song.clone() });
    let server = FakeServer::with(songs);
    let mut child = binaries::command(env!("CARGO_BIN_EXE_trill"))
        .args([&server.address.to_string(), "list"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("UTF-8");
    let status = child.wait().expect("its end");
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    assert!(first.starts_with("1\tttt"), "{first}");
    assert!(server.log().len() < 1_000, "it went on asking for what nobody reads");
}

#[test]
#[cfg(target_os = "linux")]
fn results_that_cannot_be_written_are_an_error() {
    let server = FakeServer::with([Song::short("x", 300.0)]);
    let address = server.address.to_string();
    for arguments in [&[&address, "list"][..], &["help"], &["--help"]] {
        let full = std::fs::File::create("/dev/full").expect("a device that is always full");
        let run =
            binaries::command(env!("CARGO_BIN_EXE_trill")).args(arguments).stdout(full).output().expect("its end");
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("trill: cannot write to standard output: "), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    }
}
