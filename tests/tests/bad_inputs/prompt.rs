//! Lines that are typed, pasted or piped to the client. Each has an effect or a one-line error, and the next line still
//! works.

use super::{DEADLINE, Findings};
use trill_tests::client::Client;
use trill_tests::corpus::MusicDir;
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{self, key};

/// A row: its name, a line, and the expected message on standard error after `trill: `, or empty for none.
type Line = (&'static str, Vec<u8>, &'static str);

/// A row: its name, keys, and a line that the screen then shows.
type Keys = (&'static str, String, &'static str);

const NOTHING_PLAYS: &str = "nothing is playing; play N plays song N";
const TOO_LONG: &str = "line too long: at most 4096 bytes";
const PLAY_NEEDS: &str = "play needs more: play WHAT, for example: play album kind of blue";

fn piped() -> Vec<Line> {
    let line = |name, bytes: &[u8], said| (name, bytes.to_vec(), said);
    vec![
        line("nothing", b"", ""),
        line("spaces and tabs", b" \t \x0b\x0c", ""),
        line("spaces of other scripts", "\u{a0}\u{2003}\u{3000}".as_bytes(), ""),
        line("a carriage return", b"\r", ""),
        line("no such command", b"fly", "no command \"fly\"; help lists them"),
        line("a comment", b"# list", "no command \"#\"; help lists them"),
        line("two commands", b"list; quit", "no command \"list;\"; help lists them"),
        line("a command of the shell", b"$(reboot)", "no command \"$(reboot)\"; help lists them"),
        line("a format string", b"%s%n", "no command \"%s%n\"; help lists them"),
        line("NUL", b"\0", "no command \"\\u{0}\"; help lists them"),
        line("NUL in a command", b"li\0st", "no command \"li\\u{0}st\"; help lists them"),
        line("an escape", b"\x1b[2J", "no command \"\\u{1b}[2J\"; help lists them"),
        line("a bell", b"\x07", "no command \"\\u{7}\"; help lists them"),
        line("what runs backwards", "pl\u{202e}ay 3".as_bytes(), "no command \"pl\\u{202e}ay\"; help lists them"),
        line("not UTF-8", b"\xff\xfe", "no command \"\u{fffd}\u{fffd}\"; help lists them"),
        line("a byte order mark", b"\xef\xbb\xbflist", "no command \"\\u{feff}list\"; help lists them"),
        line("UTF-16", b"l\0i\0s\0t\0", "no command \"l\\u{0}i\\u{0}s\\u{0}t\\u{0}\"; help lists them"),
        line("wide letters", "ｌｉｓｔ".as_bytes(), "no command \"ｌｉｓｔ\"; help lists them"),
        line(
            "a command and what cannot be seen",
            "list\u{200b}".as_bytes(),
            "no command \"list\\u{200b}\"; help lists them",
        ),
        line("4,000 letters", &[b'x'; 4_000], "no command \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"; help lists them"),
        line(
            "a file by mistake, whose end reads like a command",
            &[&[b'x'; 4_096], b"quit".as_slice()].concat(),
            TOO_LONG,
        ),
        line(
            "a line whose beginning reads like a command",
            &[b"quit".as_slice(), &[b' '; 4_096], b"x"].concat(),
            TOO_LONG,
        ),
        line("a line of 1 MB", &vec![b'x'; 1 << 20], TOO_LONG),
        line("a missing number alone", b"7", "there is no song 7; list shows what there is"),
        line("a beginning of several", b"S", "\"S\" could be shuffle, stop, seek, sleep or status"),
        line("play what?", b"play", PLAY_NEEDS),
        line("play at what time?", b"play 3 at", "\"3 at\" is not a song number; in quotes it is searched for"),
        line("play song 0", b"play 0", "there is no song 0: song numbers start at 1"),
        line("play song -1", b"play -1", "\"-1\" is not a song number; in quotes it is searched for"),
        line("play half a song", b"play 1.5", "\"1.5\" is not a song number; in quotes it is searched for"),
        line("information in other digits", "info ٣".as_bytes(), "\"٣\" is not a song number; list shows them"),
        line("play a missing song", b"play 9", "there is no song 9; list shows what there is"),
        line(
            "play more than there are numbers",
            b"play 99999999999999999999",
            "there is no song \"99999999999999999999\"; list shows the numbers",
        ),
        line("play backwards", b"play 7-3", "a range goes from the smaller number to the larger: 3-7"),
        line("play half a range", b"play 3-", "\"3-\" is not a song number; in quotes it is searched for"),
        line("play a range that is not there", b"play 5-9", "no songs from 5 to 9; list shows what there is"),
        line(
            "play a range at a time",
            b"play 1-2 at 1:00",
            "\"1-2 at 1:00\" is not a song number; in quotes it is searched for",
        ),
        line("play all of nothing", b"play all", "the server has no songs"),
        line("information about everything", b"info all", "\"all\" is not a song number; list shows them"),
        line("seek in silence", b"seek 1:00", NOTHING_PLAYS),
        line("seek to no time", b"seek 1:60", "\"1:60\" is not a time; times are 90 (seconds), 1:30 or 1:02:03"),
        line(
            "seek to the end of all times",
            b"seek 99999999999999999999:00:00",
            "\"99999999999999999999:00:00\" is too long; times go up to 1193:02:47.295",
        ),
        line("seek both ways", b"seek +-5", "\"-5\" is not a time; times are 90 (seconds), 1:30 or 1:02:03"),
        line("pause silence", b"pause", NOTHING_PLAYS),
        line("what comes after silence", b"next", NOTHING_PLAYS),
        line("stop silence", b"stop", ""),
        line("a volume of 101", b"volume 101", "\"101\" is not a volume; it goes from 0 to 100"),
        line(
            "a volume of many digits",
            b"volume 99999999999",
            "\"99999999999\" is not a volume; it goes from 0 to 100",
        ),
        line("a volume louder than loud", b"volume +101", "\"+101\" is not a volume; it goes from 0 to 100"),
        line("help with nothing", b"help me", "no command \"me\"; help lists them"),
        line("quit, but not now", b"quit later", "quit takes no arguments"),
    ]
}

fn typed() -> Vec<Keys> {
    let keys = |name, keys: &str, shown| (name, keys.to_owned(), shown);
    vec![
        keys("an unknown command", "fly\r", "no command \"fly\""),
        keys("a line that is taken back", "abc\x15gone\r", "no command \"gone\""),
        keys("a character that is taken back", "fallx\x7f\r", "no command \"fall\""),
        keys("backspace at the beginning", "\x7f\x7f\x7fback\r", "no command \"back\""),
        keys("arrows in all directions", "\x1b[A\x1b[B\x1b[C\x1b[D\x15arrow\r", "no command \"arrow\""),
        keys("a function key", "\x1b[24~fkey\r", "no command \"fkey\""),
        keys("half an escape sequence", "\x1b[\x1b[esc\x15half\r", "no command \"half\""),
        keys("Tab with nothing to complete", "zz\t\r", "no command \"zz\""),
        keys("wide letters, typed", "夜想曲\r", "no command \"夜想曲\""),
        keys("a letter with a mark", "e\u{301}t\u{e9}\r", "no command \"e"),
        keys(
            "a line wider than the screen",
            &format!("{}\r", "w".repeat(300)),
            "no command \"wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww...\"",
        ),
        keys("a paste of lines", "\x1b[200~one\ntwo\x1b[201~\r", "no command \"two\""),
        keys("a paste of escapes", "\x1b[200~\x07x\x08y\x1b[201~\r", "no command"),
        keys("Ctrl-C on a line", "half a line\x03", "Ctrl-C"),
        keys("a search for nothing in what was typed", "\x12nosuch\x07\x15found\r", "no command \"found\""),
    ]
}

pub(crate) fn names() -> Vec<&'static str> {
    let piped = piped().into_iter().map(|line| line.0);
    piped.chain(typed().into_iter().map(|keys| keys.0)).collect()
}

