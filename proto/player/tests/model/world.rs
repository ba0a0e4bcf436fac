//! A player, a server that answers the messages in order, and a decoder that notes which bytes it takes.

use std::time::Duration;

use trill_player::{Event, Options, Player, QueueMemory, Refused, Step, TimedOut};
use trill_proto::decoder::{Decoded, Frame, FrameDecoder, PCM_SAMPLES};
use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{Info, List, ListEnd, Play, Search, Song, Start, Started, Welcome};
use trill_proto::session::client::Identity;
use trill_proto::session::server::{Event as Asked, Server};
use trill_proto::time::Instant;

/// Every frame has so many bytes and samples.
pub(crate) const FRAME_BYTES: u64 = 416;
const FRAME_SAMPLES: u64 = 1_152;
const RATE: u32 = 44_100;

/// A song of the server: its number, its frames, and whether the server can play it.
pub(crate) struct File {
    pub(crate) song: u32,
    pub(crate) frames: u64,
    is_whole: bool,
}

impl File {
    /// The frame at this position. `None` if the server refuses to play it from there.
    pub(crate) fn frame_at(&self, at_ms: u64) -> Option<u64> {
        let frame = at_ms * u64::from(RATE) / 1_000 / FRAME_SAMPLES;
        Some(frame).filter(|frame| self.is_whole && *frame < self.frames)
    }
}

/// The songs of the server. Their numbers have gaps.
pub(crate) const LIBRARY: [File; 6] = [
    File { song: 2, frames: 5, is_whole: true },
    File { song: 3, frames: 60, is_whole: true },
    File { song: 5, frames: 9, is_whole: false },
    File { song: 6, frames: 20, is_whole: true },
    File { song: 9, frames: 9, is_whole: false },
    File { song: 10, frames: 90, is_whole: true },
];

pub(crate) fn file(song: u32) -> Option<&'static File> {
    LIBRARY.iter().find(|file| file.song == song)
}

/// The byte of a song at this position. Eight bytes name the song and their place in it.
fn byte_at(song: u32, position: u64) -> u8 {
    ((u64::from(song) << 32) | (position / 8)).to_be_bytes()[(position % 8) as usize]
}

/// What the listener is told.
#[derive(Debug)]
pub(crate) enum Told {
    Listed(u32),
    ListComplete,
    Info(u32),
    Refused(Refused),
    GivenUp(Refused),
}

/// A request, without the borrow of the session machine.
enum Request {
    Hello,
    List { request: RequestId, first: SongId, at_most: u32, rank: u32, numbers: Option<(SongId, SongId)> },
    Info(Info),
    Play(Play),
}

pub(crate) struct World<'m> {
    pub(crate) player: Player<'m, 512>,
    now: Instant,
    server: Option<Server>,
    /// Bytes from the player that the server has not read.
    unread: Vec<u8>,
    streams: Vec<(StreamId, u32)>,
    pub(crate) told: Vec<Told>,
    /// The connection carries so many bytes more to the player.
    bytes_left: usize,
    /// A connection was lost.
    pub(crate) is_cut: bool,
}

