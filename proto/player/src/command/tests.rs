extern crate std;

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(line: &str, expected: Command<'_>) {
    assert_eq!(parse(line), Ok(Some(expected)), "{line:?}");
}

#[track_caller]
fn check_error(line: &str, expected: &str) {
    let error = parse(line).expect_err(line);
    assert_eq!(error.to_string(), expected, "{line:?}");
}

fn song(number: u32) -> Command<'static> {
    song_at(number, 0)
}

fn song_at(number: u32, ms: u64) -> Command<'static> {
    Command::Play(Selection::Song { song: SongId(number), at: Duration::from_millis(ms) })
}

fn songs(first: u32, last: u32) -> Command<'static> {
    Command::Play(Selection::Range { first: SongId(first), last: SongId(last) })
}

fn seek_to(ms: u64) -> Command<'static> {
    Command::Seek(Seek::To(Duration::from_millis(ms)))
}

fn best(words: &str) -> Command<'_> {
    Command::Play(Selection::Best(words))
}

#[test]
fn blank_lines_ask_for_nothing() {
    for line in ["", " ", "\t", "\r\n", " \u{a0} "] {
        assert_eq!(parse(line), Ok(None), "{line:?}");
    }
}

#[test]
fn whole_names() {
    check("list", Command::List(""));
    check("albums", Command::Albums(""));
    check("artists", Command::Artists(""));
    check("info", Command::Info(None));
    check("info 3", Command::Info(Some(SongId(3))));
    check("stop", Command::Stop);
    check("pause", Command::Pause);
    check("resume", Command::Resume);
    check("next", Command::Next(None));
    check("previous", Command::Previous);
    check("queue", Command::Queue);
    check("clear", Command::Clear);
    check("status", Command::Status);
    check("browse", Command::Browse);
    check("help", Command::Help(None));
    check("quit", Command::Quit);
}

#[test]
fn case_spaces_and_line_ends_do_not_matter() {
    check("LIST", Command::List(""));
    check("  Play\t 3  AT  1:30 \r\n", song_at(3, 90_000));
    check("pLaY aLl", Command::Play(Selection::All));
}

#[test]
fn a_beginning_that_only_one_command_has_is_enough() {
    check("l", Command::List(""));
    check("PL 3", song(3));
    check("prev", Command::Previous);
    check("vol 50", Command::Volume(Some(Volume::To(50))));
    check_error("p 3", "\"p\" could be play, previous or pause");
    check_error("st", "\"st\" could be stop or status");
    check_error("S", "\"S\" could be shuffle, stop, seek, sleep or status");
    check_error("listen", "no command \"listen\"; help lists them");
    check_error("lst", "no command \"lst\"; help lists them");
}

#[test]
fn a_number_alone_plays_that_song() {
    check("7", song(7));
    check(" 007 ", song(7));
    check_error("0", "there is no song 0: song numbers start at 1");
    check_error("7 up", "no command \"7\"; help lists them");
    check_error("7-9", "no command \"7-9\"; help lists them");
}

#[test]
fn aliases() {
    check("exit", Command::Quit);
    check("e", Command::Quit);
    check("q", Command::Quit);
    check("find", Command::List(""));
    check("?", Command::Help(None));
    check("? exit", Command::Help(find("quit").ok()));
    check("help pl", Command::Help(find("play").ok()));
    check_error("help p", "\"p\" could be play, previous or pause");
}

#[test]
fn songs_and_ranges() {
    check("play 3", song(3));
    check("play 007", song(7));
    check("play 4294967295", song(u32::MAX));
    check("play 3-7", songs(3, 7));
    check("play 3-3", songs(3, 3));
    check("play all", Command::Play(Selection::All));
    check("play 3 at 0:00", song(3));
    check("play 3 at 75", song_at(3, 75_000));
    check_error("play", "play needs more: play WHAT, for example: play album kind of blue");
    check_error("play 0", "there is no song 0: song numbers start at 1");
    check_error("play 0-3", "there is no song 0: song numbers start at 1");
    check_error("play 4294967296", "there is no song \"4294967296\"; list shows the numbers");
    check_error("info 99999999999", "there is no song \"99999999999\"; list shows the numbers");
    check_error("play 7-3", "a range goes from the smaller number to the larger: 3-7");
    for word in ["x", "+3", "٣", "all", "1-2"] {
        assert_eq!(parse(&format!("info {word}")), Err(ParseError::NotASongNumber(word)));
    }
}

