//! PONG: the answer to PING. Legal both ways.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                                 token                                 |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                     PING received, in microseconds                    |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                       PONG sent, in microseconds                      |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! ```

use super::{Decode, Encode, Header, MessageType, exact};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;

/// Answers a PING. The times are of the answering side's own monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The token of the PING.
    pub token: u64,
    /// When the PING was received, in microseconds.
    pub received_us: u64,
    /// When the PONG was sent, in microseconds.
    pub sent_us: u64,
}

impl Decode<'_> for Pong {
    fn decode(_: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let message = Self { token: fields.u64()?, received_us: fields.u64()?, sent_us: fields.u64()? };
        exact(fields, message)
    }
}

impl Encode for Pong {
    const TYPE: MessageType = MessageType::Pong;
    const MAX_PAYLOAD_BYTES: usize = 24;

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u64(self.token)?;
        out.u64(self.received_us)?;
        out.u64(self.sent_us)
    }
}
