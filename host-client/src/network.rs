//! The connection to a server: a socket that all threads write to, and a thread that reads it.
//!
//! ```text
//!   connect thread ─▶ socket ──▶ it becomes the    ┌────────┐
//!                       ▲        network thread ──▶│ Shared │ ──▶ Event, for the app
//!                       │            ▲             └────────┘
//!                       │            │ the clock       │ the thread that changed the player
//!                       └────────────┴─────────────────┘
//! ```
//!
//! No thread waits for the socket to take bytes. The thread that changes the player sends as much of the output as the socket
//! takes at once. The network thread sends the rest when there is room. So a server that reads nothing blocks no command.
//!
//! Every attempt to connect ends with exactly one [`Event::Unreachable`] or [`Event::Closed`]. The next attempt begins after
//! that.

mod connect;
mod connection;
mod event;

use std::io;
use std::net::TcpStream;
use std::sync::mpsc::Sender;
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::Duration;

use trill_proto::session::client;

use crate::app;
use crate::discovery;
use crate::server::Server;
use crate::shared::{Shared, State};

pub use connect::ConnectError;
use connection::Connection;
pub(crate) use connection::{ConnectionState, nothing_found};
pub use event::{CloseReason, Closed, Event, ServerError, Song};

/// Time limit for one address of a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The client's identity, the same on every connection of a run.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name for the server's log.
    pub name: String,
    /// A random number.
    pub nonce: [u8; 16],
}

/// Makes connections to one server.
#[derive(Clone)]
pub struct Network {
    /// The server.
    pub server: Server,
    /// This client.
    pub identity: Identity,
    /// The player.
    pub shared: Arc<Shared>,
    /// Receives an [`app::Event::Wake`] when there are new events.
    pub events: Sender<app::Event>,
}

impl Network {
    /// Starts a thread that tries to connect.
    pub fn connect(&self) {
        self.shared.with(|player, _| player.begin_attempt());
        let network = self.clone();
        let connect = move || match network.open() {
            Ok(connection) => connection.run(),
            Err(error) => network.fail(error),
        };
        if let Err(error) = thread::Builder::new().name("network".into()).spawn(connect) {
            self.fail(ConnectError::local(self.server.address(), &error));
        }
    }

    /// Ends an open connection with GOODBYE, and waits at most `at_most` until it is closed.
    pub fn close(&self, at_most: Duration) {
        let mut state = self.shared.lock();
        let now = self.shared.now();
        state.end(CloseReason::Done, now);
        state.transmit(now);
        let is_open = |state: &mut State| state.connection.is_some();
        drop(self.shared.disconnected.wait_timeout_while(state, at_most, is_open));
    }

    /// Reports that the attempt to connect failed.
    fn fail(&self, error: ConnectError) {
        let mut state = self.shared.lock();
        let mut unanswered = Vec::new();
        let _ = state.player.handle_disconnected(self.shared.now(), None, |refused| unanswered.push(refused));
        state.events.push(Event::Unreachable(error, unanswered));
        self.settle(state);
    }

    /// Finds the server and tries its addresses. Blocks for up to some seconds.
    fn open(&self) -> Result<Connection, ConnectError> {
        let socket = match self.try_connect(discovery::SHORT) {
            // DNS does not know the name, so the server can only be on the network.
            Err(error) if error.is_unknown_host() && self.server.is_name() => self.try_connect(discovery::LONG)?,
            tried => tried?,
        };
        let opened = self.prepare(socket);
        opened.map_err(|error| ConnectError::local(self.server.address(), &error))
    }

    /// Searches for the server on the network for at most `timeout`, and tries its addresses.
    fn try_connect(&self, timeout: Duration) -> Result<TcpStream, ConnectError> {
        let located = self.server.locate(timeout);
        let (server, addresses) = located.map_err(|error| ConnectError::ambiguous(self.server.address(), error))?;
        if server != self.server {
            self.shared.lock().events.push(Event::Located(server.clone()));
        }
        connect::connect(server.address(), addresses, CONNECT_TIMEOUT)
    }

    /// Begins a session on a new connection.
    fn prepare(&self, socket: TcpStream) -> io::Result<Connection> {
        socket.set_nodelay(true)?;
        let (connection, state) = Connection::new(self.clone(), socket)?;
        let Identity { name, nonce } = &self.identity;
        let identity = client::Identity { name, nonce: *nonce, roles: 0 };
        let mut shared = self.shared.lock();
        shared.connection = Some(state);
        shared.player.handle_connected(self.shared.now(), &identity);
        Ok(connection)
    }

    /// Carries out the effects of a change of the player, releases the lock and tells the app of new events.
    fn settle(&self, state: MutexGuard<'_, State>) {
        let has_events = !state.events.is_empty();
        self.shared.settle(state);
        if has_events {
            // The receiver is gone when the program ends.
            let _ = self.events.send(app::Event::Wake);
        }
    }
}
