//! What a client asks for, freed from the machine that it was borrowed from: answering needs the machine.

use heapless::String;
use trill_proto::error::ErrorCode;
use trill_proto::ids::StreamId;
use trill_proto::limits::MAX_NAME_BYTES;
use trill_proto::message::{Info, List, Play};
use trill_proto::session::server::Event;

/// An [`Event`] that borrows nothing.
#[derive(Debug)]
pub(super) enum Request {
    Hello { nonce: [u8; 16], name: String<MAX_NAME_BYTES> },
    List(List),
    Info(Info),
    Play(Play),
    Stopped(StreamId),
    Failed(ErrorCode),
    Goodbye,
}

impl Request {
    /// Whether something is said to it, which may take long to find out.
    pub(super) const fn has_answer(&self) -> bool {
        match self {
            Self::Hello { .. } | Self::List(_) | Self::Info(_) | Self::Play(_) => true,
            Self::Stopped(_) | Self::Failed(_) | Self::Goodbye => false,
        }
    }
}

impl From<Event<'_>> for Request {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Hello(hello) => {
                // It fits: the machine takes no longer name.
                Self::Hello { nonce: hello.nonce, name: String::try_from(hello.name).unwrap_or_default() }
            }
            Event::List(list) => Self::List(list),
            Event::Info(info) => Self::Info(info),
            Event::Play(play) => Self::Play(play),
            Event::Stopped(stream) => Self::Stopped(stream),
            Event::Failed(error) => Self::Failed(error.code),
            Event::Goodbye(_) => Self::Goodbye,
        }
    }
}
