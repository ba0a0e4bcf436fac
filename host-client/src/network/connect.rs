//! From a host and a port to a connected socket.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::options::ServerAddress;

/// Connects to the first address of the server that answers, trying each for at most `timeout`.
pub(super) fn connect(server: &ServerAddress, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let failed = |cause| ConnectError { server: server.clone(), cause };
    let looked_up = (server.host.as_str(), server.port).to_socket_addrs();
    let addresses = looked_up.map_err(|error| failed(Cause::UnknownHost(error.to_string())))?;
    let mut cause = Cause::UnknownHost("it has no address".to_owned());
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => return Ok(socket),
            // A refusal says the most: the machine is there.
            Err(error) if cause != Cause::Refused => cause = Cause::attempt(&error),
            Err(_) => {}
        }
    }
    Err(failed(cause))
}

/// Why there is no connection. `Display` says it in one line, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    server: ServerAddress,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// The name cannot be looked up, as the system says it: correct it.
    UnknownHost(String),
    /// The machine is there, but nothing listens: start a server, or correct the port.
    Refused,
    /// No answer from the machine: it is off, or a firewall drops what is sent.
    TimedOut,
    /// Anything else, as the system says it.
    Other(String),
}

impl ConnectError {
    /// Something on this machine failed, not the network.
    pub(super) fn local(server: &ServerAddress, error: &io::Error) -> Self {
        Self { server: server.clone(), cause: Cause::Other(error.to_string()) }
    }
}

impl Cause {
    fn attempt(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::TimedOut,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, cause } = self;
        match cause {
            Cause::UnknownHost(reason) => {
                // std puts "failed to lookup address information" before what the resolver says.
                let reason = reason.rsplit(": ").next().unwrap_or(reason);
                write!(f, "cannot find the host {}: {reason}", server.host)
            }
            Cause::Refused => write!(f, "{server} refused the connection; is trill-server running there?"),
            Cause::TimedOut => write!(f, "{server} does not answer; is it on, and is the port open?"),
            Cause::Other(reason) => write!(f, "cannot reach {server}: {reason}"),
        }
    }
}

impl std::error::Error for ConnectError {}
