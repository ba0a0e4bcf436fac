//! STOP: send no more of a stream. The frame's id is the stream id; there is no payload.

use super::{Encode, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::StreamId;

/// Ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The stream.
    pub stream: StreamId,
}

impl Stop {
    /// The message with this frame id and payload.
    ///
    /// # Errors
    /// [`Malformed`] if it has a payload.
    pub fn decode(id: u32, payload: &[u8]) -> Result<Self, Malformed> {
        exact(Reader::new(payload), Self { stream: StreamId(id) })
    }
}

impl Encode for Stop {
    const TYPE: MessageType = MessageType::Stop;

    fn id(&self) -> u32 {
        self.stream.0
    }

    fn encode_payload(&self, _: &mut Writer<'_>) -> Result<(), Full> {
        Ok(())
    }
}
