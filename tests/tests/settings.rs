//! What the client takes from the environment and from its files, and what it remembers.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use trill_tests::client::{Client, STATE_HOME};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::raw::ClosedPort;
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Terminal, VT100};

const DEADLINE: Duration = Duration::from_secs(60);

/// A server named `name` with one song.
fn serve(name: &str) -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(500));
    let server = ServerProcess::start_with(music.path(), &["--name", name]);
    (music, server)
}

/// A client whose files are in `home`.
fn at_home(home: &Path) -> Client {
    Client::new().env(STATE_HOME, home.join("state")).env("XDG_CONFIG_HOME", home.join("config"))
}

/// Writes `config.toml` for [`at_home`].
fn configure(home: &Path, text: &str) {
    let directory = home.join("config/trill");
    fs::create_dir_all(&directory).expect("a directory of this test's own");
    fs::write(directory.join("config.toml"), text).expect("a directory of this test's own");
}

#[track_caller]
fn quit(mut terminal: Terminal) {
    terminal.type_line("quit");
    assert!(terminal.wait(DEADLINE).success(), "{terminal}");
}

#[test]
fn the_server_and_the_settings_of_a_prompt_are_remembered() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (_music, attic) = serve("attic");
    let terminal = at_home(home.path()).arg("--output=null").arg(attic.address().to_string()).in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, &format!("connected to attic ({}), 1 song", attic.address()));
    let settings = ["volume 40", "gain auto", "shuffle on", "repeat all"];
    settings.iter().for_each(|setting| terminal.type_line(setting));
    terminal.wait_for_text(DEADLINE, "repeat all; 0 songs");
    quit(terminal);
    let terminal = at_home(home.path()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, &format!("connected to attic ({}, the last server)", attic.address()));
    for setting in settings {
        terminal.type_line(setting.split(' ').next().expect("a command"));
        terminal.wait_for_text(DEADLINE, setting);
    }
    quit(terminal);
    // A single command at a terminal goes to the same server and changes nothing.
    let before = fs::read(home.path().join("state/trill/state.toml")).expect("the prompt wrote it");
    let mut terminal = at_home(home.path()).args(["--volume=7", "list"]).in_terminal(VT100);
    assert!(terminal.wait(DEADLINE).success(), "{terminal}");
    assert!(terminal.screen_contains("0:00"), "{terminal}");
    assert_eq!(fs::read(home.path().join("state/trill/state.toml")).ok(), Some(before));
    // It plays a song once, whatever the prompt repeats.
    let mut terminal = at_home(home.path()).args(["--output=null", "play", "1"]).in_terminal(VT100);
    assert!(terminal.wait(DEADLINE).success(), "{terminal}");
}

#[test]
fn a_prompt_begins_with_the_settings_of_the_configuration() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (_music, server) = serve("attic");
    configure(home.path(), "gain = 'album'\nshuffle = 'on'\nrepeat = 'one'\nvolume = 30\n");
    let client = || at_home(home.path()).arg("--output=null").arg(server.address().to_string());
    let terminal = client().in_terminal(VT100);
    for setting in ["gain album", "shuffle on", "repeat one", "volume 30"] {
        terminal.type_line(setting.split(' ').next().expect("a command"));
        terminal.wait_for_text(DEADLINE, setting);
    }
    quit(terminal);
    // A script that repeats would never end.
    let script = client().run_script("repeat\ngain\nplay 1\n", DEADLINE).expect_code(0);
    assert_eq!(script.stdout, "gain album\n");
    assert!(script.stderr.contains("repeat off"), "{script}");
}

