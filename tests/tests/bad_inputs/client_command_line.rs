//! How the client may be started: arguments and environment. What makes no sense is said in one line and asks nobody;
//! what looks odd is done.

use super::{DEADLINE, Findings};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::raw::RawListener;
use trill_tests::server::ServerProcess;

/// A name for people, the arguments, variables of the environment, and what must come of it. HOST stands for a server.
type Row = (&'static str, Vec<OsString>, Variables, Expected);

type Variables = &'static [(&'static str, &'static str)];

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    /// Exit code 2 and this line after `trill: `, before `(trill --help explains)` where the words are wrong.
    Nonsense(String),
    /// Exit code 1 and this line.
    Fails(String),
    /// Exit code 0, this on standard output, and nothing on standard error.
    Prints(String),
}

use Expected::{Fails, Nonsense, Prints};

fn rows() -> Vec<Row> {
    let words = |arguments: &[&str]| arguments.iter().map(OsString::from).collect::<Vec<_>>();
    let wrong = |name, arguments: &[&str], line: &str| {
        (name, words(arguments), &[][..], Nonsense(format!("{line} (trill --help explains)")))
    };
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
    let not_text = |shown: &str| Nonsense(format!("{shown:?}: not valid Unicode (trill --help explains)"));
    let no_host = |shown: &str| format!("{shown} is neither a host nor a command");
    let no_port = |shown: &str| format!("{shown:?}: a port is a number from 1 to 65535");
    vec![
        // ── options ──
        wrong("an unknown option", &["--loud", "HOST", "list"], "no option \"--loud\"; --help lists them"),
        wrong("an unknown letter", &["HOST", "list", "-x"], "no option \"-x\"; --help lists them"),
        wrong("a dash", &["-"], "no option \"-\"; --help lists them"),
        wrong("an option of escapes", &["--\x1b[2J\u{202e}"], "no option \"--\\u{1b}[2J\\u{202e}\"; --help lists them"),
        wrong("a flag with a value", &["--verbose=2"], "no option \"--verbose=2\"; --help lists them"),
        wrong(
            "an output of no kind",
            &["--output", "tape", "HOST", "list"],
            "--output: unknown output \"tape\": expected device, device:NAME, wav:PATH or null",
        ),
        wrong("an output that is missing", &["--output"], "--output needs a value"),
        wrong("an output that is an option", &["--output", "--quiet", "HOST"], "--output needs a value"),
        wrong("a file without a name", &["--output", "wav:", "HOST"], "--output: incomplete output: expected wav:PATH"),
        wrong(
            "a device without a name",
            &["--output=device:", "HOST"],
            "--output: incomplete output: expected device:NAME",
        ),
        wrong(
            "nowhere, but somewhere",
            &["--output=null:x", "HOST"],
            "--output: unknown output \"null:x\": expected device, device:NAME, wav:PATH or null",
        ),
        wrong("an output twice", &["--output=null", "--output", "null", "HOST"], "--output is given twice"),
        wrong("a volume over 100", &["--volume=101", "HOST", "list"], "--volume must be 0 to 100, not \"101\""),
        wrong("a volume below 0", &["--volume=-1", "HOST", "list"], "--volume needs a value"),
        wrong("a volume in words", &["--volume", "loud", "HOST", "list"], "--volume must be 0 to 100, not \"loud\""),
        wrong("a volume of other digits", &["--volume", "٣", "HOST"], "--volume must be 0 to 100, not \"٣\""),
        wrong("an empty name", &["--name", "", "HOST"], "--name takes 1 to 64 bytes"),
        wrong("a name of 65 bytes", &["--name", &"x".repeat(65), "HOST"], "--name takes 1 to 64 bytes"),
        wrong("quiet and verbose", &["-v", "-q", "HOST", "list"], "--verbose and --quiet contradict each other"),
        wrong(
            "devices and a host",
            &["--list-devices", "HOST"],
            "unexpected argument \"HOST\": --list-devices takes none",
        ),
        ("a host that is no text", no_text(&[]), &[], not_text("a\u{fffd}")),
        ("a command that is no text", no_text(&["HOST"]), &[], not_text("a\u{fffd}")),
        ("a value that is no text", no_text(&["--name"]), &[], not_text("--name")),
        ("no text after --", no_text(&["--"]), &[], not_text("a\u{fffd}")),
        // ── hosts and ports ──
        wrong("no host", &[""], &no_host("\"\"")),
        wrong("a space", &[" "], &no_host("\" \"")),
        wrong("a port alone", &[":7455"], &no_host("\":7455\"")),
        wrong("a number", &["3"], &no_host("\"3\"")),
        wrong("an address of the web", &["http://attic/"], &no_port("http://attic/")),
        wrong("somebody at a host", &["user@attic"], &no_host("\"user@attic\"")),
        wrong("a path", &["../attic"], &no_host("\"../attic\"")),
        wrong("a host of escapes", &["attic\x1b[2J"], &no_host("\"attic\\u{1b}[2J\"")),
        wrong("half an IPv6 address", &["[::1"], &no_host("\"[::1\"")),
        wrong("a name in brackets", &["[attic]:80"], &no_host("\"[attic]:80\"")),
        wrong("port 0", &["attic:0", "list"], &no_port("attic:0")),
        wrong("a port that is too large", &["attic:65536", "list"], &no_port("attic:65536")),
        wrong("a port in words", &["127.0.0.1:port", "list"], &no_port("127.0.0.1:port")),
        wrong("a port with a sign", &["attic:+80"], &no_port("attic:+80")),
        wrong("two ports", &["attic:80:80"], &no_port("attic:80:80")),
        wrong(
            "a word for several commands",
            &["p"],
            "\"p\" could be play, pause or previous; for a host of that name, type p:7455",
        ),
        // ── commands ──
        wrong("no such command", &["HOST", "fly"], "no command \"fly\"; help lists them"),
        wrong("a command of escapes", &["HOST", "\x1b[2J"], "no command \"\\u{1b}[2J\"; help lists them"),
        wrong("a command for several", &["HOST", "p", "1"], "\"p\" could be play, pause or previous"),
        wrong("a word too many", &["HOST", "list", "all"], "list stands alone, without \"all\""),
        wrong("two commands", &["HOST", "list", "quit"], "list stands alone, without \"quit\""),
        wrong("two lines", &["HOST", "list\nquit"], "list stands alone, without \"quit\""),
        wrong(
            "play what?",
            &["HOST", "play"],
            "play needs more: play N [at M:SS] | N-N | all, for example: play 3 at 1:30",
        ),
        wrong("song 0", &["HOST", "play", "0"], "there is no song 0: song numbers start at 1"),
        wrong("a song below 0", &["HOST", "play", "-3"], "\"-3\" is not a song number; list shows them"),
        wrong("a song in words", &["HOST", "play", "one"], "\"one\" is not a song number; list shows them"),
        wrong(
            "a song that nobody can count to",
            &["HOST", "info", "4294967296"],
            "there is no song \"4294967296\"; list shows the numbers",
        ),
        wrong(
            "a range that runs backwards",
            &["HOST", "play", "3-1"],
            "a range goes from the smaller number to the larger: 1-3",
        ),
        wrong(
            "a time with one digit",
            &["HOST", "play", "1", "at", "1:5"],
            "\"1:5\" is not a time; times are 90 (seconds), 1:30 or 1:02:03",
        ),
        wrong(
            "a time that is too long",
            &["HOST", "play", "1", "at", "4294968"],
            "\"4294968\" is too long; times go up to 1193:02:47.295",
        ),
        wrong("an option after --", &["HOST", "--", "--help"], "no command \"--help\"; help lists them"),
        alone("stop", "stop"),
        alone("pause", "pause"),
        alone("resume", "resume"),
        alone("next", "next"),
        alone("previous", "previous"),
        alone("seek", "seek 3"),
        alone("volume", "volume 50"),
        alone("quit", "quit"),
        // ── what cannot be done ──
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
        // ── what looks odd but is all right ──
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
    // Nothing that makes no sense may even ask a server.
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