impl<'m> World<'m> {
    pub(crate) fn new(memory: &'m mut [u8], queue: &'m mut QueueMemory<8>, is_persistent: bool) -> Self {
        let mut player = Player::new(memory, queue, Options { seed: 1, is_persistent, wants_titles: true });
        player.set_page_songs(2);
        let now = Instant::from_micros(1_000_000);
        Self {
            player,
            now,
            server: None,
            unread: Vec::new(),
            streams: Vec::new(),
            told: Vec::new(),
            bytes_left: 0,
            is_cut: false,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    // ── the network ──

    /// Connects if the player wants to, at the time it says. Returns whether it did.
    pub(crate) fn connect(&mut self) -> bool {
        let Some(at) = self.player.poll_connect() else { return false };
        self.now = self.now.max(at);
        self.player.begin_attempt();
        self.player.handle_connected(self.now, &Identity { name: "test", nonce: [7; 16], roles: 0 });
        self.server = Some(Server::new(self.now));
        self.bytes_left = usize::MAX;
        true
    }

    /// An attempt to connect fails.
    pub(crate) fn fail_to_connect(&mut self) {
        if self.player.poll_connect().is_some() {
            self.player.begin_attempt();
            self.disconnect(None);
        }
    }

    /// The connection carries only so many bytes more.
    pub(crate) fn cut_after(&mut self, bytes: usize) {
        self.bytes_left = bytes;
        self.cut_if_due();
    }

    fn cut_if_due(&mut self) {
        if self.bytes_left == 0 && self.server.is_some() {
            self.disconnect(None);
        }
    }

    fn disconnect(&mut self, error: Option<SessionError>) {
        let Self { player, told, .. } = self;
        let _ = player.handle_disconnected(self.now, error, |refused| told.push(Told::GivenUp(refused)));
        self.is_cut = true;
        self.server = None;
        self.unread.clear();
        self.streams.clear();
    }

    /// Time passes, in which the server does nothing.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.player.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            match self.player.handle_timeout(self.now) {
                Ok(()) => {}
                Err(TimedOut::NoWelcome) => self.disconnect(None),
                Err(TimedOut::Session(error)) => self.disconnect(Some(error)),
            }
            self.transmit();
        }
        self.now = end;
    }

    fn transmit(&mut self) {
        while let Some(bytes) = self.player.poll_transmit(self.now) {
            self.unread.extend(bytes);
        }
    }

    // ── the server ──

    /// The server reads a message and answers it. Returns whether there was one.
    pub(crate) fn serve(&mut self) -> bool {
        self.transmit();
        let Some(server) = self.server.as_mut().filter(|_| !self.unread.is_empty()) else { return false };
        self.now = self.now + server.input_pause(self.now).unwrap_or_default();
        let (taken, asked) = server.handle_input(self.now, &self.unread).expect("a client that does right");
        let request = asked.and_then(|asked| match asked {
            Asked::Hello(_) => Some(Request::Hello),
            Asked::List(List { request, first, at_most, search }) => {
                let Search { rank, numbers, .. } = search.expect("in library order");
                Some(Request::List { request, first, at_most, rank, numbers })
            }
            Asked::Info(info) => Some(Request::Info(info)),
            Asked::Play(play) => Some(Request::Play(play)),
            Asked::Stopped(_) | Asked::Failed(_) | Asked::Goodbye(_) => None,
        });
        self.unread.drain(..taken);
        if let Some(request) = request {
            self.answer(&request);
        }
        self.receive();
        self.cut_if_due();
        true
    }

    fn answer(&mut self, request: &Request) {
        match request {
            Request::Hello => {
                let song_count = LIBRARY.len() as u32;
                let welcome = Welcome { server_name: "attic", generation: 1, song_count, ..Welcome::new() };
                self.server().welcome(&welcome).expect("room");
            }
            &Request::List { request, first, at_most, rank, numbers } => {
                let is_found = |song: &SongId| numbers.is_none_or(|(low, high)| (low..=high).contains(song));
                let found: Vec<_> = LIBRARY.iter().map(|file| SongId(file.song)).filter(is_found).collect();
                let is_listed = file(first.0).is_some();
                let mut rest = (0..).zip(found.iter().copied());
                let mut rest = rest.by_ref().filter(|(at, song)| if is_listed { *song >= first } else { *at >= rank });
                for (rank, song) in rest.by_ref().take(at_most as usize) {
                    self.server().song(&Song { request, song, rank: Some(rank), ..Song::default() }).expect("room");
                    self.receive();
                }
                let (total, next) = (found.len() as u32, rest.next().map(|(_, song)| song));
                self.server().list_end(&ListEnd { request, total, next, generation: 1 }).expect("room");
            }
            Request::Info(info) => match file(info.song.0) {
                Some(_) => {
                    let song = Song { request: info.request, song: info.song, ..Song::default() };
                    let _ = self.server().song(&song).expect("room");
                }
                None => self.server().refuse_info(info.request, ErrorCode::NO_SUCH_SONG, "").expect("room"),
            },
            Request::Play(play) => match started(play) {
                Some(started) => {
                    self.streams.push((play.stream, play.song.0));
                    self.server().start(&started).expect("room");
                }
                None => self.server().refuse_play(play.stream, ErrorCode::NO_SUCH_SONG, "").expect("room"),
            },
        }
    }

    fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("a connection")
    }

    /// The server sends at most so many bytes of music. Returns whether it sent any.
    pub(crate) fn send_music(&mut self, at_most: usize) -> bool {
        self.transmit();
        let Some(frame) = self.server.as_mut().and_then(|server| server.poll_data(at_most)) else { return false };
        let (_, song) = *self.streams.iter().find(|(stream, _)| *stream == frame.stream).expect("it was started");
        let payload = (frame.position..frame.position + frame.length as u64).map(|position| byte_at(song, position));
        let message: Vec<u8> = frame.header.into_iter().chain(payload).collect();
        self.hear(&message);
        self.receive();
        self.cut_if_due();
        true
    }

    /// The server ends the song that it sends, too early. Returns the song.
    pub(crate) fn fail_song(&mut self) -> Option<u32> {
        let stream = self.server.as_ref()?.current_stream()?;
        self.server().fail(stream).expect("room");
        let song = self.streams.iter().find(|(id, _)| *id == stream).map(|(_, song)| *song);
        self.receive();
        self.cut_if_due();
        song
    }

    /// The player receives what the server has said.
    fn receive(&mut self) {
        let now = self.now;
        while let Some(bytes) = self.server().poll_transmit(now).map(<[u8]>::to_vec) {
            self.hear(&bytes);
        }
    }

    fn hear(&mut self, input: &[u8]) {
        let mut input = &input[..input.len().min(self.bytes_left)];
        self.bytes_left -= input.len();
        while !input.is_empty() {
            let (taken, event) = self.player.handle_input(self.now, input).expect("a server that does right");
            self.told.extend(event.and_then(|event| told(&event)));
            input = &input[taken..];
        }
    }

    // ── the decoder ──

    /// Takes a step. Returns the song and the position of the frame that was decoded, too.
    pub(crate) fn decode(&mut self) -> (Step, Option<(u32, u64)>) {
        let mut decoder = Notes(None);
        let step = self.player.decode(self.now, &mut decoder, &mut [0; PCM_SAMPLES]);
        (step, decoder.0)
    }
}

