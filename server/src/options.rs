//! The command line: `trill-server [OPTIONS] [DIR]`.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::address;
use log::LevelFilter;
use trill_cli::{ArgumentError, Arguments};
use trill_proto::limits::{DEFAULT_PORT, MAX_NAME_BYTES};

/// The text of `--help`.
pub const HELP: &str = "\
Serves the MP3 files in a directory and its subdirectories to Trill clients.

Usage: trill-server [OPTIONS] [DIR]

Without DIR it serves built-in songs.

Options:
      --listen ADDR:PORT   address to listen on; port 0 takes a free one
                           (default: [::]:7455, every address of this machine,
                           IPv4 and IPv6); a link-local address needs its
                           interface: [fe80::1%eth0]:PORT
      --max-clients N      clients at once (default: as many as memory, threads
                           and open files allow if each plays a different
                           song)
      --max-per-address N  clients at once from one address or one IPv6 /64
                           network (default: half of --max-clients, at most 64;
                           no limit for this machine)
      --name NAME          name that clients show and find (default: host name)
      --no-announce        do not tell the local network of this server (mDNS);
                           trill --find and trill NAME do not find it then
      --follow-symlinks    follow symbolic links that lead out of DIR
  -v, --verbose            log every request
  -q, --quiet              log only warnings and errors
  -h, --help               show this help and exit
  -V, --version            show the version and exit

There is no password: anyone who can reach the port can list and play the songs.
Use -- to end options.

Exit status: 0 after Ctrl-C or SIGTERM, 1 if it cannot serve, 2 if the command
line is wrong.
";

/// The text of `--version`.
pub const VERSION: &str = concat!("trill-server ", env!("CARGO_PKG_VERSION"), "\n");

/// The parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Print [`HELP`] and exit.
    Help,
    /// Print [`VERSION`] and exit.
    Version,
    /// Serve songs.
    Run(Options),
}

/// The options for serving songs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The directory to serve. `None` for the built-in songs.
    pub directory: Option<PathBuf>,
    /// The address to listen on. `None` for every address of the machine and the default port.
    pub listen: Option<SocketAddr>,
    /// Clients at once. `None` for as many as the system allows if each plays a different song.
    pub max_clients: Option<NonZeroUsize>,
    /// Clients at once from one address. `None` for the server's default.
    pub max_per_address: Option<NonZeroUsize>,
    /// The name that clients show, at most [`MAX_NAME_BYTES`]. `None` for the host name.
    pub name: Option<String>,
    /// Whether clients on the local network find the server.
    pub is_announced: bool,
    /// Whether symbolic links may lead out of the directory.
    pub follow_symlinks: bool,
    /// What to log.
    pub log_level: LevelFilter,
}

impl Invocation {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// A [`UsageError`]: print it and exit with status 2.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut arguments = Arguments::new(arguments);
        if arguments.flag(["-h", "--help"]) {
            return Ok(Self::Help);
        }
        if arguments.flag(["-V", "--version"]) {
            return Ok(Self::Version);
        }
        let listen = arguments.value("--listen")?.map(listen_address).transpose()?;
        let max_clients = count(&mut arguments, "--max-clients")?;
        let max_per_address = count(&mut arguments, "--max-per-address")?;
        let name = arguments.short_value("--name", MAX_NAME_BYTES)?;
        let is_announced = !arguments.flag(["--no-announce"]);
        let follow_symlinks = arguments.flag(["--follow-symlinks"]);
        let log_level = log_level(&mut arguments)?;
        let directory = directory(arguments.finish()?)?;
        Ok(Self::Run(Options {
            directory,
            listen,
            max_clients,
            max_per_address,
            name,
            is_announced,
            follow_symlinks,
            log_level,
        }))
    }
}

