//! Buffers for payloads on their way from a file to a socket, shared by all connections.
//!
//! A listener whose music is on its way needs none: most connections wait for credit most of the time. So a connection
//! borrows one for as long as it writes a frame, and thousands of listeners get along with a few.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use trill_proto::limits::MAX_PAYLOAD_BYTES;

/// Buffers that are kept for the next frame: about what as many processors write at once.
const MAX_FREE: usize = 16;

/// A store of buffers, each as large as the largest payload.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: Mutex<Vec<Box<[u8]>>>,
}

impl Buffers {
    /// A buffer with arbitrary contents; it goes back when it is dropped.
    pub(crate) fn take(&self) -> Buffer<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = free.unwrap_or_else(|| vec![0; MAX_PAYLOAD_BYTES].into());
        Buffer { bytes, home: self }
    }
}

/// A buffer on loan.
#[derive(Debug)]
pub(crate) struct Buffer<'a> {
    bytes: Box<[u8]>,
    home: &'a Buffers,
}

impl Deref for Buffer<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        let mut free = self.home.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MAX_FREE {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_few_are_kept() {
        let buffers = Buffers::default();
        let address = {
            let buffer = buffers.take();
            assert_eq!(buffer.len(), MAX_PAYLOAD_BYTES);
            buffer.as_ptr()
        };
        assert_eq!(buffers.take().as_ptr(), address);
        drop((0..100).map(|_| buffers.take()).collect::<Vec<_>>());
        assert_eq!(buffers.free.lock().unwrap().len(), MAX_FREE);
    }
}
