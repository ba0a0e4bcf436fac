//! Buffers for the payloads of DATA frames, on their way from a file to a socket.
//!
//! Most connections wait for credit most of the time, so none keeps a buffer of its own. The pool has [`LARGE_BUFFERS`], each
//! as large as the longest frame. While all are in use, a connection waits a moment for one: usually their threads wait for a
//! processor. If they wait for a disk, the connection gets a small buffer and sends shorter frames. So the memory is bounded,
//! and no disk stops the music from another.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trill_proto::limits::MAX_PAYLOAD_BYTES;

/// Large buffers at most, four megabytes in all. More threads do not copy at the same time; they wait for a disk.
pub(crate) const LARGE_BUFFERS: usize = 64;

/// How long a connection waits for a large buffer. Small ones at this interval still carry five times what music needs.
const LARGE_TIMEOUT: Duration = Duration::from_millis(20);

/// Size of the buffer that a connection gets while no large one is free.
pub(crate) const SMALL_BUFFER_BYTES: usize = 4 * 1_024;

/// The buffers of a server.
#[derive(Debug, Default)]
pub(crate) struct BufferPool {
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

/// A buffer for a frame or a part of one, with arbitrary content. Dropping it returns it to the pool.
#[derive(Debug)]
pub(crate) struct PooledBuffer<'a> {
    pool: &'a BufferPool,
    bytes: Box<[u8]>,
}

impl BufferPool {
    /// A buffer of [`MAX_PAYLOAD_BYTES`], or of [`SMALL_BUFFER_BYTES`] if no large one is free in time.
    ///
    /// # Errors
    /// When there is no memory even for a small buffer.
    pub(crate) fn take(&self) -> Result<PooledBuffer<'_>, TryReserveError> {
        let large = self.take_large();
        let bytes = large.map_or_else(|| allocate(SMALL_BUFFER_BYTES), Ok)?;
        Ok(PooledBuffer { pool: self, bytes })
    }

    fn take_large(&self) -> Option<Box<[u8]>> {
        let mut large = self.large();
        if large.idle.is_empty() && large.allocated >= LARGE_BUFFERS {
            large.waiting += 1;
            let waited = self.returned.wait_timeout_while(large, LARGE_TIMEOUT, |large| large.idle.is_empty());
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

impl Deref for PooledBuffer<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for PooledBuffer<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for PooledBuffer<'_> {
    fn drop(&mut self) {
        if self.bytes.len() == MAX_PAYLOAD_BYTES {
            let mut large = self.pool.large();
            large.idle.push(std::mem::take(&mut self.bytes));
            if large.waiting > 0 {
                self.pool.returned.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let pool = BufferPool::default();
        let mut first = pool.take().unwrap();
        first[0] = 7;
        let second = pool.take().unwrap();
        assert_eq!((first.len(), second.len()), (MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES));
        drop(first);
        assert_eq!(pool.take().unwrap()[0], 7);
        drop(second);
        assert_eq!(pool.large().idle.len(), 2);
    }

    #[test]
    fn a_returned_buffer_goes_to_a_waiting_thread() {
        let pool = BufferPool::default();
        let mut taken: Vec<PooledBuffer<'_>> = (0..LARGE_BUFFERS).map(|_| pool.take().unwrap()).collect();
        std::thread::scope(|scope| {
            let large = scope.spawn(|| {
                // On a busy machine the time-out may pass first.
                let is_large = |buffer: &PooledBuffer<'_>| buffer.len() == MAX_PAYLOAD_BYTES;
                std::iter::repeat_with(|| pool.take().unwrap()).any(|buffer| is_large(&buffer))
            });
            while pool.large().waiting == 0 {
                std::thread::yield_now();
            }
            taken.pop();
            assert!(large.join().unwrap());
        });
        assert_eq!(pool.large().waiting, 0);
    }

    #[test]
    fn beyond_the_large_buffers_there_are_small_ones() {
        let pool = BufferPool::default();
        for _ in 0..2 {
            let taken: Vec<PooledBuffer<'_>> = (0..LARGE_BUFFERS + 3).map(|_| pool.take().unwrap()).collect();
            let large = taken.iter().filter(|buffer| buffer.len() == MAX_PAYLOAD_BYTES).count();
            let small = taken.iter().filter(|buffer| buffer.len() == SMALL_BUFFER_BYTES).count();
            assert_eq!((large, small), (LARGE_BUFFERS, 3));
        }
        assert_eq!(pool.large().idle.len(), LARGE_BUFFERS);
    }
}
