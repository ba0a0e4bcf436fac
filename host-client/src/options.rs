//! The command line: `trill [OPTIONS] [HOST[:PORT]] [COMMAND …]`.
//!
//! The first word is a command if it is the whole name of one, or a song's number. Otherwise it is the host: `trill list` lists
//! songs, and `trill lis` connects to a host. A host that is named like a command needs a port: `play:7455`.
//!
//! The other [settings] complete those of the command line.
//!
//! [settings]: crate::settings

use std::ffi::OsString;
use std::fmt;

use serde::Deserialize;
use trill_cli::{ArgumentError, Arguments};
use trill_player::AddressError;
use trill_player::command::{self, Command, GainMode, MAX_VOLUME, Repeat, Shuffle};
use trill_proto::limits::MAX_NAME_BYTES;

use crate::output::{OutputTarget, ParseTargetError};
use crate::server::{Origin, Server};
use crate::settings::Settings;

mod ctl;

pub use ctl::Ctl;

/// The text of `--help`.
pub const HELP: &str = "\
Plays music from a Trill server on this machine.

Usage: trill [OPTIONS] [HOST[:PORT]] [COMMAND ...]
       trill ctl [--player PID] COMMAND ...

With a COMMAND, trill runs it and exits. Without one, it shows a prompt.
trill HOST help lists the commands. While a single play plays at a terminal,
space pauses, n and p skip, and ? shows the other keys.
HOST is an address, a host name, or the name of a server on the local network
as --find shows it, in quotes if it has spaces. The default PORT is 7455.
Without a HOST, trill connects to the server that the environment variable
TRILL_HOST or the configuration names. At a terminal the next choices are the
last server and the only server on the network. The last choice is this
machine.

trill ctl runs the COMMAND in the player of another terminal: the one that
was started last, or the one with that process id. A status bar reads
trill ctl status --json --follow, which prints a line at every change.

Options:
      --output SPEC   where to send the sound (default: device)
                        device        the default sound device
                        device:NAME   another one; see --list-devices
                        wav:PATH      a file, written as fast as possible;
                                      the volume does not apply
                        wav:-         standard output, for another program
                        null          nowhere, in real time
      --json          answers of list, find, albums, artists, info, queue and
                      status as JSON, one object a line; also for ctl
      --list-devices  list the sound devices and exit
      --find          list the servers on the local network and exit
      --volume N      initial volume, 0 to 100 (default: 100)
      --name NAME     name of this client in the server's log
  -v, --verbose       print more; -vv prints everything
  -q, --quiet         print only errors
  -h, --help          print this help and exit
  -V, --version       print the version and exit

Examples:
  trill 192.168.1.5                 show a prompt; type help there
  trill attic list                  list the songs of the server attic
  trill attic play 3 at 1:30        play one song, then exit
  trill --output wav:3.wav play 3   save a song of this machine's server
  trill [fe80::1%eth0]:7456         an IPv6 address and another port

With PulseAudio or PipeWire each sink is a device. The environment variable
PULSE_SINK sets the default sink.

A HOST that is named like a command needs a port: trill play:7455
Use -- to end options.

Files:
  ~/.config/trill/config.toml       settings: server, output, volume, gain,
                                    shuffle, repeat, name, verbosity; options
                                    have precedence
  ~/.local/state/trill/state.toml   server, volume, gain, shuffle and repeat
                                    of the last prompt; read and written at a
                                    terminal
XDG_CONFIG_HOME and XDG_STATE_HOME choose other places.

Exit status: 0 success, 1 failure, 2 wrong command line or configuration.
Ctrl-C gives status 130 in a shell.
";

/// The text of `--version`.
pub const VERSION: &str = concat!("trill ", env!("CARGO_PKG_VERSION"), "\n");

/// The parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Print [`HELP`] and exit.
    Help,
    /// Print [`VERSION`] and exit.
    Version,
    /// Print the sound devices and exit.
    ListDevices,
    /// Print the servers on the network and exit.
    Find,
    /// Connect to a server.
    Run {
        /// The settings of the command line.
        settings: Settings,
        /// The command to run, a line that [`command::parse`] takes; `None` for the prompt.
        command: Option<String>,
        /// Print answers as JSON.
        is_json: bool,
    },
    /// Execute a command in another player.
    Ctl(Ctl),
}

