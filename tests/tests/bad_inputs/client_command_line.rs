//! Arguments and environment of the client. Invalid ones cause a one-line error and no connection; unusual ones work.

use super::{DEADLINE, Findings};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::raw::RawListener;
use trill_tests::server::ServerProcess;

/// A row: its name, the arguments, environment variables, and the expected result. HOST stands for a server.
type Row = (&'static str, Vec<OsString>, Variables, Expected);

type Variables = &'static [(&'static str, &'static str)];

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    /// Exit code 2 and this line after `trill: `.
    Nonsense(String),
    /// Exit code 1 and this line.
    Fails(String),
    /// Exit code 0, this on standard output, and nothing on standard error.
    Prints(String),
}

use Expected::{Fails, Nonsense, Prints};

fn rows() -> Vec<Row> {
    let words = |arguments: &[&str]| arguments.iter().map(OsString::from).collect::<Vec<_>>();
    let wrong = |name, arguments: &[&str], line: &str| (name, words(arguments), &[][..], Nonsense(line.to_owned()));
    let fails = |name, arguments: &[&str], line: &str| (name, words(arguments), &[][..], Fails(line.to_owned()));
    let alone = |name, command: &str| {
        let word = command.split(' ').next().unwrap_or(command);
        let line = format!("{word} needs music that is playing: start trill without a command, then type {word}");
        (name, words(&["HOST", command]), &[][..], Nonsense(line))
    };
    let lists = |name, arguments: &[&str], variables: Variables| {
        (name, words(arguments), variables, Prints("1\tNocturne\t\t\t0:01\n".into()))
    };
    let no_text = |before: &[&str]| [words(before), vec![OsString::from_vec(b"a\xff".to_vec())]].concat();
    let not_text = |shown: &str| Nonsense(format!("{shown:?}: not valid Unicode"));
    vec![
        // ── options ──
        wrong("an unknown option", &["--loud", "HOST", "list"], "no option \"--loud\"; --help lists them"),
        wrong("an option of escapes", &["--\x1b[2J\u{202e}"], "no option \"--\\u{1b}[2J\\u{202e}\"; --help lists them"),
        ("a host that is not UTF-8", no_text(&[]), &[], not_text("a\u{fffd}")),
        ("a value that is not UTF-8", no_text(&["--name"]), &[], not_text("--name")),
        // ── hosts and ports ──
        wrong("no host", &[""], "\"\" is neither a host nor a command"),
        wrong("port 0", &["attic:0", "list"], "\"attic:0\": a port is a number from 1 to 65535"),
        // ── commands ──
        wrong("no such command", &["HOST", "fly"], "no command \"fly\"; help lists them"),
        wrong("a command of escapes", &["HOST", "\x1b[2J"], "no command \"\\u{1b}[2J\"; help lists them"),
        wrong("song 0", &["HOST", "play", "0"], "there is no song 0: song numbers start at 1"),
        alone("stop", "stop"),
        alone("pause", "pause"),
        alone("resume", "resume"),
        alone("next", "next"),
        alone("previous", "previous"),
        alone("seek", "seek 3"),
        alone("volume", "volume 50"),
        alone("quit", "quit"),
        // ── failures ──
        fails(
            "a song that is not there",
            &["HOST", "--output=null", "play", "2"],
            "there is no song 2; list shows what there is",
        ),
        fails(
            "particulars of a song that is not there",
            &["HOST", "info", "4294967295"],
            "there is no song 4294967295; list shows what there is",
        ),
        fails(
            "songs that are not there",
            &["HOST", "--output=null", "play", "2-4"],
            "no songs from 2 to 4; list shows what there is",
        ),
        fails(
            "a time behind the end",
            &["HOST", "--output=null", "play", "1", "at", "0:59"],
            "song 1 is not that long",
        ),
        fails(
            "the last time that there can be",
            &["HOST", "--output=null", "play", "1", "at", "1193:02:47.295"],
            "song 1 is not that long",
        ),
        fails(
            "a file in no directory",
            &["HOST", "--output=wav:/no/such/x.wav", "play", "1"],
            "cannot write /no/such/x.wav: No such file or directory (os error 2)",
        ),
        fails(
            "a directory for a file",
            &["HOST", "--output=wav:/", "play", "1"],
            "cannot write /: Is a directory (os error 21)",
        ),
        fails(
            "a disk that is full",
            &["-q", "HOST", "--output=wav:/dev/full", "play", "1"],
            "cannot write /dev/full: No space left on device (os error 28)",
        ),
        // ── unusual but valid ──
        lists("a beginning", &["HOST", "l"], &[]),
        lists("capitals", &["HOST", "LIST"], &[]),
        lists("spaces", &["HOST", "  list \t"], &[]),
        lists("a name of escapes", &["--name=\x1b[2J\n", "HOST", "list"], &[]),
        lists("a command after --", &["HOST", "--", "list"], &[]),
        lists("an unknown locale", &["HOST", "list"], &[("LANG", "xx_YY.\x1b[2J"), ("LC_ALL", "%n%s")]),
        lists("no home and no path", &["HOST", "list"], &[("HOME", ""), ("PATH", ""), ("XDG_RUNTIME_DIR", "/nowhere")]),
        lists("an unknown terminal", &["HOST", "list"], &[("TERM", "\x1b[2J"), ("COLUMNS", "-1"), ("LINES", "0")]),
        lists("a broken sound system", &["HOST", "list"], &[("ALSA_CONFIG_PATH", "/dev/zero"), ("PULSE_SERVER", "%n")]),
    ]
}

pub(crate) fn names() -> Vec<&'static str> {
    rows().iter().map(|row| row.0).collect()
}

#[test]
fn each_is_one_line_or_done() {
    let music = MusicDir::new();
    music.add("Nocturne.mp3", &corpus::CBR_128.milliseconds(1_500));
    let server = ServerProcess::start(music.path());
    // Invalid arguments must not cause a connection.
    let never_asked = RawListener::bind();
    let mut findings = Findings::default();
    for (name, arguments, variables, expected) in rows() {
        let host = if matches!(expected, Nonsense(_)) { never_asked.address() } else { server.address() };
        let full = |text: &str| text.replace("HOST", &host.to_string());
        let arguments =
            arguments.iter().map(|word| word.to_str().map_or_else(|| word.clone(), |text| full(text).into()));
        let client =
            variables.iter().fold(Client::new().args(arguments), |client, (name, value)| client.env(name, value));
        let output = client.run(DEADLINE);
        let (code, stdout, stderr) = match &expected {
            Nonsense(line) => (2, String::new(), format!("trill: {}\n", full(line))),
            Fails(line) => (1, String::new(), format!("trill: {line}\n")),
            Prints(text) => (0, text.clone(), String::new()),
        };
        findings.compare(
            name,
            "exit",
            (output.status.code(), output.stdout, output.stderr),
            (Some(code), stdout, stderr),
        );
        findings.compare(name, "whether a server was asked", never_asked.try_accept().is_some(), false);
    }
}
