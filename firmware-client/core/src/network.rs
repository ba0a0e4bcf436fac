//! Keeps a connection to the server.

use core::time::Duration;

use embassy_futures::select::{Either, Either3, select, select3};
use embedded_io_async::{Read, Write};
use trill_player::{CONNECT_TIMEOUT, TimedOut};
use trill_proto::session::client::{Identity, OUTBOX_BYTES};

use crate::ServerAddress;
use crate::board::{Clock, ConnectError, Network};
use crate::shared::Shared;
use crate::state::Loss;

/// A server that takes nothing for so long is gone: what a client sends fits into any socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// At the end of a connection the last messages have so long to reach the network.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(50);

/// A server that broke the protocol has so long to read the ERROR and to close the connection.
const LINGER: Duration = Duration::from_millis(500);

/// Makes the connections to the server, one after the other.
pub(crate) struct Connector<C, N> {
    pub(crate) shared: &'static Shared,
    pub(crate) clock: C,
    pub(crate) network: N,
    pub(crate) identity: Identity<'static>,
    /// Memory for what is read from the socket.
    pub(crate) input: &'static mut [u8],
}

impl<C: Clock, N: Network> Connector<C, N> {
    /// Connects whenever a connection is wanted and there is none.
    pub(crate) async fn run(&mut self) -> ! {
        loop {
            self.wait_until_wanted().await;
            let server = self.shared.with(|state| {
                state.player.begin_attempt();
                state.server.clone()
            });
            let loss = self.attempt(&server).await;
            self.shared.with(|state| state.on_disconnected(self.clock.now(), loss));
        }
    }

    /// Waits until a connection is to be made.
    async fn wait_until_wanted(&self) {
        let Self { shared, clock, .. } = self;
        loop {
            match shared.with(|state| state.player.poll_connect()) {
                Some(at) if at <= clock.now() => return,
                Some(at) => {
                    let _ = select(clock.wait_until(at), shared.network.wait()).await;
                }
                None => shared.network.wait().await,
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn attempt(&mut self, server: &ServerAddress) -> Loss {
        let Self { shared, clock, network, identity, input, .. } = self;
        let left = until_left(shared);
        let connecting = network.connect(server.host(), server.port());
        let mut socket = match select3(connecting, clock.wait(CONNECT_TIMEOUT), left).await {
            Either3::First(Ok(socket)) => socket,
            Either3::First(Err(error)) => return Loss::Unreachable(error),
            Either3::Second(()) => return Loss::Unreachable(ConnectError::TimedOut),
            Either3::Third(()) => return Loss::Broken,
        };
        shared.with(|state| state.player.handle_connected(clock.now(), identity));
        let loss = run_session(shared, clock, &mut socket, input).await;
        // The last messages, mostly the reason for the end.
        if loss != Loss::Broken {
            let _ = transmit(shared, clock, &mut socket).await;
            let _ = select(socket.flush(), clock.wait(FLUSH_TIMEOUT)).await;
        }
        if let Loss::Session(_) = loss {
            // Closing with unread input resets the connection, and the reset could overtake the ERROR.
            let _ = select(drain(&mut socket, input), clock.wait(LINGER)).await;
        }
        loss
    }
}

/// Waits until another server is wanted.
async fn until_left(shared: &Shared) {
    while !shared.with(|state| state.player.is_leaving()) {
        shared.network.wait().await;
    }
}

/// Sends and receives until the connection is over.
async fn run_session<C: Clock, S: Read + Write>(shared: &Shared, clock: &C, socket: &mut S, input: &mut [u8]) -> Loss {
    loop {
        if let Err(loss) = transmit(shared, clock, socket).await {
            return loss;
        }
        if shared.with(|state| state.player.is_closed()) {
            return Loss::Told;
        }
        let deadline = shared.with(|state| state.player.poll_timeout()).unwrap_or(clock.now());
        let received = match select3(socket.read(input), clock.wait_until(deadline), shared.network.wait()).await {
            Either3::First(Ok(0) | Err(_)) => return Loss::Broken,
            Either3::First(Ok(count)) => {
                let bytes = input.get(..count).unwrap_or_default();
                shared.with(|state| state.take(clock.now(), bytes))
            }
            Either3::Second(()) | Either3::Third(()) => Ok(()),
        };
        // After every wakeup: a server that sends without a pause must not hide the deadlines.
        let timed_out = || shared.with(|state| state.player.handle_timeout(clock.now()));
        match received.map_err(TimedOut::Session).and_then(|()| timed_out()) {
            Ok(()) => {}
            Err(TimedOut::NoWelcome) => return Loss::Unreachable(ConnectError::TimedOut),
            Err(TimedOut::Session(error)) => return Loss::Session(error),
        }
    }
}

/// Reads and drops input until the server closes the connection.
async fn drain<S: Read>(socket: &mut S, input: &mut [u8]) {
    while let Ok(1..) = socket.read(input).await {}
}

/// Writes everything that is to be sent now.
async fn transmit<C: Clock, S: Write>(shared: &Shared, clock: &C, socket: &mut S) -> Result<(), Loss> {
    let mut output = [0; OUTBOX_BYTES];
    loop {
        let count = shared.with(|state| state.transmit(clock.now(), &mut output).len());
        if count == 0 {
            return Ok(());
        }
        let bytes = output.get(..count).unwrap_or_default();
        match select(socket.write_all(bytes), clock.wait(WRITE_TIMEOUT)).await {
            Either::First(Ok(())) => {}
            Either::First(Err(_)) | Either::Second(()) => return Err(Loss::Broken),
        }
    }
}
