extern crate std;

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(line: &str, expected: Command) {
    assert_eq!(parse(line), Ok(Some(expected)), "{line:?}");
}

#[track_caller]
fn check_error(line: &str, expected: &str) {
    let error = parse(line).expect_err(line);
    assert_eq!(error.to_string(), expected, "{line:?}");
}

fn song(number: u32) -> Command {
    song_at(number, 0)
}

fn song_at(number: u32, ms: u64) -> Command {
    Command::Play(Play::Song { song: SongId(number), at: Duration::from_millis(ms) })
}

fn songs(first: u32, last: u32) -> Command {
    Command::Play(Play::Range { first: SongId(first), last: SongId(last) })
}

fn seek_to(ms: u64) -> Command {
    Command::Seek(Seek::To(Duration::from_millis(ms)))
}

#[test]
fn blank_lines_ask_for_nothing() {
    for line in ["", " ", "\t", "\r\n", " \u{a0} "] {
        assert_eq!(parse(line), Ok(None), "{line:?}");
    }
}

#[test]
fn whole_names() {
    check("list", Command::List);
    check("info 3", Command::Info(SongId(3)));
    check("stop", Command::Stop);
    check("pause", Command::Pause);
    check("resume", Command::Resume);
    check("next", Command::Next);
    check("previous", Command::Previous);
    check("status", Command::Status);
    check("help", Command::Help(None));
    check("quit", Command::Quit);
}

#[test]
fn case_spaces_and_line_ends_do_not_matter() {
    check("LIST", Command::List);
    check("  Play\t 3  AT  1:30 \r\n", song_at(3, 90_000));
    check("pLaY aLl", Command::Play(Play::All));
}

#[test]
fn a_beginning_that_only_one_command_has_is_enough() {
    check("l", Command::List);
    check("PL 3", song(3));
    check("prev", Command::Previous);
    check("vol 50", Command::Volume(Some(Volume::To(50))));
    check_error("p 3", "\"p\" could be play, pause or previous");
    check_error("st", "\"st\" could be stop or status");
    check_error("S", "\"S\" could be stop, seek or status");
    check_error("listen", "no command \"listen\"; help lists them");
    check_error("lst", "no command \"lst\"; help lists them");
    check_error("7", "to play a song by its number, type: play 7");
}

#[test]
fn aliases() {
    check("exit", Command::Quit);
    check("e", Command::Quit);
    check("?", Command::Help(None));
    check("? exit", Command::Help(find("quit").ok()));
    check("help pl", Command::Help(find("play").ok()));
    check_error("help p", "\"p\" could be play, pause or previous");
}

#[test]
fn songs_and_ranges() {
    check("play 3", song(3));
    check("play 007", song(7));
    check("play 4294967295", song(u32::MAX));
    check("play 3-7", songs(3, 7));
    check("play 3-3", songs(3, 3));
    check("play all", Command::Play(Play::All));
    check("play 3 at 0:00", song(3));
    check("play 3 at 75", song_at(3, 75_000));
    check_error("play", "play needs more: play N [at M:SS] | N-N | all, for example: play 3 at 1:30");
    check_error("play 3 at", "play needs more: play N [at M:SS] | N-N | all, for example: play 3 at 1:30");
    check_error("info", "info needs more: info N, for example: info 3");
    check_error("play 0", "there is no song 0: song numbers start at 1");
    check_error("play 0-3", "there is no song 0: song numbers start at 1");
    check_error("play 4294967296", "there is no song \"4294967296\"; list shows the numbers");
    check_error("info 99999999999", "there is no song \"99999999999\"; list shows the numbers");
    check_error("play 7-3", "a range goes from the smaller number to the larger: 3-7");
    for (line, word) in [
        ("play x", "x"),
        ("play -3", "-3"),
        ("play 3-", "3-"),
        ("play +3", "+3"),
        ("play 3.5", "3.5"),
        ("play 1-2-3", "1-2-3"),
        ("play ٣", "٣"),
        ("info all", "all"),
        ("info 1-2", "1-2"),
        ("play x-0", "x-0"),
    ] {
        assert_eq!(parse(line), Err(ParseError::NotASongNumber(word)), "{line:?}");
    }
}

