//! `std` sockets as `embedded-io` transports.
//!
//! `std` says `WouldBlock` when a socket's read time-out has passed; the pumps expect `TimedOut`. This adapter
//! translates, and writes a frame's header and payload with one system call.

use super::blocking::GatherWrite;
use embedded_io::{ErrorKind, ErrorType, Read, Write};
use std::io::{self, IoSlice};

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

impl<T: io::Write> GatherWrite for StdIo<T> {
    fn write_gather(&mut self, mut head: &[u8], mut body: &[u8]) -> Result<(), StdError> {
        while !head.is_empty() {
            let written = match self.0.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(0) => return Err(StdError(io::ErrorKind::WriteZero.into())),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StdError(error)),
            };
            let of_head = written.min(head.len());
            head = head.get(of_head..).unwrap_or_default();
            body = body.get(written - of_head..).unwrap_or_default();
        }
        self.0.write_all(body).map_err(StdError)
    }
}
