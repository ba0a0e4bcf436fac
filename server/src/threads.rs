//! Starts the server's threads.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Stack of every thread. Only what is touched costs memory: 8 KiB for a listener, 84 KiB at most where a debug build reads
/// tags. An overflow would end the whole process, so there is plenty.
///
/// All threads have the same: the C library gives the stack of a thread that has ended to a later one that wants as little
/// as a quarter of it, and [`capacity`](crate::capacity) counts the address space of each.
pub(crate) const STACK_BYTES: usize = 512 * 1_024;

/// Starts a thread.
///
/// # Errors
/// When there are no threads left.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(run)
}
