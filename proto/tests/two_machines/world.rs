//! A virtual world for two machines: a clock, a wire with delay, rate and fragments, a client that buffers and plays, a
//! server with songs, and an observer that reads everything on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::frame::{FrameReader, Part};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::MAX_CREDIT_BYTES;
use trill_proto::message::{Credit, End, List, ListEnd, MessageType, Play, Start, Started, Welcome};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, Event as ClientEvent, Identity, MAX_REQUESTS, PlayRequest};
use trill_proto::session::server::{Event as ServerEvent, Server};
use trill_proto::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Play { song: u32, at_ms: u64 },
    Resume { song: u32, position: u64 },
    Stop,
    List { first: u32 },
    Info { song: u32 },
    Wait(Duration),
    Pause,
    Unpause,
    ServerReadFailsAt(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Song {
    pub(crate) size: u64,
    pub(crate) bytes_per_second: u64,
}

/// Songs 1 to 3: nothing at all, a short one, a long one.
pub(crate) const SONGS: [Song; 3] = [
    Song { size: 0, bytes_per_second: 0 },
    Song { size: 40_000, bytes_per_second: 16_000 },
    Song { size: 600_000, bytes_per_second: 40_000 },
];

const TICK: Duration = Duration::from_millis(26);

/// The byte of a song at a position.
fn song_byte(song: u32, position: u64) -> u8 {
    (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ song as u8
}

/// One direction: bytes arrive in order, after the delay, at the rate, in fragments.
#[derive(Debug)]
struct Wire {
    delay: Duration,
    bytes_per_second: u64,
    fragment: usize,
    free_at: Instant,
    arriving: VecDeque<(Instant, Vec<u8>)>,
    is_cut: bool,
}

impl Wire {
    fn send(&mut self, now: Instant, bytes: &[u8]) {
        if self.is_cut {
            return;
        }
        for piece in bytes.chunks(self.fragment.min(bytes.len()).max(1)) {
            let micros = piece.len() as u64 * 1_000_000 / self.bytes_per_second;
            self.free_at = self.free_at.max(now) + Duration::from_micros(micros);
            self.arriving.push_back((self.free_at + self.delay, piece.to_vec()));
        }
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.arriving.front().map(|(at, _)| *at)
    }

    fn take_arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.arriving.pop_front_if(|(at, _)| *at <= now).map(|(_, bytes)| bytes)
    }
}

/// What the client's application holds of the stream that plays.
#[derive(Clone, Copy, Debug)]
struct Playing {
    stream: StreamId,
    song: u32,
    from: u64,
    received: u64,
    held: u64,
    has_ended: bool,
}

/// What the observer knows of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Ledger {
    granted: u64,
    sent: u64,
    answers: u32,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) client: Client<256>,
    pub(crate) server: Server,
    capacity: u32,
    up: Wire,
    down: Wire,
    up_observer: FrameReader<512>,
    down_observer: FrameReader<1_024>,
    ledgers: BTreeMap<u32, Ledger>,
    playing: Option<Playing>,
    is_paused: bool,
    next_tick: Instant,
    serving: Option<(StreamId, u32)>,
    read_fails_at: u64,
    delivered: u64,
    received_from_server: u64,
    answers: u64,
    /// Ids of LISTs (`true`) and INFOs (`false`) without an answer.
    unanswered: BTreeMap<u32, bool>,
    client_error: Option<SessionError>,
    server_error: Option<SessionError>,
    is_client_asleep: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "capacity {}, {:?}", self.capacity, self.down)
    }
}

impl World {
    pub(crate) fn new(capacity: u32, delay: Duration, bytes_per_second: u64, fragment: usize) -> Self {
        let now = Instant::from_micros(5_000_000);
        let wire =
            || Wire { delay, bytes_per_second, fragment, free_at: now, arriving: VecDeque::new(), is_cut: false };
        Self {
            now,
            client: Client::new(now, &Identity { name: "test", nonce: [7; 16], roles: 0 }),
            server: Server::new(now),
            capacity,
            up: wire(),
            down: wire(),
            up_observer: FrameReader::new(),
            down_observer: FrameReader::new(),
            ledgers: BTreeMap::new(),
            playing: None,
            is_paused: false,
            next_tick: now + TICK,
            serving: None,
            read_fails_at: u64::MAX,
            delivered: 0,
            received_from_server: 0,
            answers: 0,
            unanswered: BTreeMap::new(),
            client_error: None,
            server_error: None,
            is_client_asleep: false,
        }
    }

    // ── what a test does ──

