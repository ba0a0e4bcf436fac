//! Input at the prompt in a terminal, and the terminal's and shell's effects on the program.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use pty_process::blocking as pty;
use rustix::process::{Pid, Signal, kill_process};
use trill_proto::message::MessageType;
use trill_tests::client::{Client, STATE_HOME};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages;
use trill_tests::proxy::{Conditions, Direction, Proxy};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Screen, Size, Terminal, VT100, key};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);

/// A test runner in the background ignores signals, and a shell would inherit that.
const DEFAULT_SIGNALS: &str = "--default-signal=HUP,INT,QUIT,TERM,TSTP,TTIN,TTOU";

/// Large enough that nothing scrolls away.
const TALL: Size = Size { rows: 200, columns: 80 };

// ── input typed ahead ──

#[test]
fn no_line_is_lost_that_is_typed_ahead_or_pasted_with_others() {
    let music = MusicDir::new();
    let server = ServerProcess::start(music.path());
    let terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    let bracketed = ["\x1b[200~delta\nepsilon\nzeta\x1b[201~", "\r"].concat();
    for (typed, words) in
        [("alpha\rbeta\rgamma\r", ["alpha", "beta", "gamma"]), (&bracketed, ["delta", "epsilon", "zeta"])]
    {
        terminal.type_text(typed);
        terminal.wait_for_text(DEADLINE, &format!("no command \"{}\"", words[2]));
        for word in words {
            assert!(terminal.screen_contains(&format!("no command \"{word}\"")), "{word} in {terminal}");
        }
    }
}

#[test]
fn a_command_typed_ahead_sees_what_the_one_before_did() {
    let (_music, server) = serve_songs(2, 60_000);
    let path = Conditions { delay: Duration::from_millis(100), ..Conditions::PERFECT };
    let proxy = Proxy::start(server.address(), path);
    for (typed, shown, said_before) in [
        ("play 1-2\rstatus\rvolume\r", "volume 100", ["song       1"].as_slice()),
        ("play 1-2\rseek 0:30\rstatus\rvolume\r", "volume 100", &["position   0:3"]),
        ("play 2\rstop\rstatus\rvolume\r", "volume 100", &["state      stopped"]),
        ("play 9\rhelp stop\r", "stop now", &["there is no song 9"]),
        ("play 7-9\rfly\r", "no command \"fly\"", &["no songs from 7 to 9"]),
    ] {
        let terminal = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
        terminal.wait_for_text(DEADLINE, "trill>");
        terminal.type_text(typed);
        let screen = terminal.wait_for_text(DEADLINE, shown);
        for text in said_before {
            assert!(
                row_of(&screen, text) < row_of(&screen, shown),
                "{text:?} before {shown:?} for {typed:?}: {terminal}"
            );
        }
        assert!(!screen.contains("nothing is playing"), "{typed:?}: {terminal}");
    }
}

#[track_caller]
fn row_of(screen: &Screen, text: &str) -> usize {
    let row = screen.rows.iter().position(|row| row.contains(text));
    row.unwrap_or_else(|| panic!("no {text:?} on:\n{screen}"))
}

#[test]
fn nothing_is_drawn_after_the_last_command() {
    let (_music, server) = serve_songs(1, 60_000);
    for last in ["quit\r", key::CTRL_D] {
        let mut terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
        terminal.wait_for_text(DEADLINE, "trill>");
        terminal.type_line("play 1");
        terminal.wait_for(DEADLINE, "the song", |screen| screen.contains("0:01") && prompts(screen) == 2);
        terminal.type_text(last);
        assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
        let screen = terminal.screen();
        let rows: Vec<_> = screen.rows.iter().filter(|row| !row.is_empty()).collect();
        let expected = format!("trill> {}", last.trim_end_matches(['\r', '\x04']));
        assert_eq!(rows.last().map(|row| row.as_str()), Some(expected.trim_end()), "{terminal}");
        assert_eq!(prompts(&screen), 2, "{terminal}");
        assert!(!screen.contains("/1:00"), "the status row is left behind in {terminal}");
        assert!(terminal.is_cooked());
    }
}

