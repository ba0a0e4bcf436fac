//! WELCOME: the server's answer to HELLO. Its layout never changes.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! | version| streams|   max control   |              features             |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |             generation            |             song count            |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |             max credit            | extensions: 1 = name
//! +--------+--------+--------+--------+--------
//! ```

use super::extension::{self, EXTENSION_HEADER_BYTES, Extensions};
use super::{Decode, Encode, Header, MessageType, cut, text};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::limits::{
    FIRST_CREDIT_BYTES, MAX_CLIENT_CONTROL_BYTES, MAX_CREDIT_BYTES, MAX_NAME_BYTES, MAX_STREAMS, MIN_CONTROL_BYTES,
    VERSION,
};

const NAME: u8 = 1;

/// The version and limits of this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome<'a> {
    /// The protocol version that both sides speak from now on.
    pub version: u8,
    /// Streams that may be open at once; at least 1.
    pub max_streams: u8,
    /// Largest payload that the server takes, in bytes; at least [`MIN_CONTROL_BYTES`].
    pub max_control: u16,
    /// Feature bits; none is defined in version 1.
    pub features: u32,
    /// Generation of the library: another number means that a list may have changed. 0: not known yet.
    pub generation: u32,
    /// Songs in the library; 0 while the generation is 0.
    pub song_count: u32,
    /// Most credit that may be outstanding on a stream, in bytes; at least [`FIRST_CREDIT_BYTES`].
    pub max_credit: u32,
    /// The server's name; may be empty.
    pub server_name: &'a str,
}

impl<'a> Welcome<'a> {
    /// A WELCOME with the limits of this version, without a name and without songs.
    pub const fn new() -> Self {
        #[allow(clippy::cast_possible_truncation)] // 512 fits
        let max_control = MAX_CLIENT_CONTROL_BYTES as u16;
        Self {
            version: VERSION,
            max_streams: MAX_STREAMS,
            max_control,
            features: 0,
            generation: 0,
            song_count: 0,
            max_credit: MAX_CREDIT_BYTES,
            server_name: "",
        }
    }
}

impl Default for Welcome<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Decode<'a> for Welcome<'a> {
    fn decode(_: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let version = fields.u8()?;
        let max_streams = fields.u8()?;
        let max_control = fields.u16()?;
        let features = fields.u32()?;
        let generation = fields.u32()?;
        let song_count = fields.u32()?;
        let max_credit = fields.u32()?;
        let extensions = Extensions::new(fields.rest())?;
        if max_streams == 0 || usize::from(max_control) < MIN_CONTROL_BYTES || max_credit < FIRST_CREDIT_BYTES {
            return Err(Malformed);
        }
        let server_name = text::decode(extensions.find(NAME).unwrap_or_default(), MAX_NAME_BYTES)?;
        Ok(Self { version, max_streams, max_control, features, generation, song_count, max_credit, server_name })
    }
}

impl Encode for Welcome<'_> {
    const TYPE: MessageType = MessageType::Welcome;
    const MAX_PAYLOAD_BYTES: usize = 20 + EXTENSION_HEADER_BYTES + MAX_NAME_BYTES;

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(self.version)?;
        out.u8(self.max_streams)?;
        out.u16(self.max_control)?;
        out.u32(self.features)?;
        out.u32(self.generation)?;
        out.u32(self.song_count)?;
        out.u32(self.max_credit)?;
        extension::encode(out, NAME, cut(self.server_name, MAX_NAME_BYTES).as_bytes())
    }
}
