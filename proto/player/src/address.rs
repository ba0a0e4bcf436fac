//! Where a server is.

use core::fmt;
use core::str::FromStr;

use trill_proto::limits::DEFAULT_PORT;

/// A server's host, a name or an IP address in a string type of the client's choice, and its port.
///
/// Parses from `HOST`, `HOST:PORT`, `IPV6`, `[IPV6]` and `[IPV6]:PORT`. An IPv6 address may have a zone: `fe80::1%eth0`.
/// `Display` always writes the port.
///
/// ```
/// use trill_player::{AddressError, ServerAddress};
///
/// let attic: ServerAddress<String> = "attic".parse()?;
/// assert_eq!(attic.to_string(), "attic:7455");
/// let linked: ServerAddress<String> = "[fe80::1%eth0]:80".parse()?;
/// assert_eq!((linked.host(), linked.port()), ("fe80::1%eth0", 80));
/// # Ok::<_, AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress<S> {
    host: S,
    port: u16,
}

impl<S> ServerAddress<S> {
    /// The default port of a host. Its name is not checked: it may be one that only the client can look up.
    pub const fn of_host(host: S) -> Self {
        Self { host, port: DEFAULT_PORT }
    }
}

impl<S: AsRef<str>> ServerAddress<S> {
    /// The host name or the IP address; IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.as_ref()
    }

    /// The port; never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl<S: for<'a> TryFrom<&'a str>> FromStr for ServerAddress<S> {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split(text)?;
        if host.contains(|char: char| char.is_control() || char.is_whitespace()) {
            return Err(AddressError::BadHost);
        }
        let port = port.map_or(Ok(DEFAULT_PORT), parse_port)?;
        let host = S::try_from(host).map_err(|_| AddressError::LongHost)?;
        Ok(Self { host, port })
    }
}

impl<S: AsRef<str>> fmt::Display for ServerAddress<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.host(), self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Why a text is not a [`ServerAddress`]. Correct the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The part before the port is neither a name nor an address.
    BadHost,
    /// The host does not fit into the client's string.
    LongHost,
    /// The port is not a number from 1 to 65535.
    BadPort,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadHost => "a server is written HOST or HOST:PORT",
            Self::LongHost => "the name of the host is too long",
            Self::BadPort => "a port is a number from 1 to 65535",
        })
    }
}

impl core::error::Error for AddressError {}

/// Splits `text` into the host and, if there is one, the port.
fn split(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').filter(|(host, _)| is_ipv6(host)).ok_or(AddressError::BadHost)?;
        return match rest.strip_prefix(':') {
            None if !rest.is_empty() => Err(AddressError::BadHost),
            port => Ok((host, port)),
        };
    }
    if is_ipv6(text) {
        return Ok((text, None));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    if is_name(host) { Ok((host, port)) } else { Err(AddressError::BadHost) }
}

/// Whether `text` looks like an IPv6 address, possibly with a zone. Only the resolver knows whether it is one: its parser
/// would cost a board more than the rest of this file.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "none"));
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    address.bytes().filter(|byte| *byte == b':').count() >= 2 && address.bytes().all(is_part) && is_zone(zone)
}

/// Whether `text` can be the name or number of an interface. Systems allow nearly anything in a name.
fn is_zone(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| b"/%[]:".contains(&byte))
}

/// Whether `text` can be a host name or an IPv4 address. Digits alone cannot: they are more likely a misplaced song number.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"-_.".contains(&byte);
    text.bytes().all(is_part) && !text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    match text.parse() {
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        _ => Err(AddressError::BadPort),
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, port: u16, shown: &str) {
        let server: ServerAddress<String> = text.parse().expect(text);
        assert_eq!((server.host(), server.port(), server.to_string().as_str()), (host, port, shown));
        assert_eq!(shown.parse(), Ok(server));
    }

    #[track_caller]
    fn check_error(text: &str, expected: AddressError) {
        assert_eq!(text.parse::<ServerAddress<String>>(), Err(expected), "{text:?}");
    }

    #[test]
    fn hosts_and_ports() {
        check("attic", "attic", 7455, "attic:7455");
        check("attic:1", "attic", 1, "attic:1");
        check("my_pc.local:65535", "my_pc.local", 65_535, "my_pc.local:65535");
        check("müller", "müller", 7455, "müller:7455");
        check("192.168.1.5", "192.168.1.5", 7455, "192.168.1.5:7455");
        check("192.168.1.5:80", "192.168.1.5", 80, "192.168.1.5:80");
        check("::1", "::1", 7455, "[::1]:7455");
        check("fe80::1%eth0", "fe80::1%eth0", 7455, "[fe80::1%eth0]:7455");
        check("[::1]", "::1", 7455, "[::1]:7455");
        check("[::1]:80", "::1", 80, "[::1]:80");
        check("[fe80::1%2]:80", "fe80::1%2", 80, "[fe80::1%2]:80");
        check("::ffff:10.0.2.2", "::ffff:10.0.2.2", 7455, "[::ffff:10.0.2.2]:7455");
    }

    #[test]
    fn other_hosts_are_refused() {
        for text in [
            "",
            " ",
            ":7455",
            "a/b",
            "user@attic",
            "a b",
            "[",
            "[]",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[attic]:80",
            "::1%",
            "3",
            "attic\u{1b}[2J",
            "attic\u{9b}2J",
            "attic\u{a0}",
            "::1%eth 0",
            "[::1%eth\u{a0}0]:80",
        ] {
            check_error(text, AddressError::BadHost);
        }
    }

    #[test]
    fn other_ports_are_refused() {
        for port in ["", "0", "65536", "+80", "-1", "http", "80:80", " 80", "80 "] {
            check_error(&std::format!("attic:{port}"), AddressError::BadPort);
            check_error(&std::format!("[::1]:{port}"), AddressError::BadPort);
        }
    }

    #[test]
    fn a_host_has_a_longest_name() {
        let parse = str::parse::<ServerAddress<heapless::String<5>>>;
        assert_eq!(parse("attic").map(|server| server.port()), Ok(7455));
        assert_eq!(parse("cellar:80"), Err(AddressError::LongHost));
    }
}
