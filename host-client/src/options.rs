//! The command line: `trill [OPTIONS] [HOST[:PORT]] [COMMAND …]`.
//!
//! The first word is taken for a command if the prompt would take it for one (a name or the beginning of one), and
//! for the host otherwise; so `trill list` and `trill l` both ask this machine. A host whose name reads like a
//! command is meant when a port follows it: `play:7455`.

mod address;

use std::ffi::OsString;
use std::fmt;

use trill_proto::command::{self, Command, MAX_VOLUME, ParseError};
use trill_proto::limits::{DEFAULT_PORT, MAX_NAME_BYTES};

use crate::output::{OutputSpec, ParseSpecError};

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
After -- nothing is an option.

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
    pub output: OutputSpec,
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
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        let literal = split_off_literal(&mut arguments);
        let mut arguments = pico_args::Arguments::from_vec(arguments);
        if arguments.contains(["-h", "--help"]) {
            return Ok(Self::Help);
        }
        if arguments.contains(["-V", "--version"]) {
            return Ok(Self::Version);
        }
        let list_devices = arguments.contains("--list-devices");
        let output = value(&mut arguments, "--output")?.map_or(Ok(OutputSpec::DefaultDevice), output)?;
        let volume_percent = value(&mut arguments, "--volume")?.map_or(Ok(MAX_VOLUME), volume)?;
        let name = value(&mut arguments, "--name")?.map(client_name).transpose()?;
        let verbosity = verbosity(&mut arguments)?;
        let words = words(arguments.finish(), literal)?;
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

/// Takes away `--` and what follows it, which pico-args would search for options.
fn split_off_literal(arguments: &mut Vec<OsString>) -> Vec<OsString> {
    match arguments.iter().position(|argument| argument == "--") {
        Some(position) => arguments.split_off(position).split_off(1),
        None => Vec::new(),
    }
}

fn value(arguments: &mut pico_args::Arguments, option: &'static str) -> Result<Option<String>, UsageError> {
    let value: Option<String> = arguments.opt_value_from_str(option).map_err(|error| match error {
        pico_args::Error::NonUtf8Argument => UsageError::NotUnicode(option.to_owned()),
        _ => UsageError::MissingValue(option),
    })?;
    match value {
        // The next option, swallowed as a value.
        Some(value) if value.starts_with('-') => Err(UsageError::MissingValue(option)),
        value => Ok(value),
    }
}

fn output(text: String) -> Result<OutputSpec, UsageError> {
    text.parse().map_err(UsageError::BadOutput)
}

fn volume(text: String) -> Result<u8, UsageError> {
    match text.parse() {
        Ok(percent) if percent <= MAX_VOLUME => Ok(percent),
        _ => Err(UsageError::BadVolume(text)),
    }
}

fn client_name(name: String) -> Result<String, UsageError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES { Err(UsageError::BadName) } else { Ok(name) }
}

fn verbosity(arguments: &mut pico_args::Arguments) -> Result<Verbosity, UsageError> {
    let quiet = arguments.contains(["-q", "--quiet"]);
    let debug = arguments.contains("-vv");
    let verbose = arguments.contains(["-v", "--verbose"]);
    let debug = debug || (verbose && arguments.contains(["-v", "--verbose"]));
    match (quiet, verbose, debug) {
        (true, false, false) => Ok(Verbosity::Quiet),
        (true, ..) => Err(UsageError::VerboseAndQuiet),
        (false, _, true) => Ok(Verbosity::Debug),
        (false, true, false) => Ok(Verbosity::Verbose),
        (false, false, false) => Ok(Verbosity::Normal),
    }
}

/// What is left once the options are gone, which must not look like one; then what came after `--`.
fn words(left: Vec<OsString>, literal: Vec<OsString>) -> Result<Vec<String>, UsageError> {
    let left = left.into_iter().map(|argument| unicode(argument).and_then(reject_option));
    left.chain(literal.into_iter().map(unicode)).collect()
}

fn unicode(argument: OsString) -> Result<String, UsageError> {
    argument.into_string().map_err(|argument| UsageError::NotUnicode(argument.to_string_lossy().into_owned()))
}

fn reject_option(argument: String) -> Result<String, UsageError> {
    let Some(option) = argument.strip_prefix('-') else {
        return Ok(argument);
    };
    // `seek -10` and `volume -5` are commands.
    if option.starts_with(|char: char| char.is_ascii_digit()) {
        return Ok(argument);
    }
    let name = argument.split('=').next();
    let valued = VALUED_OPTIONS.into_iter().find(|option| Some(*option) == name);
    match valued.or_else(|| FLAGS.into_iter().find(|flag| *flag == argument)) {
        Some(taken) => Err(UsageError::RepeatedOption(taken)),
        None => Err(UsageError::UnknownOption(argument)),
    }
}

// These are left over only when they were given before.
const VALUED_OPTIONS: [&str; 3] = ["--output", "--volume", "--name"];
const FLAGS: [&str; 6] = ["--list-devices", "-v", "--verbose", "-vv", "-q", "--quiet"];

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
    /// No option is called that.
    UnknownOption(String),
    /// The option may be given only once.
    RepeatedOption(&'static str),
    /// The option needs a value and has none.
    MissingValue(&'static str),
    /// The value of `--output` is no output.
    BadOutput(ParseSpecError),
    /// Not a number from 0 to [`MAX_VOLUME`].
    BadVolume(String),
    /// Empty, or longer than [`MAX_NAME_BYTES`].
    BadName,
    /// `-v` and `-q` together.
    VerboseAndQuiet,
    /// An argument that is no text; what can be read of it, or the option it follows.
    NotUnicode(String),
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

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOption(option) => write!(f, "no option {option:?}; --help lists them"),
            Self::RepeatedOption(option) => write!(f, "{option} is given twice"),
            Self::MissingValue(option) => write!(f, "{option} needs a value"),
            Self::BadOutput(error) => write!(f, "--output: {error}"),
            Self::BadVolume(value) => {
                write!(f, "--volume goes from 0 to {MAX_VOLUME}, not {value:?}")
            }
            Self::BadName => write!(f, "--name takes 1 to {MAX_NAME_BYTES} bytes"),
            Self::VerboseAndQuiet => f.write_str("--verbose and --quiet contradict each other"),
            Self::NotUnicode(argument) => write!(f, "{argument:?}: not valid Unicode"),
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
