//! A connection's socket as the transport of its session: blocking, but never for longer than somebody can wait.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded_io::{ErrorType, ReadReady};
use trill_proto::limits::CLOSE_AFTER;
use trill_proto::transport::std_io::{StdError, StdIo};

use crate::link::Link;

/// A client that takes none or little of what it is sent is gone after this time, like one that is silent.
const WRITE_PATIENCE: Duration = CLOSE_AFTER;

/// How long the last words may take.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// A write that waits looks this often whether the connection is to end; a client that is just slow gets this long to
/// take the rest of a frame, after which it can be told goodbye.
const WRITE_SLICE: Duration = Duration::from_millis(250);

/// Read time-outs are whole multiples of this, so that they rarely change: changing one is a system call.
const READ_GRAIN_MS: u128 = 100;

#[derive(Debug)]
pub(super) struct Socket {
    link: Arc<Link>,
    /// What the socket's read time-out was set to last.
    patience: Duration,
}

impl Socket {
    /// # Errors
    /// When the connection is gone already.
    pub(super) fn new(link: Arc<Link>) -> io::Result<Self> {
        let stream = link.stream();
        // Frames are written whole: waiting for more would only delay them.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_SLICE))?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(stream).set_tcp_notsent_lowat(trill_proto::limits::MAX_QUEUED_BYTES)?;
        Ok(Self { link, patience: Duration::ZERO })
    }

    /// Sets how long the next read waits, rounded up to a tenth of a second; at least that.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        let millis = (patience.as_millis().div_ceil(READ_GRAIN_MS) * READ_GRAIN_MS).max(READ_GRAIN_MS);
        let patience = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(LONGEST_READ);
        if patience != self.patience {
            self.link.stream().set_read_timeout(Some(patience))?;
            self.patience = patience;
        }
        Ok(())
    }

    /// A writer for one frame, or for the control frames that wait. Fails when the client takes too long, or when it is
    /// slow while the connection is to end.
    pub(super) fn writer(&self) -> StdIo<Writer<'_>> {
        self.writer_until(WRITE_PATIENCE, WRITE_SLICE)
    }

    /// A writer for what is said last.
    pub(super) fn last_writer(&self) -> StdIo<Writer<'_>> {
        self.writer_until(LAST_PATIENCE, LAST_PATIENCE)
    }

    fn writer_until(&self, patience: Duration, patience_if_dismissed: Duration) -> StdIo<Writer<'_>> {
        StdIo(Writer { link: &self.link, begun: Instant::now(), patience, patience_if_dismissed })
    }

    /// Whether the client has closed its side, whatever is left to read. Systems other than Linux do not tell before all
    /// of that is read.
    pub(super) fn is_deserted(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let mut ends = [PollFd::new(self.link.stream(), PollFlags::RDHUP)];
            poll(&mut ends, Some(&Timespec::default())).is_ok_and(|count| count > 0)
        }
        #[cfg(not(target_os = "linux"))]
        {
            matches!(peek(self.link.stream()), Ok(Peeked::End) | Err(_))
        }
    }
}

/// A thread that reads learns from the end of input that it is to end; where that is not certain, it looks up.
const LONGEST_READ: Duration = if cfg!(unix) { Duration::from_secs(3_600) } else { Duration::from_millis(500) };

impl ErrorType for Socket {
    type Error = StdError;
}

impl embedded_io::Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StdError> {
        StdIo(self.link.stream()).read(buffer)
    }
}

impl ReadReady for Socket {
    fn read_ready(&mut self) -> Result<bool, StdError> {
        let peeked = peek(self.link.stream()).map_err(StdError)?;
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

/// Looks for input without waiting and without taking it.
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

/// Three, where there is no such flag.
#[cfg(not(unix))]
fn peek_now(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    peeked
}

/// Writes that end in time all together, however little a client takes of each.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    link: &'a Link,
    begun: Instant,
    patience: Duration,
    patience_if_dismissed: Duration,
}

impl Writer<'_> {
    /// Calls `write` until it has written something.
    fn write_in_time(&self, mut write: impl FnMut(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            if self.is_too_late() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match write(self.link.stream()) {
                Err(error) if is_timeout(&error) => {}
                written => return written,
            }
        }
    }

    fn is_too_late(&self) -> bool {
        let waited = self.begun.elapsed();
        waited >= self.patience || (waited >= self.patience_if_dismissed && self.link.dismissal().is_some())
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_in_time(|mut stream| stream.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_in_time(|mut stream| stream.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The socket's own time-out, by whichever name the system has for it.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