/// The options for a connection to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The server.
    pub server: Server,
    /// The command to run, a line that [`command::parse`] takes; `None` for the prompt.
    pub command: Option<String>,
    /// The sound output.
    pub output: OutputTarget,
    /// The initial volume, 0 to [`MAX_VOLUME`].
    pub volume_percent: u8,
    /// The initial gain.
    pub gain: GainMode,
    /// The initial order of the queue.
    pub shuffle: Shuffle,
    /// What a prompt repeats at first.
    pub repeat: Repeat,
    /// The client's name in the server's log, at most [`MAX_NAME_BYTES`]; `None` for the default.
    pub name: Option<String>,
    /// How much to print.
    pub verbosity: Verbosity,
    /// Prints answers as JSON.
    pub is_json: bool,
}

/// How much the program prints in addition to results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Only errors.
    Quiet,
    /// Notices for a listener, too.
    Normal,
    /// Events of the connection, too.
    Verbose,
    /// All details.
    Debug,
}

impl Invocation {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    ///
    /// A [`UsageError`]: print it and exit with status 2.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut arguments = arguments.into_iter().peekable();
        let is_ctl = arguments.next_if(|argument| argument == ctl::NAME).is_some();
        let mut arguments = Arguments::new(arguments);
        if arguments.flag(["-h", "--help"]) {
            return Ok(Self::Help);
        }
        if arguments.flag(["-V", "--version"]) {
            return Ok(Self::Version);
        }
        if is_ctl {
            return Ctl::parse(arguments).map(Self::Ctl);
        }
        let actions = [("--list-devices", Self::ListDevices), ("--find", Self::Find)];
        let action = actions.into_iter().find(|(option, _)| arguments.flag([option]));
        let output = arguments.value("--output")?.map(output).transpose()?;
        let volume = arguments.value("--volume")?.map(volume).transpose()?;
        let name = arguments.short_value("--name", MAX_NAME_BYTES)?;
        let verbosity = verbosity(&mut arguments)?;
        let is_json = arguments.flag(["--json"]);
        let words: Vec<String> = arguments.finish()?.into_iter().map(unicode).collect::<Result<_, _>>()?;
        if let Some((option, action)) = action {
            return match words.into_iter().next() {
                None => Ok(action),
                Some(word) => Err(UsageError::UnexpectedWord { word, option }),
            };
        }
        let (server, command) = split_server(&words)?;
        let command = parse_command(command)?;
        let has_json = |line| matches!(command::parse(line), Ok(Some(command)) if has_json(&command));
        if is_json && command.as_deref().is_some_and(|line| !has_json(line)) {
            return Err(UsageError::NoJson);
        }
        let settings = Settings { server, output, volume, name, verbosity, ..Settings::default() };
        Ok(Self::Run { settings, command, is_json })
    }
}

impl Options {
    /// Completes `settings` by the defaults.
    pub fn new(settings: Settings, command: Option<String>, is_json: bool) -> Self {
        Self {
            server: settings.server.unwrap_or_else(Server::this_machine),
            command,
            output: settings.output.unwrap_or(OutputTarget::DefaultDevice),
            volume_percent: settings.volume.unwrap_or(MAX_VOLUME),
            gain: settings.gain.unwrap_or_default(),
            shuffle: settings.shuffle.unwrap_or_default(),
            repeat: settings.repeat.unwrap_or_default(),
            name: settings.name,
            verbosity: settings.verbosity.unwrap_or(Verbosity::Normal),
            is_json,
        }
    }
}

/// Whether the answer of this command can be JSON.
const fn has_json(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::List(_)
            | Command::Albums(_)
            | Command::Artists(_)
            | Command::Info(_)
            | Command::Queue
            | Command::Status
    )
}

fn output(text: String) -> Result<OutputTarget, UsageError> {
    text.parse().map_err(UsageError::BadOutput)
}

fn volume(text: String) -> Result<u8, UsageError> {
    match text.parse() {
        Ok(percent) if percent <= MAX_VOLUME => Ok(percent),
        _ => Err(UsageError::BadVolume(text)),
    }
}

