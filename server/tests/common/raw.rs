//! A peer that sends what it likes and sees every byte that comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use trill_proto::limits::HEADER_BYTES;
use trill_proto::message::{Encode, Header, Hello, MessageType, PREAMBLE};

use super::DEADLINE;

/// One frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: MessageType,
    pub id: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// All frames in these bytes, the last of which must be complete.
    #[track_caller]
    pub fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut frames = Vec::new();
        while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() {
            let header = Header::decode(*header);
            let (payload, rest) = rest.split_at(usize::from(header.length));
            let kind = MessageType::from_byte(header.kind).expect("a known kind");
            frames.push(Self { kind, id: header.id, payload: payload.into() });
            bytes = rest;
        }
        assert!(bytes.is_empty(), "half a frame: {bytes:02x?}");
        frames
    }
}

/// The whole frame of a message.
pub fn encoded(message: &impl Encode) -> Vec<u8> {
    let mut frame = vec![0; 1_100];
    let length = message.encode(&mut frame).expect("fits");
    frame.truncate(length);
    frame
}

pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
        Self { stream }
    }

    /// Connects and gets through to WELCOME.
    pub fn join(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        raw.send(&PREAMBLE);
        raw.say(&Hello::default());
        assert_eq!(raw.bytes(PREAMBLE.len()), PREAMBLE);
        assert_eq!(raw.frame().kind, MessageType::Welcome);
        raw
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes; a server that has closed the connection may not take them.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn say(&mut self, message: &impl Encode) {
        self.send(&encoded(message));
    }

    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        let header = Header::decode(self.bytes(HEADER_BYTES).try_into().expect("8 bytes"));
        let payload = self.bytes(usize::from(header.length));
        Frame { kind: MessageType::from_byte(header.kind).expect("a known kind"), id: header.id, payload }
    }

    /// The next frame but PING, by which a server shows that it is there while an answer takes long.
    #[track_caller]
    pub fn answer(&mut self) -> Frame {
        loop {
            let frame = self.frame();
            if frame.kind != MessageType::Ping {
                return frame;
            }
        }
    }

    /// Everything until the server closes the connection, which must not be by a reset.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("not closed; so far {rest:02x?}"),
            Err(error) => panic!("{error}; before that {rest:02x?}"),
        }
    }
}
