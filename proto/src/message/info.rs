//! INFO: asks for the particulars of one song, measured exactly. The frame's id is the request id.
//!
//! ```text
//!  0        1        2        3
//! +--------+--------+--------+--------+
//! |                song               |
//! +--------+--------+--------+--------+
//! ```

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{RequestId, SongId};

/// Asks for one SONG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Names this request in its answer.
    pub request: RequestId,
    /// The song.
    pub song: SongId,
}

impl Decode<'_> for Info {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        if header.id == 0 {
            return Err(Malformed);
        }
        let mut fields = Reader::new(payload);
        let message = Self { request: RequestId(header.id), song: SongId(fields.u32()?) };
        exact(fields, message)
    }
}

impl Encode for Info {
    const TYPE: MessageType = MessageType::Info;
    const MAX_PAYLOAD_BYTES: usize = 4;

    fn id(&self) -> u32 {
        self.request.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.song.0)
    }
}
