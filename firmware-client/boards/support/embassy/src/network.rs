//! Connections over embassy-net: one at a time, all on one socket.

use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::{self, TcpSocket};
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};
use trill_firmware::board::{self, ConnectError};
#[cfg(feature = "discovery")]
use trill_proto::limits::DEFAULT_PORT;

/// After this time the player is told that the network is down. It is less than the player waits for a connection.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(4);

/// How long the end of a connection may take to reach the server.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The socket's memory. The receive buffer is the TCP window. It must fit into the receive memory of the network driver:
/// 4 to 8 KiB.
#[derive(Debug)]
pub struct SocketBuffers<const RECEIVE: usize, const SEND: usize> {
    receive: [u8; RECEIVE],
    send: [u8; SEND],
}

impl<const RECEIVE: usize, const SEND: usize> SocketBuffers<RECEIVE, SEND> {
    /// Empty buffers. They are all zero, so a static of them takes no flash.
    #[must_use]
    pub const fn new() -> Self {
        Self { receive: [0; RECEIVE], send: [0; SEND] }
    }
}

impl<const RECEIVE: usize, const SEND: usize> Default for SocketBuffers<RECEIVE, SEND> {
    fn default() -> Self {
        Self::new()
    }
}

/// A network over embassy's stack, which runs in its own task.
pub struct Network {
    stack: Stack<'static>,
    socket: TcpSocket<'static>,
}

impl Network {
    /// Takes one of the stack's sockets and keeps it.
    pub fn new<const RECEIVE: usize, const SEND: usize>(
        stack: Stack<'static>,
        buffers: &'static mut SocketBuffers<RECEIVE, SEND>,
    ) -> Self {
        let mut socket = TcpSocket::new(stack, &mut buffers.receive, &mut buffers.send);
        // Messages are short, and the server waits for them.
        socket.set_nagle_enabled(false);
        Self { stack, socket }
    }

    /// The address and port of a server. Only one with the default port is found by its own name: another port makes `host`
    /// the name of a machine.
    async fn find(&self, host: &str, port: u16) -> Result<(IpAddress, u16), ConnectError> {
        if let Ok(address) = host.parse() {
            return Ok((address, port));
        }
        #[cfg(feature = "discovery")]
        if port == DEFAULT_PORT
            && let Some(found) = crate::discovery::find(self.stack, host).await
        {
            return Ok(found);
        }
        let answer = self.stack.dns_query(host, DnsQueryType::A).await;
        let addresses = answer.map_err(|_| ConnectError::UnknownHost)?;
        let address = addresses.first().copied().ok_or(ConnectError::UnknownHost)?;
        Ok((address, port))
    }

    /// Waits until the end of the last connection has reached the server.
    async fn close(&mut self) {
        self.socket.abort();
        let _ = with_timeout(CLOSE_TIMEOUT, self.socket.flush()).await;
    }
}

impl board::Network for Network {
    type Socket<'a> = Socket<'a>;

    async fn connect(&mut self, host: &str, port: u16) -> Result<Socket<'_>, ConnectError> {
        self.close().await;
        let is_up = with_timeout(NETWORK_TIMEOUT, self.stack.wait_config_up()).await;
        is_up.map_err(|_| ConnectError::NoNetwork)?;
        let server = self.find(host, port).await?;
        match self.socket.connect(server).await {
            Ok(()) => Ok(Socket(&mut self.socket)),
            Err(tcp::ConnectError::ConnectionReset) => Err(ConnectError::Refused),
            Err(_) => Err(ConnectError::TimedOut),
        }
    }
}

/// A connection. Dropping it resets it, so flush first what must arrive.
pub struct Socket<'a>(&'a mut TcpSocket<'static>);

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ErrorType for Socket<'_> {
    type Error = tcp::Error;
}

impl Read for Socket<'_> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, tcp::Error> {
        self.0.read(out).await
    }
}

impl Write for Socket<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, tcp::Error> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), tcp::Error> {
        self.0.flush().await
    }
}
