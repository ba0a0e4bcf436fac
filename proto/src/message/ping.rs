//! PING: asks for a sign of life. Legal both ways.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                                 token                                 |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! ```

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;

/// Asks for a PONG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Comes back in the PONG.
    pub token: u64,
}

impl Decode<'_> for Ping {
    fn decode(_: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let message = Self { token: fields.u64()? };
        exact(fields, message)
    }
}

impl Encode for Ping {
    const TYPE: MessageType = MessageType::Ping;
    const MAX_PAYLOAD_BYTES: usize = 8;

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u64(self.token)
    }
}