/// A decoder that notes the song and the position of the frame.
struct Notes(Option<(u32, u64)>);

impl FrameDecoder for Notes {
    fn decode(&mut self, input: &[u8], at_end: bool, _: &mut [i16; PCM_SAMPLES]) -> Decoded {
        if !Decoded::is_possible(input, at_end) {
            return Decoded::NeedMore;
        }
        let [song, place] = [0, 4].map(|at| u32::from_be_bytes(input[at..at + 4].try_into().expect("four bytes")));
        let position = u64::from(place) * 8;
        let frame = input.get(..FRAME_BYTES as usize).unwrap_or(input);
        for (at, byte) in (position..).zip(frame) {
            assert_eq!(*byte, byte_at(song, at), "song {song} at byte {at}");
        }
        self.0 = Some((song, position));
        let samples = FRAME_SAMPLES as usize;
        Decoded::Frame(Frame { consumed: frame.len(), samples, nominal_samples: samples, rate: RATE, channels: 2 })
    }

    fn reset(&mut self) {}
}

/// The answer to PLAY; `None` if it is refused.
fn started(play: &Play) -> Option<Started> {
    let file = file(play.song.0)?;
    let size_bytes = file.frames * FRAME_BYTES;
    let (position, first_sample) = match play.start {
        Start::Time(at_ms) => file.frame_at(at_ms).map(|frame| (frame * FRAME_BYTES, frame * FRAME_SAMPLES))?,
        Start::Resume(position) => (position, position / FRAME_BYTES * FRAME_SAMPLES),
    };
    Some(Started {
        stream: play.stream,
        song: play.song,
        content_tag: 1_000 + u64::from(file.song),
        position,
        size_bytes,
        first_sample,
        end_sample: file.frames * FRAME_SAMPLES,
        bitrate: 128_000,
        rate: RATE,
        channels: 2,
        ..Started::default()
    })
}

fn told(event: &Event<'_>) -> Option<Told> {
    Some(match event {
        Event::Listed(song) => Told::Listed(song.song.0),
        Event::PageEnd(trill_player::PageEnd::Complete, _) => Told::ListComplete,
        Event::Info(song) => Told::Info(song.song.0),
        Event::Refused(refused, _) => Told::Refused(*refused),
        _ => return None,
    })
}
