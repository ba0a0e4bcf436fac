//! A client that checks every frame of the server against the protocol.
//!
//! It follows `wire-format.md` in the simplest way and shares only the codec with the programs under test. A server's
//! violation (DATA beyond the credit, a second END, songs out of order, …) panics with the broken rule.
//!
//! Requests do not wait: `request_…` sends and returns an id, and another method waits for the answer with that id.
//! Messages that arrive meanwhile are kept.
//!
//! ```no_run
//! # use trill_tests::{server::ServerProcess, session::Session};
//! # fn example(server: &ServerProcess) {
//! let mut session = Session::open(server.address());
//! let songs = session.list();
//! let played = session.play_out(songs[0].id).expect("a song that was listed");
//! assert_eq!(played.audio.len() as u64, played.started().size_bytes);
//! # }
//! ```

mod lists;
mod received;
mod streams;

#[cfg(test)]
mod tests;

use crate::messages::{Frame, encode};
use crate::raw::Ending;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use trill_proto::error::ErrorCode;
use trill_proto::limits::{HEADER_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{
    EndReason, Gain, Goodbye, GoodbyeReason, Header, Hello, List, Message, MessageType, PREAMBLE, SongGroup, Started,
    Welcome,
};

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Size of one read.
const READ_BYTES: usize = 64 * 1024;

/// An open or opening session.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    input: Vec<u8>,
    /// Number of parsed bytes in `input`.
    taken: usize,
    last_id: u32,
    /// The limits in this client's HELLO.
    max_control: u16,
    greeting: Option<Greeting>,
    exchanges: BTreeMap<u32, Exchange>,
    goodbye: Option<GoodbyeReason>,
    /// Bytes to send together with the next ones.
    held_back: Option<Vec<u8>>,
}

/// The contents of WELCOME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// 0 while the server scans its directory.
    pub generation: u32,
    /// Number of songs; 0 while the generation is 0.
    pub song_count: u32,
    /// The server's name.
    pub server_name: String,
}

/// A song in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of SONG in wire-format.md
pub struct Listing {
    pub id: u32,
    pub duration_ms: Option<u32>,
    pub size_bytes: u64,
    pub bitrate: u32,
    pub rate: u32,
    pub channels: u8,
    pub track: u16,
    pub is_cut: bool,
    pub title: String,
    pub artist: String,
    pub album: String,
    pub group: Option<SongGroup>,
    pub rank: Option<u32>,
    pub details: Details,
}

impl Listing {
    /// What LIST says, too.
    #[must_use]
    pub fn without_details(self) -> Self {
        Self { details: Details::default(), ..self }
    }
}

/// What INFO says besides what LIST says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)] // the fields are those of SONG in wire-format.md
pub struct Details {
    pub album_artist: String,
    pub genre: String,
    pub path: String,
    pub year: u16,
    pub disc: u16,
    pub gain: Gain,
}

/// The answer to one LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their ids.
    pub songs: Vec<Listing>,
    /// Number of songs in the library.
    pub total: u32,
    /// The first song of the next page.
    pub next: Option<u32>,
    /// Generation of the library.
    pub generation: u32,
}

/// The result of a PLAY.
#[derive(Clone, Debug, Default)]
pub struct Played {
    started: Option<Started>,
    /// The received bytes of the song, from `started().position` on.
    pub audio: Vec<u8>,
    /// Granted bytes that have not arrived.
    pub credit: u32,
    /// The reason of its end.
    pub end: Option<EndReason>,
}

impl Played {
    /// The contents of STARTED.
    ///
    /// # Panics
    /// When it did not come.
    #[track_caller]
    pub fn started(&self) -> &Started {
        self.started.as_ref().expect("the stream did not start")
    }

    /// Bytes from the position of STARTED to the end of the song.
    #[track_caller]
    fn size(&self) -> u64 {
        self.started().size_bytes - self.started().position
    }
}

/// The answer to a request so far.
#[derive(Debug)]
enum Exchange {
    List { asked: List<'static>, songs: Vec<Listing>, bytes: usize, end: Option<(u32, Option<u32>, u32)> },
    Info(Option<Listing>),
    Play { was_stopped: bool, played: Played },
    Failed(ErrorCode),
}

impl Session {
    /// Connects with a random nonce and waits for WELCOME.
    ///
    /// # Panics
    /// When that does not come.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let mut nonce = [0; 16];
        fastrand::fill(&mut nonce);
        Self::open_as(address, nonce)
    }

    /// Connects with this nonce and waits for WELCOME.
    ///
    /// # Panics
    /// When that does not come.
    #[track_caller]
    pub fn open_as(address: SocketAddr, nonce: [u8; 16]) -> Self {
        let mut session = Self::connect(address, Hello { nonce, name: "session", ..Hello::default() });
        session.greeting();
        session
    }

