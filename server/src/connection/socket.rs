//! A connection's socket as the transport of its session. Every call blocks for a limited time only.

#[cfg(not(unix))]
use std::io::Write;
use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::{ErrorType, ReadReady};
use trill_proto::limits::CLOSE_AFTER;
use trill_proto::transport::std_io::{StdError, StdIo};

use crate::clients::ClientHandle;

/// A client that does not take a frame within this time is treated as silent.
const WRITE_TIMEOUT: Duration = CLOSE_AFTER;

/// How long the last frames may take.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_millis(500);

/// How often a blocked write checks whether the connection must close. A slow client gets this long to take the rest of a
/// frame, so that a GOODBYE can follow.
const WRITE_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long a write waits when the socket reports room and takes nothing.
const NO_MEMORY_PAUSE: Duration = Duration::from_millis(5);

/// Read time-outs are multiples of this, so that they rarely change: changing one is a system call.
const READ_TIMEOUT_STEP_MS: u128 = 100;

#[derive(Debug)]
pub(super) struct Socket {
    handle: Arc<ClientHandle>,
    /// The socket's current read time-out.
    read_timeout: Duration,
}

impl Socket {
    /// # Errors
    /// When the connection is gone already.
    pub(super) fn new(handle: Arc<ClientHandle>) -> io::Result<Self> {
        let stream = handle.stream();
        // Frames are written whole, so waiting for more only delays them.
        stream.set_nodelay(true)?;
        #[cfg(not(unix))]
        stream.set_write_timeout(Some(WRITE_CHECK_INTERVAL))?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(stream).set_tcp_notsent_lowat(trill_proto::limits::MAX_UNSENT_BYTES)?;
        Ok(Self { handle, read_timeout: Duration::ZERO })
    }

    /// Sets the time-out of the next read, rounded up to a tenth of a second.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        let millis =
            (timeout.as_millis().div_ceil(READ_TIMEOUT_STEP_MS) * READ_TIMEOUT_STEP_MS).max(READ_TIMEOUT_STEP_MS);
        let timeout = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(LONGEST_READ);
        if timeout != self.read_timeout {
            self.handle.stream().set_read_timeout(Some(timeout))?;
            self.read_timeout = timeout;
        }
        Ok(())
    }

    /// A writer for one DATA frame, or for the control frames that are due. Fails when the client takes too long, or when it
    /// is slow while the connection must close.
    pub(super) fn writer(&self) -> Writer<'_> {
        self.writer_with(WRITE_TIMEOUT, WRITE_CHECK_INTERVAL)
    }

    /// A writer for the last frames.
    pub(super) fn last_writer(&self) -> Writer<'_> {
        self.writer_with(LAST_WRITE_TIMEOUT, LAST_WRITE_TIMEOUT)
    }

    fn writer_with(&self, timeout: Duration, timeout_if_closing: Duration) -> Writer<'_> {
        Writer { handle: &self.handle, begun: Instant::now(), timeout, timeout_if_closing, failures: 0 }
    }

    /// Whether the client has closed its side, even if there is input left. Systems other than Linux show this only once all
    /// input is read.
    pub(super) fn is_closed_by_peer(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let mut ends = [PollFd::new(self.handle.stream(), PollFlags::RDHUP)];
            poll(&mut ends, Some(&Timespec::default())).is_ok_and(|count| count > 0)
        }
        #[cfg(not(target_os = "linux"))]
        {
            matches!(peek(self.handle.stream()), Ok(Peeked::End) | Err(_))
        }
    }
}

/// A close by another thread ends a read. On systems where that is not certain, a read ends from time to time.
const LONGEST_READ: Duration = if cfg!(unix) { Duration::from_secs(3_600) } else { Duration::from_millis(500) };

impl ErrorType for Socket {
    type Error = StdError;
}

impl embedded_io::Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StdError> {
        StdIo(self.handle.stream()).read(buffer)
    }
}

impl ReadReady for Socket {
    fn read_ready(&mut self) -> Result<bool, StdError> {
        let peeked = peek(self.handle.stream()).map_err(StdError)?;
        Ok(peeked != Peeked::Nothing)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peeked {
    Input,
    Nothing,
    /// The peer has closed its side.
    End,
}

/// Checks for input without blocking or consuming it.
///
/// # Errors
/// The connection's.
fn peek(stream: &TcpStream) -> io::Result<Peeked> {
    match peek_now(stream) {
        Ok(0) => Ok(Peeked::End),
        Ok(_) => Ok(Peeked::Input),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(Peeked::Nothing)
        }
        Err(error) => Err(error),
    }
}

/// One system call.
#[cfg(unix)]
fn peek_now(stream: &TcpStream) -> io::Result<usize> {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    socket2::SockRef::from(stream).recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT)
}

/// Three system calls, for lack of such a flag.
#[cfg(not(unix))]
fn peek_now(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    peeked
}

/// Writes that share one time-out, however little the client takes of each.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    handle: &'a ClientHandle,
    begun: Instant,
    timeout: Duration,
    timeout_if_closing: Duration,
    /// Consecutive writes that wrote nothing.
    failures: u32,
}

impl Writer<'_> {
    /// Writes as much as the socket takes now, which may be nothing. Blocks for [`WRITE_CHECK_INTERVAL`] at most on systems
    /// without non-blocking writes.
    ///
    /// # Errors
    /// The connection's.
    pub(super) fn write_now(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = match send_now(self.handle.stream(), slices) {
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => 0,
            written => written?,
        };
        self.failures = if written > 0 { 0 } else { self.failures + 1 };
        Ok(written)
    }

    /// Waits until the socket has room, after [`write_now`](Self::write_now) has not written all.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) when the client takes too long.
    pub(super) fn wait_for_room(&mut self) -> io::Result<()> {
        if self.failures > 1 {
            // A system that is short of memory may report room and take nothing.
            thread::sleep(NO_MEMORY_PAUSE);
        }
        loop {
            if self.is_too_late() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if has_room(self.handle.stream())? {
                return Ok(());
            }
        }
    }

    fn is_too_late(&self) -> bool {
        let waited = self.begun.elapsed();
        waited >= self.timeout || (waited >= self.timeout_if_closing && self.handle.close_reason().is_some())
    }
}

/// One system call.
#[cfg(unix)]
fn send_now(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    socket2::SockRef::from(stream).send_vectored_with_flags(slices, libc::MSG_DONTWAIT)
}

#[cfg(not(unix))]
fn send_now(mut stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    stream.write_vectored(slices)
}

/// Waits for room or the end of the connection, for [`WRITE_CHECK_INTERVAL`] at most.
#[cfg(unix)]
fn has_room(stream: &TcpStream) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let slice = Timespec { tv_sec: 0, tv_nsec: WRITE_CHECK_INTERVAL.subsec_nanos().into() };
    match poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&slice)) {
        Err(error) if error != rustix::io::Errno::INTR => Err(error.into()),
        ready => Ok(ready.is_ok_and(|count| count > 0)),
    }
}

/// The next write blocks.
#[cfg(not(unix))]
fn has_room(_: &TcpStream) -> io::Result<bool> {
    Ok(true)
}

impl ErrorType for Writer<'_> {
    type Error = StdError;
}

impl embedded_io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, StdError> {
        loop {
            match self.write_now(&[IoSlice::new(bytes)]) {
                Ok(0) if !bytes.is_empty() => self.wait_for_room().map_err(StdError)?,
                written => return written.map_err(StdError),
            }
        }
    }

    fn flush(&mut self) -> Result<(), StdError> {
        Ok(())
    }
}

/// Whether a call would block, or has blocked until the socket's own time-out.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