#[test]
fn extra_words() {
    check_error("list all", "list takes no arguments");
    check_error("quit now", "quit takes no arguments");
    check_error("play 3 4", "\"4\" is out of place here; the command is: play N [at M:SS] | N-N | all");
    check_error("play 3 at 1:30 loud", "\"loud\" is out of place here; the command is: play N [at M:SS] | N-N | all");
    check_error("play 3-7 at 1:30", "\"at\" is out of place here; the command is: play N [at M:SS] | N-N | all");
    check_error("play all of it", "\"of\" is out of place here; the command is: play N [at M:SS] | N-N | all");
    check_error("volume 5 0", "\"0\" is out of place here; the command is: volume [0-100 | +N | -N]");
}

#[test]
fn times() {
    check("seek 90", seek_to(90_000));
    check("seek 1:30", seek_to(90_000));
    check("seek 0:05", seek_to(5_000));
    check("seek 90:00", seek_to(5_400_000));
    check("seek 1:02:03", seek_to(3_723_000));
    check("seek 1:30.5", seek_to(90_500));
    check("seek 1:30.05", seek_to(90_050));
    check("seek 1:30.005", seek_to(90_005));
    check("seek +10", Command::Seek(Seek::Forward(Duration::from_secs(10))));
    check("seek -1:30", Command::Seek(Seek::Back(Duration::from_secs(90))));
    check("seek 1193:02:47.295", seek_to(u64::from(u32::MAX)));
    for word in [
        ":30",
        "1:",
        "1:5",
        "1:60",
        "1:300",
        "1::30",
        "1:2:03",
        "1:60:00",
        "1:02:03:04",
        "+",
        "-",
        "--10",
        "+-10",
        "1.",
        ".5",
        "1:30.1234",
        "1:30.x",
        "1.5.5",
        "1m30s",
        "-1:-30",
        "١",
    ] {
        let line = format!("seek {word}");
        assert!(matches!(parse(&line), Err(ParseError::NotATime(_))), "{line}: {:?}", parse(&line));
    }
    for word in ["1193:02:47.296", "4294968", "99999999999", "99999999999999999999999999:00:00"] {
        let line = format!("seek {word}");
        assert_eq!(parse(&line), Err(ParseError::TimeTooLong(word)));
    }
    check_error("seek", "seek needs more: seek M:SS | +S | -S, for example: seek 1:30");
    check_error("seek 1:5", "\"1:5\" is not a time; times are 90 (seconds), 1:30 or 1:02:03");
    check_error("play 3 at 4294968", "\"4294968\" is too long; times go up to 1193:02:47.295");
}

#[test]
fn volumes() {
    check("volume", Command::Volume(None));
    check("volume 0", Command::Volume(Some(Volume::To(0))));
    check("volume 100", Command::Volume(Some(Volume::To(100))));
    check("volume 80%", Command::Volume(Some(Volume::To(80))));
    check("volume +5", Command::Volume(Some(Volume::Up(5))));
    check("volume -5", Command::Volume(Some(Volume::Down(5))));
    check_error("volume 101", "\"101\" is not a volume; it goes from 0 to 100");
    for word in ["256", "99999999999", "+101", "-101", "x", "+", "%", "5%%", "--5", "1.5"] {
        let line = format!("volume {word}");
        assert_eq!(parse(&line), Err(ParseError::NotAVolume(word)));
    }
}

#[test]
fn seek_and_volume_stay_in_range() {
    assert_eq!(Seek::To(Duration::from_secs(90)).from_ms(5_000), 90_000);
    assert_eq!(Seek::Forward(Duration::from_secs(10)).from_ms(5_000), 15_000);
    assert_eq!(Seek::Back(Duration::from_secs(10)).from_ms(5_000), 0);
    assert_eq!(Volume::To(30).from(80), 30);
    assert_eq!(Volume::Up(30).from(80), 100);
    assert_eq!(Volume::Down(30).from(20), 0);
}

