//! The pumps: all that touches a transport. One file for each style of I/O.

pub mod asynch;
pub mod blocking;
#[cfg(feature = "std")]
pub mod std_io;
