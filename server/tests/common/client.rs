//! A well-behaved client: the session machine on a blocking socket.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant as StdInstant};

use trill_proto::error::ErrorCode;
use trill_proto::ids::{SongId, StreamId};
use trill_proto::message::{EndReason, GoodbyeReason, ListEnd, Start, Started};
use trill_proto::session::client::{Client, Event, Identity, PlayRequest};
use trill_proto::time::Instant;
use trill_proto::transport::blocking::{Received, receive, transmit_client};
use trill_proto::transport::std_io::StdIo;

use super::DEADLINE;

/// An event that borrows nothing; DATA is collected in [`TestClient::data`] instead.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Welcome {
        song_count: u32,
        generation: u32,
        name: String,
    },
    Song {
        id: u32,
        duration_ms: Option<u32>,
        title: String,
    },
    ListEnd(ListEnd),
    Started(Started),
    Ended(StreamId, EndReason),
    Failed(u32, ErrorCode),
    Goodbye(GoodbyeReason),
    /// The server closed the connection.
    Closed,
}

pub struct TestClient {
    stream: TcpStream,
    machine: Client,
    epoch: StdInstant,
    seen: VecDeque<Seen>,
    data: HashMap<StreamId, Vec<u8>>,
    /// Whether what comes is taken out of the buffer at once, so that more may come.
    pub plays: bool,
}

impl TestClient {
    /// Connects and waits for WELCOME.
    pub fn join(address: SocketAddr) -> Self {
        Self::join_as(address, "tester", [0; 16])
    }

    pub fn join_as(address: SocketAddr, name: &str, nonce: [u8; 16]) -> Self {
        let mut client = Self::connect(address, name, nonce);
        let welcome = client.next();
        assert!(matches!(welcome, Seen::Welcome { .. }), "{welcome:?}");
        client
    }

    /// Connects and says HELLO.
    pub fn connect(address: SocketAddr, name: &str, nonce: [u8; 16]) -> Self {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_nodelay(true).expect("a socket");
        let machine = Client::new(Instant::from_micros(0), &Identity { name, nonce, roles: 0 });
        let epoch = StdInstant::now();
        let mut client = Self { stream, machine, epoch, seen: VecDeque::new(), data: HashMap::new(), plays: true };
        client.transmit();
        client
    }

    pub fn list(&mut self, first: u32, at_most: u32) {
        self.machine.list(SongId(first), at_most).expect("room");
        self.transmit();
    }

    pub fn info(&mut self, song: u32) -> u32 {
        let request = self.machine.info(SongId(song)).expect("room");
        self.transmit();
        request.0
    }

    /// Asks for a song from its beginning, into a buffer of 1 MiB.
    pub fn play(&mut self, song: u32) -> StreamId {
        self.play_from(song, Start::Time(0), 0)
    }

    pub fn play_from(&mut self, song: u32, start: Start, content_tag: u64) -> StreamId {
        let request = PlayRequest { song: SongId(song), start, content_tag, capacity: 1 << 20, occupied: 0 };
        let stream = self.machine.play(self.now(), &request).expect("room");
        self.transmit();
        stream
    }

    /// Asks for a song and waits until it starts.
    #[track_caller]
    pub fn start(&mut self, song: u32) -> Started {
        let stream = self.play(song);
        match self.next() {
            Seen::Started(started) if started.stream == stream => started,
            other => panic!("{other:?}"),
        }
    }

    /// Takes out of the buffer what has come of this stream while nothing was taken, so that more may come.
    pub fn start_over(&mut self, stream: StreamId) {
        let held = self.data(stream).len();
        self.machine.release(stream, held);
        self.transmit();
    }

    pub fn stop(&mut self) {
        self.machine.stop().expect("room");
        self.transmit();
    }

    /// What came of this stream.
    pub fn data(&self, stream: StreamId) -> &[u8] {
        self.data.get(&stream).map_or(&[], Vec::as_slice)
    }

    /// The next event but DATA.
    ///
    /// # Panics
    /// When none comes within the deadline.
    #[track_caller]
    pub fn next(&mut self) -> Seen {
        let end = StdInstant::now() + DEADLINE;
        loop {
            if let Some(seen) = self.seen.pop_front() {
                return seen;
            }
            self.take_input(end);
        }
    }

    /// Waits until so many bytes of the stream have come.
    #[track_caller]
    pub fn wait_for_data(&mut self, stream: StreamId, bytes: usize) {
        let end = StdInstant::now() + DEADLINE;
        while self.data(stream).len() < bytes {
            self.take_input(end);
        }
    }

    #[track_caller]
    fn take_input(&mut self, end: StdInstant) {
        let left = end.saturating_duration_since(StdInstant::now());
        assert!(!left.is_zero(), "nothing came; before that: {:?}", self.seen);
        self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).expect("a socket");
        let mut buffer = [0; 16_384];
        match receive(&mut StdIo(&self.stream), &mut buffer).unwrap_or(Received::Closed) {
            Received::Bytes(count) => self.handle_input(&buffer[..count]),
            Received::Nothing => {}
            Received::Closed => self.seen.push_back(Seen::Closed),
        }
        self.transmit();
    }

    fn handle_input(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let now = self.now();
            let (taken, event) = self.machine.handle_input(now, input).expect("a server that keeps to the protocol");
            input = &input[taken..];
            let seen = match event {
                None => continue,
                Some(Event::Data { stream, bytes }) => {
                    let (count, plays) = (bytes.len(), self.plays);
                    self.data.entry(stream).or_default().extend_from_slice(bytes);
                    if plays {
                        self.machine.release(stream, count);
                    }
                    continue;
                }
                Some(Event::Welcome(welcome)) => Seen::Welcome {
                    song_count: welcome.song_count,
                    generation: welcome.generation,
                    name: welcome.server_name.into(),
                },
                Some(Event::Song(song)) => {
                    Seen::Song { id: song.song.0, duration_ms: song.duration_ms, title: song.title.into() }
                }
                Some(Event::ListEnd(end)) => Seen::ListEnd(end),
                Some(Event::Started(started)) => Seen::Started(started),
                Some(Event::Ended { stream, reason }) => Seen::Ended(stream, reason),
                Some(Event::Failed(error)) => Seen::Failed(error.id, error.code),
                Some(Event::Goodbye(reason)) => Seen::Goodbye(reason),
            };
            self.seen.push_back(seen);
        }
    }

    fn transmit(&mut self) {
        let now = self.now();
        // A server that has closed the connection shows when reading.
        let _ = transmit_client(&mut self.machine, now, &mut StdIo(&self.stream));
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.epoch.elapsed().as_micros() as u64)
    }
}