/// Runs all lines in one script, separated by lines that mark the position.
#[test]
fn each_piped_line_is_answered_and_the_next_obeyed() {
    let music = MusicDir::new();
    let server = ServerProcess::start(music.path());
    let mut client = Client::of(server.address()).args(["-q", "--output=null"]).spawn();
    let mark = |number: usize| format!("mark{number}");
    for (number, (_, line, _)) in piped().iter().enumerate() {
        client.write(&[line, b"\n".as_slice(), mark(number).as_bytes(), b"\n"].concat());
    }
    client.close_stdin();
    let output = client.wait(DEADLINE).expect_code(1);
    let mut findings = Findings::default();
    let mut rest = output.stderr.as_str();
    for (number, (name, _, said)) in piped().iter().enumerate() {
        let end = format!("trill: no command \"{}\"; help lists them\n", mark(number));
        let Some((found, after)) = rest.split_once(&end) else {
            findings.compare(name, "the line after it", rest, end.as_str());
            break;
        };
        let said = if said.is_empty() { String::new() } else { format!("trill: {said}\n") };
        findings.compare(name, "said", found, said.as_str());
        rest = after;
    }
    findings.compare("all of them", "said at the end", rest, "");
}

/// Runs all rows in one terminal, which must still work afterwards.
#[test]
fn whatever_is_typed_the_prompt_is_there_again() {
    let music = MusicDir::new();
    let server = ServerProcess::start(music.path());
    let mut terminal = Client::of(server.address()).arg("--output=null").in_terminal(terminal::VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    for (number, (name, keys, shown)) in typed().into_iter().enumerate() {
        terminal.type_text(&keys);
        terminal.wait_for(DEADLINE, &format!("{name}: {shown:?}"), |screen| screen.contains(shown));
        let next = format!("after{number}");
        terminal.type_line(&next);
        let answer = format!("no command \"{next}\"");
        terminal.wait_for(DEADLINE, &format!("{name}: the line after it"), |screen| screen.contains(&answer));
    }
    // The bell may ring if there is nothing to complete, delete or find.
    assert!(terminal.side_effects().iter().all(|effect| effect == "bell"), "{:?}", terminal.side_effects());
    terminal.type_text(key::CTRL_D);
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
}
