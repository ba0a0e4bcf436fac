//! Buffers for the payloads of DATA frames, on their way from a file to a socket.
//!
//! Most listeners wait for credit most of the time, so no connection keeps a buffer of its own. The server has
//! [`LARGE_BUFFERS`] of them, each as large as the longest frame. While all are in use, a connection gets a small one and
//! sends shorter frames. So nobody waits for a buffer, and all buffers together take a bounded amount of memory.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trill_proto::limits::MAX_PAYLOAD_BYTES;

/// Large buffers that a server has at most, four megabytes in all. More threads do not copy bytes at the same time; they
/// wait for a disk.
pub(crate) const LARGE_BUFFERS: usize = 64;

/// Size of the buffer that a connection gets while no large one is free.
pub(crate) const SMALL_BUFFER_BYTES: usize = 4 * 1_024;

/// The buffers of a server.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    large: Mutex<Large>,
}

#[derive(Debug, Default)]
struct Large {
    idle: Vec<Box<[u8]>>,
    /// Those in use and those that are idle.
    allocated: usize,
}

/// A buffer for one frame or a part of one. Its first content is arbitrary. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    payloads: &'a Payloads,
    bytes: Box<[u8]>,
}

impl Payloads {
    /// A buffer of [`MAX_PAYLOAD_BYTES`], or of [`SMALL_BUFFER_BYTES`] if none of these is free. Does not wait.
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
        let bytes = large.idle.pop();
        if bytes.is_some() || large.allocated >= LARGE_BUFFERS {
            return bytes;
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
            self.payloads.large().idle.push(std::mem::take(&mut self.bytes));
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
    fn beyond_the_large_buffers_there_are_small_ones() {
        let payloads = Payloads::default();
        for _ in 0..2 {
            let taken: Vec<Payload<'_>> = (0..2 * LARGE_BUFFERS).map(|_| payloads.take().unwrap()).collect();
            let large = taken.iter().filter(|payload| payload.len() == MAX_PAYLOAD_BYTES).count();
            let small = taken.iter().filter(|payload| payload.len() == SMALL_BUFFER_BYTES).count();
            assert_eq!((large, small), (LARGE_BUFFERS, LARGE_BUFFERS));
        }
        assert_eq!(payloads.large().idle.len(), LARGE_BUFFERS);
    }
}
