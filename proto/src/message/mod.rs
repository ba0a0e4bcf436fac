//! The messages, one file each: their fields, how they are read and how they are written.
//!
//! [`Message`] is any of them, for tools and tests; the session machines use the single types. Every message is
//! decoded from a frame [`Header`] and its whole payload, borrowing texts from it, and encoded as a whole frame.
//! DATA is the exception: its payload is never held, see [`frame`](crate::frame).

mod audio;
mod credit;
mod end;
mod error;
mod extension;
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
pub use goodbye::{Goodbye, GoodbyeReason};
pub use hello::Hello;
pub use info::Info;
pub use list::List;
pub use list_end::ListEnd;
pub use ping::Ping;
pub use play::{Play, Start};
pub use pong::Pong;
pub use preamble::{MAGIC, PREAMBLE, REFUSAL_MAGIC, refusal};
pub use song::Song;
pub use started::Started;
pub use stop::Stop;
pub use text::cut;
pub use welcome::Welcome;

use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::limits::HEADER_BYTES;
use core::fmt;

macro_rules! message_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// The type byte of a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum MessageType {
            $($(#[$doc])* $name = $value,)*
        }

        impl MessageType {
            /// Every type of this version.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The type with this byte, if this version has it.
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name in `wire-format.md`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

message_types! {
    /// Client: who I am and what I can take.
    Hello = 0x01, "HELLO";
    /// Client: a page of the song list, please.
    List = 0x02, "LIST";
    /// Client: one song's particulars, please.
    Info = 0x03, "INFO";
    /// Client: send this song on a new stream.
    Play = 0x04, "PLAY";
    /// Client: so many more bytes may come.
    Credit = 0x05, "CREDIT";
    /// Client: send no more of this stream.
    Stop = 0x06, "STOP";
    /// Either: are you there?
    Ping = 0x07, "PING";
    /// Either: the answer to PING.
    Pong = 0x08, "PONG";
    /// Either: I am about to close, and why.
    Goodbye = 0x09, "GOODBYE";
    /// Either: a request, a stream or the connection failed.
    Error = 0x0a, "ERROR";
    /// Server: the answer to HELLO.
    Welcome = 0x11, "WELCOME";
    /// Server: one song.
    Song = 0x12, "SONG";
    /// Server: the page is complete.
    ListEnd = 0x13, "LIST-END";
    /// Server: the stream begins; what its bytes mean.
    Started = 0x14, "STARTED";
    /// Server: bytes of a song.
    Data = 0x15, "DATA";
    /// Server: the stream is over.
    End = 0x16, "END";
    /// Server: reserved for news that may be ignored.
    Notice = 0x81, "NOTICE";
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

/// Types with this bit may be skipped by a receiver that does not know them.
pub const IGNORABLE: u8 = 0x80;

/// The first [`HEADER_BYTES`] of every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type byte as it came; [`MessageType::from_byte`] tells whether it is known.
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

/// Any message of this version, for tools and tests.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is the message it holds
pub enum Message<'a> {
    Hello(Hello<'a>),
    List(List),
    Info(Info),
    Play(Play),
    Credit(Credit),
    Stop(Stop),
    Ping(Ping),
    Pong(Pong),
    Goodbye(Goodbye),
    Error(Error<'a>),
    Welcome(Welcome<'a>),
    Song(Song<'a>),
    ListEnd(ListEnd),
    Started(Started),
    /// Stream id and payload.
    Data(u32, &'a [u8]),
    End(End),
    /// Id, flags and payload: reserved, so nothing is read into it.
    Notice(u32, &'a [u8]),
}

impl<'a> Message<'a> {
    /// The message with this header and payload.
    ///
    /// # Errors
    /// [`Malformed`] if the payload has not the form of the type, or if this version does not know the type.
    pub fn decode(header: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        let id = header.id;
        Ok(match MessageType::from_byte(header.kind).ok_or(Malformed)? {
            MessageType::Hello => Self::Hello(Hello::decode(payload)?),
            MessageType::List => Self::List(List::decode(id, payload)?),
            MessageType::Info => Self::Info(Info::decode(id, payload)?),
            MessageType::Play => Self::Play(Play::decode(id, payload)?),
            MessageType::Credit => Self::Credit(Credit::decode(id, payload)?),
            MessageType::Stop => Self::Stop(Stop::decode(id, payload)?),
            MessageType::Ping => Self::Ping(Ping::decode(payload)?),
            MessageType::Pong => Self::Pong(Pong::decode(payload)?),
            MessageType::Goodbye => Self::Goodbye(Goodbye::decode(payload)?),
            MessageType::Error => Self::Error(Error::decode(id, payload)?),
            MessageType::Welcome => Self::Welcome(Welcome::decode(payload)?),
            MessageType::Song => Self::Song(Song::decode(id, header.flags, payload)?),
            MessageType::ListEnd => Self::ListEnd(ListEnd::decode(id, payload)?),
            MessageType::Started => Self::Started(Started::decode(id, payload)?),
            MessageType::Data => Self::Data(id, payload),
            MessageType::End => Self::End(End::decode(id, payload)?),
            MessageType::Notice => Self::Notice(id, payload),
        })
    }

    /// Writes the whole frame to the front of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Full> {
        match self {
            Self::Hello(message) => message.encode(out),
            Self::List(message) => message.encode(out),
            Self::Info(message) => message.encode(out),
            Self::Play(message) => message.encode(out),
            Self::Credit(message) => message.encode(out),
            Self::Stop(message) => message.encode(out),
            Self::Ping(message) => message.encode(out),
            Self::Pong(message) => message.encode(out),
            Self::Goodbye(message) => message.encode(out),
            Self::Error(message) => message.encode(out),
            Self::Welcome(message) => message.encode(out),
            Self::Song(message) => message.encode(out),
            Self::ListEnd(message) => message.encode(out),
            Self::Started(message) => message.encode(out),
            Self::Data(id, payload) => encode_raw(MessageType::Data, *id, payload, out),
            Self::End(message) => message.encode(out),
            Self::Notice(id, payload) => encode_raw(MessageType::Notice, *id, payload, out),
        }
    }

    /// The message's type.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Hello(_) => MessageType::Hello,
            Self::List(_) => MessageType::List,
            Self::Info(_) => MessageType::Info,
            Self::Play(_) => MessageType::Play,
            Self::Credit(_) => MessageType::Credit,
            Self::Stop(_) => MessageType::Stop,
            Self::Ping(_) => MessageType::Ping,
            Self::Pong(_) => MessageType::Pong,
            Self::Goodbye(_) => MessageType::Goodbye,
            Self::Error(_) => MessageType::Error,
            Self::Welcome(_) => MessageType::Welcome,
            Self::Song(_) => MessageType::Song,
            Self::ListEnd(_) => MessageType::ListEnd,
            Self::Started(_) => MessageType::Started,
            Self::Data(..) => MessageType::Data,
            Self::End(_) => MessageType::End,
            Self::Notice(..) => MessageType::Notice,
        }
    }
}

/// `message`, if its payload was read to the end: messages without extensions have an exact length.
fn exact<M>(fields: Reader<'_>, message: M) -> Result<M, Malformed> {
    if fields.is_empty() { Ok(message) } else { Err(Malformed) }
}

fn encode_raw(kind: MessageType, id: u32, payload: &[u8], out: &mut [u8]) -> Result<usize, Full> {
    let length = u16::try_from(payload.len()).map_err(|_| Full)?;
    let mut writer = Writer::new(out);
    writer.bytes(&Header { kind: kind.to_byte(), flags: 0, length, id }.encode())?;
    writer.bytes(payload)?;
    Ok(writer.written())
}