#[test]
fn other_words_are_searched_for() {
    check("play So  What ", best("So  What"));
    check("play 99 luftballons", best("99 luftballons"));
    check("play 12\" mix", best("12\" mix"));
    for words in ["?", "٣", "x-0", "3 at last", "3 at 1:30 sharp", "at"] {
        check(&format!("play {words}"), best(words));
    }
    for words in ["-3", "3-", "+3", "3.5", "1-2-3", "3-7 at 1:30", "3 4", "3 AT"] {
        assert_eq!(parse(&format!("play {words}")), Err(ParseError::NotASelection(words)));
    }
    check_error("play -3", "\"-3\" is not a song number; in quotes it is searched for");
    // A space that only looks like one is shown as what it is.
    check_error("play 7\u{202f}2", "\"7\\u{202f}2\" is not a song number; in quotes it is searched for");
    check("play all of it", best("all of it"));
    check("play albums", best("albums"));
    check("play album Kind of Blue", Command::Play(Selection::Album("Kind of Blue")));
    check("play ARTIST miles", Command::Play(Selection::Artist("miles")));
    check("add album 1-2", Command::Add(Selection::Album("1-2")));
    check("add 3-7", Command::Add(Selection::Range { first: SongId(3), last: SongId(7) }));
    check("next all", Command::Next(Some(Selection::All)));
    check("next so what", Command::Next(Some(Selection::Best("so what"))));
    check("list so what", Command::List("so what"));
    check("find 3", Command::List("3"));
    check("albums 1959", Command::Albums("1959"));
    check("artists davis", Command::Artists("davis"));
    check_error("play album", "play needs more: play WHAT, for example: play album kind of blue");
    check_error("add", "add needs more: add WHAT, for example: add 3-7");
    check_error("add artist  ", "add needs more: add WHAT, for example: add 3-7");
}

#[test]
fn words_in_quotes_are_words() {
    check("play \"99\"", best("99"));
    check("play \" album \"", best("album"));
    check("play \"all\"", best("all"));
    check("play album 3-7", Command::Play(Selection::Album("3-7")));
    check("play album \"3-7\"", Command::Play(Selection::Album("3-7")));
    check("next \"3\"", Command::Next(Some(Selection::Best("3"))));
    check("list \"so what\"", Command::List("so what"));
    check("list \"\"", Command::List(""));
    check("play \"so what", best("\"so what"));
    check("play \"a\" \"b\"", best("\"a\" \"b\""));
    check("play \"", best("\""));
    check_error("play \"\"", "play needs more: play WHAT, for example: play album kind of blue");
}

#[test]
fn a_search_has_a_longest_text() {
    let longest = "é".repeat(64);
    check(&format!("list {longest}"), Command::List(&longest));
    check(&format!("play \"{longest}\""), best(&longest));
    for command in ["list", "albums", "artists", "play", "add artist", "next album"] {
        check_error(&format!("{command} {longest}!"), "a search has at most 128 bytes; fewer words are enough");
    }
}

#[test]
fn extra_words() {
    check_error("quit now", "quit takes no arguments");
    check_error("clear all", "clear takes no arguments");
    check_error("info 3 4", "\"4\" is out of place here; the command is: info [N]");
    check_error("volume 5 0", "\"0\" is out of place here; the command is: volume [0-100 | +N | -N]");
    check_error("stop now", "\"now\" is out of place here; the command is: stop [after]");
    check_error("stop after all", "\"all\" is out of place here; the command is: stop [after]");
    check_error("shuffle songs", "\"songs\" is out of place here; the command is: shuffle [on | album | off]");
}