#[test]
fn a_line_that_is_given_up_leaves_no_status_row_behind() {
    let (_music, server) = serve_songs(1, 60_000);
    let mut terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_line("play 1");
    terminal.wait_for_text(DEADLINE, "0:01");
    // A line of three rows, with the cursor in the first.
    terminal.type_text(&["x".repeat(200).as_str(), "\x01", key::CTRL_C].concat());
    let hint = "press Ctrl-C again, or Ctrl-D, to quit";
    let screen = terminal.wait_for(DEADLINE, "a new prompt", |screen| screen.contains(hint) && prompts(screen) == 3);
    assert_eq!(status_rows(&screen), 1, "{terminal}");
    terminal.type_text(key::CTRL_C);
    terminal.wait(DEADLINE);
    assert_eq!(status_rows(&terminal.screen()), 0, "{terminal}");
}

#[test]
fn a_signal_takes_the_status_row_away() {
    let (_music, server) = serve_songs(1, 60_000);
    let client = Client::of(server.address()).arg("--output=null").started_by("env", [DEFAULT_SIGNALS]);
    let mut terminal = client.in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_line("play 1");
    terminal.wait_for_text(DEADLINE, "0:01");
    terminal.signal(Signal::TERM);
    terminal.wait(DEADLINE);
    assert_eq!(status_rows(&terminal.screen()), 0, "{terminal}");
}

fn status_rows(screen: &Screen) -> usize {
    screen.rows.iter().filter(|row| row.contains("/1:00")).count()
}

fn prompts(screen: &Screen) -> usize {
    screen.rows.iter().filter(|row| row.starts_with("trill>")).count()
}

#[test]
fn lines_of_an_earlier_run_come_back_with_arrow_up() {
    let music = MusicDir::new();
    let server = ServerProcess::start(music.path());
    let state = tempfile::tempdir().expect("a directory for the state");
    let run = || {
        let client = Client::of(server.address()).arg("--output=null").env(STATE_HOME, state.path());
        let terminal = client.in_terminal(VT100);
        terminal.wait_for_text(DEADLINE, "trill>");
        terminal
    };
    let mut first = run();
    first.type_line("fly high");
    first.wait_for_text(DEADLINE, "no command");
    first.type_line("quit");
    first.wait(DEADLINE);
    let second = run();
    second.type_text(&[key::UP, key::UP, key::ENTER].concat());
    second.wait_for_text(DEADLINE, "trill> fly high");
    second.wait_for_text(DEADLINE, "no command \"fly\"");
}

#[test]
fn tab_completes_keywords_and_shows_what_else_there_is() {
    let (_music, server) = serve_songs(1, 1_500);
    let terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_text("vol\t50\r");
    terminal.wait_for_text(DEADLINE, "vol 50");
    terminal.type_text("rep\to\t");
    let screen = terminal.wait_for_text(DEADLINE, "off  one");
    assert!(screen.contains("trill> repeat o"), "{terminal}");
    assert_eq!(screen.rows.iter().filter(|row| row.starts_with("stopped")).count(), 1, "{terminal}");
}

fn serve_albums() -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    for song in [
        "Björk/Homogenic/Jóga.mp3",
        "John Coltrane/Giant Steps/Naima.mp3",
        "Miles Davis/Kind of Blue/Blue in Green.mp3",
        "Miles Davis/Kind of Blue/So What.mp3",
        "Miles Davis/Milestones/Milestones.mp3",
    ] {
        music.add(song, &corpus::CBR_128.milliseconds(60_000));
    }
    let server = ServerProcess::start(music.path());
    (music, server)
}

#[test]
fn tab_completes_words_of_titles_artists_and_albums() {
    let (_music, server) = serve_albums();
    let terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    for (typed, line) in [
        ("play na\t", "trill> play Naima"),
        ("find bjo\t", "trill> find Björk"),
        ("add album kind blu\t", "trill> add album kind Blue"),
        ("artists mil\t", "trill> artists Miles"),
        // Several: as far as it is certain.
        ("list MI\t", "trill> list Miles"),
        // One letter is too little to search for.
        ("next n\t", "trill> next n"),
    ] {
        terminal.type_text(typed);
        terminal.wait_for(DEADLINE, line, |screen| screen.rows.iter().any(|row| row == line));
        terminal.type_text("\x15");
        terminal.wait_for(DEADLINE, "an empty line", |screen| screen.rows.iter().any(|row| row == "trill>"));
    }
    assert!(terminal.screen_contains("Miles  Milestones"), "{terminal}");
    terminal.type_text("play so wh\t\r");
    terminal.wait_for_text(DEADLINE, "▶ So What — Miles Davis");
}