    /// Connects and sends HELLO, without waiting for the answer.
    ///
    /// # Panics
    /// When the connection fails.
    #[track_caller]
    pub fn connect(address: SocketAddr, hello: Hello<'_>) -> Self {
        let stream = match TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(e) => panic!("connecting to {address}: {e}"),
        };
        let prepared = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(DEADLINE)));
        prepared.and_then(|()| stream.set_write_timeout(Some(DEADLINE))).expect("a connected socket takes options");
        let mut session = Self {
            stream,
            input: Vec::new(),
            taken: 0,
            last_id: 0,
            max_control: hello.max_control,
            greeting: None,
            exchanges: BTreeMap::new(),
            goodbye: None,
            held_back: None,
        };
        session.send(&[PREAMBLE.as_slice(), &encode(&Message::Hello(hello))].concat());
        session
    }

    /// The underlying socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Waits for WELCOME, unless it has arrived, and returns its contents.
    ///
    /// # Panics
    /// When something else comes.
    #[track_caller]
    pub fn greeting(&mut self) -> &Greeting {
        if self.greeting.is_none() {
            let preamble = self.must(|session, end| session.read(PREAMBLE_BYTES, end));
            assert_eq!(preamble, PREAMBLE, "the server's preamble");
            let frame = self.must(Self::read_frame);
            let Message::Welcome(Welcome { version: 1, generation, song_count, server_name, .. }) = frame.message()
            else {
                panic!("expected WELCOME, got {frame:?}");
            };
            self.greeting = Some(Greeting { generation, song_count, server_name: server_name.to_owned() });
        }
        self.greeting.as_ref().expect("it was put there above")
    }

    // ── the connection ──

    /// Sends GOODBYE and waits until the server closes.
    ///
    /// # Panics
    /// When the server does not close properly.
    #[track_caller]
    pub fn leave(mut self) {
        self.send_message(&Message::Goodbye(Goodbye { reason: GoodbyeReason::Done }));
        assert_eq!(self.until_closed(), (None, Ending::EndOfStream), "after GOODBYE");
    }

    /// Receives until the server closes. Returns its GOODBYE and how the connection ended.
    ///
    /// # Panics
    /// When it does not close.
    #[track_caller]
    pub fn until_closed(&mut self) -> (Option<GoodbyeReason>, Ending) {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Err(ending) = self.try_step(end) {
                return (self.goodbye, ending);
            }
        }
    }

    /// Sends arbitrary bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(held_back) = &mut self.held_back {
            return held_back.extend(bytes);
        }
        if let Err(e) = self.stream.write_all(bytes) {
            panic!("sending {} bytes: {e}", bytes.len());
        }
    }

    /// Sends the messages of `requests` in one write, so that the server gets them together.
    #[track_caller]
    pub fn together<T>(&mut self, requests: impl FnOnce(&mut Self) -> T) -> T {
        self.held_back = Some(Vec::new());
        let value = requests(self);
        let bytes = self.held_back.take().expect("it was put there above");
        self.send(&bytes);
        value
    }

    /// Sends a message for which there is no method above.
    #[track_caller]
    pub fn send_message(&mut self, message: &Message<'_>) {
        self.send(&encode(message));
    }

    /// Waits until `condition` holds after a frame.
    ///
    /// # Panics
    /// When the connection ends first, or after 20 s.
    #[track_caller]
    fn wait(&mut self, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !condition(self) {
            if let Err(ending) = self.try_step(end) {
                panic!("the server ended the connection: {ending:?}, goodbye {:?}", self.goodbye);
            }
        }
    }

    /// Handles one frame.
    #[track_caller]
    fn step(&mut self) {
        self.must(Self::try_step);
    }

    #[track_caller]
    fn must<T>(&mut self, read: impl FnOnce(&mut Self, Instant) -> Result<T, Ending>) -> T {
        match read(self, Instant::now() + DEADLINE) {
            Ok(value) => value,
            Err(ending) => panic!("the server ended the connection: {ending:?}, goodbye {:?}", self.goodbye),
        }
    }

    #[track_caller]
    fn try_step(&mut self, end: Instant) -> Result<(), Ending> {
        self.greeting();
        let frame = self.read_frame(end)?;
        assert_eq!(self.goodbye, None, "nothing follows GOODBYE, but {frame:?} did");
        self.take(&frame);
        Ok(())
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    #[track_caller]
    fn read_frame(&mut self, end: Instant) -> Result<Frame, Ending> {
        let header = self.read(HEADER_BYTES, end)?;
        let header = Header::decode(header.try_into().expect("as many bytes as were asked for"));
        let is_taken = header.kind == MessageType::Data.to_byte() || header.length <= self.max_control;
        assert!(is_taken, "{header:?} is longer than the {} bytes that HELLO said", self.max_control);
        Ok(Frame { header, payload: self.read(header.length.into(), end)? })
    }

    #[track_caller]
    fn read(&mut self, count: usize, end: Instant) -> Result<Vec<u8>, Ending> {
        while self.input.len() - self.taken < count {
            self.input.drain(..std::mem::take(&mut self.taken));
            let (used, now) = (self.input.len(), Instant::now());
            assert!(now < end, "nothing more within {DEADLINE:?}; waiting: {:?}", self.exchanges);
            self.input.resize(used + READ_BYTES, 0);
            let read = self.stream.read(&mut self.input[used..]);
            self.input.truncate(used + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(Ending::EndOfStream),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Err(Ending::Reset),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => panic!("receiving: {e}"),
            }
        }
        let bytes = self.input[self.taken..][..count].to_vec();
        self.taken += count;
        Ok(bytes)
    }
}