#[test]
fn settings_are_keywords() {
    check("shuffle", Command::Shuffle(None));
    check("shuffle ON", Command::Shuffle(Some(Shuffle::Songs)));
    check("shuffle album", Command::Shuffle(Some(Shuffle::Albums)));
    check("shuffle off", Command::Shuffle(Some(Shuffle::Off)));
    check("repeat", Command::Repeat(None));
    check("repeat off", Command::Repeat(Some(Repeat::Off)));
    check("repeat all", Command::Repeat(Some(Repeat::All)));
    check("repeat one", Command::Repeat(Some(Repeat::One)));
    check("gain", Command::Gain(None));
    check("gain off", Command::Gain(Some(GainMode::Off)));
    check("gain track", Command::Gain(Some(GainMode::Track)));
    check("gain album", Command::Gain(Some(GainMode::Album)));
    check("gain auto", Command::Gain(Some(GainMode::Auto)));
    check("stop AFTER", Command::StopAfter);
}

#[test]
fn places_in_the_queue() {
    check("jump 3", Command::Jump(3));
    check_error("jump", "jump needs more: jump N, for example: jump 3");
    check("remove 3", Command::Remove { first: 3, last: 3 });
    check("remove 3-7", Command::Remove { first: 3, last: 7 });
    check_error("remove", "remove needs more: remove N | N-N, for example: remove 2-4");
    check_error("remove 7-3", "a range goes from the smaller number to the larger: 3-7");
    for word in ["x", "0", "0-3", "-3", "3-", "4294967296", "٣"] {
        assert_eq!(parse(&format!("remove {word}")), Err(ParseError::NotAPlace(word)));
        assert_eq!(parse(&format!("jump {word}")), Err(ParseError::NotAPlace(word)));
    }
}

#[test]
fn sleep_times() {
    let after = |seconds| Command::Sleep(Some(Sleep::After(Duration::from_secs(seconds))));
    check("sleep", Command::Sleep(None));
    check("sleep off", Command::Sleep(Some(Sleep::Off)));
    check("sleep 90s", after(90));
    check("sleep 30M", after(1_800));
    check("sleep 1h", after(3_600));
    check_error("sleep 30", "\"30\" is not a length of time; they are 90s, 30m or 1h");
    for word in ["x", "m", "0m", "-3m", "+3m", "1.5h", "3é", "1h30m", "٣m"] {
        assert_eq!(parse(&format!("sleep {word}")), Err(ParseError::NotATimer(word)));
    }
    assert_eq!(parse("sleep 99999999999999999999h"), Err(ParseError::TimeTooLong("99999999999999999999h")));
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
    check_error("info can't", "\"can't\" is not a song number; list shows them");
    check_error("info été", "\"été\" is not a song number; list shows them");
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
        let first = spec.keywords().next().unwrap_or("x");
        let takes_arguments = !matches!(parse(&format!("{} {first} y z", spec.name)), Err(ParseError::ExtraWord { word, .. }) if word == first);
        assert_eq!(takes_arguments, !spec.synopsis.is_empty(), "{}", spec.name);
    }
}

#[test]
fn completions_are_names_in_table_order() {
    let complete = |prefix| completions(prefix).collect::<Vec<_>>();
    assert_eq!(complete("P"), ["play", "previous", "pause"]);
    assert_eq!(complete("vol"), ["volume"]);
    assert_eq!(complete("ex"), ["exit"]);
    assert_eq!(complete("x"), [""; 0]);
    assert_eq!(complete("").len(), COMMANDS.len() + 4);
}

#[test]
fn keywords_stand_in_the_synopsis() {
    let keywords = |name| find(name).unwrap().keywords().collect::<Vec<_>>();
    assert_eq!(keywords("repeat"), ["off", "all", "one"]);
    assert_eq!(keywords("sleep"), ["off"]);
    assert_eq!(keywords("play"), ["all", "album", "artist"]);
    assert_eq!(keywords("next"), keywords("play"));
    assert_eq!(keywords("list"), [""; 0]);
    let takes_words = COMMANDS.iter().filter(|command| command.takes_words()).map(|command| command.name);
    assert_eq!(takes_words.collect::<Vec<_>>(), ["list", "albums", "artists", "play", "add", "next"]);
}