#[test]
fn typing_does_not_wait_for_the_words_that_tab_has_asked_for() {
    let (_music, server) = serve_albums();
    let path = Conditions { delay: Duration::from_millis(300), ..Conditions::PERFECT };
    let proxy = Proxy::recording(server.address(), path);
    let terminal = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_text("find na\t");
    let lists = || {
        let frames = messages::frames(&proxy.recorded(0, Direction::ToServer));
        frames.iter().filter(|frame| frame.kind() == Some(MessageType::List)).count()
    };
    wait::wait_for(DEADLINE, "the question", || lists() == 1);
    terminal.type_text("ima\r");
    // The answer of the command comes behind that for Tab, which is dropped.
    terminal.wait_for_text(DEADLINE, "Giant Steps");
    assert!(terminal.screen().rows.iter().any(|row| row == "trill> find naima"), "{terminal}");
}

// ── the status row ──

#[test]
fn the_row_names_what_follows_and_nothing_after_it_is_cleared() {
    let (_music, server) = serve_songs(3, 60_000);
    let terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    let wait_for_row = |what: &str, is_meant: &dyn Fn(&str) -> bool| {
        terminal.wait_for(DEADLINE, what, |screen| screen.row_with("▶ 1").is_some_and(is_meant));
    };
    terminal.type_line("play 1-3");
    wait_for_row("the next song", &|row| row.contains("next: 2"));
    terminal.type_line("repeat one");
    wait_for_row("the same song", &|row| row.contains("next: 1"));
    terminal.type_line("repeat off");
    wait_for_row("the next song", &|row| row.contains("next: 2"));
    terminal.type_line("remove 2");
    wait_for_row("the one behind it", &|row| row.contains("next: 3"));
    terminal.type_line("clear");
    wait_for_row("nothing", &|row| !row.contains("next:"));
}

// ── lists ──

#[test]
fn a_list_longer_than_the_screen_is_shown_in_parts_from_around_the_present_song() {
    let (_music, server) = serve_songs(60, 60_000);
    let terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_line("play 30");
    terminal.wait_for_text(DEADLINE, "▶ 30");
    for (first, last, rest) in
        [(21, 39, "what follows"), (40, 58, "what follows"), (59, 60, "the beginning"), (1, 19, "what follows")]
    {
        terminal.type_line("list");
        let part = format!("{first} to {last} of 60 songs; list again shows {rest}, browse shows all");
        let screen = terminal.wait_for_text(DEADLINE, &part);
        let end = row_of(&screen, &part);
        let rows = screen.rows[..end].iter().rev().take_while(|row| number_of(row).is_some()).collect::<Vec<_>>();
        let numbers: Vec<_> = rows.iter().rev().filter_map(|row| number_of(row)).collect();
        assert_eq!(numbers, (first..=last).collect::<Vec<_>>(), "{terminal}");
        let marked: Vec<_> = rows.iter().filter(|row| row.contains('▶')).filter_map(|row| number_of(row)).collect();
        assert_eq!(marked, if first == 21 { vec![30] } else { vec![] }, "{terminal}");
    }
}

/// The number at the beginning of a row of a list.
fn number_of(row: &str) -> Option<u32> {
    row.split([' ', '▶']).find(|word| !word.is_empty())?.parse().ok()
}

// ── invalid input ──

#[test]
fn what_is_typed_and_not_utf_8_is_refused_and_the_music_goes_on() {
    let (_music, server) = serve_songs(1, 60_000);
    let mut terminal = Client::of(server.address()).arg("--output=null").in_terminal(TALL);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_line("play 1");
    terminal.wait_for_text(DEADLINE, "0:01");
    for (number, bytes) in
        [b"caf\xe9\r".as_slice(), b"\xff", b"\xc3\x28\r", b"\xed\xa0\x80\r", b"\x1b[200~play \xe9\x1b[201~\r"]
            .into_iter()
            .enumerate()
    {
        terminal.type_bytes(bytes);
        terminal.wait_for(DEADLINE, &format!("a complaint about {bytes:?}"), |screen| {
            screen.rows.iter().filter(|row| row.contains("not UTF-8")).count() > number
        });
        terminal.type_text("\x15");
        terminal.type_line(&format!("fly{number}"));
        terminal.wait_for_text(DEADLINE, &format!("no command \"fly{number}\""));
    }
    terminal.type_line("status");
    terminal.wait_for_text(DEADLINE, "state      playing");
    terminal.type_text(key::CTRL_D);
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
}

