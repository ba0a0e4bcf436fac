//! CREDIT: so many more bytes of a stream may come. The frame's id is the stream id.
//!
//! ```text
//!  0        1        2        3
//! +--------+--------+--------+--------+
//! |             more bytes            |
//! +--------+--------+--------+--------+
//! ```

use super::{Encode, MessageType, exact};
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

impl Credit {
    /// The message with this frame id and payload.
    ///
    /// # Errors
    /// [`Malformed`] if it has not the form of a CREDIT.
    pub fn decode(id: u32, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let message = Self { stream: StreamId(id), more: fields.u32()? };
        exact(fields, message)
    }
}

impl Encode for Credit {
    const TYPE: MessageType = MessageType::Credit;

    fn id(&self) -> u32 {
        self.stream.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.more)
    }
}
