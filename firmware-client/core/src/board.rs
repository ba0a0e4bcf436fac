//! The traits that a board implements: clock, network, sound output, commands of its own.
//!
//! The console is any pair of [`embedded_io_async::Read`] and [`Write`]; the rest are the
//! traits here. A sound output is two things: [`Audio`], which sets its pace, and whatever calls
//! [`Feed::fill`](crate::pcm::Feed::fill) at that pace: an interrupt that refills a FIFO, or one that says which half of a
//! DMA buffer was played.

use core::fmt;
use core::time::Duration;

use embedded_io_async::{Read, Write};
use trill_proto::time::Instant;

/// Time that never goes back.
pub trait Clock {
    /// Now, counted from an epoch of the board's choice.
    fn now(&self) -> Instant;

    /// Waits until `deadline`, which may have passed. May be dropped before it is over.
    async fn wait_until(&self, deadline: Instant);

    /// Waits for so long.
    async fn wait(&self, span: Duration) {
        self.wait_until(self.now() + span).await;
    }
}

/// Connections to servers, one at a time.
pub trait Network {
    /// One connection. Dropping it closes it.
    ///
    /// Its `read` must lose nothing when it is dropped before it is done, as embassy-net's sockets do.
    type Socket<'a>: Read + Write
    where
        Self: 'a;

    /// Connects to `port` of `host`, a name or an address.
    ///
    /// May be dropped before it is done: the player gives it 5 seconds.
    ///
    /// # Errors
    /// [`ConnectError`]; it is tried again later, whichever it is.
    async fn connect(&mut self, host: &str, port: u16) -> Result<Self::Socket<'_>, ConnectError>;
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ConnectError {
    /// The board itself is not connected, or was given no address: look at its cable, its Wi-Fi and its DHCP server.
    NoNetwork,
    /// The name has no address: correct it, or look whether the network has a name server.
    UnknownHost,
    /// The machine is there, but nothing listens: start a server, or correct the port.
    Refused,
    /// No answer: the machine is off, or there is no way to it.
    TimedOut,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNetwork => "the board has no network",
            Self::UnknownHost => "no such host",
            Self::Refused => "it refused the connection",
            Self::TimedOut => "it does not answer",
        })
    }
}

impl core::error::Error for ConnectError {}

/// The pace of a sound output.
pub trait Audio {
    /// From now on, [`Feed::fill`](crate::pcm::Feed::fill) is called for `rate` frames a second, 8,000 to 48,000.
    ///
    /// Called before a song's first frame is put into the ring, when nothing of a song of another rate is left in it.
    /// The output goes on for ever, silent when there is nothing to play.
    ///
    /// # Errors
    /// [`UnsupportedRate`]; the song is not played then.
    fn set_rate(&mut self, rate: u32) -> Result<(), UnsupportedRate>;
}

/// The output cannot play at this rate. Songs of other rates can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UnsupportedRate;

/// Commands that only this board has, such as the name of a wireless network.
pub trait Commands {
    /// Executes `line` if it is such a command, and writes the answer through `tell`, one line a call. Returns whether it is
    /// such a command.
    fn run(&mut self, line: &str, tell: &mut dyn FnMut(fmt::Arguments<'_>)) -> bool;

    /// Writes a line for each of these commands. `help` shows them after its own list.
    fn help(&self, tell: &mut dyn FnMut(fmt::Arguments<'_>));
}

/// No commands.
impl Commands for () {
    fn run(&mut self, _: &str, _: &mut dyn FnMut(fmt::Arguments<'_>)) -> bool {
        false
    }

    fn help(&self, _: &mut dyn FnMut(fmt::Arguments<'_>)) {}
}

/// The commands of both.
impl<A: Commands, B: Commands> Commands for (A, B) {
    fn run(&mut self, line: &str, tell: &mut dyn FnMut(fmt::Arguments<'_>)) -> bool {
        self.0.run(line, tell) || self.1.run(line, tell)
    }

    fn help(&self, tell: &mut dyn FnMut(fmt::Arguments<'_>)) {
        self.0.help(tell);
        self.1.help(tell);
    }
}
