//! LIST-END: the page is complete. The frame's id is the request id.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |               total               |                next               |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |             generation            |
//! +--------+--------+--------+--------+
//! ```

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{RequestId, SongId};

/// Ends the answer to a LIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEnd {
    /// The request that this answers.
    pub request: RequestId,
    /// Songs in the library.
    pub total: u32,
    /// What to ask for as `first` of the next page; `None` when there is none.
    pub next: Option<SongId>,
    /// Generation of the library.
    pub generation: u32,
}

impl Decode<'_> for ListEnd {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let total = fields.u32()?;
        let next = fields.u32()?;
        let generation = fields.u32()?;
        let next = (next != 0).then_some(SongId(next));
        exact(fields, Self { request: RequestId(header.id), total, next, generation })
    }
}

impl Encode for ListEnd {
    const TYPE: MessageType = MessageType::ListEnd;
    const MAX_PAYLOAD_BYTES: usize = 12;

    fn id(&self) -> u32 {
        self.request.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.total)?;
        out.u32(self.next.map_or(0, |song| song.0))?;
        out.u32(self.generation)
    }
}
