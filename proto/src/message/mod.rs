//! The messages, one file each: their fields, how they are read and how they are written.
//!
//! A message [`Decode`]s from a frame [`Header`] and its whole payload, and [`Encode`]s to a whole frame. DATA is the
//! exception: its payload is never held, see [`frame`](crate::frame). [`Message`] is any of them, for tools and tests;
//! the session machines use the single types.

mod audio;
mod credit;
mod end;
mod error;
mod extension;
mod gain;
mod goodbye;
mod hello;
mod info;
mod list;
mod list_end;
mod ping;
mod play;
mod pong;
mod preamble;
mod song;
mod started;
mod stop;
mod text;
mod welcome;

pub use credit::Credit;
pub use end::{End, EndReason};
pub use error::Error;
pub use extension::Extensions;
pub use gain::Gain;
pub use goodbye::{Goodbye, GoodbyeReason};
pub use hello::Hello;
pub use info::Info;
pub use list::{Group, List, Search};
pub use list_end::ListEnd;
pub use ping::Ping;
pub use play::{Play, Start};
pub use pong::Pong;
pub use preamble::{MAGIC, PREAMBLE, REFUSAL_MAGIC, refusal};
pub use song::{Song, SongGroup};
pub use started::Started;
pub use stop::Stop;
pub use text::cut;
pub use welcome::Welcome;

use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::limits::{HEADER_BYTES, MAX_PAYLOAD_BYTES};
use core::fmt;

/// Types with this bit may be skipped by a receiver that does not know them.
pub const IGNORABLE: u8 = 0x80;

/// The first [`HEADER_BYTES`] of every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type byte as received; [`MessageType::from_byte`] tells whether it is known.
    pub kind: u8,
    /// Flag bits; their meaning depends on the type.
    pub flags: u8,
    /// Payload length in bytes.
    pub length: u16,
    /// The stream or request that the frame belongs to, or 0.
    pub id: u32,
}

impl Header {
    /// The header in these bytes. Any bytes are some header.
    pub const fn decode(bytes: [u8; HEADER_BYTES]) -> Self {
        let [kind, flags, l0, l1, i0, i1, i2, i3] = bytes;
        Self { kind, flags, length: u16::from_be_bytes([l0, l1]), id: u32::from_be_bytes([i0, i1, i2, i3]) }
    }

    /// The bytes of this header.
    pub const fn encode(self) -> [u8; HEADER_BYTES] {
        let [l0, l1] = self.length.to_be_bytes();
        let [i0, i1, i2, i3] = self.id.to_be_bytes();
        [self.kind, self.flags, l0, l1, i0, i1, i2, i3]
    }
}

/// A message that is sent as one frame.
pub trait Encode {
    /// Its type.
    const TYPE: MessageType;

    /// Length in bytes of its longest payload.
    const MAX_PAYLOAD_BYTES: usize;

    /// Length in bytes of its longest frame.
    const MAX_FRAME_BYTES: usize = HEADER_BYTES + Self::MAX_PAYLOAD_BYTES;

    /// The id in its frame header: stream, request, or 0.
    fn id(&self) -> u32 {
        0
    }

    /// The flags in its frame header.
    fn flags(&self) -> u8 {
        0
    }

    /// Writes the payload.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full>;

    /// Writes the whole frame to the front of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// [`Full`] if it does not fit; `out` then holds nothing of use.
    fn encode(&self, out: &mut [u8]) -> Result<usize, Full> {
        let (header, payload) = out.split_first_chunk_mut::<HEADER_BYTES>().ok_or(Full)?;
        let mut writer = Writer::new(payload);
        self.encode_payload(&mut writer)?;
        let length = u16::try_from(writer.written()).map_err(|_| Full)?;
        *header = Header { kind: Self::TYPE.to_byte(), flags: self.flags(), length, id: self.id() }.encode();
        Ok(HEADER_BYTES + usize::from(length))
    }
}

/// A message that is received as one frame. Texts are borrowed from the payload.
pub trait Decode<'a>: Sized {
    /// The message with this header and payload. The caller has checked the header's type and length.
    ///
    /// # Errors
    /// [`Malformed`] if the payload does not have the message's form.
    fn decode(header: Header, payload: &'a [u8]) -> Result<Self, Malformed>;
}

/// Returns `message` if its payload was read to the end: messages without extensions have an exact length.
fn exact<M>(fields: Reader<'_>, message: M) -> Result<M, Malformed> {
    if fields.is_empty() { Ok(message) } else { Err(Malformed) }
}

