//! Sends whole messages over a [`RawConnection`] and parses recorded bytes.
//!
//! Messages use the project's encoder. [`frame`] builds frames that the encoder refuses.

use crate::raw::RawConnection;
use std::fmt;
use std::time::Duration;
use trill_proto::frame::{FrameReader, Part};
use trill_proto::limits::{HEADER_BYTES, MAX_CONTROL_BYTES, MAX_PAYLOAD_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{Header, Hello, Message, MessageType, PREAMBLE, Play, Welcome};

/// A received frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Its type, if this version knows it.
    pub fn kind(&self) -> Option<MessageType> {
        MessageType::from_byte(self.header.kind)
    }

    /// Decodes the message.
    ///
    /// # Panics
    /// When it is invalid.
    #[track_caller]
    pub fn message(&self) -> Message<'_> {
        match Message::decode(self.header, &self.payload) {
            Ok(message) => message,
            Err(_) => panic!("not a valid message: {self:?}"),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Message::decode(self.header, &self.payload) {
            Ok(Message::Data(id, payload)) => write!(f, "DATA of stream {id}, {} bytes", payload.len()),
            Ok(message) => message.fmt(f),
            Err(_) => write!(f, "{:?} {:02x?}", self.header, self.payload),
        }
    }
}

/// The bytes of a message.
pub fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES + MAX_PAYLOAD_BYTES];
    let length = message.encode(&mut bytes).expect("the largest payload fits");
    bytes.truncate(length);
    bytes
}

/// The bytes of a frame with any type and payload, valid or not. For a payload over 65,535 bytes the length field is
/// wrong.
pub fn frame(kind: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    [&Header { kind, flags: 0, length, id }.encode(), payload].concat()
}

/// The payload of PLAY from the beginning, or as in `start`.
pub fn play_payload(song: u32, start: u8, credit: u32) -> Vec<u8> {
    let mut payload = vec![0; 28];
    payload[..4].copy_from_slice(&song.to_be_bytes());
    payload[4] = start;
    payload[24..].copy_from_slice(&credit.to_be_bytes());
    payload
}

/// Splits recorded bytes into the preamble and frames. An incomplete last frame is left out.
///
/// # Panics
/// When the bytes do not begin with a preamble.
#[track_caller]
pub fn frames(recorded: &[u8]) -> Vec<Frame> {
    let Some((preamble, mut rest)) = recorded.split_first_chunk::<PREAMBLE_BYTES>() else {
        assert!(PREAMBLE.starts_with(recorded), "the preamble: {recorded:02x?}");
        return Vec::new();
    };
    assert_eq!(*preamble, PREAMBLE, "the preamble");
    let mut frames = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let header = Header::decode(*header);
        let Some((payload, after)) = after.split_at_checked(header.length.into()) else { break };
        frames.push(Frame { header, payload: payload.to_vec() });
        rest = after;
    }
    frames
}

/// The songs that a client requested in the recorded bytes.
///
/// # Panics
/// As [`frames`].
#[track_caller]
pub fn plays(recorded: &[u8]) -> Vec<Play> {
    let play = |frame: &Frame| match frame.message() {
        Message::Play(play) => Some(play),
        _ => None,
    };
    frames(recorded).iter().filter_map(play).collect()
}

/// How many bytes of songs are in what was recorded, a DATA frame cut short at the end included.
///
/// # Panics
/// When the bytes are not frames.
#[track_caller]
pub fn data_bytes(recorded: &[u8]) -> u64 {
    let mut reader = FrameReader::<MAX_CONTROL_BYTES>::new();
    let mut rest = recorded.get(PREAMBLE_BYTES..).unwrap_or_default();
    let mut count = 0;
    while !rest.is_empty() {
        let (taken, part) = reader.read(rest).expect("frames");
        if let Some(Part::Data { bytes, .. }) = part {
            count += bytes.len() as u64;
        }
        rest = &rest[taken..];
    }
    count
}

