//! The server to connect to, and why it was chosen.

use std::fmt;
use std::net::Ipv6Addr;

use trill_player::{AddressError, ServerAddress};

/// A server to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    address: ServerAddress<String>,
    origin: Origin,
}

/// Why a [`Server`] was chosen. `Display` completes "connected to …,".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line names it.
    CommandLine,
    /// The environment variable [`HOST_VARIABLE`] names it.
    Environment,
    /// The configuration names it.
    Config,
    /// The last prompt was connected to it.
    LastTime,
    /// Nothing names a server.
    ThisMachine,
}

/// The environment variable that names a server.
pub const HOST_VARIABLE: &str = "TRILL_HOST";

impl Server {
    /// Reads `HOST[:PORT]`.
    ///
    /// # Errors
    /// It is not an address. An IPv6 address, for which the player's own parser is too small, is checked, too.
    pub fn parse(text: &str, origin: Origin) -> Result<Self, AddressError> {
        let address: ServerAddress<String> = text.parse()?;
        let (ip, _zone) = address.host().split_once('%').unwrap_or((address.host(), ""));
        if ip.contains(':') && ip.parse::<Ipv6Addr>().is_err() {
            return Err(AddressError::BadHost);
        }
        Ok(Self { address, origin })
    }

    /// The server of this machine.
    pub fn this_machine() -> Self {
        Self::parse("localhost", Origin::ThisMachine).expect("it is a host name")
    }

    /// Where it is.
    pub const fn address(&self) -> &ServerAddress<String> {
        &self.address
    }

    /// Why it was chosen.
    pub const fn origin(&self) -> Origin {
        self.origin
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "as the command line says",
            Self::Environment => "as TRILL_HOST says",
            Self::Config => "as config.toml says",
            Self::LastTime => "the last server",
            Self::ThisMachine => "this machine",
        })
    }
}
