//! A server's address on the command line.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use trill_proto::limits::DEFAULT_PORT;

/// A host and a port. Parses from `host`, `host:port`, `192.168.1.5:port`, `::1`, `[::1]` and `[fe80::1%eth0]:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A host name or an IP address; IPv6 without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl ServerAddress {
    /// The server on this machine.
    pub fn localhost() -> Self {
        Self { host: "localhost".to_owned(), port: DEFAULT_PORT }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split(text)?;
        let port = port.map_or(Ok(DEFAULT_PORT), parse_port)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn split(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(bracketed) = text.strip_prefix('[') {
        return split_bracketed(text, bracketed);
    }
    if is_ipv6(text) {
        return Ok((text, None));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if is_name(host) { Ok((host, port)) } else { Err(AddressError::BadHost(text.to_owned())) }
}

fn split_bracketed<'a>(text: &str, bracketed: &'a str) -> Result<(&'a str, Option<&'a str>), AddressError> {
    let bad_host = || AddressError::BadHost(text.to_owned());
    let (host, rest) = bracketed.split_once(']').filter(|(host, _)| is_ipv6(host)).ok_or_else(bad_host)?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(bad_host()),
    }
}

/// Whether `text` is an IPv6 address, possibly with a zone (`%eth0`).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "none"));
    address.parse::<Ipv6Addr>().is_ok() && is_zone(zone)
}

/// Whether `text` can be the name or number of an interface. Systems allow nearly anything in a name.
fn is_zone(text: &str) -> bool {
    let is_bad = |char: char| char.is_whitespace() || char.is_control() || matches!(char, '/' | '%' | '[' | ']' | ':');
    !text.is_empty() && !text.contains(is_bad)
}

/// Whether `text` can be a host name or an IPv4 address. Digits alone cannot: they are more likely a misplaced song number.
fn is_name(text: &str) -> bool {
    is_word(text) && !text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.'))
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    match text.parse() {
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        _ => Err(AddressError::BadPort(text.to_owned())),
    }
}

/// Why a text is not a [`ServerAddress`]. Each variant holds the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The part before the port is neither a name nor an address.
    BadHost(String),
    /// The port is not a number from 1 to 65535.
    BadPort(String),
}

impl std::error::Error for AddressError {}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadHost(text) => write!(f, "{text:?} is neither a host nor a command"),
            Self::BadPort(port) => write!(f, "{port:?} is not a port number (1 to 65535)"),
        }
    }
}