/// Builds [`MessageType`] and [`Message`] from one table. A `frame` row names the message in this module. A `raw` row
/// has no message: [`Message`] holds its id and payload.
macro_rules! messages {
    (
        frame { $($(#[$doc:meta])* $name:ident $(<$lifetime:lifetime>)? = $value:literal, $text:literal;)* }
        raw { $($(#[$raw_doc:meta])* $raw_name:ident = $raw_value:literal, $raw_text:literal;)* }
    ) => {
        /// The type byte of a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum MessageType {
            $($(#[$doc])* $name = $value,)*
            $($(#[$raw_doc])* $raw_name = $raw_value,)*
        }

        impl MessageType {
            /// Every type of this version.
            pub const ALL: &'static [Self] = &[$(Self::$name,)* $(Self::$raw_name),*];

            /// The type with this byte, if this version has it.
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($value => Some(Self::$name),)*
                    $($raw_value => Some(Self::$raw_name),)*
                    _ => None,
                }
            }

            /// Its name in `wire-format.md`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    $(Self::$raw_name => $raw_text,)*
                }
            }

            /// Length in bytes of the longest payload that this version sends.
            pub const fn max_payload_bytes(self) -> usize {
                match self {
                    $(Self::$name => $name::MAX_PAYLOAD_BYTES,)*
                    $(Self::$raw_name => MAX_PAYLOAD_BYTES,)*
                }
            }
        }

        /// Any message of this version, for tools and tests.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Message<'a> {
            $($(#[$doc])* $name($name $(<$lifetime>)?),)*
            $($(#[$raw_doc])* $raw_name(u32, &'a [u8]),)*
        }

        impl<'a> Message<'a> {
            /// The message with this header and payload.
            ///
            /// # Errors
            /// [`Malformed`] if the payload does not have the form of the type, or this version does not know the type.
            pub fn decode(header: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
                Ok(match MessageType::from_byte(header.kind).ok_or(Malformed)? {
                    $(MessageType::$name => Self::$name(Decode::decode(header, payload)?),)*
                    $(MessageType::$raw_name => Self::$raw_name(header.id, payload),)*
                })
            }

            /// Writes the whole frame to the front of `out` and returns its length in bytes.
            ///
            /// # Errors
            /// [`Full`] if it does not fit.
            pub fn encode(&self, out: &mut [u8]) -> Result<usize, Full> {
                match self {
                    $(Self::$name(message) => message.encode(out),)*
                    $(Self::$raw_name(id, payload) => encode_raw(MessageType::$raw_name, *id, payload, out),)*
                }
            }

            /// The message's type.
            pub const fn kind(&self) -> MessageType {
                match self {
                    $(Self::$name(_) => MessageType::$name,)*
                    $(Self::$raw_name(..) => MessageType::$raw_name,)*
                }
            }
        }
    };
}

messages! {
    frame {
        /// Client: who I am and what I can take.
        Hello<'a> = 0x01, "HELLO";
        /// Client: asks for a page of the song list.
        List<'a> = 0x02, "LIST";
        /// Client: asks for one song's particulars.
        Info = 0x03, "INFO";
        /// Client: asks for a song on a new stream.
        Play = 0x04, "PLAY";
        /// Client: grants more bytes of a stream.
        Credit = 0x05, "CREDIT";
        /// Client: ends a stream.
        Stop = 0x06, "STOP";
        /// Either: asks for a PONG.
        Ping = 0x07, "PING";
        /// Either: answers PING.
        Pong = 0x08, "PONG";
        /// Either: announces that the connection closes, and why.
        Goodbye = 0x09, "GOODBYE";
        /// Either: a request, a stream or the connection failed.
        Error<'a> = 0x0a, "ERROR";
        /// Server: answers HELLO.
        Welcome<'a> = 0x11, "WELCOME";
        /// Server: one song.
        Song<'a> = 0x12, "SONG";
        /// Server: the page is complete.
        ListEnd = 0x13, "LIST-END";
        /// Server: the stream begins; what its bytes mean.
        Started = 0x14, "STARTED";
        /// Server: the stream is over.
        End = 0x16, "END";
    }
    raw {
        /// Server: bytes of a song.
        Data = 0x15, "DATA";
        /// Server: reserved, may be ignored.
        Notice = 0x81, "NOTICE";
    }
}

impl MessageType {
    /// Its type byte.
    pub const fn to_byte(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn encode_raw(kind: MessageType, id: u32, payload: &[u8], out: &mut [u8]) -> Result<usize, Full> {
    let length = u16::try_from(payload.len()).map_err(|_| Full)?;
    let mut writer = Writer::new(out);
    writer.bytes(&Header { kind: kind.to_byte(), flags: 0, length, id }.encode())?;
    writer.bytes(payload)?;
    Ok(writer.written())
}

#[cfg(test)]
mod tests;