#[test]
fn errors_quote_safely() {
    check_error("\u{1b}[2J", "no command \"\\u{1b}[2J\"; help lists them");
    check_error("pl\u{202e}ay", "no command \"pl\\u{202e}ay\"; help lists them");
    check_error("pl\u{ffa0}ay", "no command \"pl\\u{ffa0}ay\"; help lists them");
    check_error("play can't", "\"can't\" is not a song number; list shows them");
    check_error("play été", "\"été\" is not a song number; list shows them");
    let long = "x".repeat(10_000);
    check_error(&long, "no command \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"; help lists them");
}

#[test]
fn the_table_agrees_with_the_parser() {
    for spec in COMMANDS {
        assert_eq!(find(spec.name), Ok(spec));
        for alias in spec.aliases {
            assert_eq!(find(alias), Ok(spec), "{alias}");
        }
        let example = parse(spec.example).unwrap().unwrap();
        assert_eq!(find(example.to_string().split(' ').next().unwrap()), Ok(spec), "{}", spec.example);
        let takes_words =
            !matches!(parse(&format!("{} x y z", spec.name)), Err(ParseError::ExtraWord { word: "x", .. }));
        assert_eq!(takes_words, !spec.synopsis.is_empty(), "{}", spec.name);
    }
}

#[test]
fn completions_are_names_in_table_order() {
    let complete = |prefix| completions(prefix).collect::<Vec<_>>();
    assert_eq!(complete("P"), ["play", "pause", "previous"]);
    assert_eq!(complete("vol"), ["volume"]);
    assert_eq!(complete("ex"), ["exit"]);
    assert_eq!(complete("x"), [""; 0]);
    assert_eq!(complete("").len(), COMMANDS.len() + 2);
}

#[test]
fn help_fits_a_serial_console() {
    let mut help = String::new();
    write_help(&mut help).unwrap();
    assert!(help.contains("play N [at M:SS] | N-N | all  play a song, some songs, or all\n"), "{help}");
    assert!(help.contains("list                          show the songs and their numbers\n"), "{help}");
    assert_eq!(help.lines().count(), COMMANDS.len() + 1);
    for line in help.lines() {
        assert!(line.len() <= 72, "{line}");
    }
}

#[test]
fn help_on_one_command() {
    let mut help = String::new();
    write_help_on(&mut help, find("quit").unwrap()).unwrap();
    assert_eq!(help, "quit                          leave\nalso: exit\nfor example: quit\n");
}

fn any_position() -> impl Strategy<Value = Duration> {
    (0..=u32::MAX).prop_map(|ms| Duration::from_millis(ms.into()))
}

fn any_song() -> impl Strategy<Value = SongId> {
    (1..=u32::MAX).prop_map(SongId)
}

fn any_command() -> impl Strategy<Value = Command> {
    let percent = || 0..=MAX_VOLUME;
    prop_oneof![
        prop::sample::select(vec![
            Command::List,
            Command::Stop,
            Command::Pause,
            Command::Resume,
            Command::Next,
            Command::Previous,
            Command::Status,
            Command::Quit,
            Command::Volume(None),
            Command::Help(None),
            Command::Play(Play::All),
        ]),
        any_song().prop_map(Command::Info),
        (any_song(), any_position()).prop_map(|(song, at)| Command::Play(Play::Song { song, at })),
        (any_song(), any_song()).prop_map(|(a, b)| Command::Play(Play::Range { first: a.min(b), last: a.max(b) })),
        any_position().prop_map(|to| Command::Seek(Seek::To(to))),
        any_position().prop_map(|by| Command::Seek(Seek::Forward(by))),
        any_position().prop_map(|by| Command::Seek(Seek::Back(by))),
        percent().prop_map(|to| Command::Volume(Some(Volume::To(to)))),
        percent().prop_map(|by| Command::Volume(Some(Volume::Up(by)))),
        percent().prop_map(|by| Command::Volume(Some(Volume::Down(by)))),
        (0..COMMANDS.len()).prop_map(|row| Command::Help(COMMANDS.get(row))),
    ]
}

proptest! {
    #[test]
    fn a_command_parses_from_how_it_is_shown(command in any_command()) {
        let line = command.to_string();
        prop_assert_eq!(parse(&line), Ok(Some(command)));
        let shouted = line.to_uppercase();
        prop_assert_eq!(parse(&shouted), Ok(Some(command)));
    }

    #[test]
    fn any_line_gives_a_command_or_one_safe_line(line in "\\PC*|.*|(?i:(play|seek|volume|info|help|p|s) ([0-9:.+%-]{0,12}|\\PC*))( at .*)?") {
        if let Err(error) = parse(&line) {
            let shown = error.to_string();
            prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
            prop_assert!(shown.len() <= 500, "{:?}", shown);
        }
    }
}
