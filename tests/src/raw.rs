//! A peer that sends and receives arbitrary bytes, for hostile clients and servers.

use crate::wait;
use socket2::{Domain, SockRef, Socket, Type};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Time for the other end to read what a test sends.
const SEND_DEADLINE: Duration = Duration::from_secs(20);

/// A TCP connection of a test.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
}

/// How the other end closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Closed (FIN).
    EndOfStream,
    /// Reset (RST): closed with unread bytes, or broken.
    Reset,
}

impl RawConnection {
    /// Connects to `address`.
    ///
    /// # Panics
    /// When the connection fails.
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
    /// When the connection fails.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).and_then(Self::of)
    }

    /// Connects to `address` from another address of this machine.
    ///
    /// # Panics
    /// When the connection fails, or `from` is not an address of this machine.
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

    /// The underlying socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The local address, as the other end sees it.
    ///
    /// # Panics
    /// When the socket is dead.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Limits the kernel's send buffer (it doubles the value), so that a slow receiver is noticed soon.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn set_send_buffer(&self, bytes: usize) {
        SockRef::from(&self.stream).set_send_buffer_size(bytes).expect("the kernel takes any size");
    }

    /// Limits the kernel's receive buffer, so that the sender soon notices that nothing is read.
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

    /// Sends until the other end has read nothing for `patience`. Returns the number of bytes sent.
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

    /// Receives the result of one read: at least one byte.
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

    /// Receives until the other end closes the connection. Returns the bytes and how it was closed.
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

    /// Shuts down the sending side. Receiving continues.
    pub fn finish(&mut self) {
        // Fails only when the connection has ended; then the other end already knows.
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// Resets the connection.
    pub fn reset(self) {
        // Fails only for a dead socket.
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

/// The result of one read.
enum Read1 {
    Bytes(Vec<u8>),
    End,
}

/// A listening port on the loopback address, for a server that sends arbitrary bytes.
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

/// An address that does not answer, as behind a firewall that drops packets: its connection queue is full.
#[derive(Debug)]
pub struct SilentListener {
    listener: Socket,
    queue: Vec<TcpStream>,
}

impl SilentListener {
    /// Makes `address` silent. Port 0 chooses a free one.
    ///
    /// # Errors
    /// When the address is not one of this machine, or is in use.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        /// A generous deadline.
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

/// A loopback port that refuses connections and stays reserved.
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

/// Formats the first bytes in hex.
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