// ── a blocked terminal ──

#[test]
fn a_halted_terminal_holds_back_the_list_and_neither_music_nor_end() {
    let music = MusicDir::new();
    for index in 1..=3 {
        music.add(format!("{index:05}.mp3"), &corpus::CBR_128.milliseconds(1_500));
    }
    for index in 4..10_000 {
        music.add_bytes(format!("{index:05}.mp3"), b"");
    }
    let server = ServerProcess::start(music.path());
    let proxy = Proxy::recording(server.address(), Conditions::PERFECT);
    let client = Client::of(proxy.address()).arg("--output=null").started_by("env", [DEFAULT_SIGNALS]);
    let mut terminal = client.in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.halt();
    terminal.type_text("list\rplay all\r");
    let count = |direction, kind| {
        let frames = messages::frames(&proxy.recorded(0, direction));
        frames.iter().filter(|frame| frame.kind() == Some(kind)).count()
    };
    // Requested after the first song was heard, long after any list.
    wait::wait_for(DEADLINE, "the third song", || count(Direction::ToClient, MessageType::Started) == 3);
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait(DEADLINE).signal(), Some(Signal::TERM.as_raw()), "{terminal}");
    // Every following song also causes a LIST.
    let pages = count(Direction::ToServer, MessageType::List);
    assert!((4..=8).contains(&pages), "{pages} requests, of 20 pages that this terminal does not take");
}

#[test]
fn a_client_whose_terminal_hangs_up_ends_as_the_system_asks() {
    let (_music, server) = serve_songs(1, 60_000);
    // With SIGHUP ignored, it ends because of end of file.
    for (signals, expected) in [(DEFAULT_SIGNALS, (Some(1), None)), ("--ignore-signal=HUP", (None, Some(1)))] {
        let client = Client::of(server.address()).arg("--output=null").started_by("env", [signals]);
        let (mut terminal, program_side) = pty::open().expect("the kernel has a free pseudo-terminal");
        let child = pty::Command::from(client.into_command()).spawn(program_side);
        let mut child = child.expect("env is installed");
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains("trill>") {
            let mut bytes = [0; 1024];
            let count = terminal.read(&mut bytes).expect("the client shows its prompt");
            shown.extend_from_slice(&bytes[..count]);
        }
        drop(terminal);
        let ended = || child.try_wait().expect("a child can be asked for its status");
        let status = wait::wait_for_some(DEADLINE, "the end of a client without a terminal", ended);
        assert_eq!((status.signal(), status.code()), expected, "{signals}");
    }
}

// ── job control ──

#[test]
fn ctrl_z_and_fg_restore_the_prompt_every_time() {
    let (_music, server) = serve_songs(1, 60_000);
    for shell in ["sh", "bash"] {
        let terminal = run_by_shell(&server, shell, &["\"$@\"", &halts(20, "")].concat());
        for number in 1..=20 {
            terminal.type_text(key::CTRL_Z);
            terminal.wait_for_text(DEADLINE, &format!("halt {number}"));
            assert!(terminal.is_cooked(), "{shell}: stopped {number} times: {terminal}");
            go_on(&terminal, number);
        }
    }
}

/// Types a shell command that resumes the client, and checks the prompt.
#[track_caller]
fn go_on(terminal: &Terminal, number: u32) {
    terminal.type_text("\n");
    terminal.wait_for(DEADLINE, "a line editor", |_| !terminal.is_cooked());
    // Completed by Tab, and echoed once.
    terminal.type_text(&format!("help vol\tx{number}\r"));
    let screen = terminal.wait_for_text(DEADLINE, &format!("\"x{number}\" is out of place"));
    assert_eq!(
        screen.rows.iter().filter(|row| row.contains(&format!("help volume x{number}"))).count(),
        1,
        "{terminal}"
    );
}