#[test]
fn help_fits_a_serial_console() {
    let mut help = String::new();
    write_help(&mut help).unwrap();
    assert!(help.contains("gain [off | track | album | auto]  even out the loudness\n"), "{help}");
    assert!(help.contains("queue                              show the queue\n"), "{help}");
    assert_eq!(help.lines().count(), COMMANDS.len() + 2);
    for line in help.lines() {
        assert!(line.len() <= 72, "{line}");
    }
}

#[test]
fn help_on_one_command() {
    let mut help = String::new();
    write_help_on(&mut help, find("quit").unwrap()).unwrap();
    assert_eq!(help, "quit                               leave\nalso: exit\nalso: q\nfor example: quit\n");
}

fn any_position() -> impl Strategy<Value = Duration> {
    (0..=u32::MAX).prop_map(|ms| Duration::from_millis(ms.into()))
}

fn any_song() -> impl Strategy<Value = SongId> {
    (1..=u32::MAX).prop_map(SongId)
}

/// Words to search for, with what could be misread: in upper case, so that the line may be shouted.
fn any_words() -> impl Strategy<Value = &'static str> {
    let words =
        "[A-Z0-9]{1,9}( [A-Z\"-]{1,9}){0,3}|ALL|ALBUM|ARTIST X|[0-9]{1,4}(-[0-9]{1,4})?|[0-9]{1,4} AT [0-9]{1,4}";
    words.prop_map(|words| &*std::boxed::Box::leak(words.into_boxed_str()))
}

fn any_selection() -> impl Strategy<Value = Selection<'static>> {
    prop_oneof![
        Just(Selection::All),
        (any_song(), any_position()).prop_map(|(song, at)| Selection::Song { song, at }),
        (any_song(), any_song()).prop_map(|(a, b)| Selection::Range { first: a.min(b), last: a.max(b) }),
        any_words().prop_map(Selection::Best),
        any_words().prop_map(Selection::Album),
        any_words().prop_map(Selection::Artist),
    ]
}

fn any_command() -> impl Strategy<Value = Command<'static>> {
    let percent = || 0..=MAX_VOLUME;
    prop_oneof![
        prop::sample::select(vec![
            Command::List(""),
            Command::Albums(""),
            Command::Artists(""),
            Command::Info(None),
            Command::Next(None),
            Command::Previous,
            Command::Queue,
            Command::Clear,
            Command::Shuffle(None),
            Command::Shuffle(Some(Shuffle::Songs)),
            Command::Shuffle(Some(Shuffle::Albums)),
            Command::Repeat(None),
            Command::Repeat(Some(Repeat::One)),
            Command::Gain(None),
            Command::Gain(Some(GainMode::Auto)),
            Command::Stop,
            Command::StopAfter,
            Command::Pause,
            Command::Resume,
            Command::Volume(None),
            Command::Sleep(None),
            Command::Sleep(Some(Sleep::Off)),
            Command::Status,
            Command::Browse,
            Command::Help(None),
            Command::Quit,
        ]),
        any_words().prop_map(Command::List),
        any_words().prop_map(Command::Albums),
        any_words().prop_map(Command::Artists),
        any_song().prop_map(|song| Command::Info(Some(song))),
        any_selection().prop_map(Command::Play),
        any_selection().prop_map(Command::Add),
        any_selection().prop_map(|selection| Command::Next(Some(selection))),
        any_song().prop_map(|SongId(place)| Command::Jump(place)),
        (any_song(), any_song()).prop_map(|(a, b)| Command::Remove { first: a.min(b).0, last: a.max(b).0 }),
        (1..=u32::MAX / 1_000).prop_map(|s| Command::Sleep(Some(Sleep::After(Duration::from_secs(s.into()))))),
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
    fn any_line_gives_a_command_or_one_safe_line(line in "\\PC*|.*|(?i:(play|add|next|seek|volume|info|remove|sleep|gain|help|p|s) ([0-9:.+%-]{0,12}|\\PC*))( at .*)?") {
        if let Err(error) = parse(&line) {
            let shown = error.to_string();
            prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
            prop_assert!(shown.len() <= 500, "{:?}", shown);
        }
    }
}
