//! Looks up a server and connects to it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use trill_player::ServerAddress;

use crate::server::AmbiguousName;

/// Delay before the next address is tried too: the Connection Attempt Delay of RFC 8305.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first of the `addresses` that answers, or, if there are none, of those that `server` has by DNS. A silent
/// address delays the others little and is given up after `timeout`.
pub(super) fn connect(
    server: &ServerAddress<String>,
    addresses: Vec<SocketAddr>,
    timeout: Duration,
) -> Result<TcpStream, ConnectError> {
    let addresses = if addresses.is_empty() { look_up(server) } else { Ok(addresses) };
    let connected = addresses.and_then(|addresses| race(alternating(addresses), timeout));
    connected.map_err(|cause| ConnectError { server: server.clone(), cause })
}

fn look_up(server: &ServerAddress<String>) -> Result<Vec<SocketAddr>, Cause> {
    let addresses = (server.host(), server.port()).to_socket_addrs();
    addresses.map(Iterator::collect).map_err(|error| Cause::UnknownHost(error.to_string()))
}

/// Orders the addresses so that the two families alternate: if one IPv6 address does not work, the others often do not
/// either (RFC 8305, section 4).
fn alternating(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let is_like_first = |address: &SocketAddr| address.is_ipv6() == addresses[0].is_ipv6();
    let (first, second): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(is_like_first);
    let mut second = second.into_iter();
    let mut alternating: VecDeque<_> =
        first.into_iter().flat_map(|address| [Some(address), second.next()]).flatten().collect();
    alternating.extend(second);
    alternating
}

/// Connects to the address that answers first. Starts the attempts one by one, [`ATTEMPT_DELAY`] apart.
fn race(mut addresses: VecDeque<SocketAddr>, timeout: Duration) -> Result<TcpStream, Cause> {
    let (sender, results) = mpsc::channel();
    let mut cause = Cause::UnknownHost("it has no address".to_owned());
    let mut under_way = 0;
    loop {
        if let Some(address) = addresses.pop_front() {
            let sender = sender.clone();
            let attempt = move || {
                // If another attempt was faster, the receiver is gone and this connection is closed.
                let _ = sender.send(TcpStream::connect_timeout(&address, timeout));
            };
            match thread::Builder::new().name("connect".into()).spawn(attempt) {
                Ok(_) => under_way += 1,
                // The attempts under way may still succeed.
                Err(error) => cause = Cause::Other(error.to_string()),
            }
        }
        if under_way == 0 {
            return Err(cause);
        }
        let result = match addresses.is_empty() {
            true => results.recv().map_err(RecvTimeoutError::from),
            false => results.recv_timeout(ATTEMPT_DELAY),
        };
        match result {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => {
                under_way -= 1;
                // A refusal is the most useful answer: the machine exists.
                if cause != Cause::Refused {
                    cause = Cause::attempt(&error);
                }
            }
            // Try the next address too.
            Err(_) => {}
        }
    }
}

/// Why there is no connection. `Display` gives one line with the reason and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    server: ServerAddress<String>,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// Several servers have the name. Choose one.
    Ambiguous(AmbiguousName),
    /// The name cannot be looked up; the system's message. Correct the name.
    UnknownHost(String),
    /// The machine exists, but no program listens. Start a server or correct the port.
    Refused,
    /// The machine does not answer: it is off, or a firewall drops the packets.
    TimedOut,
    /// Another error; the system's message.
    Other(String),
}

impl ConnectError {
    /// The name of `server` is that of several.
    pub(super) fn ambiguous(server: &ServerAddress<String>, error: AmbiguousName) -> Self {
        Self { server: server.clone(), cause: Cause::Ambiguous(error) }
    }

    /// Whether the server's name cannot be looked up.
    pub(super) const fn is_unknown_host(&self) -> bool {
        matches!(self.cause, Cause::UnknownHost(_))
    }

    /// An error of this machine, not of the network.
    pub(super) fn local(server: &ServerAddress<String>, error: &io::Error) -> Self {
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
            Cause::Ambiguous(error) => error.fmt(f),
            Cause::UnknownHost(reason) => {
                // std puts "failed to lookup address information" before what the resolver says.
                let reason = reason.rsplit(": ").next().unwrap_or(reason);
                write!(f, "cannot find the host {}: {reason}", server.host())
            }
            Cause::Refused => write!(f, "{server} refused the connection; is trill-server running there?"),
            Cause::TimedOut => write!(f, "{server} does not answer; is it on, and is the port open?"),
            Cause::Other(reason) => write!(f, "cannot reach {server}: {reason}"),
        }
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let check = |addresses: &[&str], expected: &[&str]| {
            let parse = |text: &&str| text.parse().expect("an address");
            let ordered = alternating(addresses.iter().map(parse).collect());
            assert_eq!(ordered, expected.iter().map(parse).collect::<Vec<_>>());
        };
        check(&["[::1]:1", "[::2]:1", "[::3]:1", "0.0.0.1:1"], &["[::1]:1", "0.0.0.1:1", "[::2]:1", "[::3]:1"]);
        check(&["0.0.0.1:1", "0.0.0.2:1", "[::1]:1", "[::2]:1"], &["0.0.0.1:1", "[::1]:1", "0.0.0.2:1", "[::2]:1"]);
        check(&["[::1]:1", "0.0.0.1:1", "0.0.0.2:1"], &["[::1]:1", "0.0.0.1:1", "0.0.0.2:1"]);
        check(&["0.0.0.1:1"], &["0.0.0.1:1"]);
        check(&[], &[]);
    }

    #[cfg(target_os = "linux")]
    mod racing {
        use std::net::Ipv4Addr;
        use std::time::Instant;

        use trill_tests::raw::{ClosedPort, RawListener, SilentListener};

        use super::*;

        /// Ten times the delay.
        const SOON: Duration = Duration::from_millis(2_500);
        const LONG: Duration = Duration::from_secs(60);

        fn silent() -> SilentListener {
            SilentListener::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")
        }

        #[test]
        fn silence_is_not_waited_for() {
            let (silent, server) = (silent(), RawListener::bind());
            let begun = Instant::now();
            let socket = race([silent.address(), server.address()].into(), LONG).expect("one that answers");
            assert_eq!(socket.peer_addr().expect("a connected socket"), server.address());
            assert!((ATTEMPT_DELAY..SOON).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        }

        #[test]
        fn a_refusal_is_followed_by_the_next_attempt_at_once() {
            let (closed, server) = (ClosedPort::reserve(), RawListener::bind());
            let begun = Instant::now();
            let addresses = [closed.address(); 20].into_iter().chain([server.address()]);
            race(addresses.collect(), LONG).expect("one that answers");
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        }

        #[test]
        fn the_one_that_answers_first_is_taken() {
            let (first, second) = (RawListener::bind(), RawListener::bind());
            let socket = race([first.address(), second.address()].into(), LONG).expect("both answer");
            assert_eq!(socket.peer_addr().expect("a connected socket"), first.address());
        }

        #[test]
        fn when_none_answers_the_reason_is_the_one_that_says_the_most() {
            let (silent, closed, timeout) = (silent(), ClosedPort::reserve(), Duration::from_millis(300));
            assert_eq!(race([silent.address()].into(), timeout).err(), Some(Cause::TimedOut));
            for addresses in [[silent.address(), closed.address()], [closed.address(), silent.address()]] {
                assert_eq!(race(addresses.into(), timeout).err(), Some(Cause::Refused));
            }
            assert!(matches!(race([].into(), timeout), Err(Cause::UnknownHost(_))));
        }
    }
}
