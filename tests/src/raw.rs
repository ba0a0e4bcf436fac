//! A peer that speaks bytes, however wrong: what hostile clients and lying servers are made of.

use crate::wait;
use socket2::{Domain, SockRef, Socket, Type};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long a send may wait for the other end to read before a test fails.
const SEND_DEADLINE: Duration = Duration::from_secs(20);

/// A TCP connection of a test.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
}

/// How the other end has ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has closed it (FIN).
    EndOfStream,
    /// It has reset it (RST): closed it with bytes unread, or broken it.
    Reset,
}

impl RawConnection {
    /// Connects to `address`.
    ///
    /// # Panics
    /// When nobody listens there.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        match Self::try_connect(address) {
            Ok(connection) => connection,
            Err(e) => panic!("connecting to {address}: {e}"),
        }
    }

    /// Connects to `address`.
    ///
    /// # Errors
    /// When nobody listens there or the connection is refused.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).and_then(Self::of)
    }

    /// Connects to `address` from one of this machine's addresses that is not the usual one.
    ///
    /// # Panics
    /// When nobody listens there, or `from` is no address of this machine.
    #[track_caller]
    pub fn connect_from(from: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        let connected = socket.bind(&SocketAddr::new(from, 0).into()).and_then(|()| socket.connect(&address.into()));
        match connected.and_then(|()| Self::of(socket.into())) {
            Ok(connection) => connection,
            Err(e) => panic!("connecting from {from} to {address}: {e}"),
        }
    }

    fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SEND_DEADLINE))?;
        Ok(Self { stream })
    }

    /// The socket itself, for what is not offered here.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The local address: what the other end calls this one.
    ///
    /// # Panics
    /// When the socket is dead.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Makes the kernel's send buffer small (it doubles the figure), so that a slow receiver shows soon.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn set_send_buffer(&self, bytes: usize) {
        SockRef::from(&self.stream).set_send_buffer_size(bytes).expect("the kernel takes any size");
    }

    /// Makes the kernel's receive buffer small, so that the sender soon notices that nothing is read.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn set_receive_buffer(&self, bytes: usize) {
        SockRef::from(&self.stream).set_recv_buffer_size(bytes).expect("the kernel takes any size");
    }

    /// Sends all of `bytes`.
    ///
    /// # Panics
    /// When the connection has ended, or the other end reads nothing for 20 s.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(e) = self.try_send(bytes) {
            panic!("sending {} bytes: {e}", bytes.len());
        }
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the connection has ended, or the other end reads nothing for 20 s ([`io::ErrorKind::WouldBlock`]).
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends until the other end has taken nothing for `patience`; returns how many bytes went into the connection.
    ///
    /// # Panics
    /// When the connection has ended.
    #[track_caller]
    pub fn send_what_fits(&mut self, bytes: &[u8], patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).expect("a time-out above zero");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => panic!("sending: {e}"),
            }
        }
        self.stream.set_write_timeout(Some(SEND_DEADLINE)).expect("a time-out above zero");
        sent
    }

    /// Receives exactly `count` bytes.
    ///
    /// # Panics
    /// When the connection ends before, or they do not come within `deadline`; the message shows what came.
    #[track_caller]
    pub fn receive(&mut self, count: usize, deadline: Duration) -> Vec<u8> {
        let end = Instant::now() + deadline;
        let mut received = Vec::new();
        while received.len() < count {
            match self.read_some(count - received.len(), end) {
                Ok(Read1::Bytes(bytes)) => received.extend(bytes),
                Ok(Read1::End) => panic!("end of stream after {} of {count} bytes: {}", received.len(), Hex(&received)),
                Err(e) => panic!("{e} after {} of {count} bytes: {}", received.len(), Hex(&received)),
            }
        }
        received
    }

    /// Receives what one read gives: at least one byte.
    ///
    /// # Panics
    /// When the connection ends, or nothing comes within `deadline`.
    #[track_caller]
    pub fn receive_some(&mut self, deadline: Duration) -> Vec<u8> {
        match self.read_some(64 * 1024, Instant::now() + deadline) {
            Ok(Read1::Bytes(bytes)) => bytes,
            Ok(Read1::End) => panic!("end of stream"),
            Err(e) => panic!("{e}"),
        }
    }

    /// Receives until the other end ends the connection; returns what came before, and how it ended.
    ///
    /// # Panics
    /// When it has not ended within `deadline`; the message shows what came.
    #[track_caller]
    pub fn receive_to_end(&mut self, deadline: Duration) -> (Vec<u8>, Ending) {
        let end = Instant::now() + deadline;
        let mut received = Vec::new();
        loop {
            match self.read_some(64 * 1024, end) {
                Ok(Read1::Bytes(bytes)) => received.extend(bytes),
                Ok(Read1::End) => return (received, Ending::EndOfStream),
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return (received, Ending::Reset),
                Err(e) => panic!("{e}; until then {} bytes came: {}", received.len(), Hex(&received)),
            }
        }
    }

    /// Tells the other end that nothing more will be sent; receiving goes on.
    pub fn finish(&mut self) {
        // Fails only when the connection has ended, which is what the other end then knows already.
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// Breaks the connection: the other end gets a reset.
    pub fn reset(self) {
        // Fails only for a socket that is dead already.
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).ok();
    }

    fn read_some(&mut self, most: usize, end: Instant) -> io::Result<Read1> {
        let mut buffer = vec![0; most.min(64 * 1024)];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing more within the deadline"));
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Read1::End),
                Ok(count) => {
                    buffer.truncate(count);
                    return Ok(Read1::Bytes(buffer));
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// What one read gave.
enum Read1 {
    Bytes(Vec<u8>),
    End,
}

/// A port on the loopback address, for a server that is made of bytes.
#[derive(Debug)]
pub struct RawListener {
    listener: TcpListener,
}

impl RawListener {
    /// Opens a free port.
    ///
    /// # Panics
    /// When there is none.
    pub fn bind() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback address has a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        Self { listener }
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a listener has an address")
    }

    /// Waits for the next connection.
    ///
    /// # Panics
    /// When none comes within `deadline`.
    #[track_caller]
    pub fn accept(&self, deadline: Duration) -> RawConnection {
        wait::wait_for_some(deadline, "a connection", || self.try_accept())
    }

    /// Accepts a connection if one is waiting.
    pub fn try_accept(&self) -> Option<RawConnection> {
        let (stream, _) = self.listener.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        RawConnection::of(stream).ok()
    }
}

