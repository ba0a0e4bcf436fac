//! The command line: `trill [OPTIONS] [HOST[:PORT]] [COMMAND …]`.
//!
//! The first word is taken for a command if the prompt would take it for one (a name or the beginning of one), and
//! for the host otherwise; so `trill list` and `trill l` both ask this machine. A host whose name reads like a
//! command is meant when a port follows it: `play:7455`.

mod address;

use std::ffi::OsString;
use std::fmt;

use trill_cli::{ArgumentError, Arguments};
use trill_player::command::{self, Command, MAX_VOLUME, ParseError};
use trill_proto::limits::{DEFAULT_PORT, MAX_NAME_BYTES};

use crate::output::{OutputTarget, ParseTargetError};

pub use address::{AddressError, ServerAddress};

/// What `--help` prints.
pub const HELP: &str = "\
Plays the music of a Trill server on this machine.

Usage: trill [OPTIONS] [HOST[:PORT]] [COMMAND ...]

Without a COMMAND it asks for commands; with one it does just that.
Without a HOST it asks the server on this machine. The port is 7455.

Options:
      --output SPEC   where the sound goes (default: device)
                        device        the default sound device
                        device:NAME   another one; see --list-devices
                        wav:PATH      a file, as fast as it can be written,
                                      whatever the volume
                        wav:-         standard output, for another program
                        null          nowhere, as slowly as it would sound
      --list-devices  show the sound devices and exit
      --volume N      volume to start with, 0 to 100 (default: 100)
      --name NAME     what the server's log calls this client
  -v, --verbose       say more; -vv says all
  -q, --quiet         say nothing but errors
  -h, --help          show this help and exit
  -V, --version       show the version and exit

Examples:
  trill 192.168.1.5                 a prompt; type help there
  trill attic list                  the songs of the server called attic
  trill attic play 3 at 1:30        one song, then exit
  trill --output wav:3.wav play 3   a song of this machine's server, as a file
  trill [fe80::1%eth0]:7456         an IPv6 address and another port

With PulseAudio or PipeWire each sink is a device. The variable PULSE_SINK
names the one that is used by default.

A HOST that reads like a command needs its port: trill play:7455
Use -- to end options.

Exit status: 0 done, 1 failed, 2 wrong command line. Ctrl-C and other signals
end the program as usual; in a shell Ctrl-C gives status 130.
";

/// What `--version` prints.
pub const VERSION: &str = concat!("trill ", env!("CARGO_PKG_VERSION"), "\n");

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Print [`HELP`] and exit.
    Help,
    /// Print [`VERSION`] and exit.
    Version,
    /// Print the sound devices and exit.
    ListDevices,
    /// Talk to a server.
    Run(Options),
}

/// How to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The server to ask.
    pub server: ServerAddress,
    /// The one thing to do; `None` for the prompt.
    pub command: Option<Command>,
    /// Where the sound goes.
    pub output: OutputTarget,
    /// Volume to start with, 0 to [`MAX_VOLUME`].
    pub volume_percent: u8,
    /// What the server's log calls this client, at most [`MAX_NAME_BYTES`]; `None` to let the program choose.
    pub name: Option<String>,
    /// How much to say.
    pub verbosity: Verbosity,
}

/// How much the program says beside what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors alone.
    Quiet,
    /// What a listener wants to know.
    Normal,
    /// What happens on the connection, too.
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

/// The server, and the words of the command that follow it.
fn split_server(words: &[String]) -> Result<(ServerAddress, &[String]), UsageError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok((ServerAddress::localhost(), words));
    };
    // A whole command may come as one argument: trill "play 3".
    let name = first.split_whitespace().next().unwrap_or(first);
    match command::find(name) {
        Ok(_) => Ok((ServerAddress::localhost(), words)),
        Err(error @ ParseError::AmbiguousCommand(_)) if !name.is_empty() => {
            Err(UsageError::AmbiguousWord { word: name.to_owned(), reason: error.to_string() })
        }
        Err(_) => Ok((first.parse().map_err(UsageError::BadAddress)?, rest)),
    }
}

fn parse_command(words: &[String]) -> Result<Option<Command>, UsageError> {
    command::parse(&words.join(" ")).map_err(|error| UsageError::BadCommand(error.to_string()))
}

/// Why the command line cannot be understood. `Display` gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// An option is unknown, incomplete or given twice, or an argument is not valid Unicode.
    BadArgument(ArgumentError),
    /// The value of `--output` is no output.
    BadOutput(ParseTargetError),
    /// Not a number from 0 to [`MAX_VOLUME`].
    BadVolume(String),
    /// `-v` and `-q` together.
    VerboseAndQuiet,
    /// `--list-devices` stands alone.
    UnexpectedWord(String),
    /// The first word could be several commands.
    AmbiguousWord {
        /// The word.
        word: String,
        /// Which commands it could be.
        reason: String,
    },
    /// The first word is no host.
    BadAddress(AddressError),
    /// The words after the host are no command; what the command parser says.
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
                write!(f, "--volume goes from 0 to {MAX_VOLUME}, not {value:?}")
            }
            Self::VerboseAndQuiet => f.write_str("--verbose and --quiet contradict each other"),
            Self::UnexpectedWord(word) => {
                write!(f, "--list-devices stands alone, without {word:?}")
            }
            Self::AmbiguousWord { word, reason } => {
                write!(f, "{reason}; for a host of that name, type {word}:{DEFAULT_PORT}")
            }
            Self::BadAddress(error) => error.fmt(f),
            Self::BadCommand(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests;
