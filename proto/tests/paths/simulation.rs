//! A server, a socket, a path, and a client that plays, in steps of a millisecond.

use std::collections::VecDeque;
use std::time::Duration;
use trill_proto::ids::SongId;
use trill_proto::limits::MAX_UNSENT_BYTES;
use trill_proto::message::{ListEnd, Start, Started, Welcome};
use trill_proto::playback::{Action, Playback, Supply};
use trill_proto::session::client::{Client, Event as Heard, Identity, PlayRequest};
use trill_proto::session::server::{Event as Asked, Server};
use trill_proto::time::Instant;

const STEP: Duration = Duration::from_millis(1);

const CAPACITY: u32 = 1 << 20;

const SEGMENT_BYTES: usize = 1_460;

/// What TCP sends at first (RFC 6928).
const FIRST_SEGMENTS: usize = 10;

/// Music that a frame decodes to, about.
const FRAME_MS: u64 = 26;

/// What the path from the server to the client is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) round_trip: Duration,
    pub(crate) bytes_per_second: u64,
    /// Segments that arrive a round-trip later; all behind them wait.
    pub(crate) lost_percent: u64,
    /// The server's TCP doubles what it sends in a round-trip.
    pub(crate) has_slow_start: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        let round_trip = Duration::from_millis(40);
        Self { round_trip, bytes_per_second: 125_000_000, lost_percent: 0, has_slow_start: false }
    }
}

pub(crate) struct Simulation {
    pub(crate) conditions: Conditions,
    now: Instant,
    client: Client,
    server: Server,
    up: VecDeque<(Instant, Vec<u8>)>,
    /// Written and not sent.
    unsent: VecDeque<u8>,
    down: VecDeque<(Instant, Vec<u8>)>,
    /// What TCP may have under way, and what it has: bytes and when they are acknowledged.
    window: usize,
    in_flight: VecDeque<(Instant, usize)>,
    random: u64,
    music: u64,
    started: Started,
    player: Option<Player>,
    answered: Option<Instant>,
}

struct Player {
    playback: Playback,
    buffered: usize,
    received: u64,
    has_begun: bool,
    is_over: bool,
    underruns: u32,
    next_frame: Instant,
}