fn verbosity(arguments: &mut Arguments) -> Result<Option<Verbosity>, UsageError> {
    let quiet = arguments.flag(["-q", "--quiet"]);
    let debug = arguments.flag(["-vv"]);
    let verbose = arguments.flag(["-v", "--verbose"]);
    let debug = debug || (verbose && arguments.flag(["-v", "--verbose"]));
    match (quiet, verbose, debug) {
        (true, false, false) => Ok(Some(Verbosity::Quiet)),
        (true, ..) => Err(UsageError::VerboseAndQuiet),
        (false, _, true) => Ok(Some(Verbosity::Debug)),
        (false, true, false) => Ok(Some(Verbosity::Verbose)),
        (false, false, false) => Ok(None),
    }
}

fn unicode(argument: OsString) -> Result<String, UsageError> {
    let not_unicode = |argument: OsString| ArgumentError::NotUnicode(argument.to_string_lossy().into_owned());
    Ok(argument.into_string().map_err(not_unicode)?)
}

/// Splits the words into the server, if there is one, and the command.
fn split_server(words: &[String]) -> Result<(Option<Server>, &[String]), UsageError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok((None, words));
    };
    if first == ctl::NAME {
        return Err(UsageError::MisplacedCtl);
    }
    // One argument may hold a whole command: trill "play 3".
    let name = first.split_whitespace().next().unwrap_or(first);
    if command::is_name(name) || name.parse::<u32>().is_ok() {
        return Ok((None, words));
    }
    match Server::parse(first, Origin::CommandLine) {
        Ok(server) => Ok((Some(server), rest)),
        Err(error) => Err(UsageError::BadAddress { word: first.clone(), error }),
    }
}

/// Joins the words of a command, after a check.
fn parse_command(words: &[String]) -> Result<Option<String>, UsageError> {
    let line = words.join(" ");
    match command::parse(&line) {
        Ok(command) => Ok(command.is_some().then_some(line)),
        Err(error) => Err(UsageError::BadCommand(error.to_string())),
    }
}

/// Why the command line is wrong. `Display` gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// An option is unknown, incomplete or given twice, or an argument is not valid Unicode.
    BadArgument(ArgumentError),
    /// The value of `--output` is not an output.
    BadOutput(ParseTargetError),
    /// The value of `--volume` is not a number from 0 to [`MAX_VOLUME`].
    BadVolume(String),
    /// `-v` and `-q` are given together.
    VerboseAndQuiet,
    /// An option that prints something takes no arguments.
    UnexpectedWord {
        /// The argument.
        word: String,
        /// The option.
        option: &'static str,
    },
    /// The first word is not a server's address.
    BadAddress {
        /// The word.
        word: String,
        /// Why the word is not an address.
        error: AddressError,
    },
    /// The words after the host are not a command; the command parser's message.
    BadCommand(String),
    /// `ctl` comes after options.
    MisplacedCtl,
    /// `ctl` comes without a command.
    NoCtlCommand,
    /// `--follow` goes with `status --json` only.
    CannotFollow,
    /// `--json` comes with a command that has no such answer.
    NoJson,
    /// The value of `--player` is not a process id.
    BadPlayer(String),
}

impl std::error::Error for UsageError {}

impl From<ArgumentError> for UsageError {
    fn from(error: ArgumentError) -> Self {
        Self::BadArgument(error)
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadArgument(error) => error.fmt(f),
            Self::BadOutput(error) => write!(f, "--output: {error}"),
            Self::BadVolume(value) => {
                write!(f, "--volume must be 0 to {MAX_VOLUME}, not {value:?}")
            }
            Self::VerboseAndQuiet => f.write_str("--verbose and --quiet contradict each other"),
            Self::UnexpectedWord { word, option } => {
                write!(f, "unexpected argument {word:?}: {option} takes none")
            }
            Self::BadAddress { word, error: AddressError::BadHost } => {
                write!(f, "{word:?} is neither a host nor a command")
            }
            Self::BadAddress { word, error } => write!(f, "{word:?}: {error}"),
            Self::BadCommand(reason) => f.write_str(reason),
            Self::MisplacedCtl => {
                f.write_str("ctl comes first: trill ctl COMMAND; for a host of that name, type ctl:7455")
            }
            Self::NoCtlCommand => f.write_str("ctl needs a command, for example: trill ctl pause"),
            Self::CannotFollow => f.write_str("--follow goes with status: trill ctl status --json --follow"),
            Self::NoJson => f.write_str("--json goes with list, find, albums, artists, info, queue and status"),
            Self::BadPlayer(value) => write!(f, "--player takes a process id, not {value:?}"),
        }
    }
}

#[cfg(test)]
mod tests;
