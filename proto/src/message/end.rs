//! END: the stream is over. The frame's id is the stream id.
//!
//! ```text
//!  0
//! +--------+
//! | reason |
//! +--------+
//! ```

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::StreamId;

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EndReason {
    /// Every byte up to the song's size was sent.
    Finished,
    /// The client said STOP.
    Stopped,
    /// A newer PLAY replaced it.
    Replaced,
    /// The song could not be read to its end, or a reason that this version does not know.
    Failed,
}

impl EndReason {
    /// Every reason of this version with its name in `wire-format.md`.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("finished", Self::Finished),
        ("stopped", Self::Stopped),
        ("replaced", Self::Replaced),
        ("failed", Self::Failed),
    ];

    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Finished,
            2 => Self::Stopped,
            3 => Self::Replaced,
            _ => Self::Failed,
        }
    }

    /// The reason byte on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Finished => 1,
            Self::Stopped => 2,
            Self::Replaced => 3,
            Self::Failed => 4,
        }
    }
}

/// Ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The stream.
    pub stream: StreamId,
    /// Why.
    pub reason: EndReason,
}

impl Decode<'_> for End {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let message = Self { stream: StreamId(header.id), reason: EndReason::from_byte(fields.u8()?) };
        exact(fields, message)
    }
}

impl Encode for End {
    const TYPE: MessageType = MessageType::End;
    const MAX_PAYLOAD_BYTES: usize = 1;

    fn id(&self) -> u32 {
        self.stream.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(self.reason.to_byte())
    }
}
