//! The signals that ask a program to end.
//!
//! - A signal that was ignored when the program started stays ignored: SIGHUP under `nohup`, SIGINT in a background
//!   job of a script.
//! - The first signal asks the program to end in its own way. The program gets a limited time for that, because a
//!   thread may be stuck in a write to a full pipe or in opening a FIFO.
//! - A second SIGINT or SIGTERM ends the program at once.
//! - A program that was asked to end dies *of* the signal ([`EndSignal::die`]). A shell needs this: Bash goes on with a
//!   loop when a command handles Ctrl-C and then exits.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use std::io;
use std::time::Duration;

/// A signal that asked the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndSignal(i32);

impl EndSignal {
    /// The name, such as `SIGTERM`.
    pub fn name(self) -> &'static str {
        system::name(self.0)
    }

    /// Ends the process as the signal does if nothing catches it. Destructors do not run.
    pub fn die(self) -> ! {
        system::die(self.0)
    }
}

/// Calls `on_signal` when the program is first asked to end. Call this once, before the program has other threads.
///
/// The process [dies](EndSignal::die) `grace` later, if it still runs, or at once when it is asked a second time.
/// A second SIGHUP does not count: a closed terminal often sends two.
///
/// # Errors
///
/// The system cannot catch signals.
pub fn watch(grace: Duration, on_signal: impl FnOnce(EndSignal) + Send + 'static) -> io::Result<()> {
    system::watch(grace, on_signal)
}

/// Makes a write beyond the file size limit (`ulimit -f`) fail with an error instead of ending the process.
///
/// # Errors
///
/// The system cannot catch SIGXFSZ.
pub fn fail_writes_at_file_size_limit() -> io::Result<()> {
    system::fail_writes_at_file_size_limit()
}
