//! PLAY: asks for a song on a new stream, which replaces the one before. The frame's id is the stream id.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                song               |  start |            0             |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                 position (ms if start is 0, bytes if 1)               |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                              content tag                              |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |               credit              | extensions
//! +--------+--------+--------+--------+--------
//! ```

use super::{Decode, Encode, Extensions, Header, MessageType};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{SongId, StreamId};

/// Where in a song to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Start {
    /// At this time of the music, in milliseconds: the server finds the frames that are needed.
    Time(u64),
    /// At this byte position: a decoder that was interrupted goes on.
    Resume(u64),
}

/// Asks for a song.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Play {
    /// The new stream; larger than all before it.
    pub stream: StreamId,
    /// The song.
    pub song: SongId,
    /// Where to begin.
    pub start: Start,
    /// The content tag that the song must have, or 0 for any.
    pub content_tag: u64,
    /// The first credit, in bytes.
    pub credit: u32,
}

impl Decode<'_> for Play {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let song = SongId(fields.u32()?);
        let start_kind = fields.u8()?;
        let _reserved = fields.bytes(3)?;
        let position = fields.u64()?;
        let start = match start_kind {
            0 => Start::Time(position),
            1 => Start::Resume(position),
            _ => return Err(Malformed),
        };
        let content_tag = fields.u64()?;
        let credit = fields.u32()?;
        Extensions::new(fields.rest())?;
        Ok(Self { stream: StreamId(header.id), song, start, content_tag, credit })
    }
}

impl Encode for Play {
    const TYPE: MessageType = MessageType::Play;
    const MAX_PAYLOAD_BYTES: usize = 28;

    fn id(&self) -> u32 {
        self.stream.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let (start_kind, position) = match self.start {
            Start::Time(ms) => (0, ms),
            Start::Resume(bytes) => (1, bytes),
        };
        out.u32(self.song.0)?;
        out.u8(start_kind)?;
        out.bytes(&[0; 3])?;
        out.u64(position)?;
        out.u64(self.content_tag)?;
        out.u32(self.credit)
    }
}
