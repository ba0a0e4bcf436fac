//! LIST: asks for a page of the song list. The frame's id is the request id.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |             first song            |             at most               |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! ```

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{RequestId, SongId};

/// Asks for the songs from `first` on, in id order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Names this request in its answer.
    pub request: RequestId,
    /// The lowest id that is wanted.
    pub first: SongId,
    /// How many songs the client takes now.
    pub at_most: u32,
}

impl Decode<'_> for List {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        if header.id == 0 {
            return Err(Malformed);
        }
        let mut fields = Reader::new(payload);
        let message = Self { request: RequestId(header.id), first: SongId(fields.u32()?), at_most: fields.u32()? };
        exact(fields, message)
    }
}

impl Encode for List {
    const TYPE: MessageType = MessageType::List;
    const MAX_PAYLOAD_BYTES: usize = 8;

    fn id(&self) -> u32 {
        self.request.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.first.0)?;
        out.u32(self.at_most)
    }
}
