//! A connection's socket as the transport of its session: blocking, but never for longer than somebody can wait.

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

use crate::link::Link;

/// A client that takes none or little of what it is sent is gone after this time, like one that is silent.
const WRITE_PATIENCE: Duration = CLOSE_AFTER;

/// How long the last words may take.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// A write that waits looks this often whether the connection is to end; a client that is just slow gets this long to
/// take the rest of a frame, after which it can be told goodbye.
const WRITE_SLICE: Duration = Duration::from_millis(250);

/// How long a write waits when the socket says that it has room and takes nothing.
const NO_MEMORY_PAUSE: Duration = Duration::from_millis(5);

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
        #[cfg(not(unix))]
        stream.set_write_timeout(Some(WRITE_SLICE))?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(stream).set_tcp_notsent_lowat(trill_proto::limits::MAX_UNSENT_BYTES)?;
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
    pub(super) fn writer(&self) -> Writer<'_> {
        self.writer_until(WRITE_PATIENCE, WRITE_SLICE)
    }

    /// A writer for what is said last.
    pub(super) fn last_writer(&self) -> Writer<'_> {
        self.writer_until(LAST_PATIENCE, LAST_PATIENCE)
    }

    fn writer_until(&self, patience: Duration, patience_if_dismissed: Duration) -> Writer<'_> {
        Writer { link: &self.link, begun: Instant::now(), patience, patience_if_dismissed, failures: 0 }
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
    /// Writes since the last one that wrote something.
    failures: u32,
}

impl Writer<'_> {
    /// Writes as much as the socket takes now, which may be nothing. Where the system can write only by waiting, it waits for
    /// [`WRITE_SLICE`] at most.
    ///
    /// # Errors
    /// The connection's.
    pub(super) fn write_now(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = match send_now(self.link.stream(), slices) {
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
            // A system that is short of memory may say that there is room and take nothing.
            thread::sleep(NO_MEMORY_PAUSE);
        }
        loop {
            if self.is_too_late() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if has_room(self.link.stream())? {
                return Ok(());
            }
        }
    }

    fn is_too_late(&self) -> bool {
        let waited = self.begun.elapsed();
        waited >= self.patience || (waited >= self.patience_if_dismissed && self.link.dismissal().is_some())
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

/// Waits for room, or for the end of the connection, for [`WRITE_SLICE`] at most.
#[cfg(unix)]
fn has_room(stream: &TcpStream) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let slice = Timespec { tv_sec: 0, tv_nsec: WRITE_SLICE.subsec_nanos().into() };
    match poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&slice)) {
        Err(error) if error != rustix::io::Errno::INTR => Err(error.into()),
        ready => Ok(ready.is_ok_and(|count| count > 0)),
    }
}

/// The next write waits.
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

/// What a system says when it would have to wait, or has waited for the socket's own time-out.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
