//! Both machines in a whole session, with one side counted: HELLO, a page of 100 songs, a song of a megabyte.
//!
//! Only the machines' own functions are counted. A virtual clock advances at each step, so every run is the same.

use std::mem::take;
use std::time::Duration;

use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{GoodbyeReason, List, ListEnd, Song, Start, Started, Welcome};
use trill_proto::session::client::{Client, Event as Heard, Identity, PlayRequest};
use trill_proto::session::server::{Event as Asked, Server};
use trill_proto::time::Instant;

use crate::count::counted;

/// One of the two machines.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

const SONGS: u32 = 100;
const SONG_BYTES: usize = 1_000_000;

/// About a minute at 128 kbit/s.
const STARTED: Started = Started {
    stream: StreamId(0),
    song: SongId(0),
    content_tag: 1,
    position: 0,
    size_bytes: SONG_BYTES as u64,
    first_sample: 0,
    first_fraction: 0,
    discard: 0,
    begin_sample: 0,
    end_sample: 2_756_250,
    bitrate: 128_000,
    rate: 44_100,
    channels: 2,
    encoder_delay: 0,
    encoder_padding: 0,
    gain: trill_proto::message::Gain::UNKNOWN,
};

/// Buffer size of a laptop.
const BUFFER_BYTES: u32 = 1 << 20;

/// Half a round-trip.
const STEP: Duration = Duration::from_millis(1);

/// Smallest number of bytes sent per clock step while there is more: about 16 MB/s.
const BURST_BYTES: usize = 16 * 1024;

/// Runs from HELLO to GOODBYE and counts `side`.
pub(crate) fn run(side: Side) {
    let mut talk = Talk::new(side);
    while !talk.client.is_closed() {
        talk.now = talk.now + STEP;
        let asked = take(&mut talk.up);
        talk.serve(&asked);
        let heard = take(&mut talk.down);
        talk.listen(&heard);
    }
    assert_eq!((talk.listed, talk.received), (SONGS, SONG_BYTES), "the session was not what it should be");
}

struct Talk {
    side: Side,
    now: Instant,
    client: Client,
    server: Server,
    /// Bytes on their way to the server.
    up: Vec<u8>,
    /// Bytes on their way to the client.
    down: Vec<u8>,
    listed: u32,
    received: usize,
}

/// The client's next action.
enum Next {
    List,
    Play,
    Leave,
}

impl Talk {
    fn new(side: Side) -> Self {
        let now = Instant::from_micros(0);
        let client = Client::new(now, &Identity { name: "bench", nonce: [7; 16], roles: 0 });
        let (up, down) = (Vec::new(), Vec::new());
        Self { side, now, client, server: Server::new(now), up, down, listed: 0, received: 0 }
    }

    fn serve(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let Self { side, now, server, .. } = self;
            let (taken, event) = on(Side::Server, *side, || server.handle_input(*now, input)).expect("a good client");
            input = &input[taken..];
            match event {
                Some(Asked::Hello(_)) => on(Side::Server, *side, || {
                    server.welcome(&Welcome {
                        server_name: "attic",
                        song_count: SONGS,
                        generation: 1,
                        ..Welcome::new()
                    })
                })
                .expect("room"),
                Some(Asked::List(List { request, .. })) => self.list(request),
                Some(Asked::Play(play)) => {
                    let started = Started { stream: play.stream, song: play.song, ..STARTED };
                    on(Side::Server, *side, || server.start(&started)).expect("room");
                }
                _ => {}
            }
        }
        self.transmit_control();
        self.transmit_data();
        self.transmit_control(); // the end of the song
    }

    fn list(&mut self, request: RequestId) {
        for number in 1..=SONGS {
            let song = Song {
                request,
                song: SongId(number),
                duration_ms: Some(187_320),
                size_bytes: 2_997_120,
                title: "Paper Kites",
                artist: "The Trill authors",
                album: "Trill Demos",
                ..Song::default()
            };
            while on(Side::Server, self.side, || self.server.song(&song)).is_err() {
                self.transmit_control();
            }
        }
        self.transmit_control();
        let end = ListEnd { request, total: SONGS, next: None, generation: 1 };
        on(Side::Server, self.side, || self.server.list_end(&end)).expect("room");
    }

    fn transmit_control(&mut self) {
        let Self { side, now, server, down, .. } = self;
        while let Some(bytes) = on(Side::Server, *side, || server.poll_transmit(*now)) {
            down.extend_from_slice(bytes);
        }
    }

    fn transmit_data(&mut self) {
        let Self { side, server, down, .. } = self;
        let mut sent = 0;
        while sent < BURST_BYTES {
            let Some(frame) = on(Side::Server, *side, || server.poll_data(usize::MAX)) else { return };
            down.extend(frame.header);
            down.resize(down.len() + frame.length, 0x55);
            sent += frame.length;
        }
    }

    fn listen(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let Self { side, now, client, .. } = self;
            let (taken, event) = on(Side::Client, *side, || client.handle_input(*now, input)).expect("a good server");
            input = &input[taken..];
            match event {
                Some(Heard::Welcome(_)) => self.go_on(Next::List),
                Some(Heard::Song(_)) => self.listed += 1,
                Some(Heard::ListEnd(_)) => self.go_on(Next::Play),
                Some(Heard::Data { stream, bytes }) => {
                    let length = bytes.len();
                    self.received += length;
                    on(Side::Client, *side, || client.release(stream, length));
                }
                Some(Heard::Ended { .. }) => self.go_on(Next::Leave),
                _ => {}
            }
        }
        let Self { side, now, client, up, .. } = self;
        while let Some(bytes) = on(Side::Client, *side, || client.poll_transmit(*now)) {
            up.extend_from_slice(bytes);
        }
    }

    fn go_on(&mut self, next: Next) {
        let Self { side, now, client, .. } = self;
        let song = SongId(1);
        on(Side::Client, *side, || match next {
            Next::List => client.list(song, SONGS).map(drop),
            Next::Play => {
                let (start, capacity) = (Start::Time(0), BUFFER_BYTES);
                client.play(*now, &PlayRequest { song, start, content_tag: 0, capacity, occupied: 0 }).map(drop)
            }
            Next::Leave => {
                client.goodbye(GoodbyeReason::Done);
                Ok(())
            }
        })
        .expect("room");
    }
}

/// Runs `job`, and counts it if `side` is the counted one.
fn on<T>(side: Side, to_count: Side, job: impl FnOnce() -> T) -> T {
    if side == to_count { counted(job) } else { job() }
}
