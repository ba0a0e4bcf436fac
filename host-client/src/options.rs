//! The command line: `trill [OPTIONS] [HOST[:PORT]] [COMMAND …]`.
//!
//! The first word is a command if it is the whole name of one, or a song's number. Otherwise it is the host: `trill list` lists
//! songs, and `trill lis` connects to a host. A host that is named like a command needs a port: `play:7455`.

use std::ffi::OsString;
use std::fmt;
use std::net::Ipv6Addr;

use trill_cli::{ArgumentError, Arguments};
use trill_player::command::{self, MAX_VOLUME};
use trill_player::{AddressError, ServerAddress};
use trill_proto::limits::MAX_NAME_BYTES;

use crate::output::{OutputTarget, ParseTargetError};

/// The text of `--help`.
pub const HELP: &str = "\
Plays music from a Trill server on this machine.

Usage: trill [OPTIONS] [HOST[:PORT]] [COMMAND ...]

With a COMMAND, trill runs it and exits. Without one, it shows a prompt.
The default HOST is this machine. The default PORT is 7455.

Options:
      --output SPEC   where to send the sound (default: device)
                        device        the default sound device
                        device:NAME   another one; see --list-devices
                        wav:PATH      a file, written as fast as possible;
                                      the volume does not apply
                        wav:-         standard output, for another program
                        null          nowhere, in real time
      --list-devices  list the sound devices and exit
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

Exit status: 0 success, 1 failure, 2 wrong command line. Ctrl-C gives
status 130 in a shell.
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
    /// Connect to a server.
    Run(Options),
}

/// The options for a connection to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The server.
    pub server: ServerAddress<String>,
    /// The command to run, a line that [`command::parse`] takes; `None` for the prompt.
    pub command: Option<String>,
    /// The sound output.
    pub output: OutputTarget,
    /// The initial volume, 0 to [`MAX_VOLUME`].
    pub volume_percent: u8,
    /// The client's name in the server's log, at most [`MAX_NAME_BYTES`]; `None` for the default.
    pub name: Option<String>,
    /// How much to print.
    pub verbosity: Verbosity,
}

/// How much the program prints in addition to results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        let mut arguments = Arguments::new(arguments);
        if arguments.flag(["-h", "--help"]) {
            return Ok(Self::Help);
        }
        if arguments.flag(["-V", "--version"]) {
            return Ok(Self::Version);
        }
        let list_devices = arguments.flag(["--list-devices"]);
        let output = arguments.value("--output")?.map_or(Ok(OutputTarget::DefaultDevice), output)?;
        let volume_percent = arguments.value("--volume")?.map_or(Ok(MAX_VOLUME), volume)?;
        let name = arguments.short_value("--name", MAX_NAME_BYTES)?;
        let verbosity = verbosity(&mut arguments)?;
        let words: Vec<String> = arguments.finish()?.into_iter().map(unicode).collect::<Result<_, _>>()?;
        if list_devices {
            return match words.into_iter().next() {
                None => Ok(Self::ListDevices),
                Some(word) => Err(UsageError::UnexpectedWord(word)),
            };
        }
        let (server, command) = split_server(&words)?;
        let command = parse_command(command)?;
        Ok(Self::Run(Options { server, command, output, volume_percent, name, verbosity }))
    }
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

fn verbosity(arguments: &mut Arguments) -> Result<Verbosity, UsageError> {
    let quiet = arguments.flag(["-q", "--quiet"]);
    let debug = arguments.flag(["-vv"]);
    let verbose = arguments.flag(["-v", "--verbose"]);
    let debug = debug || (verbose && arguments.flag(["-v", "--verbose"]));
    match (quiet, verbose, debug) {
        (true, false, false) => Ok(Verbosity::Quiet),
        (true, ..) => Err(UsageError::VerboseAndQuiet),
        (false, _, true) => Ok(Verbosity::Debug),
        (false, true, false) => Ok(Verbosity::Verbose),
        (false, false, false) => Ok(Verbosity::Normal),
    }
}

fn unicode(argument: OsString) -> Result<String, UsageError> {
    let not_unicode = |argument: OsString| ArgumentError::NotUnicode(argument.to_string_lossy().into_owned());
    Ok(argument.into_string().map_err(not_unicode)?)
}

/// Splits the words into the server and the command.
fn split_server(words: &[String]) -> Result<(ServerAddress<String>, &[String]), UsageError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok((localhost(), words));
    };
    // One argument may hold a whole command: trill "play 3".
    let name = first.split_whitespace().next().unwrap_or(first);
    if command::is_name(name) || name.parse::<u32>().is_ok() {
        return Ok((localhost(), words));
    }
    match parse_server(first) {
        Ok(server) => Ok((server, rest)),
        Err(error) => Err(UsageError::BadAddress { word: first.clone(), error }),
    }
}

/// Parses a server's address. Also checks an IPv6 address, for which the player's own parser is too small.
fn parse_server(text: &str) -> Result<ServerAddress<String>, AddressError> {
    let server: ServerAddress<String> = text.parse()?;
    let (address, _zone) = server.host().split_once('%').unwrap_or((server.host(), ""));
    if address.contains(':') && address.parse::<Ipv6Addr>().is_err() {
        return Err(AddressError::BadHost);
    }
    Ok(server)
}

fn localhost() -> ServerAddress<String> {
    "localhost".parse().expect("it is a host name")
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
    /// `--list-devices` takes no arguments.
    UnexpectedWord(String),
    /// The first word is not a server's address.
    BadAddress {
        /// The word.
        word: String,
        /// Why the word is not an address.
        error: AddressError,
    },
    /// The words after the host are not a command; the command parser's message.
    BadCommand(String),
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
            Self::UnexpectedWord(word) => {
                write!(f, "unexpected argument {word:?}: --list-devices takes none")
            }
            Self::BadAddress { word, error: AddressError::BadHost } => {
                write!(f, "{word:?} is neither a host nor a command")
            }
            Self::BadAddress { word, error } => write!(f, "{word:?}: {error}"),
            Self::BadCommand(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests;
