use super::*;

fn parse(line: &[&str]) -> Result<Invocation, UsageError> {
    Invocation::parse(line.iter().map(OsString::from))
}

#[track_caller]
fn run(line: &[&str]) -> Options {
    match parse(line) {
        Ok(Invocation::Run { settings, command, is_json }) => Options::new(settings, command, is_json),
        other => panic!("{line:?}: {other:?}"),
    }
}

#[track_caller]
fn check_error(line: &[&str], expected: &str) {
    match parse(line) {
        Err(error) => assert_eq!(error.to_string(), expected, "{line:?}"),
        Ok(invocation) => panic!("{line:?}: {invocation:?}"),
    }
}

#[track_caller]
fn check_command(line: &[&str], server: &str, command: Option<&str>) {
    let options = run(line);
    assert_eq!((options.server.to_string().as_str(), options.command.as_deref()), (server, command), "{line:?}");
}

#[test]
fn nothing_at_all_is_a_prompt_on_this_machine() {
    let expected = Options {
        server: Server::this_machine(),
        command: None,
        output: OutputTarget::DefaultDevice,
        volume_percent: 100,
        gain: GainMode::Off,
        shuffle: Shuffle::Off,
        repeat: Repeat::Off,
        name: None,
        verbosity: Verbosity::Normal,
        is_json: false,
    };
    assert_eq!(run(&[]), expected);
}

#[test]
fn the_first_word_is_a_host_unless_it_is_a_command() {
    check_command(&["attic"], "attic:7455", None);
    check_command(&["attic", "list"], "attic:7455", Some("list"));
    check_command(&["attic", "l"], "attic:7455", Some("l"));
    check_command(&["attic", "3"], "attic:7455", Some("3"));
    check_command(&["list"], "localhost:7455", Some("list"));
    check_command(&["find", "so", "what"], "localhost:7455", Some("find so what"));
    check_command(&["PLAY", "3"], "localhost:7455", Some("PLAY 3"));
    check_command(&["3"], "localhost:7455", Some("3"));
    check_command(&["l"], "l:7455", None);
    check_command(&["art", "list"], "art:7455", Some("list"));
    check_command(&["play:7455", "play", "3"], "play:7455", Some("play 3"));
    check_command(&["play.local"], "play.local:7455", None);
}

#[test]
fn invalid_servers() {
    let check = |argument: &str, error| {
        assert_eq!(parse(&[argument]), Err(UsageError::BadAddress { word: argument.to_owned(), error }));
    };
    for argument in ["", " a b", "a/b", "1:2:3", "[1:2:3]:80", "1:2:3%eth0", "[::1", "::1:7455x"] {
        check(argument, AddressError::BadHost);
    }
    for argument in ["attic:", "attic: 80", "attic:abc", "attic:0"] {
        check(argument, AddressError::BadPort);
    }
    check_command(&["fe80::1%eth0"], "[fe80::1%eth0]:7455", None);
    check_error(&["attic\u{1b}[2J"], "\"attic\\u{1b}[2J\" is neither a host nor a command");
    check_error(&["attic:0"], "\"attic:0\": a port is a number from 1 to 65535");
}

#[test]
fn what_follows_the_host_is_one_command() {
    check_command(&["attic", "play", "3"], "attic:7455", Some("play 3"));
    check_command(&["attic (2)", "play", "3"], "attic (2):7455", Some("play 3"));
    check_command(&["attic", "play 3"], "attic:7455", Some("play 3"));
    check_command(&["play 3"], "localhost:7455", Some("play 3"));
    check_command(&["attic", ""], "attic:7455", None);
    check_command(&["attic", "volume", "-5"], "attic:7455", Some("volume -5"));
    check_command(&["seek", "-10"], "localhost:7455", Some("seek -10"));
    check_command(&["attic", "seek", "-1:30"], "attic:7455", Some("seek -1:30"));
    check_error(&["attic", "play"], "play needs more: play WHAT, for example: play album kind of blue");
    check_error(&["play", "0"], "there is no song 0: song numbers start at 1");
    check_error(&["attic", "basement"], "no command \"basement\"; help lists them");
    check_error(&["status", "attic"], "status takes no arguments");
}

#[test]
fn options_may_stand_anywhere() {
    for line in [
        ["--output", "null", "--volume", "30", "--name", "couch", "attic", "play", "3"],
        ["attic", "--output", "null", "play", "--volume", "30", "3", "--name", "couch"],
    ] {
        let expected = Options {
            server: Server::parse("attic", Origin::CommandLine).expect("a host"),
            command: Some("play 3".to_owned()),
            output: OutputTarget::Null,
            volume_percent: 30,
            gain: GainMode::Off,
            shuffle: Shuffle::Off,
            repeat: Repeat::Off,
            name: Some("couch".to_owned()),
            verbosity: Verbosity::Normal,
            is_json: false,
        };
        assert_eq!(run(&line), expected);
    }
    let options = run(&["--output=wav:a=b.wav", "--volume=0", "--name=my couch"]);
    assert_eq!((options.output, options.volume_percent), (OutputTarget::Wav("a=b.wav".into()), 0));
    assert_eq!(options.name.as_deref(), Some("my couch"));
}

#[test]
fn verbosity_adds_up() {
    for (line, expected) in [
        (&["-q"][..], Verbosity::Quiet),
        (&["--quiet"], Verbosity::Quiet),
        (&["-v"], Verbosity::Verbose),
        (&["--verbose", "attic"], Verbosity::Verbose),
        (&["-v", "-v"], Verbosity::Debug),
        (&["-v", "--verbose"], Verbosity::Debug),
        (&["-vv"], Verbosity::Debug),
    ] {
        assert_eq!(run(line).verbosity, expected, "{line:?}");
    }
    check_error(&["-v", "-q"], "--verbose and --quiet contradict each other");
    check_error(&["-vv", "-q"], "--verbose and --quiet contradict each other");
}

