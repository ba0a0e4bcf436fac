//! CREDIT: grants more bytes of a stream. The frame's id is the stream id.
//!
//! ```text
//!  0        1        2        3
//! +--------+--------+--------+--------+
//! |             more bytes            |
//! +--------+--------+--------+--------+
//! ```

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::StreamId;

/// Grants more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// The stream.
    pub stream: StreamId,
    /// How many bytes more than granted so far.
    pub more: u32,
}

impl Decode<'_> for Credit {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let message = Self { stream: StreamId(header.id), more: fields.u32()? };
        exact(fields, message)
    }
}

impl Encode for Credit {
    const TYPE: MessageType = MessageType::Credit;
    const MAX_PAYLOAD_BYTES: usize = 4;

    fn id(&self) -> u32 {
        self.stream.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.more)
    }
}