impl Simulation {
    /// A song of this length and rate is asked for on an open connection.
    pub(crate) fn new(conditions: Conditions, music: u64, length: Duration) -> Self {
        let now = Instant::from_micros(1_000_000);
        let samples = length.as_millis() as u64 * 441 / 10;
        let started = Started {
            song: SongId(1),
            content_tag: 1,
            size_bytes: music * length.as_millis() as u64 / 1_000,
            end_sample: samples,
            bitrate: u32::try_from(music * 8).expect("a bit rate"),
            rate: 44_100,
            channels: 2,
            ..Started::default()
        };
        let mut simulation = Self {
            conditions,
            now,
            client: Client::new(now, &Identity { name: "", nonce: [0; 16], roles: 0 }),
            server: Server::new(now),
            up: VecDeque::new(),
            unsent: VecDeque::new(),
            down: VecDeque::new(),
            window: if conditions.has_slow_start { FIRST_SEGMENTS * SEGMENT_BYTES } else { usize::MAX },
            in_flight: VecDeque::new(),
            random: 0x9e37_79b9_7f4a_7c15,
            music,
            started,
            player: None,
            answered: None,
        };
        while !simulation.client.is_open() {
            simulation.step();
        }
        let start = Start::Time(0);
        let wanted = PlayRequest { song: SongId(1), start, content_tag: 0, capacity: CAPACITY, occupied: 0 };
        simulation.client.play(simulation.now, &wanted).expect("room");
        simulation
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step();
        }
    }

    /// Lets time pass until the first sample; says how long that was.
    pub(crate) fn run_until_music(&mut self, at_most: Duration) -> Duration {
        let begun = self.now;
        while !self.player.as_ref().is_some_and(|player| player.has_begun) {
            let waited = self.now.saturating_since(begun);
            assert!(waited < at_most, "no music after {waited:?}: {:?}", self.conditions);
            self.step();
        }
        self.now.saturating_since(begun)
    }

    /// Asks for something now, and says how long the answer takes.
    pub(crate) fn answer_time(&mut self) -> Duration {
        let asked = self.now;
        self.answered = None;
        self.client.list(SongId(1), 0).expect("room");
        while self.answered.is_none() {
            assert!(self.now.saturating_since(asked) < Duration::from_secs(120), "no answer");
            self.step();
        }
        self.now.saturating_since(asked)
    }

    pub(crate) fn underruns(&self) -> u32 {
        self.player.as_ref().map_or(0, |player| player.underruns)
    }

    /// Lets the song be heard to its end.
    pub(crate) fn run_to_the_end(&mut self, at_most: Duration) {
        let end = self.now + at_most;
        while !self.player.as_ref().is_some_and(|player| player.is_over) {
            assert!(self.now < end, "never over: {:?}", self.conditions);
            self.step();
        }
    }

    fn step(&mut self) {
        self.now = self.now + STEP;
        self.client.handle_timeout(self.now).expect("a server that is alive");
        self.transmit();
        while let Some((_, bytes)) = self.up.pop_front_if(|(at, _)| *at <= self.now) {
            self.server_hears(&bytes);
        }
        self.write();
        self.send();
        while let Some((_, bytes)) = self.down.pop_front_if(|(at, _)| *at <= self.now) {
            self.client_hears(&bytes);
        }
        self.play();
        self.transmit();
    }

    fn transmit(&mut self) {
        while let Some(bytes) = self.client.poll_transmit(self.now) {
            self.up.push_back((self.now + self.conditions.round_trip / 2, bytes.to_vec()));
        }
    }

    // ── the server ──

    fn server_hears(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (taken, event) = self.server.handle_input(self.now, bytes).expect("an honest client");
            match event {
                Some(Asked::Hello(_)) => {
                    self.server.welcome(&Welcome { generation: 1, ..Welcome::new() }).expect("room")
                }
                Some(Asked::Play(play)) => {
                    self.server.start(&Started { stream: play.stream, ..self.started }).expect("room");
                }
                Some(Asked::List(list)) => {
                    let end = ListEnd { request: list.request, total: 1, next: None, generation: 1 };
                    self.server.list_end(&end).expect("room");
                }
                _ => {}
            }
            bytes = &bytes[taken..];
        }
    }

    /// Writes while the socket takes it; one frame may be more than it takes at once.
    fn write(&mut self) {
        while self.unsent.len() <= MAX_UNSENT_BYTES as usize {
            if let Some(bytes) = self.server.poll_transmit(self.now) {
                self.unsent.extend(bytes);
            } else if let Some(frame) = self.server.poll_data(usize::MAX) {
                self.unsent.extend(frame.header);
                self.unsent.extend(std::iter::repeat_n(0xa5, frame.length));
            } else {
                return;
            }
        }
    }

    fn send(&mut self) {
        while let Some((_, bytes)) = self.in_flight.pop_front_if(|(at, _)| *at <= self.now) {
            if self.conditions.has_slow_start {
                self.window += bytes;
            }
        }
        let in_flight: usize = self.in_flight.iter().map(|(_, bytes)| bytes).sum();
        let carried = self.conditions.bytes_per_second * STEP.as_millis() as u64 / 1_000;
        let mut left = self.unsent.len().min(carried as usize).min(self.window.saturating_sub(in_flight));
        while left > 0 {
            let bytes: Vec<u8> = self.unsent.drain(..left.min(SEGMENT_BYTES)).collect();
            left -= bytes.len();
            let late = if self.is_lost() { self.conditions.round_trip } else { Duration::ZERO };
            let arrives = self.now + self.conditions.round_trip / 2 + late;
            // In order.
            let arrives = self.down.back().map_or(arrives, |(before, _)| arrives.max(*before));
            self.in_flight.push_back((arrives + self.conditions.round_trip / 2, bytes.len()));
            self.down.push_back((arrives, bytes));
        }
    }

    fn is_lost(&mut self) -> bool {
        // xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < self.conditions.lost_percent
    }

    // ── the client ──

    fn client_hears(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (taken, event) = self.client.handle_input(self.now, bytes).expect("an honest server");
            match event {
                Some(Heard::Started(started)) => {
                    self.player = Some(Player {
                        playback: Playback::new(&started),
                        buffered: 0,
                        received: 0,
                        has_begun: false,
                        is_over: false,
                        underruns: 0,
                        next_frame: self.now,
                    });
                }
                Some(Heard::Data { bytes, .. }) => {
                    let player = self.player.as_mut().expect("STARTED came");
                    player.buffered += bytes.len();
                    player.received += bytes.len() as u64;
                }
                Some(Heard::ListEnd(_)) => self.answered = Some(self.now),
                _ => {}
            }
            bytes = &bytes[taken..];
            self.transmit();
        }
    }

    /// Decodes a frame each time one has been heard.
    fn play(&mut self) {
        let (delivery_rate, round_trip) = (self.client.delivery_rate(self.now), self.client.round_trip());
        let Some(player) = &mut self.player else { return };
        if self.now < player.next_frame || player.is_over {
            return;
        }
        let Player { buffered, received, .. } = *player;
        let supply = Supply { buffered, received, capacity: CAPACITY as usize, delivery_rate, round_trip };
        match player.playback.next_action(&supply) {
            Action::Wait if player.playback.is_buffering() => {}
            // Nothing is left but what a decoder keeps ahead of itself.
            Action::Wait => {
                player.underruns += 1;
                player.playback.on_dry();
            }
            Action::Decode => {
                player.has_begun = true;
                let _ = player.playback.on_frame(1_152, 44_100);
                let bytes = buffered.min((self.music * FRAME_MS / 1_000) as usize);
                player.buffered -= bytes;
                player.next_frame = player.next_frame.max(self.now) + Duration::from_millis(FRAME_MS);
                if let Some(stream) = self.client.current_stream() {
                    self.client.release(stream, bytes);
                }
            }
            Action::Drain => player.is_over = true,
        }
    }
}
