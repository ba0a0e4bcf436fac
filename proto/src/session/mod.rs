//! The session machines: what a client and a server do, without a clock and without a socket.
//!
//! Both have the same families of methods. `handle_input` and `handle_timeout` take what happened. Plain verbs take the
//! application's commands. `poll_transmit` (and, on a server, `poll_data`) give the bytes to send, and `poll_timeout`
//! the time to wake at. The order of calls, for either:
//!
//! ```text
//! loop {
//!     while let Some(bytes) = machine.poll_transmit(now) { write all of them }
//!     wait for input, at most until machine.poll_timeout()
//!     while input is left { machine.handle_input(now, input) → (taken, event); act on the event; transmit }
//!     machine.handle_timeout(now)
//! }
//! ```
//!
//! An error from either `handle_*` ends the session: transmit once more (the peer is told why), then close.

pub mod client;
mod liveness;
mod outbox;
mod preamble;
pub mod server;

/// The machine's output buffer has no room for this: transmit, then try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxFull;

impl core::fmt::Display for OutboxFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("output is pending: transmit first")
    }
}

impl core::error::Error for OutboxFull {}