/// Parses `ADDR:PORT` or `ADDR`, with or without a zone.
fn listen_address(text: String) -> Result<SocketAddr, UsageError> {
    let with_port = text.parse().ok();
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let alone = || {
        let ip = in_brackets.map_or_else(|| text.parse().ok(), |ip| ip.parse().ok().map(IpAddr::V6));
        ip.map(|ip| SocketAddr::new(ip, DEFAULT_PORT))
    };
    let with_zone = || address::parse_with_zone(&text, DEFAULT_PORT);
    let address = with_port.or_else(alone).or_else(with_zone);
    address.map(as_ipv4).filter(|address| !is_multicast_or_broadcast(address.ip())).ok_or_else(|| {
        match address::unknown_zone(&text) {
            Some(zone) => UsageError::NoInterface(zone.to_owned()),
            None => UsageError::BadAddress(text),
        }
    })
}

/// Converts an IPv4-mapped IPv6 address to IPv4.
fn as_ipv4(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Whether it is a multicast or broadcast address. The system may allow listening on it, but TCP cannot connect to it.
const fn is_multicast_or_broadcast(ip: IpAddr) -> bool {
    ip.is_multicast() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
}

fn count(arguments: &mut Arguments, option: &'static str) -> Result<Option<NonZeroUsize>, UsageError> {
    let count = |text: String| text.parse().map_err(|_| UsageError::BadCount(option, text));
    arguments.value(option)?.map(count).transpose()
}

fn log_level(arguments: &mut Arguments) -> Result<LevelFilter, UsageError> {
    let verbose = arguments.flag(["-v", "--verbose"]);
    let quiet = arguments.flag(["-q", "--quiet"]);
    match (verbose, quiet) {
        (false, false) => Ok(LevelFilter::Info),
        (true, false) => Ok(LevelFilter::Debug),
        (false, true) => Ok(LevelFilter::Warn),
        (true, true) => Err(UsageError::VerboseAndQuiet),
    }
}

fn directory(words: Vec<OsString>) -> Result<Option<PathBuf>, UsageError> {
    let mut words = words.into_iter();
    match (words.next(), words.next()) {
        (_, Some(extra)) => Err(UsageError::UnexpectedWord(extra.to_string_lossy().into_owned())),
        (Some(empty), None) if empty.is_empty() => Err(UsageError::EmptyDirectory),
        (directory, None) => Ok(directory.map(PathBuf::from)),
    }
}

/// Why the command line is wrong. `Display` gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// An option is unknown, incomplete or given twice.
    BadArgument(ArgumentError),
    /// The value of `--listen` is not an address.
    BadAddress(String),
    /// The address in `--listen` belongs to an interface that this machine does not have.
    NoInterface(String),
    /// The value of this option is not a number above 0.
    BadCount(&'static str, String),
    /// `-v` and `-q` are given together.
    VerboseAndQuiet,
    /// A second DIR was given.
    UnexpectedWord(String),
    /// DIR is an empty string, for example because a shell variable is not set.
    EmptyDirectory,
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
            Self::BadAddress(value) => {
                write!(f, "--listen takes an address and a port, such as 0.0.0.0:{DEFAULT_PORT}, not {value:?}")
            }
            Self::NoInterface(zone) => write!(f, "--listen: this machine has no interface {zone:?}"),
            Self::BadCount(option, value) => write!(f, "{option} takes a number from 1 on, not {value:?}"),
            Self::VerboseAndQuiet => f.write_str("--verbose and --quiet contradict each other"),
            Self::UnexpectedWord(word) => write!(f, "unexpected argument {word:?}"),
            Self::EmptyDirectory => f.write_str("DIR is an empty string"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Invocation, UsageError> {
        Invocation::parse(line.iter().map(OsString::from))
    }

    fn defaults() -> Options {
        Options {
            directory: None,
            listen: None,
            max_clients: None,
            max_per_address: None,
            name: None,
            is_announced: true,
            follow_symlinks: false,
            log_level: LevelFilter::Info,
        }
    }

    #[track_caller]
    fn check(line: &[&str], expected: Options) {
        assert_eq!(parse(line), Ok(Invocation::Run(expected)), "{line:?}");
    }

    #[track_caller]
    fn check_error(line: &[&str], expected: &str) {
        match parse(line) {
            Err(error) => assert_eq!(error.to_string(), expected, "{line:?}"),
            Ok(invocation) => panic!("{line:?}: {invocation:?}"),
        }
    }

    #[test]
    fn options_in_any_order() {
        let music = || Some(PathBuf::from("/music"));
        check(&[], defaults());
        check(&["/music"], Options { directory: music(), ..defaults() });
        check(&["--name", "attic", "/music"], Options { directory: music(), name: Some("attic".into()), ..defaults() });
        check(&["/music", "-v"], Options { directory: music(), log_level: LevelFilter::Debug, ..defaults() });
        check(&["-q"], Options { log_level: LevelFilter::Warn, ..defaults() });
        check(&["--no-announce"], Options { is_announced: false, ..defaults() });
        check(&["--follow-symlinks"], Options { follow_symlinks: true, ..defaults() });
        check(&["--max-clients=12"], Options { max_clients: NonZeroUsize::new(12), ..defaults() });
        check(&["--max-per-address", "2"], Options { max_per_address: NonZeroUsize::new(2), ..defaults() });
        check(&["--", "-v"], Options { directory: Some("-v".into()), ..defaults() });
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0", "0.0.0.0:7455"),
            ("::", "[::]:7455"),
            ("[::1]", "[::1]:7455"),
            ("::ffff:127.0.0.1", "127.0.0.1:7455"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
        ] {
            check(&["--listen", text], Options { listen: expected.parse().ok(), ..defaults() });
        }
    }

    #[test]
    fn help_and_version_win() {
        assert_eq!(parse(&["--listen", "nowhere", "-h"]), Ok(Invocation::Help));
        assert_eq!(parse(&["--nonsense", "--version"]), Ok(Invocation::Version));
    }

    #[test]
    fn what_cannot_be_understood() {
        check_error(&["--verbse"], "no option \"--verbse\"; --help lists them");
        check_error(&["-x", "/music"], "no option \"-x\"; --help lists them");
        check_error(&["-"], "no option \"-\"; --help lists them");
        check_error(&["/music", "/more"], "unexpected argument \"/more\"");
        check_error(&["/music", "--", "/more"], "unexpected argument \"/more\"");
        check_error(&[""], "DIR is an empty string");
        check_error(&["--listen"], "--listen needs a value");
        check_error(&["--listen", "-v"], "--listen needs a value");
        check_error(&["--listen", "7455"], "--listen takes an address and a port, such as 0.0.0.0:7455, not \"7455\"");
        check_error(
            &["--listen", "localhost:1"],
            "--listen takes an address and a port, such as 0.0.0.0:7455, not \"localhost:1\"",
        );
        check_error(
            &["--listen", "1.2.3.4:65536"],
            "--listen takes an address and a port, such as 0.0.0.0:7455, not \"1.2.3.4:65536\"",
        );
        for text in ["224.0.0.1:0", "255.255.255.255:0", "[ff02::1%1]:0", "ff02::1", "[127.0.0.1]"] {
            let expected = format!("--listen takes an address and a port, such as 0.0.0.0:7455, not {text:?}");
            check_error(&["--listen", text], &expected);
        }
        for text in ["[fe80::1%no such]:80", "[fe80::1%no such]", "fe80::1%no such"] {
            check_error(&["--listen", text], "--listen: this machine has no interface \"no such\"");
        }
        check_error(&["--max-clients", "0"], "--max-clients takes a number from 1 on, not \"0\"");
        check_error(&["--max-per-address", "-1"], "--max-per-address needs a value");
        check_error(&["--max-per-address", "1.5"], "--max-per-address takes a number from 1 on, not \"1.5\"");
        check_error(&["--max-clients", "many"], "--max-clients takes a number from 1 on, not \"many\"");
        check_error(&["--name", &"x".repeat(65)], "--name takes 1 to 64 bytes");
        check_error(&["--name", "a", "--name", "b"], "--name is given twice");
        check_error(&["--name=a", "--name=\u{1b}[2J"], "--name is given twice");
        check_error(&["-v", "-v"], "-v is given twice");
        check_error(&["-v", "-q"], "--verbose and --quiet contradict each other");
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from_vec(vec![b'm', 0xff]);
        let expected = Options { directory: Some(name.clone().into()), ..defaults() };
        assert_eq!(Invocation::parse([name]), Ok(Invocation::Run(expected)));
    }
}
