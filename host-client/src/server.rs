//! The server to connect to, why it was chosen, and how to find it.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use trill_player::{AddressError, ServerAddress};

use crate::discovery::{self, Found};
use crate::ui::text::clean;

/// A server to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    address: ServerAddress<String>,
    lookup: Lookup,
    origin: Origin,
}

/// How to find a server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lookup {
    /// By its address or the name of its machine.
    Address,
    /// By the name that it chose; if no server on the network has it, by the address.
    Name(String),
    /// By the name under which it was found; if it is not found again, by its last address.
    Instance(String),
    /// It is the only one on the network; if it is not, the address is right.
    Only,
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
    /// Nothing names a server, and it was the only one on the network.
    OnlyFound,
    /// Nothing names a server.
    ThisMachine,
}

/// The environment variable that names a server.
pub const HOST_VARIABLE: &str = "TRILL_HOST";

/// The servers that have one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmbiguousName {
    name: String,
    servers: Vec<Found>,
}

impl Server {
    /// Reads `HOST[:PORT]`, or the name of a server, such as `attic (2)`. A name without a dot and a port is first searched on
    /// the network.
    ///
    /// # Errors
    /// It is not an address and not a name. An IPv6 address, for which the player's own parser is too small, is checked, too.
    pub fn parse(text: &str, origin: Origin) -> Result<Self, AddressError> {
        let address: ServerAddress<String> = match text.parse() {
            Err(AddressError::BadHost) if is_instance(text) => {
                let lookup = Lookup::Name(text.to_owned());
                return Ok(Self { address: ServerAddress::of_host(text.to_owned()), lookup, origin });
            }
            parsed => parsed?,
        };
        let (ip, _zone) = address.host().split_once('%').unwrap_or((address.host(), ""));
        if ip.contains(':') && ip.parse::<Ipv6Addr>().is_err() {
            return Err(AddressError::BadHost);
        }
        let is_name = !text.contains(['.', ':']) && !text.eq_ignore_ascii_case("localhost");
        let lookup = if is_name { Lookup::Name(text.to_owned()) } else { Lookup::Address };
        Ok(Self { address, lookup, origin })
    }

    /// The server of this machine.
    pub fn this_machine() -> Self {
        Self::parse("localhost", Origin::ThisMachine).expect("it is a host name")
    }

    /// The only server on the network, or else that of this machine.
    pub fn any() -> Self {
        Self { lookup: Lookup::Only, ..Self::this_machine() }
    }

    /// Searches for the server on the network, if that is how to find it. Returns it with its present addresses, which are
    /// empty if it is to be looked up by its [`address`](Self::address). Blocks for at most `timeout`, or [`discovery::LONG`] if
    /// nothing names the server.
    ///
    /// # Errors
    /// Several servers have the name.
    pub fn locate(&self, timeout: Duration) -> Result<(Self, Vec<SocketAddr>), AmbiguousName> {
        let found = match &self.lookup {
            Lookup::Address => Vec::new(),
            Lookup::Name(name) => discovery::find_named(name, timeout),
            Lookup::Instance(name) => discovery::find_instance(name, timeout),
            Lookup::Only => discovery::find_soon(),
        };
        match (&self.lookup, <[Found; 1]>::try_from(found)) {
            (_, Ok([found])) => Ok(self.found(found)),
            (Lookup::Name(name), Err(servers)) if !servers.is_empty() => {
                Err(AmbiguousName { name: name.clone(), servers })
            }
            (Lookup::Only, Err(_)) => Ok((Self::this_machine(), Vec::new())),
            (_, Err(_)) => Ok((self.clone(), Vec::new())),
        }
    }

    fn found(&self, Found { name, addresses }: Found) -> (Self, Vec<SocketAddr>) {
        let origin = if self.lookup == Lookup::Only { Origin::OnlyFound } else { self.origin };
        let address = addresses.first().and_then(|address| address.to_string().parse().ok());
        let address = address.unwrap_or_else(|| self.address.clone());
        (Self { address, lookup: Lookup::Instance(name), origin }, addresses)
    }

    /// Whether it is known by a name that it chose, and not yet found.
    pub const fn is_name(&self) -> bool {
        matches!(self.lookup, Lookup::Name(_))
    }

    /// Where it is, as far as that is known.
    pub const fn address(&self) -> &ServerAddress<String> {
        &self.address
    }

    /// Why it was chosen.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// A text from which [`Self::parse`] makes this server again: its name if possible, because a server may move.
    pub fn to_text(&self) -> String {
        match &self.lookup {
            Lookup::Name(name) | Lookup::Instance(name)
                if Self::parse(name, self.origin).is_ok_and(|server| server.lookup != Lookup::Address) =>
            {
                name.clone()
            }
            _ => self.address.to_string(),
        }
    }
}

/// Whether only a server on the network can have this name: it has words, as no host name has.
fn is_instance(text: &str) -> bool {
    text.len() <= discovery::MAX_NAME_BYTES && text.trim() == text && text.contains(' ') && clean(text) == text
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
            Self::OnlyFound => "the only server on the network",
            Self::ThisMachine => "this machine",
        })
    }
}

impl fmt::Display for AmbiguousName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, servers } = self;
        write!(f, "{} servers are named {name}; choose one by its address:", servers.len())?;
        for (index, server) in servers.iter().enumerate() {
            write!(f, "{} {} ({})", if index == 0 { "" } else { "," }, server.address(), server.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for AmbiguousName {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Server {
        Server::parse(text, Origin::CommandLine).expect("a host")
    }

    #[test]
    fn only_a_bare_name_is_searched() {
        for name in ["attic", "müller", "my_pc", "attic (2)", "St. Mary"] {
            assert_eq!(parse(name).lookup, Lookup::Name(name.to_owned()));
        }
        for address in ["attic:80", "attic.local", "10.0.0.1", "10.0.0.1:80", "::1", "[fe80::1%eth0]:80", "Localhost"] {
            assert_eq!(parse(address).lookup, Lookup::Address, "{address}");
            assert_eq!(parse(address).locate(discovery::SHORT), Ok((parse(address), Vec::new())), "{address}");
        }
    }

    #[test]
    fn a_server_is_remembered_by_its_name_if_that_can_be_typed() {
        let found = |name: &str| {
            let addresses = vec!["10.0.0.1:80".parse().expect("an address")];
            Server::any().found(Found { name: name.to_owned(), addresses }).0
        };
        assert_eq!(found("attic").origin(), Origin::OnlyFound);
        for name in ["attic", "attic (2)", "St. Mary"] {
            assert_eq!(found(name).to_text(), name);
        }
        for name in ["St.Mary", "localhost", "3", "a:1"] {
            assert_eq!(found(name).to_text(), "10.0.0.1:80", "{name}");
        }
        assert_eq!(parse("attic").to_text(), "attic");
        assert_eq!(parse("attic.local").to_text(), "attic.local:7455");
        assert_eq!(Server::this_machine().to_text(), "localhost:7455");
    }

    #[test]
    fn servers_of_one_name_are_told_apart() {
        let found = |name: &str, address: &str| Found {
            name: name.to_owned(),
            addresses: vec![address.parse().expect("an address")],
        };
        let servers = vec![found("attic", "10.0.0.1:7455"), found("attic (2)", "10.0.0.2:7455")];
        let shown = AmbiguousName { name: "attic".to_owned(), servers }.to_string();
        let expected =
            "2 servers are named attic; choose one by its address: 10.0.0.1:7455 (attic), 10.0.0.2:7455 (attic (2))";
        assert_eq!(shown, expected);
    }
}