    pub(crate) fn perform(&mut self, operation: Operation) {
        let play =
            |song, start, capacity| PlayRequest { song: SongId(song), start, content_tag: 0, capacity, occupied: 0 };
        match operation {
            Operation::Play { song, at_ms } => {
                self.client.play(self.now, &play(song, Start::Time(at_ms), self.capacity)).expect("room");
            }
            Operation::Resume { song, position } => {
                let wanted = play(song, Start::Resume(position), self.capacity);
                self.client.play(self.now, &PlayRequest { content_tag: 1, ..wanted }).expect("room");
            }
            Operation::Stop => {
                self.client.stop().expect("room");
                self.playing = None;
            }
            Operation::List { first } => {
                let asked = self.client.list(SongId(first), 10);
                self.note_asked(asked, true);
            }
            Operation::Info { song } => {
                let asked = self.client.info(SongId(song));
                self.note_asked(asked, false);
            }
            Operation::Wait(span) => return self.run_until(self.now + span),
            Operation::Pause => self.is_paused = true,
            Operation::Unpause => self.is_paused = false,
            Operation::ServerReadFailsAt(position) => self.read_fails_at = position,
        }
        self.transmit();
    }

    /// A client may have so many requests without an answer, and no more.
    fn note_asked(&mut self, asked: Result<RequestId, OutboxFull>, is_list: bool) {
        match asked {
            Ok(request) => drop(self.unanswered.insert(request.0, is_list)),
            Err(OutboxFull) => assert_eq!(self.unanswered.len(), MAX_REQUESTS, "there is room for a request"),
        }
    }

    /// Lets everything that is under way come to its end.
    pub(crate) fn settle(&mut self) {
        self.is_paused = false;
        // The longest song at its own speed, the slowest wire, and some.
        let deadline = self.now + Duration::from_secs(400);
        while !self.is_quiet() {
            assert!(self.now < deadline, "something never ends");
            self.step(deadline);
        }
    }

    fn is_quiet(&self) -> bool {
        let is_wire_empty = self.up.arriving.is_empty() && self.down.arriving.is_empty();
        let is_played = self.playing.is_none_or(|playing| playing.has_ended);
        let is_stream_open = self.client.current_stream().is_some() || self.server.current_stream().is_some();
        is_wire_empty && is_played && !is_stream_open
    }

    pub(crate) fn wait_for_answer(&mut self) -> Instant {
        let before = self.answers;
        let deadline = self.now + Duration::from_secs(60);
        while self.answers == before {
            assert!(self.now < deadline, "no answer");
            self.step(deadline);
        }
        self.now
    }

    /// From now on nothing arrives any more.
    pub(crate) fn cut_the_wire_quietly(&mut self) {
        for wire in [&mut self.up, &mut self.down] {
            wire.is_cut = true;
            wire.arriving.clear();
        }
    }

    /// Why the client gave up, if it did.
    pub(crate) fn client_error(&self) -> Option<SessionError> {
        self.client_error
    }

    /// Why the server gave up, if it did.
    pub(crate) fn server_error(&self) -> Option<SessionError> {
        self.server_error
    }

    /// The client does nothing for so long: its machine was suspended.
    pub(crate) fn put_the_client_to_sleep(&mut self, span: Duration) {
        self.is_client_asleep = true;
        self.run_until(self.now + span);
        self.is_client_asleep = false;
    }

    /// The clock of both jumps.
    pub(crate) fn jump(&mut self, span: Duration) {
        self.now = self.now + span;
        self.transmit();
    }

    /// Lets time pass until the server has given up, and returns when that is.
    pub(crate) fn wait_for_the_server_to_give_up(&mut self) -> Instant {
        let deadline = self.now + Duration::from_secs(60);
        while self.server_error.is_none() {
            assert!(self.now < deadline, "the server never noticed");
            self.step(deadline);
        }
        self.now
    }

    /// From now on nothing arrives any more. Returns when the client gave up.
    pub(crate) fn cut_the_wire(&mut self) -> Instant {
        self.cut_the_wire_quietly();
        let deadline = self.now + Duration::from_secs(60);
        while self.client_error.is_none() {
            assert!(self.now < deadline, "the client never noticed");
            self.step(deadline);
        }
        assert_eq!(self.client_error, Some(SessionError::Silent));
        self.now
    }

    /// Song, first position and number of bytes that came on the last stream.
    pub(crate) fn delivered(&self) -> Option<(u32, u64, u64)> {
        self.playing.map(|playing| (playing.song, playing.from, playing.received))
    }

    /// Bytes that came on any stream.
    pub(crate) fn delivered_bytes(&self) -> u64 {
        self.delivered
    }

    /// Bytes that came over the wire.
    pub(crate) fn received_from_server(&self) -> u64 {
        self.received_from_server
    }

    pub(crate) fn check_every_play_was_answered_once(&self) {
        for (stream, ledger) in &self.ledgers {
            assert_eq!(ledger.answers, 1, "stream {stream} was ended {} times", ledger.answers);
        }
    }

