//! Keeps a connection to the server.

use core::time::Duration;

use embassy_futures::select::{Either, Either3, select, select3};
use embedded_io_async::{Read, Write};
use trill_proto::limits::HELLO_DEADLINE;
use trill_proto::retry::{Outcome, Retry};
use trill_proto::session::client::{Identity, OUTBOX_BYTES};

use crate::board::{Clock, ConnectError, Network};
use crate::radio::Shared;
use crate::server::Server;
use crate::state::Loss;

/// How long an attempt to connect may take, and a server to say its first word.
const PATIENCE: Duration = HELLO_DEADLINE;

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
    pub(crate) backoff: Backoff,
}

impl<C: Clock, N: Network> Link<'_, '_, C, N> {
    /// Connects, again and again, for ever.
    pub(crate) async fn run(&mut self) -> ! {
        loop {
            let server = self.shared.with(|state| {
                if state.is_leaving() {
                    self.backoff.reset();
                }
                state.begin_attempt()
            });
            let loss = self.attempt(&server).await;
            let outcome = self.shared.with(|state| {
                let outcome = state.on_loss(self.clock.now(), loss);
                state.on_disconnected();
                outcome
            });
            // Another server is tried at once.
            let _ = select(self.clock.wait(self.backoff.next(outcome)), until_left(self.shared)).await;
            while self.shared.with(|state| state.is_superseded()) {
                self.shared.network.wait().await;
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn attempt(&mut self, server: &Server) -> Loss {
        let Self { shared, clock, network, identity, input, .. } = self;
        let left = until_left(shared);
        let connecting = network.connect(server.host(), server.port());
        let mut socket = match select3(connecting, clock.wait(PATIENCE), left).await {
            Either3::First(Ok(socket)) => socket,
            Either3::First(Err(error)) => return Loss::Unreachable(error),
            Either3::Second(()) => return Loss::Unreachable(ConnectError::TimedOut),
            Either3::Third(()) => return Loss::Broken,
        };
        shared.with(|state| state.on_connected(clock.now(), identity));
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
    while !shared.with(|state| state.is_leaving()) {
        shared.network.wait().await;
    }
}

/// Says and hears what there is, until the connection is over.
async fn converse<C: Clock, S: Read + Write>(shared: &Shared<'_>, clock: &C, socket: &mut S, input: &mut [u8]) -> Loss {
    let welcome_deadline = clock.now() + PATIENCE;
    loop {
        if let Err(loss) = say(shared, clock, socket).await {
            return loss;
        }
        if shared.with(|state| state.is_closed()) {
            return Loss::Told;
        }
        let deadline = shared.with(|state| {
            let timeout = state.poll_timeout();
            if state.is_open() { timeout } else { timeout.map(|at| at.min(welcome_deadline)) }
        });
        let deadline = deadline.unwrap_or(welcome_deadline);
        let heard = match select3(socket.read(input), clock.wait_until(deadline), shared.network.wait()).await {
            Either3::First(Ok(0) | Err(_)) => return Loss::Broken,
            Either3::First(Ok(count)) => {
                let bytes = input.get(..count).unwrap_or_default();
                shared.with(|state| state.take(clock.now(), bytes))
            }
            Either3::Second(()) if !shared.with(|state| state.is_open()) && clock.now() >= welcome_deadline => {
                return Loss::Unreachable(ConnectError::TimedOut);
            }
            Either3::Second(()) => shared.with(|state| state.handle_timeout(clock.now())),
            Either3::Third(()) => Ok(()),
        };
        if let Err(error) = heard {
            return Loss::Session(error);
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

/// How long to wait before the next attempt; never exactly as long as others wait that lost the same server.
pub(crate) struct Backoff {
    retry: Retry,
    random: u32,
}

impl Backoff {
    /// `seed` differs from board to board.
    pub(crate) fn new(seed: u32) -> Self {
        Self { retry: Retry::new(), random: seed | 1 }
    }

    const fn reset(&mut self) {
        self.retry = Retry::new();
    }

    fn next(&mut self, outcome: Outcome) -> Duration {
        // xorshift32 (Marsaglia, "Xorshift RNGs", 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.retry.next_delay(outcome, self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_boards_try_together() {
        let mut one = Backoff::new(1);
        let mut other = Backoff::new(2);
        let spans = [(); 8].map(|()| one.next(Outcome::Useless));
        assert!(spans.iter().any(|span| *span != other.next(Outcome::Useless)));
        one.reset();
        assert!(one.next(Outcome::Useless) <= Duration::from_millis(40));
    }
}
