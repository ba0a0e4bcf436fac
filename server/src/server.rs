//! A running server: its start, its end, and what its connections share.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use trill_proto::time::Instant;

use crate::capacity::{Capacity, Limits};
use crate::clients::Clients;
use crate::connection::buffer_pool::BufferPool;
use crate::library::Library;
use crate::listener::{self, BindError, Listener};
use crate::log::ClientLog;
use crate::spawn_thread;

/// How long connections may take to say goodbye when the server shuts down.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(800);

/// How long threads may take to notice that their connection was aborted.
const ABORT_TIMEOUT: Duration = Duration::from_millis(300);

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Clients at once. `None` for as many as can each play a different song.
    pub max_clients: Option<NonZeroUsize>,
    /// Clients at once from one address or one IPv6 /64 network. `None` for half of `max_clients`, at most 64, without a limit
    /// for this machine.
    pub max_per_address: Option<NonZeroUsize>,
    /// The name that clients show, cut to 64 bytes.
    pub name: String,
}

/// A server that listens. Dropping it shuts it down.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    accepting: Option<JoinHandle<()>>,
}

/// What the connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) library: Arc<Library>,
    pub(crate) name: String,
    pub(crate) clock: Clock,
    pub(crate) clients: Arc<Clients>,
    pub(crate) buffers: BufferPool,
    pub(crate) client_log: ClientLog,
}

impl Server {
    /// Opens a socket that listens on `address`, or on every address of the machine and the default port. Clients that connect
    /// wait for [`Self::start`].
    ///
    /// # Errors
    /// [`StartError::Bind`] if the system does not allow it.
    pub fn bind(address: Option<SocketAddr>) -> Result<TcpListener, StartError> {
        listener::bind(address).map_err(StartError::Bind)
    }

    /// Serves `library` to clients that connect to `socket`. Returns at once; clients wait for the library's first scan.
    ///
    /// Raises the process's limit of open files as far as possible.
    ///
    /// # Errors
    /// [`StartError::System`] if the socket cannot be used or a thread cannot be started.
    pub fn start(socket: TcpListener, library: Arc<Library>, config: Config) -> Result<Self, StartError> {
        let limits = Limits::new(Capacity::of_process(), config.max_clients, config.max_per_address);
        let address = socket.local_addr().map_err(StartError::System)?;
        let shared = Arc::new(Shared {
            library,
            name: config.name,
            clock: Clock::new(),
            clients: Arc::new(Clients::new(limits)),
            buffers: BufferPool::default(),
            client_log: ClientLog::default(),
        });
        let listener = Arc::new(Listener::new(socket).map_err(StartError::System)?);
        let (accepted, served) = (Arc::clone(&listener), Arc::clone(&shared));
        let accept = move || accepted.accept_until_stopped(&served);
        let accepting = spawn_thread("listener", accept).map_err(StartError::System)?;
        Ok(Self { address, shared, listener, accepting: Some(accepting) })
    }

    /// The address it listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The largest number of clients at once.
    pub fn max_clients(&self) -> usize {
        self.shared.clients.limits().max_clients
    }

    /// Says goodbye to every client and closes. Waits about a second for the clients at most, whatever they do. With thousands of
    /// clients the kernel's work to end their threads comes on top: about 0.1 s of CPU time for each 1,000.
    pub fn shut_down(mut self) {
        self.close();
    }

    fn close(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        let will_end = self.listener.stop();
        self.shared.clients.close_all();
        if !self.shared.clients.wait_until_empty(GOODBYE_TIMEOUT) {
            self.shared.clients.abort_all();
            self.shared.clients.wait_until_empty(ABORT_TIMEOUT);
        }
        if will_end {
            let _ = accepting.join(); // a panic was logged
        }
        self.shared.client_log.finish();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// The clock of the session machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: std::time::Instant,
}

impl Clock {
    fn new() -> Self {
        Self { epoch: std::time::Instant::now() }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::from_micros(u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// Why a server cannot start. `Display` gives one line.
#[derive(Debug)]
pub enum StartError {
    /// The server cannot listen on the address: choose another.
    Bind(BindError),
    /// The system lacks threads or another resource: give up.
    System(io::Error),
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::System(error) => write!(f, "cannot start: {error}"),
        }
    }
}