#[test]
fn a_client_that_another_program_stops_comes_back_all_the_same() {
    let (_music, server) = serve_songs(1, 60_000);
    // Started in the background, where it stops at its first use of the terminal.
    let script =
        [r#""$@" & echo "client $!"; fg"#, &halts(4, r#"stty sane; bg; until [ "$(jobs -s)" ]; do :; done;"#)].concat();
    let terminal = run_by_shell(&server, "bash", &script);
    let screen = terminal.wait_for_text(DEADLINE, "client ");
    let client = screen.row_with("client ").and_then(|row| row.split(' ').nth(1)).and_then(|id| id.parse().ok());
    let client = client.and_then(Pid::from_raw).expect("the shell knows the client's number");
    for (number, signal) in (1..).zip([Signal::STOP, Signal::TSTP, Signal::STOP, Signal::TSTP]) {
        kill_process(client, signal).expect("the client runs");
        terminal.wait_for_text(DEADLINE, &format!("halt {number}"));
        go_on(&terminal, number);
    }
}

#[test]
fn a_window_that_is_made_narrower_while_the_client_is_stopped_is_drawn_in_its_new_size() {
    let (_music, server) = serve_songs(1, 60_000);
    let terminal = run_by_shell(&server, "bash", &["\"$@\"", &halts(1, "")].concat());
    terminal.type_text(key::CTRL_Z);
    terminal.wait_for_text(DEADLINE, "halt 1");
    terminal.resize(Size { columns: 40, ..VT100 });
    terminal.type_text("\n");
    terminal.wait_for(DEADLINE, "a line editor", |_| !terminal.is_cooked());
    terminal.type_text(&format!("{}{}ab", "x".repeat(60), "\x7f".repeat(40)));
    let line = format!("trill> {}ab", "x".repeat(20));
    let screen = terminal.wait_for_text(DEADLINE, &line);
    let row = row_of(&screen, &line);
    assert_eq!(screen.rows[row + 1], "", "nothing of the long line is left: {terminal}");
}

#[test]
fn music_pauses_while_the_client_is_stopped_and_the_status_line_comes_back() {
    let (_music, server) = serve_songs(1, 60_000);
    let terminal = run_by_shell(&server, "bash", &["\"$@\"", &halts(1, "")].concat());
    terminal.type_line("play 1");
    terminal.wait_for_text(DEADLINE, "0:01");
    terminal.type_text(key::CTRL_Z);
    terminal.wait_for_text(DEADLINE, "halt 1");
    terminal.type_text("\n");
    terminal.wait_for(DEADLINE, "a status line above the prompt that moves", |screen| {
        let prompt = screen.rows.iter().rposition(|row| row.starts_with("trill>"));
        let below = screen.rows.iter().position(|row| row == "halt 1");
        prompt.zip(below).is_some_and(|(prompt, below)| prompt > below + 1 && screen.rows[prompt - 1].contains("0:03"))
    });
    terminal.type_line("status");
    terminal.wait_for_text(DEADLINE, "state      playing");
    assert!(!terminal.screen_contains("reconnecting"), "{terminal}");
}

#[test]
fn a_client_without_a_shell_cannot_be_stopped_from_the_keyboard() {
    let (_music, server) = serve_songs(1, 60_000);
    let client = Client::of(server.address()).arg("--output=null").started_by("env", [DEFAULT_SIGNALS]);
    let terminal = client.in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_text(key::CTRL_Z);
    terminal.type_line("fly");
    terminal.wait_for_text(DEADLINE, "no command \"fly\"");
}

/// The script of a shell that reports each time the client is stopped, waits for a line, runs `first` and resumes the
/// client. (Bash leaves a loop when a command is stopped.)
fn halts(count: u32, first: &str) -> String {
    (1..=count).map(|number| format!("; echo halt {number}; read line; {first} fg")).collect()
}

/// Runs a client at its prompt as `"$@"` of a shell script with job control, and waits for the prompt.
#[track_caller]
fn run_by_shell(server: &ServerProcess, shell: &str, script: &str) -> Terminal {
    let client = Client::of(server.address()).arg("--output=null");
    let client = client.started_by("env", [DEFAULT_SIGNALS, shell, "-m", "-c", script, shell]);
    let terminal = client.in_terminal(TALL);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal
}

fn serve_songs(count: usize, milliseconds: u32) -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    for number in 1..=count {
        music.add(format!("{number}.mp3"), &corpus::CBR_128.milliseconds(milliseconds));
    }
    let server = ServerProcess::start(music.path());
    (music, server)
}