/// An address at which nothing answers, as behind a firewall that drops what it does not like: its queue of connections is
/// full.
#[derive(Debug)]
pub struct SilentListener {
    listener: Socket,
    queue: Vec<TcpStream>,
}

impl SilentListener {
    /// Makes `address` silent; port 0 is any that is free.
    ///
    /// # Errors
    /// When the address is not one of this machine, or is in use.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        /// Far longer than connecting on this machine takes.
        const PATIENCE: Duration = Duration::from_millis(300);
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        listener.bind(&address.into())?;
        listener.listen(0)?;
        let mut silent = Self { listener, queue: Vec::new() };
        while let Ok(stream) = TcpStream::connect_timeout(&silent.address(), PATIENCE) {
            silent.queue.push(stream);
        }
        Ok(silent)
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        address_of(&self.listener)
    }
}

/// A port of the loopback address that refuses connections, and that nobody else gets meanwhile.
#[derive(Debug)]
pub struct ClosedPort(Socket);

impl ClosedPort {
    /// Any port that is free.
    ///
    /// # Panics
    /// When there is none.
    pub fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("the system has free descriptors");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&address.into()).expect("the loopback address has a free port");
        Self(socket)
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        address_of(&self.0)
    }
}

fn address_of(socket: &Socket) -> SocketAddr {
    socket.local_addr().ok().and_then(|address| address.as_socket()).expect("a bound socket has an address")
}

/// Bytes for people: the first of them in hex.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        self.0.iter().take(SHOWN).try_for_each(|byte| write!(f, "{byte:02x} "))?;
        if self.0.len() > SHOWN { write!(f, "…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn pair() -> (RawConnection, RawConnection) {
        let listener = RawListener::bind();
        let client = RawConnection::connect(listener.address());
        (client, listener.accept(DEADLINE))
    }

    #[test]
    fn receives_what_was_sent_in_any_portion() {
        let (mut client, mut server) = pair();
        client.send(b"abcdef");
        assert_eq!(server.receive(2, DEADLINE), b"ab");
        assert_eq!(server.receive(4, DEADLINE), b"cdef");
        server.send(b"x");
        assert_eq!(client.receive_some(DEADLINE), b"x");
    }

    #[test]
    fn tells_how_the_other_end_went() {
        let (mut client, server) = pair();
        drop(server);
        assert_eq!(client.receive_to_end(DEADLINE), (Vec::new(), Ending::EndOfStream));

        let (mut client, mut server) = pair();
        server.send(b"bye");
        server.finish();
        assert_eq!(client.receive_to_end(DEADLINE), (b"bye".into(), Ending::EndOfStream));

        let (mut client, server) = pair();
        server.reset();
        assert_eq!(client.receive_to_end(DEADLINE).1, Ending::Reset);
    }

    #[test]
    #[should_panic(expected = "after 2 of 3 bytes: 61 62")]
    fn a_deadline_shows_what_came() {
        let (mut client, mut server) = pair();
        client.send(b"ab");
        server.receive(3, Duration::from_millis(30));
    }
}
