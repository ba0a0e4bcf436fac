//! `std` sockets as `embedded-io` transports.
//!
//! `std` says `WouldBlock` when a socket's read time-out has passed; the pump expects `TimedOut`.

use embedded_io::{ErrorKind, ErrorType, Read, Write};
use std::io;

/// A `std` reader or writer, or a reference to one.
#[derive(Debug)]
pub struct StdIo<T>(pub T);

/// A `std` I/O error.
#[derive(Debug)]
pub struct StdError(pub io::Error);

impl core::fmt::Display for StdError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for StdError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl embedded_io::Error for StdError {
    fn kind(&self) -> ErrorKind {
        match self.0.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::Interrupted => ErrorKind::Interrupted,
            io::ErrorKind::ConnectionReset => ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted => ErrorKind::ConnectionAborted,
            io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
            io::ErrorKind::NotConnected => ErrorKind::NotConnected,
            io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        }
    }
}

impl<T> ErrorType for StdIo<T> {
    type Error = StdError;
}

impl<T: io::Read> Read for StdIo<T> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StdError> {
        self.0.read(buffer).map_err(StdError)
    }
}

impl<T: io::Write> Write for StdIo<T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, StdError> {
        match self.0.write(bytes) {
            Ok(0) if !bytes.is_empty() => Err(StdError(io::ErrorKind::WriteZero.into())),
            result => result.map_err(StdError),
        }
    }

    fn flush(&mut self) -> Result<(), StdError> {
        self.0.flush().map_err(StdError)
    }
}
