//! STOP: ends a stream. The frame's id is the stream id. The payload is empty.

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::StreamId;

/// Ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The stream.
    pub stream: StreamId,
}

impl Decode<'_> for Stop {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        exact(Reader::new(payload), Self { stream: StreamId(header.id) })
    }
}

impl Encode for Stop {
    const TYPE: MessageType = MessageType::Stop;
    const MAX_PAYLOAD_BYTES: usize = 0;

    fn id(&self) -> u32 {
        self.stream.0
    }

    fn encode_payload(&self, _: &mut Writer<'_>) -> Result<(), Full> {
        Ok(())
    }
}
