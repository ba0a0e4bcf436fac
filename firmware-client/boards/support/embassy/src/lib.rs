//! The player's [`Clock`] and [`Network`] on embassy.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "discovery")]
mod discovery;
mod network;

pub use network::{Network, Socket, SocketBuffers};

use embassy_time::Timer;
use trill_firmware::board;
use trill_proto::time::Instant;

/// The clock of embassy's time driver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl board::Clock for Clock {
    fn now(&self) -> Instant {
        Instant::from_micros(embassy_time::Instant::now().as_micros())
    }

    async fn wait_until(&self, deadline: Instant) {
        Timer::at(embassy_time::Instant::from_micros(deadline.as_micros())).await;
    }
}
