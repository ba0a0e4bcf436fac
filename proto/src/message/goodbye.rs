//! GOODBYE: the sender closes the connection, and why. Legal both ways.
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

/// Why a side closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum GoodbyeReason {
    /// The sender no longer needs the connection.
    Done,
    /// The server shuts down or restarts; a client that was playing may come back and resume.
    Restarting,
    /// A newer connection of the same client took this one's place.
    Superseded,
    /// A reason that this version does not know.
    Other(u8),
}

impl GoodbyeReason {
    /// Every reason of this version with its name in `wire-format.md`.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("done", Self::Done), ("restarting", Self::Restarting), ("superseded", Self::Superseded)];

    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Done,
            2 => Self::Restarting,
            3 => Self::Superseded,
            other => Self::Other(other),
        }
    }

    /// The reason byte on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Done => 1,
            Self::Restarting => 2,
            Self::Superseded => 3,
            Self::Other(byte) => byte,
        }
    }
}

/// The last message of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// Why.
    pub reason: GoodbyeReason,
}

impl Decode<'_> for Goodbye {
    fn decode(_: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let message = Self { reason: GoodbyeReason::from_byte(fields.u8()?) };
        exact(fields, message)
    }
}

impl Encode for Goodbye {
    const TYPE: MessageType = MessageType::Goodbye;
    const MAX_PAYLOAD_BYTES: usize = 1;

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(self.reason.to_byte())
    }
}
