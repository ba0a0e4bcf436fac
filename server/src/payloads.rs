//! Buffers for the payloads of DATA frames, on their way from a file to a socket.
//!
//! Most listeners wait for credit most of the time, and thousands of them should not hold a buffer each; nor should a buffer
//! be allocated, and filled with zeros, for each frame. So there is a stock of them, as large as there were frames under way
//! at once. A client that does not read what it was sent holds one of them until it does, or is given up.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trill_proto::limits::MAX_PAYLOAD_BYTES;

/// Buffers that are kept while nobody needs them, four megabytes in all: enough for all that run at once.
const MOST_IDLE: usize = 64;

/// The buffers of a server.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    idle: Mutex<Vec<Box<[u8]>>>,
}

/// A buffer of [`MAX_PAYLOAD_BYTES`] that goes back into stock when it is dropped. What it holds at first is anything.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    payloads: &'a Payloads,
    bytes: Box<[u8]>,
}

impl Payloads {
    pub(crate) fn take(&self) -> Payload<'_> {
        let idle = self.idle().pop();
        Payload { payloads: self, bytes: idle.unwrap_or_else(|| vec![0; MAX_PAYLOAD_BYTES].into()) }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let mut idle = self.payloads.idle();
        if idle.len() < MOST_IDLE {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let payloads = Payloads::default();
        let mut first = payloads.take();
        first[0] = 7;
        let second = payloads.take();
        assert_eq!((first.len(), second.len()), (MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES));
        drop(first);
        assert_eq!(payloads.take()[0], 7);
        drop(second);
        assert_eq!(payloads.idle().len(), 2);
    }

    #[test]
    fn not_more_are_kept_than_is_sensible() {
        let payloads = Payloads::default();
        let taken: Vec<Payload<'_>> = (0..2 * MOST_IDLE).map(|_| payloads.take()).collect();
        drop(taken);
        assert_eq!(payloads.idle().len(), MOST_IDLE);
    }
}
