//! The pump over blocking transports, and the adapter that makes one of a `std` socket.

pub mod blocking;
#[cfg(feature = "std")]
pub mod std_io;
