//! Buffers for the payloads of DATA frames, on their way from a file to a socket.
//!
//! Most listeners wait for credit most of the time, so no connection keeps a buffer of its own. The server has
//! [`LARGE_BUFFERS`] of them, each as large as the longest frame. While all are in use, a connection waits a moment for one:
//! usually they belong to threads that wait for a processor. Where they belong to threads that wait for a disk, it gets a
//! small one and sends shorter frames. So all buffers together take a bounded amount of memory, and no disk stops the music
//! that comes from another.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trill_proto::limits::MAX_PAYLOAD_BYTES;

/// Large buffers that a server has at most, four megabytes in all. More threads do not copy bytes at the same time; they
/// wait for a disk.
pub(crate) const LARGE_BUFFERS: usize = 64;

/// How long a connection waits for a large buffer: a small one each time still carries five times what music needs.
const LARGE_PATIENCE: Duration = Duration::from_millis(20);

/// Size of the buffer that a connection gets while no large one is free.
pub(crate) const SMALL_BUFFER_BYTES: usize = 4 * 1_024;

/// The buffers of a server.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    large: Mutex<Large>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Large {
    idle: Vec<Box<[u8]>>,
    /// Those in use and those that are idle.
    allocated: usize,
    /// Connections that wait for one.
    waiting: usize,
}

/// A buffer for one frame or a part of one. Its first content is arbitrary. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    payloads: &'a Payloads,
    bytes: Box<[u8]>,
}

impl Payloads {
    /// A buffer of [`MAX_PAYLOAD_BYTES`], or of [`SMALL_BUFFER_BYTES`] if none of these is free within a moment.
    ///
    /// # Errors
    /// When there is no memory even for the small one.
    pub(crate) fn take(&self) -> Result<Payload<'_>, TryReserveError> {
        let large = self.take_large();
        let bytes = large.map_or_else(|| allocate(SMALL_BUFFER_BYTES), Ok)?;
        Ok(Payload { payloads: self, bytes })
    }

    fn take_large(&self) -> Option<Box<[u8]>> {
        let mut large = self.large();
        if large.idle.is_empty() && large.allocated >= LARGE_BUFFERS {
            large.waiting += 1;
            let waited = self.returned.wait_timeout_while(large, LARGE_PATIENCE, |large| large.idle.is_empty());
            large = waited.unwrap_or_else(PoisonError::into_inner).0;
            large.waiting -= 1;
            return large.idle.pop();
        }
        if let Some(bytes) = large.idle.pop() {
            return Some(bytes);
        }
        let bytes = allocate(MAX_PAYLOAD_BYTES).ok()?;
        large.allocated += 1;
        Some(bytes)
    }

    fn large(&self) -> MutexGuard<'_, Large> {
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn allocate(length: usize) -> Result<Box<[u8]>, TryReserveError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length)?;
    bytes.resize(length, 0);
    Ok(bytes.into())
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Payload<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Payload<'_> {
    fn drop(&mut self) {
        if self.bytes.len() == MAX_PAYLOAD_BYTES {
            let mut large = self.payloads.large();
            large.idle.push(std::mem::take(&mut self.bytes));
            if large.waiting > 0 {
                self.payloads.returned.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let payloads = Payloads::default();
        let mut first = payloads.take().unwrap();
        first[0] = 7;
        let second = payloads.take().unwrap();
        assert_eq!((first.len(), second.len()), (MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES));
        drop(first);
        assert_eq!(payloads.take().unwrap()[0], 7);
        drop(second);
        assert_eq!(payloads.large().idle.len(), 2);
    }

    #[test]
    fn a_buffer_that_comes_back_is_given_to_who_waits() {
        let payloads = Payloads::default();
        let mut taken: Vec<Payload<'_>> = (0..LARGE_BUFFERS).map(|_| payloads.take().unwrap()).collect();
        std::thread::scope(|scope| {
            let large = scope.spawn(|| {
                // The patience may be over before a busy machine comes to it.
                let is_large = |payload: &Payload<'_>| payload.len() == MAX_PAYLOAD_BYTES;
                std::iter::repeat_with(|| payloads.take().unwrap()).any(|payload| is_large(&payload))
            });
            while payloads.large().waiting == 0 {
                std::thread::yield_now();
            }
            taken.pop();
            assert!(large.join().unwrap());
        });
        assert_eq!(payloads.large().waiting, 0);
    }

    #[test]
    fn beyond_the_large_buffers_there_are_small_ones() {
        let payloads = Payloads::default();
        for _ in 0..2 {
            let taken: Vec<Payload<'_>> = (0..LARGE_BUFFERS + 3).map(|_| payloads.take().unwrap()).collect();
            let large = taken.iter().filter(|payload| payload.len() == MAX_PAYLOAD_BYTES).count();
            let small = taken.iter().filter(|payload| payload.len() == SMALL_BUFFER_BYTES).count();
            assert_eq!((large, small), (LARGE_BUFFERS, 3));
        }
        assert_eq!(payloads.large().idle.len(), LARGE_BUFFERS);
    }
}