#[test]
fn help_version_and_devices() {
    assert_eq!(parse(&["--help"]), Ok(Invocation::Help));
    assert_eq!(parse(&["attic", "-h", "--nonsense"]), Ok(Invocation::Help));
    assert_eq!(parse(&["-V"]), Ok(Invocation::Version));
    assert_eq!(parse(&["--version"]), Ok(Invocation::Version));
    assert_eq!(parse(&["--list-devices"]), Ok(Invocation::ListDevices));
    check_error(&["--list-devices", "attic"], "unexpected argument \"attic\": --list-devices takes none");
    check_command(&["help"], "localhost:7455", Some("help"));
}

#[test]
fn wrong_options() {
    check_error(&["--loud"], "no option \"--loud\"; --help lists them");
    check_error(&["attic", "list", "-x"], "no option \"-x\"; --help lists them");
    check_error(&["-host"], "no option \"-host\"; --help lists them");
    check_error(&["--verbose=2"], "no option \"--verbose=2\"; --help lists them");
    check_error(&["-"], "no option \"-\"; --help lists them");
    check_error(&["--output"], "--output needs a value");
    check_error(&["--output="], "--output needs a value");
    check_error(&["--output", "wav"], "--output: incomplete output: expected wav:PATH");
    check_error(&["--output", "--volume", "30"], "--output needs a value");
    check_error(&["--name", ""], "--name takes 1 to 64 bytes");
    check_error(&["--name", &"x".repeat(65)], "--name takes 1 to 64 bytes");
    assert_eq!(run(&["--name", &"x".repeat(64)]).name, Some("x".repeat(64)));
    check_error(&["--volume", "101"], "--volume must be 0 to 100, not \"101\"");
    check_error(&["--volume", "loud"], "--volume must be 0 to 100, not \"loud\"");
    check_error(&["--volume", "1", "--volume=2"], "--volume is given twice");
    check_error(&["-q", "-q"], "-q is given twice");
    check_error(&["--\u{1b}[2J"], "no option \"--\\u{1b}[2J\"; --help lists them");
}

#[test]
fn two_dashes_end_options() {
    check_command(&["--", "attic", "seek", "-10"], "attic:7455", Some("seek -10"));
    check_command(&["attic", "--", "list"], "attic:7455", Some("list"));
    check_error(&["attic", "--", "--help"], "no command \"--help\"; help lists them");
    check_error(&["attic", "status", "--", "--", "-v"], "status takes no arguments");
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_unicode() {
    use std::os::unix::ffi::OsStringExt;

    let not_unicode = |shown: &str| UsageError::from(ArgumentError::NotUnicode(shown.to_owned()));
    let broken = || OsString::from_vec(b"a\xff".to_vec());
    for line in [vec![broken()], vec!["--".into(), broken()], vec!["attic".into(), broken()]] {
        assert_eq!(Invocation::parse(line), Err(not_unicode("a\u{fffd}")));
    }
    let value = Invocation::parse(["--name".into(), broken()]);
    assert_eq!(value, Err(not_unicode("--name")));
}

#[test]
fn help_fits_a_terminal_and_its_examples_work() {
    assert!(HELP.lines().all(|line| line.chars().count() < 80));
    for option in ["--output", "--volume", "--name", "--list-devices", "-v", "--verbose", "-vv", "-q", "--quiet"] {
        assert!(HELP.contains(option), "{option}");
    }
    let examples = HELP.split("Examples:\n").nth(1).unwrap();
    let examples: Vec<_> = examples.lines().take_while(|line| line.starts_with("  trill ")).collect();
    assert_eq!(examples.len(), 5);
    for line in examples {
        let line = line.trim_start().split("   ").next().unwrap();
        let words: Vec<_> = line.split(' ').skip(1).collect();
        assert!(matches!(parse(&words), Ok(Invocation::Run { .. })), "{line}: {:?}", parse(&words));
    }
}

#[test]
fn ctl_takes_a_command_and_options_of_its_own() {
    let check = |line: &[&str], player, sent: &str, follows| {
        let expected = Ctl { player, line: sent.to_owned(), follows };
        assert_eq!(parse(line), Ok(Invocation::Ctl(expected)), "{line:?}");
    };
    check(&["ctl", "pause"], None, "pause", false);
    check(&["ctl", "seek", "-10"], None, "seek -10", false);
    check(&["ctl", "--player=7", "play", "so", "what"], Some(7), "play so what", false);
    check(&["ctl", "stat", "--follow", "--json"], None, "status --json --follow", true);
    check(&["ctl", "--", "status"], None, "status", false);
    check(&["ctl", "queue", "--json"], None, "queue --json", false);
    check_error(&["-q", "ctl", "pause"], "ctl comes first: trill ctl COMMAND; for a host of that name, type ctl:7455");
    check_error(&["ctl", "pause", "-v"], "no option \"-v\"; --help lists them");
    assert_eq!(parse(&["ctl", "--help"]), Ok(Invocation::Help));
}

#[test]
fn json_goes_with_what_is_asked() {
    let parse = |words: &[&str]| Invocation::parse(words.iter().map(OsString::from));
    for line in ["list", "find so what", "albums", "artists", "info 3", "status", ""] {
        let words: Vec<_> = line.split_whitespace().chain(["--json"]).collect();
        assert!(matches!(parse(&words), Ok(Invocation::Run { is_json: true, .. })), "{line}");
    }
    assert_eq!(parse(&["play", "3", "--json"]), Err(UsageError::NoJson));
}
