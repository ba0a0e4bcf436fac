//! A connected client that lists all songs, as the laptop's does, and notes when they came.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use trill_proto::ids::SongId;
use trill_proto::session::client::{Client, Event, Identity};

/// What the laptop's client asks for at once.
const PAGE_SONGS: u32 = 500;

/// What one read takes at most.
const READ_BYTES: usize = 64 * 1024;

/// How long the server may say nothing.
const DEADLINE: Duration = Duration::from_secs(60);

/// A list that came whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// From the request to the first entry, taken apart.
    pub first: Duration,
    /// From the request to the last one.
    pub last: Duration,
    /// How many came.
    pub entries: usize,
    /// How many of them with a duration.
    pub measured: usize,
}

/// A client that is connected.
#[derive(Debug)]
pub struct Lister {
    stream: TcpStream,
    machine: Client,
    epoch: Instant,
    buffer: Vec<u8>,
}

impl Lister {
    /// Connects and waits for WELCOME.
    ///
    /// # Panics
    /// When there is no server.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a server that listens");
        stream.set_nodelay(true).expect("a socket that is open");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out that is not zero");
        let identity = Identity { name: "bench", nonce: [7; 16], roles: 0 };
        let machine = Client::new(trill_proto::time::Instant::from_micros(0), &identity);
        let mut lister = Self { stream, machine, epoch: Instant::now(), buffer: vec![0; READ_BYTES] };
        let mut is_open = false;
        while !is_open {
            lister.exchange(|event| is_open |= matches!(event, Event::Welcome(_)));
        }
        lister
    }

    /// Lists all songs, a page after the other.
    ///
    /// # Panics
    /// When the server refuses, or does not answer.
    #[track_caller]
    pub fn list(&mut self) -> Listed {
        let asked = Instant::now();
        let (mut first, mut entries, mut measured) = (None, 0, 0);
        let mut next = Some(SongId(1));
        while let Some(from) = next {
            self.machine.list(from, PAGE_SONGS).expect("one request fits");
            let mut end = None;
            while end.is_none() {
                self.exchange(|event| match event {
                    Event::Song(song) => {
                        first.get_or_insert_with(|| asked.elapsed());
                        entries += 1;
                        measured += usize::from(song.duration_ms.is_some());
                    }
                    Event::ListEnd(list_end) => end = Some(list_end.next),
                    Event::Failed(error) => panic!("no list: {error:?}"),
                    Event::Goodbye(reason) => panic!("no list: {reason:?}"),
                    _ => {}
                });
            }
            next = end.flatten();
        }
        let last = asked.elapsed();
        Listed { first: first.unwrap_or(last), last, entries, measured }
    }

    /// Sends what is to be sent, and takes what one read brings.
    #[track_caller]
    fn exchange(&mut self, mut on_event: impl FnMut(Event<'_>)) {
        let now = trill_proto::time::Instant::from_micros(self.epoch.elapsed().as_micros() as u64);
        while let Some(bytes) = self.machine.poll_transmit(now) {
            self.stream.write_all(bytes).expect("a server that is there");
        }
        let count = self.stream.read(&mut self.buffer).expect("an answer in time");
        assert!(count > 0, "the server has closed the connection");
        let mut input = &self.buffer[..count];
        while !input.is_empty() {
            let (taken, event) = self.machine.handle_input(now, input).expect("a server that keeps to the protocol");
            event.into_iter().for_each(&mut on_event);
            input = &input[taken..];
        }
    }
}