    // ── time ──

    fn run_until(&mut self, end: Instant) {
        while self.now < end {
            self.step(end);
        }
    }

    /// Goes to the next thing that happens, at most to `end`, and lets it happen.
    fn step(&mut self, end: Instant) {
        let client_timeout = self.client.poll_timeout().filter(|_| !self.is_client_asleep);
        let arrival = self.down.next_arrival().filter(|_| !self.is_client_asleep);
        let moments = [client_timeout, self.server.poll_timeout(), arrival, self.up.next_arrival()];
        let next = moments.into_iter().flatten().fold(self.next_tick.min(end), Instant::min);
        self.now = next.max(self.now);
        if !self.is_client_asleep
            && let Err(error) = self.client.handle_timeout(self.now)
        {
            self.client_error = Some(error);
        }
        if let Err(error) = self.server.handle_timeout(self.now) {
            assert!(self.up.is_cut || self.is_client_asleep, "the client is alive: {error}");
            self.server_error = Some(error);
        }
        while let Some(bytes) = self.up.take_arrived(self.now) {
            self.server_receives(&bytes);
        }
        while !self.is_client_asleep
            && let Some(bytes) = self.down.take_arrived(self.now)
        {
            self.client_receives(&bytes);
        }
        if self.now >= self.next_tick {
            self.next_tick = self.now + TICK;
            self.consume();
        }
        self.transmit();
    }

    /// The decoder takes what a tick of music needs out of the buffer.
    fn consume(&mut self) {
        let is_playing = !self.is_paused && !self.is_client_asleep;
        let Some(playing) = self.playing.as_mut().filter(|_| is_playing) else { return };
        let rate = SONGS[playing.song as usize - 1].bytes_per_second;
        let taken = playing.held.min(rate * TICK.as_millis() as u64 / 1_000);
        playing.held -= taken;
        self.client.release(playing.stream, taken as usize);
    }

    // ── the wire ──

    fn transmit(&mut self) {
        while !self.is_client_asleep
            && let Some(bytes) = self.client.poll_transmit(self.now)
        {
            let bytes = bytes.to_vec();
            self.observe_client(&bytes);
            self.up.send(self.now, &bytes);
        }
        while let Some(bytes) = self.server.poll_transmit(self.now) {
            let bytes = bytes.to_vec();
            self.observe_server(&bytes);
            self.down.send(self.now, &bytes);
        }
        // The socket buffer of a server holds a while of what the path carries; DATA waits for room in it.
        while self.down.free_at <= self.now + Duration::from_millis(20) {
            let Some(frame) = self.server.poll_data(usize::MAX) else { break };
            let (stream, song) = self.serving.expect("something is served");
            assert_eq!(stream, frame.stream);
            if frame.position + frame.length as u64 > self.read_fails_at {
                self.server.fail(stream).expect("room");
            } else {
                let mut bytes = frame.header.to_vec();
                bytes.extend((0..frame.length as u64).map(|at| song_byte(song, frame.position + at)));
                self.observe_server(&bytes);
                self.down.send(self.now, &bytes);
            }
            while let Some(bytes) = self.server.poll_transmit(self.now) {
                let bytes = bytes.to_vec();
                self.observe_server(&bytes);
                self.down.send(self.now, &bytes);
            }
        }
    }

    fn observe_client(&mut self, bytes: &[u8]) {
        let skip = usize::from(bytes.starts_with(b"TRIL")) * 8;
        let mut rest = &bytes[skip..];
        while !rest.is_empty() {
            let (taken, part) = self.up_observer.read(rest).expect("valid");
            rest = &rest[taken..];
            let Some(Part::Control(frame)) = part else { continue };
            let granted = match frame.kind {
                MessageType::Play => frame.decode::<Play>().expect("valid").credit,
                MessageType::Credit => frame.decode::<Credit>().expect("valid").more,
                _ => continue,
            };
            self.ledgers.entry(frame.header.id).or_default().granted += u64::from(granted);
        }
    }

    fn observe_server(&mut self, bytes: &[u8]) {
        let skip = usize::from(bytes.starts_with(b"TRIL")) * 8;
        let mut rest = &bytes[skip..];
        while !rest.is_empty() {
            let (taken, part) = self.down_observer.read(rest).expect("valid");
            rest = &rest[taken..];
            match part {
                Some(Part::DataBegins { id, length }) => {
                    let ledger = self.ledgers.entry(id).or_default();
                    ledger.sent += u64::from(length);
                    assert!(ledger.sent <= ledger.granted, "stream {id}: {ledger:?}");
                    assert!(ledger.granted - ledger.sent <= u64::from(MAX_CREDIT_BYTES));
                    assert_eq!(ledger.answers, 0, "stream {id}: DATA after its end");
                }
                Some(Part::Control(frame)) => {
                    let id = frame.header.id;
                    let is_end = frame.kind == MessageType::End && frame.decode::<End>().is_ok();
                    let is_error = frame.kind == MessageType::Error && self.ledgers.contains_key(&id);
                    if is_end || is_error {
                        self.ledgers.entry(id).or_default().answers += 1;
                    }
                }
                _ => {}
            }
        }
    }