#[test]
fn a_prompt_that_cannot_remember_says_so_once_and_works() {
    let (_music, server) = serve("attic");
    let terminal = Client::of(server.address()).arg("--output=null").env(STATE_HOME, "/dev/null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "cannot remember settings in /dev/null/trill/state.toml");
    terminal.type_line("volume 40");
    terminal.type_line("volume");
    terminal.wait_for_text(DEADLINE, "volume 40");
    assert_eq!(terminal.transcript().matches("cannot remember").count(), 1, "{terminal}");
    quit(terminal);
}

#[test]
fn a_script_follows_the_environment_and_the_configuration_and_not_the_last_prompt() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let ((_music, attic), (_more_music, cellar)) = (serve("attic"), serve("cellar"));
    let server = |client: Client| {
        let output = client.args(["-v", "list"]).run(DEADLINE).expect_code(0);
        output.stderr.lines().find(|line| line.starts_with("connected")).map(str::to_owned).unwrap_or_default()
    };
    configure(home.path(), &format!("server = '{}'\n", attic.address()));
    let client = || at_home(home.path());
    let configured = format!("connected to attic ({}, as config.toml says)", attic.address());
    assert_eq!(server(client()), configured);
    let of_environment = format!("connected to cellar ({}, as TRILL_HOST says)", cellar.address());
    assert_eq!(server(client().env("TRILL_HOST", cellar.address().to_string())), of_environment);
    assert_eq!(server(client().env("TRILL_HOST", "")), configured);
    let given = client().env("TRILL_HOST", cellar.address().to_string()).arg(attic.address().to_string());
    assert_eq!(server(given), format!("connected to attic ({})", attic.address()));
    // A script does not know the last server.
    configure(home.path(), "");
    let last = home.path().join("state/trill");
    fs::create_dir_all(&last).expect("a directory of this test's own");
    fs::write(last.join("state.toml"), format!("server = '{}'\n", ClosedPort::reserve().address())).expect("a file");
    assert_eq!(server(client().env("TRILL_HOST", cellar.address().to_string())), of_environment);
}

#[test]
fn a_file_that_is_not_regular_is_not_waited_for() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (_music, server) = serve("attic");
    let make_fifo = |path: &str| {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory of this test's own");
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
        path.display().to_string()
    };
    let fifos = ["state/trill/state.toml", "state/trill/history"].map(make_fifo);
    let terminal = at_home(home.path()).arg("--output=null").arg(server.address().to_string()).in_terminal(VT100);
    for fifo in fifos {
        terminal.wait_for_text(DEADLINE, &format!("cannot read {fifo}: it is not a regular file"));
    }
    terminal.type_line("volume");
    terminal.wait_for_text(DEADLINE, "volume 100");
    quit(terminal);
    let config = make_fifo("config/trill/config.toml");
    let output = at_home(home.path()).arg("list").run(DEADLINE).expect_code(2);
    assert_eq!(output.stderr, format!("trill: {config}: it is not a regular file\n"));
}

#[test]
fn directories_that_are_not_absolute_are_ignored() {
    let home = tempfile::tempdir().expect("a temporary directory");
    configure(home.path(), "nonsense");
    fs::create_dir(home.path().join(".config")).expect("a directory of this test's own");
    fs::rename(home.path().join("config/trill"), home.path().join(".config/trill")).expect("the same file system");
    for relative in ["", "config", "./config"] {
        let client = at_home(home.path()).env("HOME", home.path()).env("XDG_CONFIG_HOME", relative);
        let output = client.arg("list").run(DEADLINE).expect_code(2);
        let expected = format!("trill: {}/.config/trill/config.toml, line 1: ", home.path().display());
        assert!(output.stderr.starts_with(&expected), "{relative:?}: {output}");
    }
}

#[test]
fn an_error_in_the_configuration_is_a_wrong_command_line() {
    let home = tempfile::tempdir().expect("a temporary directory");
    configure(home.path(), "volume = 30\nvolme = 40\n");
    let output = at_home(home.path()).arg("list").run(DEADLINE).expect_code(2);
    let path = home.path().join("config/trill/config.toml");
    let expected = format!("trill: {}, line 2: unknown field `volme`, expected one of `server`, ", path.display());
    assert!(output.stderr.starts_with(&expected), "{output}");
    at_home(home.path()).arg("--help").run(DEADLINE).expect_code(0);
    let output = at_home(Path::new("/dev/null")).env("TRILL_HOST", "a/b").arg("list").run(DEADLINE).expect_code(2);
    assert_eq!(output.stderr, "trill: TRILL_HOST: a server is written HOST or HOST:PORT\n");
}