impl RawConnection {
    /// Sends a message.
    ///
    /// # Panics
    /// When the connection has ended, or the other end reads nothing for 20 s.
    #[track_caller]
    pub fn send_message(&mut self, message: &Message<'_>) {
        self.send(&encode(message));
    }

    /// Receives the next frame, whatever it is.
    ///
    /// # Panics
    /// When the connection ends before, or it does not come within `deadline`.
    #[track_caller]
    pub fn receive_frame(&mut self, deadline: Duration) -> Frame {
        let header = self.receive(HEADER_BYTES, deadline);
        let header = Header::decode(header.try_into().expect("as many bytes as were asked for"));
        Frame { header, payload: self.receive(header.length.into(), deadline) }
    }

    /// Receives frames until one of `kind`, and returns that one.
    ///
    /// # Panics
    /// When the connection ends before, or a frame does not come within `deadline`.
    #[track_caller]
    pub fn receive_until(&mut self, kind: MessageType, deadline: Duration) -> Frame {
        loop {
            let frame = self.receive_frame(deadline);
            if frame.kind() == Some(kind) {
                return frame;
            }
        }
    }

    /// Opens the session as a client: preamble and `hello`; returns the frame with which the server answers.
    ///
    /// # Panics
    /// When the server does not answer with a preamble and a frame within `deadline`.
    #[track_caller]
    pub fn greet(&mut self, hello: Hello<'_>, deadline: Duration) -> Frame {
        self.send(&[PREAMBLE.as_slice(), &encode(&Message::Hello(hello))].concat());
        assert_eq!(self.receive(PREAMBLE_BYTES, deadline), PREAMBLE, "the server's preamble");
        self.receive_frame(deadline)
    }

    /// Opens the session as a server: waits for the client's preamble and HELLO and answers with `welcome`.
    ///
    /// # Panics
    /// When the client does not send both within `deadline`.
    #[track_caller]
    pub fn welcome(&mut self, welcome: Welcome<'_>, deadline: Duration) -> Frame {
        assert_eq!(self.receive(PREAMBLE_BYTES, deadline), PREAMBLE, "the client's preamble");
        let hello = self.receive_until(MessageType::Hello, deadline);
        self.send(&[PREAMBLE.as_slice(), &encode(&Message::Welcome(welcome))].concat());
        hello
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::RawListener;
    use std::thread;
    use trill_proto::message::Ping;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[test]
    fn two_raw_ends_open_a_session() {
        let listener = RawListener::bind();
        let mut client = RawConnection::connect(listener.address());
        let server = thread::spawn(move || {
            let mut server = listener.accept(DEADLINE);
            let hello = server.welcome(Welcome { song_count: 3, ..Welcome::new() }, DEADLINE);
            server.send_message(&Message::Ping(Ping { token: 7 }));
            hello
        });
        let answer = client.greet(Hello { name: "raw", ..Hello::default() }, DEADLINE);
        assert!(matches!(answer.message(), Message::Welcome(welcome) if welcome.song_count == 3), "{answer:?}");
        assert_eq!(client.receive_until(MessageType::Ping, DEADLINE).message(), Message::Ping(Ping { token: 7 }));
        let hello = server.join().expect("the server's thread");
        assert!(matches!(hello.message(), Message::Hello(hello) if hello.name == "raw"), "{hello:?}");
    }

    #[test]
    fn takes_a_recording_apart() {
        let ping = encode(&Message::Ping(Ping { token: 7 }));
        let recorded = [PREAMBLE.as_slice(), &ping, &frame(0xee, 9, b"xyz"), &ping[..5]].concat();
        let found = frames(&recorded);
        assert_eq!((found.len(), found[0].message()), (2, Message::Ping(Ping { token: 7 })));
        assert_eq!((found[1].kind(), found[1].header.id, found[1].payload.as_slice()), (None, 9, b"xyz".as_slice()));
        assert_eq!(frames(b""), []);
    }
}
