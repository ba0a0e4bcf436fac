//! ERROR: a request, a stream or the whole connection failed. Its layout never changes. Legal both ways.
//!
//! The frame's id is the request or stream that failed, or 0 for the connection.
//!
//! ```text
//!  0        1        2
//! +--------+--------+----------------
//! |       code      | text …
//! +--------+--------+----------------
//! ```

use super::{Decode, Encode, Header, MessageType, cut, text};
use crate::codec::{Full, Reader, Writer};
use crate::error::{ErrorCode, Malformed};
use crate::limits::MAX_EXPLANATION_BYTES;

/// Says what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error<'a> {
    /// The request or stream that failed, or 0 for the connection.
    pub id: u32,
    /// What failed, for programs.
    pub code: ErrorCode,
    /// What failed, for people.
    pub text: &'a str,
}

impl<'a> Decode<'a> for Error<'a> {
    fn decode(header: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let code = ErrorCode(fields.u16()?);
        if !code.is_fatal() && header.id == 0 {
            return Err(Malformed); // it concerns nothing
        }
        Ok(Self { id: header.id, code, text: text::decode(fields.rest(), MAX_EXPLANATION_BYTES)? })
    }
}

impl Encode for Error<'_> {
    const TYPE: MessageType = MessageType::Error;
    const MAX_PAYLOAD_BYTES: usize = 2 + MAX_EXPLANATION_BYTES;

    fn id(&self) -> u32 {
        self.id
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u16(self.code.0)?;
        out.bytes(cut(self.text, MAX_EXPLANATION_BYTES).as_bytes())
    }
}
