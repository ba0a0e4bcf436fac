//! A connected client that lists all songs like the laptop's, and records the times.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use trill_proto::ids::{RequestId, SongId};
use trill_proto::message::Search;
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, Event, Identity};

/// Songs per request, as in the laptop's client.
const PAGE_SONGS: u32 = 500;

/// Size of one read.
const READ_BYTES: usize = 64 * 1024;

/// Longest silence of the server.
const DEADLINE: Duration = Duration::from_secs(60);

/// A complete list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// From the request to the first parsed entry.
    pub first: Duration,
    /// From the request to the last parsed entry.
    pub last: Duration,
    /// Number of entries.
    pub entries: usize,
    /// Number of entries with a duration.
    pub measured: usize,
}

/// A connected client.
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
    /// The server is unreachable.
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

    /// Lists all songs, page by page.
    ///
    /// # Panics
    /// The server refuses or does not answer.
    #[track_caller]
    pub fn list(&mut self) -> Listed {
        self.take_all(SongId(1), |machine, from| machine.list(from, PAGE_SONGS))
    }

    /// Lists all songs that a query finds, a page after the other.
    ///
    /// # Panics
    /// When the server refuses, or does not answer.
    #[track_caller]
    pub fn search(&mut self, query: &str) -> Listed {
        let search = Search { query, ..Search::default() };
        self.take_all(SongId(0), |machine, from| machine.search(search, from, PAGE_SONGS))
    }

    #[track_caller]
    fn take_all(
        &mut self,
        begin: SongId,
        ask: impl Fn(&mut Client, SongId) -> Result<RequestId, OutboxFull>,
    ) -> Listed {
        let asked = Instant::now();
        let (mut first, mut entries, mut measured) = (None, 0, 0);
        let mut next = Some(begin);
        while let Some(from) = next {
            ask(&mut self.machine, from).expect("one request fits");
            let mut end = None;
            while end.is_none() {
                self.exchange(|event| match event {
                    Event::Song(song) => {
                        first.get_or_insert_with(|| asked.elapsed());
                        entries += 1;
                        measured += usize::from(song.duration_ms.is_some());
                    }
                    Event::ListEnd(list_end) => end = Some(list_end.next),
                    Event::Failed(error) => panic!("the list failed: {error:?}"),
                    Event::Goodbye(reason) => panic!("the server sent GOODBYE: {reason:?}"),
                    _ => {}
                });
            }
            next = end.flatten();
        }
        let last = asked.elapsed();
        Listed { first: first.unwrap_or(last), last, entries, measured }
    }

    /// Sends pending bytes and handles one read.
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
