//! HELLO: the client's name and limits. Its layout never changes.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! | lowest | highest|   max control   |              features             |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |      roles      |        0        |                                   |
//! +--------+--------+--------+--------+                                   +
//! |                           nonce (16 bytes)                            |
//! +                                   +--------+--------+--------+--------+
//! |                                   | extensions: 1 = name
//! +--------+--------+--------+--------+--------
//! ```

use super::extension::{self, EXTENSION_HEADER_BYTES, Extensions};
use super::{Decode, Encode, Header, MessageType, cut, text};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::limits::{MAX_CONTROL_BYTES, MAX_NAME_BYTES, MIN_CONTROL_BYTES, VERSION};

const NAME: u8 = 1;

/// The client's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Lowest protocol version that the client speaks.
    pub lowest_version: u8,
    /// Highest protocol version that the client speaks; at least the lowest.
    pub highest_version: u8,
    /// Largest control payload that the client takes, in bytes; at least [`MIN_CONTROL_BYTES`].
    pub max_control: u16,
    /// Feature bits; none is defined in version 1.
    pub features: u32,
    /// Role bits; none is defined in version 1.
    pub roles: u16,
    /// Random bytes that identify this client. A connection supersedes an older one with the same nonce.
    pub nonce: [u8; 16],
    /// The client's name, for the server's log; may be empty.
    pub name: &'a str,
}

impl Default for Hello<'_> {
    fn default() -> Self {
        #[allow(clippy::cast_possible_truncation)] // 1,024 fits
        let max_control = MAX_CONTROL_BYTES as u16;
        Self {
            lowest_version: VERSION,
            highest_version: VERSION,
            max_control,
            features: 0,
            roles: 0,
            nonce: [0; 16],
            name: "",
        }
    }
}

impl<'a> Decode<'a> for Hello<'a> {
    fn decode(_: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let lowest_version = fields.u8()?;
        let highest_version = fields.u8()?;
        let max_control = fields.u16()?;
        let features = fields.u32()?;
        let roles = fields.u16()?;
        let _reserved = fields.u16()?;
        let nonce = fields.array()?;
        let extensions = Extensions::new(fields.rest())?;
        if lowest_version > highest_version || usize::from(max_control) < MIN_CONTROL_BYTES {
            return Err(Malformed);
        }
        let name = text::decode(extensions.find(NAME).unwrap_or_default(), MAX_NAME_BYTES)?;
        Ok(Self { lowest_version, highest_version, max_control, features, roles, nonce, name })
    }
}

impl Encode for Hello<'_> {
    const TYPE: MessageType = MessageType::Hello;
    const MAX_PAYLOAD_BYTES: usize = 28 + EXTENSION_HEADER_BYTES + MAX_NAME_BYTES;

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(self.lowest_version)?;
        out.u8(self.highest_version)?;
        out.u16(self.max_control)?;
        out.u32(self.features)?;
        out.u16(self.roles)?;
        out.u16(0)?;
        out.bytes(&self.nonce)?;
        extension::encode(out, NAME, cut(self.name, MAX_NAME_BYTES).as_bytes())
    }
}
