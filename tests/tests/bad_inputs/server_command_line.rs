//! Arguments and environment of the server. It prints a one-line error or serves.

use super::{Findings, is_plain};
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use trill_tests::corpus::MusicDir;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

/// A row: its name, the arguments, environment variables, and the expected result. DIR stands for a directory of music
/// and PORT for a port in use.
type Row = (&'static str, Vec<OsString>, Variables, Expected);

type Variables = &'static [(&'static str, &'static str)];

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    /// This line on standard error, after `trill-server: `, and this exit code.
    Complaint(i32, String),
    /// It serves so many songs under this name.
    Serves(usize, String),
}

fn rows() -> Vec<Row> {
    let words = |arguments: &[&str]| arguments.iter().map(OsString::from).collect::<Vec<_>>();
    let wrong = |name, arguments: &[&str], line: &str| {
        (name, words(arguments), &[][..], Expected::Complaint(2, line.to_owned()))
    };
    let fails = |name, arguments: &[&str], line: &str| {
        (name, words(arguments), &[][..], Expected::Complaint(1, line.to_owned()))
    };
    let serves = |name, arguments: &[&str], songs, called: &str| {
        (name, words(arguments), &[][..], Expected::Serves(songs, called.to_owned()))
    };
    let with = |name, variables: Variables| {
        (name, words(&["--name=x", "DIR"]), variables, Expected::Serves(2, "x".to_owned()))
    };
    let of_bytes = |bytes: &[u8]| vec![OsString::from_vec(bytes.to_vec())];
    vec![
        // ── invalid ──
        wrong("an unknown option", &["--loud"], "no option \"--loud\"; --help lists them"),
        wrong("an option of escapes", &["--\x1b[2J"], "no option \"--\\u{1b}[2J\"; --help lists them"),
        wrong(
            "an address of escapes",
            &["--listen", "\x1b[2J"],
            "--listen takes an address and a port, such as 0.0.0.0:7455, not \"\\u{1b}[2J\"",
        ),
        wrong("no clients", &["--max-clients", "0"], "--max-clients takes a number from 1 on, not \"0\""),
        (
            "a name that is not UTF-8",
            [words(&["--name"]), of_bytes(b"\xff")].concat(),
            &[],
            Expected::Complaint(2, "\"--name\": not valid Unicode".into()),
        ),
        (
            "an option that is not UTF-8",
            of_bytes(b"--\xff"),
            &[],
            Expected::Complaint(2, "no option \"--\u{fffd}\"; --help lists them".into()),
        ),
        // ── failures ──
        fails("a missing directory", &["DIR/nowhere"], "\"DIR/nowhere\": there is no such directory"),
        fails("a file", &["DIR/1.mp3"], "\"DIR/1.mp3\" is not a directory"),
        fails("what is below a file", &["DIR/1.mp3/x"], "\"DIR/1.mp3/x\" is not a directory"),
        fails("a dangling link", &["DIR/broken"], "\"DIR/broken\": there is no such directory"),
        fails(
            "a port that is taken",
            &["--listen=127.0.0.1:PORT", "DIR"],
            "port PORT is taken: another server may be running; --listen chooses a port",
        ),
        fails(
            "another machine's address",
            &["--listen=192.0.2.1:0", "DIR"],
            "192.0.2.1 is not an address of this machine",
        ),
        // ── unusual but valid ──
        serves("a dash in front of a directory", &["--name=x", "--", "-v"], 1, "x"),
        serves("slashes behind it", &["--name=x", "DIR///"], 2, "x"),
        serves("detours", &["--name=x", "DIR/sub/../.././DIRNAME"], 2, "x"),
        serves("a link to it", &["--name=x", "DIR/link"], 1, "x"),
        serves("a name that holds a line and escapes", &["--name=a\x1b[2J\nb", "DIR"], 2, "a\x1b[2J\nb"),
        serves("a directory called with a line and escapes", &["--name=x", "DIR/\x1b[2J\n"], 1, "x"),
        serves(
            "more clients than the system allows",
            &["--name=x", "--max-clients=18446744073709551615", "DIR"],
            2,
            "x",
        ),
        with("a time zone that does not exist", &[("TZ", "Nowhere/Nothing")]),
        with("a time zone that is a path", &[("TZ", ":/etc/passwd")]),
        with("a time zone of escapes", &[("TZ", "\x1b[2J\n")]),
        with("an unknown locale", &[("LANG", "xx_YY.\x1b[2J"), ("LC_ALL", "%n%s")]),
        with("what other programs log by", &[("RUST_LOG", "trace,\x1b"), ("RUST_BACKTRACE", "full")]),
        with("no home and no path", &[("HOME", ""), ("PATH", "")]),
    ]
}

