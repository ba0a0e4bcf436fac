//! Where the server is.

use core::fmt;
use core::str::FromStr;

use heapless::String;
use trill_proto::limits::DEFAULT_PORT;

/// Longest host name or address, in bytes.
pub const MAX_HOST_BYTES: usize = 63;

/// A server's host, a name or an address, and port. Written and parsed as `HOST`, `HOST:PORT` or `[IPV6]:PORT`.
///
/// ```
/// use trill_firmware::server::Server;
///
/// assert_eq!("attic".parse::<Server>().unwrap().to_string(), "attic:7455");
/// assert_eq!("[fe80::1]:80".parse::<Server>().unwrap().host(), "fe80::1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    host: String<MAX_HOST_BYTES>,
    port: u16,
}

impl Server {
    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Server {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(NotAServer)?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(NotAServer)?) };
                (host, port)
            }
            // An IPv6 address without brackets has no port.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'%');
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(NotAServer);
        }
        let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| NotAServer))?;
        let host = String::try_from(host).map_err(|_| NotAServer)?;
        if port == 0 { Err(NotAServer) } else { Ok(Self { host, port }) }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The text is not of the form `HOST[:PORT]`: correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAServer;

impl fmt::Display for NotAServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server is written HOST or HOST:PORT")
    }
}

impl core::error::Error for NotAServer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, u16)>) {
        let parsed = text.parse::<Server>();
        assert_eq!(parsed.as_ref().ok().map(|server| (server.host(), server.port())), expected, "{text}");
    }

    #[test]
    fn hosts_and_ports() {
        check("attic", Some(("attic", 7455)));
        check("10.0.2.2:80", Some(("10.0.2.2", 80)));
        check("fe80::1", Some(("fe80::1", 7455)));
        check("[fe80::1]", Some(("fe80::1", 7455)));
        check("[fe80::1]:65535", Some(("fe80::1", 65_535)));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in
            ["", ":80", "attic:", "attic:0", "attic:65536", "attic:x", "[fe80::1", "[::1]80", "a b", "a\u{1b}[2J"]
        {
            check(text, None);
        }
        let long = core::str::from_utf8(&[b'x'; 64]).unwrap();
        check(long, None);
        check(&long[1..], Some((&long[1..], 7455)));
    }
}
