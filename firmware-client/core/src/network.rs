//! Keeps a connection to the server.

use core::time::Duration;

use embassy_futures::select::{Either, Either3, select, select3};
use embedded_io_async::{Read, Write};
use trill_player::{CONNECT_PATIENCE, TimedOut};
use trill_proto::session::client::{Identity, OUTBOX_BYTES};

use crate::ServerAddress;
use crate::board::{Clock, ConnectError, Network};
use crate::radio::Shared;
use crate::state::Loss;

/// A server that takes nothing for so long is gone: what a client says fits into any socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long last words may take to reach the network.
const FAREWELL: Duration = Duration::from_millis(50);

/// How long a server that was told what it did wrong has to read that, before the connection is closed under it.
const LINGER: Duration = Duration::from_millis(500);

/// Everything about connections.
pub(crate) struct Link<'r, 'm, C, N> {
    pub(crate) shared: &'r Shared<'m>,
    pub(crate) clock: &'r C,
    pub(crate) network: N,
    pub(crate) identity: Identity<'static>,
    /// What was read from the socket.
    pub(crate) input: &'m mut [u8],
}

impl<C: Clock, N: Network> Link<'_, '_, C, N> {
    /// Connects, again and again, for ever.
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
        let mut socket = match select3(connecting, clock.wait(CONNECT_PATIENCE), left).await {
            Either3::First(Ok(socket)) => socket,
            Either3::First(Err(error)) => return Loss::Unreachable(error),
            Either3::Second(()) => return Loss::Unreachable(ConnectError::TimedOut),
            Either3::Third(()) => return Loss::Broken,
        };
        shared.with(|state| state.player.handle_connected(clock.now(), identity));
        let loss = converse(shared, *clock, &mut socket, input).await;
        // What the machine has to say at the end: why it goes, mostly.
        if loss != Loss::Broken {
            let _ = say(shared, *clock, &mut socket).await;
            let _ = select(socket.flush(), clock.wait(FAREWELL)).await;
        }
        if let Loss::Session(_) = loss {
            // To close while bytes wait would destroy the ERROR on its way.
            let _ = select(drain(&mut socket, input), clock.wait(LINGER)).await;
        }
        loss
    }
}

/// Waits until another connection is wanted in place of the present one.
async fn until_left(shared: &Shared<'_>) {
    while !shared.with(|state| state.player.is_leaving()) {
        shared.network.wait().await;
    }
}

/// Says and hears what there is, until the connection is over.
async fn converse<C: Clock, S: Read + Write>(shared: &Shared<'_>, clock: &C, socket: &mut S, input: &mut [u8]) -> Loss {
    loop {
        if let Err(loss) = say(shared, clock, socket).await {
            return loss;
        }
        if shared.with(|state| state.player.is_closed()) {
            return Loss::Told;
        }
        let deadline = shared.with(|state| state.player.poll_timeout()).unwrap_or(clock.now());
        let heard = match select3(socket.read(input), clock.wait_until(deadline), shared.network.wait()).await {
            Either3::First(Ok(0) | Err(_)) => return Loss::Broken,
            Either3::First(Ok(count)) => {
                let bytes = input.get(..count).unwrap_or_default();
                shared.with(|state| state.take(clock.now(), bytes))
            }
            Either3::Second(()) | Either3::Third(()) => Ok(()),
        };
        // Whatever woke it: a server that always sends something must not keep the deadlines from being seen.
        let timed_out = || shared.with(|state| state.player.handle_timeout(clock.now()));
        match heard.map_err(TimedOut::Session).and_then(|()| timed_out()) {
            Ok(()) => {}
            Err(TimedOut::NoWelcome) => return Loss::Unreachable(ConnectError::TimedOut),
            Err(TimedOut::Session(error)) => return Loss::Session(error),
        }
    }
}

/// Reads and drops what comes, until the server closes the connection.
async fn drain<S: Read>(socket: &mut S, input: &mut [u8]) {
    while let Ok(1..) = socket.read(input).await {}
}

/// Writes all that is to be said now.
async fn say<C: Clock, S: Write>(shared: &Shared<'_>, clock: &C, socket: &mut S) -> Result<(), Loss> {
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