pub(crate) fn names() -> Vec<&'static str> {
    rows().iter().map(|row| row.0).collect()
}

#[test]
fn each_is_one_line_or_serves() {
    let music = MusicDir::new();
    for name in ["1.mp3", "sub/2.mp3"] {
        music.add_bytes(name, b"");
    }
    // Below the served directory, but not part of its songs.
    let beside = tempfile::tempdir().expect("a directory");
    for (name, song) in [("-v", "a.mp3"), ("\x1b[2J\n", "b.mp3")] {
        fs::create_dir(beside.path().join(name)).expect("a directory");
        fs::write(beside.path().join(name).join(song), b"").expect("a file");
    }
    std::os::unix::fs::symlink(beside.path().join("-v"), music.path().join("link")).expect("a link");
    std::os::unix::fs::symlink("nothing", music.path().join("broken")).expect("a link");
    std::os::unix::fs::symlink(beside.path().join("\x1b[2J\n"), music.path().join("\x1b[2J\n")).expect("a link");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port().to_string();
    let full = |text: &str| fill_in(text, music.path(), &port);

    let mut findings = Findings::default();
    for (name, arguments, variables, expected) in rows() {
        let mut command = ServerProcess::command();
        command.current_dir(beside.path()).envs(variables.iter().copied());
        // Arguments that are not text have no placeholders.
        command.args(arguments.iter().map(|word| word.to_str().map_or_else(|| word.clone(), |text| full(text).into())));
        // Only rows that name a port need one of their own; the default port may be in use.
        if !arguments.iter().any(|word| word == "--" || word.to_string_lossy().starts_with("--listen")) {
            command.arg("--listen=127.0.0.1:0");
        }
        match expected {
            Expected::Complaint(code, line) => {
                let output = trill_tests::process::Process::spawn("trill-server", command).wait(super::DEADLINE);
                let found = (output.status.code(), output.stdout.as_str(), output.stderr.as_str());
                findings.compare(
                    name,
                    "exit",
                    found,
                    (Some(code), "", format!("trill-server: {}\n", full(&line)).as_str()),
                );
            }
            Expected::Serves(songs, called) => {
                serve(name, command, songs, &called, &mut findings);
            }
        }
    }
}

fn serve(name: &str, command: std::process::Command, songs: usize, called: &str, findings: &mut Findings) {
    let mut server = ServerProcess::launch(command);
    findings.compare(name, "songs", server.wait_until_ready(), songs);
    let mut session = Session::open(server.address());
    findings.compare(name, "called", session.greeting().server_name.as_str(), called);
    findings.compare(name, "listed", session.list().len(), songs);
    session.leave();
    let output = server.stop();
    findings.compare(name, "exit", output.status.code(), Some(0));
    let stderr = output.stderr.as_str();
    findings.compare(name, "a log that is plain", is_plain(stderr), true);
}

fn fill_in(text: &str, directory: &Path, port: &str) -> String {
    let name = directory.file_name().expect("a name").to_string_lossy();
    let directory = directory.display().to_string();
    text.replace("DIRNAME", &name).replace("DIR", &directory).replace("PORT", port)
}