    // ── the server's application ──

    fn server_receives(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (taken, event) = self.server.handle_input(self.now, rest).expect("an honest client");
            rest = &rest[taken..];
            match event {
                Some(ServerEvent::Hello(_)) => {
                    self.server.welcome(&Welcome { song_count: 3, generation: 1, ..Welcome::new() }).expect("room");
                }
                Some(ServerEvent::List(List { request, first, at_most, .. })) => {
                    for song in (first.0.max(1)..=3).take(at_most as usize) {
                        self.answer_song(request, song);
                    }
                    let end = ListEnd { request, total: 3, next: None, generation: 1 };
                    self.server.list_end(&end).expect("room");
                }
                Some(ServerEvent::Info(info)) if (1..=3).contains(&info.song.0) => {
                    self.answer_song(info.request, info.song.0);
                }
                Some(ServerEvent::Info(info)) => {
                    self.server.refuse_info(info.request, ErrorCode::NO_SUCH_SONG, "").expect("room");
                }
                Some(ServerEvent::Play(play)) => self.answer_play(play),
                Some(ServerEvent::Stopped(_)) | None => {}
                Some(other) => panic!("{other:?}"),
            }
            self.transmit();
        }
    }

    fn answer_song(&mut self, request: RequestId, song: u32) {
        let song = trill_proto::message::Song { request, song: SongId(song), title: "a song", ..Default::default() };
        self.server.song(&song).expect("room");
        self.transmit();
    }

    fn answer_play(&mut self, play: Play) {
        let Some(song) = SONGS.get(play.song.0 as usize - 1) else {
            self.server.refuse_play(play.stream, ErrorCode::NO_SUCH_SONG, "").expect("room");
            return;
        };
        let position = match play.start {
            Start::Time(ms) => (song.bytes_per_second * ms / 1_000).min(song.size),
            Start::Resume(position) => position,
        };
        if position > song.size {
            self.server.refuse_play(play.stream, ErrorCode::BAD_POSITION, "").expect("room");
            return;
        }
        let started = Started {
            stream: play.stream,
            song: play.song,
            content_tag: 1,
            position,
            size_bytes: song.size,
            rate: if song.size == 0 { 0 } else { 44_100 },
            channels: if song.size == 0 { 0 } else { 2 },
            ..Started::default()
        };
        self.server.start(&started).expect("room");
        self.serving = Some((play.stream, play.song.0));
    }

    // ── the client's application ──

    fn client_receives(&mut self, bytes: &[u8]) {
        self.received_from_server += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (taken, event) = self.client.handle_input(self.now, rest).expect("an honest server");
            rest = &rest[taken..];
            match event {
                Some(ClientEvent::Started(started)) => {
                    self.playing = Some(Playing {
                        stream: started.stream,
                        song: started.song.0,
                        from: started.position,
                        received: 0,
                        held: 0,
                        has_ended: false,
                    });
                }
                Some(ClientEvent::Data { stream, bytes }) => {
                    let playing = self.playing.as_mut().expect("DATA while nothing plays");
                    assert_eq!(playing.stream, stream, "DATA of another stream");
                    assert!(!playing.has_ended, "DATA after the end");
                    for byte in bytes {
                        assert_eq!(*byte, song_byte(playing.song, playing.from + playing.received));
                        playing.received += 1;
                    }
                    playing.held += bytes.len() as u64;
                    assert!(playing.held <= u64::from(self.capacity), "the buffer overflows");
                    self.delivered += bytes.len() as u64;
                }
                Some(ClientEvent::Ended { stream, .. }) => {
                    if let Some(playing) = self.playing.as_mut().filter(|playing| playing.stream == stream) {
                        playing.has_ended = true;
                    }
                }
                Some(ClientEvent::Song(song)) => {
                    self.answers += 1;
                    if self.unanswered.get(&song.request.0) == Some(&false) {
                        self.unanswered.remove(&song.request.0);
                    }
                }
                Some(ClientEvent::Failed(error)) => {
                    self.answers += 1;
                    self.unanswered.remove(&error.id);
                }
                Some(ClientEvent::ListEnd(end)) => drop(self.unanswered.remove(&end.request.0)),
                Some(ClientEvent::Welcome(_)) | None => {}
                Some(ClientEvent::Goodbye(reason)) => panic!("{reason:?}"),
            }
            self.transmit();
        }
    }
}
