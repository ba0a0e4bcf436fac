//! An honest client that sees every frame, and holds the server to the protocol.
//!
//! It does what `wire-format.md` says in the simplest way, and shares nothing but the codec with the programs under
//! test. What a server must never say (DATA beyond the credit, a second END, songs out of order, …) panics with the
//! rule that was broken, in whatever test that happens.
//!
//! Requests do not wait: `request_…` sends, and what waits takes the id that it returned. Everything that comes
//! meanwhile is kept for whoever asks for it.
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

use crate::messages::{Frame, encode};
use crate::raw::Ending;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{FIRST_CREDIT_BYTES, HEADER_BYTES, MAX_CREDIT_BYTES, MAX_LIST_PAGE_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{
    Credit, End, EndReason, Goodbye, GoodbyeReason, Header, Hello, Info, Kind, List, Message, PREAMBLE, Play, Pong,
    Song, Start, Started, Stop, Welcome,
};

/// Long enough for a machine on its knees; nothing waits this long if all is well.
const DEADLINE: Duration = Duration::from_secs(20);

/// What one read takes at most: as much as the kernel has, usually.
const READ_BYTES: usize = 64 * 1024;

/// A session that was opened, or is about to be.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    input: Vec<u8>,
    /// How much of `input` has been taken apart.
    taken: usize,
    last_id: u32,
    /// What HELLO said that this client takes.
    max_control: u16,
    greeting: Option<Greeting>,
    exchanges: BTreeMap<u32, Exchange>,
    goodbye: Option<GoodbyeReason>,
    /// What is to be sent together with what follows.
    held_back: Option<Vec<u8>>,
}

/// What WELCOME said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// 0 while the server looks through its directory.
    pub generation: u32,
    /// Songs; 0 while the generation is 0.
    pub song_count: u32,
    /// How the server calls itself.
    pub server_name: String,
}

/// A song as it was listed.
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
}

/// The answer to one LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their ids.
    pub songs: Vec<Listing>,
    /// Songs in the library.
    pub total: u32,
    /// The first song of the next page.
    pub next: Option<u32>,
    /// Generation of the library.
    pub generation: u32,
}

/// What came of one PLAY.
#[derive(Clone, Debug, Default)]
pub struct Played {
    started: Option<Started>,
    /// The bytes of the song that came, from `started().position` on.
    pub audio: Vec<u8>,
    /// Bytes that were granted and have not come.
    pub credit: u32,
    /// Why it is over.
    pub end: Option<EndReason>,
}

impl Played {
    /// What STARTED said.
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

/// What came so far in answer to one request.
#[derive(Debug)]
enum Exchange {
    List { asked: List, songs: Vec<Listing>, bytes: usize, end: Option<(u32, Option<u32>, u32)> },
    Info(Option<Listing>),
    Play { was_stopped: bool, played: Played },
    Failed(ErrorCode),
}

impl Session {
    /// Connects under a random nonce, and waits for WELCOME.
    ///
    /// # Panics
    /// When that does not come.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let mut nonce = [0; 16];
        fastrand::fill(&mut nonce);
        Self::open_as(address, nonce)
    }

    /// Connects under this nonce, and waits for WELCOME.
    ///
    /// # Panics
    /// When that does not come.
    #[track_caller]
    pub fn open_as(address: SocketAddr, nonce: [u8; 16]) -> Self {
        let mut session = Self::connect(address, Hello { nonce, name: "session", ..Hello::default() });
        session.greeting();
        session
    }

    /// Connects and says HELLO, without waiting for the answer.
    ///
    /// # Panics
    /// When nobody listens there.
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

    /// The socket itself, to be treated badly.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Waits for WELCOME, unless it has come, and returns what it said.
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
                panic!("no WELCOME but {frame:?}");
            };
            self.greeting = Some(Greeting { generation, song_count, server_name: server_name.to_owned() });
        }
        self.greeting.as_ref().expect("it was put there above")
    }

    // ── lists ──

    /// Asks for a page of the list.
    #[track_caller]
    pub fn request_page(&mut self, first: u32, at_most: u32) -> u32 {
        let request = RequestId(self.next_id());
        let asked = List { request, first: SongId(first), at_most };
        self.exchanges.insert(request.0, Exchange::List { asked, songs: Vec::new(), bytes: 0, end: None });
        self.send_message(&Message::List(asked));
        request.0
    }

    /// Waits for the page that was asked for.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn page(&mut self, request: u32) -> Page {
        self.wait(|session| matches!(session.exchanges[&request], Exchange::List { end: Some(_), .. }));
        match self.exchanges.remove(&request) {
            Some(Exchange::List { songs, end: Some((total, next, generation)), .. }) => {
                Page { songs, total, next, generation }
            }
            other => panic!("no page: {other:?}"),
        }
    }

    /// The whole list, page after page.
    ///
    /// # Panics
    /// When a page does not come, or the pages are not as many songs as the server says it has.
    #[track_caller]
    pub fn list(&mut self) -> Vec<Listing> {
        let (mut songs, mut next, mut total) = (Vec::new(), Some(1), 0);
        while let Some(first) = next {
            let request = self.request_page(first, u32::MAX);
            let page = self.page(request);
            songs.extend(page.songs);
            (next, total) = (page.next, page.total);
        }
        assert_eq!(songs.len(), total as usize, "songs in the list, and what LIST-END says");
        songs
    }

    /// Lists until every song has been measured.
    ///
    /// # Panics
    /// When that takes longer than 20 s.
    #[track_caller]
    pub fn list_measured(&mut self) -> Vec<Listing> {
        let end = Instant::now() + DEADLINE;
        loop {
            // A list waits by itself for songs that are being read.
            let songs = self.list();
            if songs.iter().all(|song| song.duration_ms.is_some()) {
                return songs;
            }
            assert!(Instant::now() < end, "still not measured after {DEADLINE:?}: {songs:?}");
        }
    }

    /// Asks for a song's particulars.
    #[track_caller]
    pub fn request_info(&mut self, song: u32) -> u32 {
        let request = RequestId(self.next_id());
        self.exchanges.insert(request.0, Exchange::Info(None));
        self.send_message(&Message::Info(Info { request, song: SongId(song) }));
        request.0
    }

    /// Waits for the particulars that were asked for.
    ///
    /// # Errors
    /// The code of the ERROR that came instead.
    ///
    /// # Panics
    /// When neither comes.
    #[track_caller]
    pub fn info(&mut self, request: u32) -> Result<Listing, ErrorCode> {
        self.wait(|session| !matches!(session.exchanges[&request], Exchange::Info(None)));
        match self.exchanges.remove(&request) {
            Some(Exchange::Info(Some(song))) => Ok(song),
            Some(Exchange::Failed(code)) => Err(code),
            other => panic!("no particulars: {other:?}"),
        }
    }

    // ── streams ──

    /// Asks for a song with the first credit of the reference client.
    #[track_caller]
    pub fn request_play(&mut self, song: u32, start: Start) -> u32 {
        self.request_play_of(song, start, 0, FIRST_CREDIT_BYTES)
    }

    /// Asks for a song that must have this content tag, unless it is 0.
    #[track_caller]
    pub fn request_play_of(&mut self, song: u32, start: Start, content_tag: u64, credit: u32) -> u32 {
        let stream = StreamId(self.next_id());
        let played = Played { credit, ..Played::default() };
        self.exchanges.insert(stream.0, Exchange::Play { was_stopped: false, played });
        self.send_message(&Message::Play(Play { stream, song: SongId(song), start, content_tag, credit }));
        stream.0
    }

    /// Waits until the stream has started.
    ///
    /// # Errors
    /// The code of the ERROR that came instead.
    ///
    /// # Panics
    /// When neither comes.
    #[track_caller]
    pub fn started(&mut self, stream: u32) -> Result<Started, ErrorCode> {
        let has_started = |played: &Played| played.started.is_some() || played.end.is_some();
        self.wait(|session| session.failed(stream).is_some() || has_started(session.played(stream)));
        self.failed(stream).map_or_else(|| Ok(*self.played(stream).started()), Err)
    }

    /// Grants more credit.
    #[track_caller]
    pub fn grant(&mut self, stream: u32, more: u32) {
        let credit = &mut self.played_mut(stream).credit;
        assert!(*credit + more <= MAX_CREDIT_BYTES, "an honest client grants no more");
        *credit += more;
        self.send_message(&Message::Credit(Credit { stream: StreamId(stream), more }));
    }

    /// Asks the server to send no more of a stream.
    #[track_caller]
    pub fn stop(&mut self, stream: u32) {
        if let Some(Exchange::Play { was_stopped, .. }) = self.exchanges.get_mut(&stream) {
            *was_stopped = true;
        }
        self.send_message(&Message::Stop(Stop { stream: StreamId(stream) }));
    }

    /// Waits until so many bytes of a stream have come in all.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn receive_audio(&mut self, stream: u32, bytes: usize) -> &[u8] {
        self.wait(|session| session.played(stream).audio.len() >= bytes);
        &self.played(stream).audio
    }

    /// Waits for the end of a stream, and returns what came of it.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn ended(&mut self, stream: u32) -> Played {
        self.wait(|session| session.played(stream).end.is_some());
        match self.exchanges.remove(&stream) {
            Some(Exchange::Play { played, .. }) => played,
            other => panic!("no stream: {other:?}"),
        }
    }

    /// Plays a song from its beginning to its end: see [`Self::receive_all`].
    ///
    /// # Errors
    /// The code of the ERROR that came instead.
    ///
    /// # Panics
    /// When neither comes.
    #[track_caller]
    pub fn play_out(&mut self, song: u32) -> Result<Played, ErrorCode> {
        let stream = self.request_play(song, Start::Time(0));
        self.started(stream)?;
        Ok(self.receive_all(stream))
    }

    /// Receives a stream to its end as a player does that has a buffer of 16 KiB, as fast as it comes.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn receive_all(&mut self, stream: u32) -> Played {
        while self.played(stream).end.is_none() {
            let played = self.played(stream);
            let left = played.size() - played.audio.len() as u64;
            let free = FIRST_CREDIT_BYTES.saturating_sub(played.credit);
            let wanted = free.min(u32::try_from(left - u64::from(played.credit).min(left)).unwrap_or(u32::MAX));
            if wanted > 0 && (wanted >= FIRST_CREDIT_BYTES / 2 || played.credit == 0) {
                self.grant(stream, wanted);
            }
            self.step();
        }
        self.ended(stream)
    }

    /// What came of a stream so far.
    ///
    /// # Panics
    /// When there is no such stream, or it failed.
    #[track_caller]
    pub fn played(&self, stream: u32) -> &Played {
        match &self.exchanges[&stream] {
            Exchange::Play { played, .. } => played,
            other => panic!("no stream {stream}: {other:?}"),
        }
    }

    #[track_caller]
    fn played_mut(&mut self, stream: u32) -> &mut Played {
        match self.exchanges.get_mut(&stream) {
            Some(Exchange::Play { played, .. }) => played,
            other => panic!("no stream {stream}: {other:?}"),
        }
    }

    fn failed(&self, stream: u32) -> Option<ErrorCode> {
        match self.exchanges[&stream] {
            Exchange::Failed(code) => Some(code),
            _ => None,
        }
    }

    // ── the connection ──

    /// Says goodbye and waits until the server closes.
    ///
    /// # Panics
    /// When it does not, or not properly.
    #[track_caller]
    pub fn leave(mut self) {
        self.send_message(&Message::Goodbye(Goodbye { reason: GoodbyeReason::Done }));
        assert_eq!(self.until_closed(), (None, Ending::EndOfStream), "after GOODBYE");
    }

    /// Receives until the server closes; returns its GOODBYE, and how the connection ended.
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

    /// Sends any bytes, which an honest client would not.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(held_back) = &mut self.held_back {
            return held_back.extend(bytes);
        }
        if let Err(e) = self.stream.write_all(bytes) {
            panic!("sending {} bytes: {e}", bytes.len());
        }
    }

    /// Sends everything that `requests` says in one piece, so that the server gets it at once.
    #[track_caller]
    pub fn together<T>(&mut self, requests: impl FnOnce(&mut Self) -> T) -> T {
        self.held_back = Some(Vec::new());
        let value = requests(self);
        let bytes = self.held_back.take().expect("it was put there above");
        self.send(&bytes);
        value
    }

    /// Sends a message that no method above sends.
    #[track_caller]
    pub fn send_message(&mut self, message: &Message<'_>) {
        self.send(&encode(message));
    }

    /// Waits until `condition` holds after some frame.
    ///
    /// # Panics
    /// When the frames end before, or 20 s have passed.
    #[track_caller]
    fn wait(&mut self, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !condition(self) {
            if let Err(ending) = self.try_step(end) {
                panic!("the server ended the connection: {ending:?}, goodbye {:?}", self.goodbye);
            }
        }
    }

    /// Takes one frame.
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
        let is_taken = header.kind == Kind::Data.to_byte() || header.length <= self.max_control;
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

/// What a frame does, and which frames may not come.
impl Session {
    #[track_caller]
    fn take(&mut self, frame: &Frame) {
        match frame.message() {
            Message::Song(song) => self.take_song(&song, frame),
            Message::ListEnd(list_end) => match self.exchanges.get_mut(&list_end.request.0) {
                Some(Exchange::List { songs, end: end @ None, .. }) => {
                    let next = list_end.next.map(|next| next.0);
                    assert!(next.is_none_or(|next| songs.iter().all(|song| song.id < next)), "{frame:?}: {songs:?}");
                    *end = Some((list_end.total, next, list_end.generation));
                }
                other => panic!("{frame:?} for {other:?}"),
            },
            Message::Started(started) => self.take_started(started),
            Message::Data(stream, bytes) => self.take_data(stream, bytes),
            Message::End(end) => self.take_end(end),
            Message::Error(error) => match self.exchanges.get_mut(&error.id) {
                Some(exchange @ Exchange::Info(None)) => *exchange = Exchange::Failed(error.code),
                Some(Exchange::Play { played: Played { started: None, end: None, .. }, .. }) => {
                    self.exchanges.insert(error.id, Exchange::Failed(error.code));
                }
                other => panic!("{frame:?} for {other:?}"),
            },
            Message::Goodbye(goodbye) => self.goodbye = Some(goodbye.reason),
            Message::Ping(ping) => {
                self.send_message(&Message::Pong(Pong { token: ping.token, received_us: 0, sent_us: 0 }));
            }
            _ => panic!("{frame:?} was not asked for"),
        }
    }

    #[track_caller]
    fn take_song(&mut self, song: &Song<'_>, frame: &Frame) {
        let listing = Listing::of(song);
        match self.exchanges.get_mut(&song.request.0) {
            Some(Exchange::List { asked, songs, bytes, end: None }) => {
                *bytes += HEADER_BYTES + frame.payload.len();
                let is_in_order = songs.last().map_or(song.song >= asked.first, |before| before.id < song.song.0);
                assert!(is_in_order, "{frame:?} after {songs:?}");
                songs.push(listing);
                let is_within = songs.len() <= asked.at_most as usize && *bytes <= MAX_LIST_PAGE_BYTES as usize;
                assert!(is_within, "{} songs, {bytes} bytes in answer to {asked:?}", songs.len());
            }
            Some(Exchange::Info(info @ None)) => {
                assert!(song.duration_ms.is_some(), "INFO is exact: {frame:?}");
                *info = Some(listing);
            }
            other => panic!("{frame:?} for {other:?}"),
        }
    }

    #[track_caller]
    fn take_started(&mut self, started: Started) {
        for (stream, exchange) in &self.exchanges {
            if let Exchange::Play { played: Played { started: Some(_), end: None, .. }, .. } = exchange {
                panic!("{started:?} while stream {stream} is not at its end");
            }
        }
        assert_ne!(started.content_tag, 0, "{started:?}");
        let played = self.played_mut(started.stream.0);
        assert_eq!((played.started, played.end), (None, None), "before {started:?}");
        played.started = Some(started);
    }

    #[track_caller]
    fn take_data(&mut self, stream: u32, bytes: &[u8]) {
        let played = self.played_mut(stream);
        assert!(!bytes.is_empty(), "DATA without a byte");
        assert_eq!(played.end, None, "no DATA of stream {stream} may follow its END");
        let length = u32::try_from(bytes.len()).expect("a frame is not that long");
        played.credit = match played.credit.checked_sub(length) {
            Some(left) => left,
            None => panic!("{length} bytes of DATA of stream {stream} on credit of {}", played.credit),
        };
        played.audio.extend_from_slice(bytes);
        assert!(played.audio.len() as u64 <= played.size(), "more than the whole song: {} bytes", played.audio.len());
    }

    #[track_caller]
    fn take_end(&mut self, end: End) {
        let Some(Exchange::Play { was_stopped, played }) = self.exchanges.get_mut(&end.stream.0) else {
            panic!("{end:?} of no stream");
        };
        assert_eq!(played.end, None, "one END for each stream: {end:?}");
        match end.reason {
            EndReason::Stopped => assert!(*was_stopped, "nobody stopped stream {}", end.stream),
            EndReason::Finished => assert_eq!(played.audio.len() as u64, played.size(), "{end:?}"),
            EndReason::Replaced | EndReason::Failed => assert!(played.started.is_some(), "{end:?} before STARTED"),
        }
        played.end = Some(end.reason);
    }
}

impl Listing {
    fn of(song: &Song<'_>) -> Self {
        Self {
            id: song.song.0,
            duration_ms: song.duration_ms,
            size_bytes: song.size_bytes,
            bitrate: song.bitrate,
            rate: song.rate,
            channels: song.channels,
            track: song.track,
            is_cut: song.is_cut,
            title: song.title.to_owned(),
            artist: song.artist.to_owned(),
            album: song.album.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{RawConnection, RawListener};
    use std::thread;
    use trill_proto::message::ListEnd;

    const STARTED: Started = Started {
        stream: StreamId(1),
        song: SongId(1),
        content_tag: 7,
        position: 0,
        size_bytes: 6,
        first_sample: 0,
        discard: 0,
        begin_sample: 0,
        end_sample: 1,
        bitrate: 1,
        rate: 1,
        channels: 1,
        encoder_delay: 0,
        encoder_padding: 0,
    };

    /// Lets `act` talk to a server that says `words`, whatever it is asked.
    fn check(words: &[Message<'_>], act: impl FnOnce(&mut Session)) {
        let listener = RawListener::bind();
        let address = listener.address();
        let said: Vec<u8> = words.iter().flat_map(encode).collect();
        let server = thread::spawn(move || {
            let mut connection: RawConnection = listener.accept(DEADLINE);
            connection.welcome(Welcome::new(), DEADLINE);
            connection.send(&said);
            connection
        });
        let mut session = Session::open(address);
        act(&mut session);
        drop(server.join());
    }

    fn end(reason: EndReason) -> Message<'static> {
        Message::End(End { stream: StreamId(1), reason })
    }

    #[test]
    fn keeps_what_comes_for_whoever_asks() {
        let song = Song { request: RequestId(2), song: SongId(1), title: "x", ..Song::default() };
        let list_end = ListEnd { request: RequestId(2), total: 1, next: None, generation: 3 };
        let words = [
            Message::Started(STARTED),
            Message::Data(1, b"abc"),
            Message::Song(song),
            Message::ListEnd(list_end),
            Message::Data(1, b"def"),
            end(EndReason::Finished),
        ];
        check(&words, |session| {
            let stream = session.request_play(1, Start::Time(0));
            let request = session.request_page(1, 10);
            assert_eq!(session.page(request).songs[0].title, "x");
            assert_eq!(session.started(stream), Ok(STARTED));
            let played = session.ended(stream);
            assert_eq!((played.audio.as_slice(), played.end), (b"abcdef".as_slice(), Some(EndReason::Finished)));
        });
    }

    #[test]
    #[should_panic(expected = "on credit of 2")]
    fn data_beyond_the_credit_is_seen() {
        check(&[Message::Started(STARTED), Message::Data(1, b"abc")], |session| {
            let stream = session.request_play_of(1, Start::Time(0), 0, 2);
            session.receive_audio(stream, 3);
        });
    }

    #[test]
    #[should_panic(expected = "longer than the 256 bytes")]
    fn a_frame_that_is_too_long_is_seen() {
        let long = "x".repeat(255);
        check(&[Message::Song(Song { title: &long, ..Song::default() })], |session| {
            session.max_control = 256;
            session.until_closed();
        });
    }

    #[test]
    #[should_panic(expected = "one END for each stream")]
    fn a_second_end_is_seen() {
        check(&[Message::Started(STARTED), end(EndReason::Failed), end(EndReason::Failed)], |session| {
            session.request_play(1, Start::Time(0));
            session.until_closed();
        });
    }

    #[test]
    #[should_panic(expected = "nobody stopped")]
    fn an_end_that_nobody_asked_for_is_seen() {
        check(&[Message::Started(STARTED), end(EndReason::Stopped)], |session| {
            let stream = session.request_play(1, Start::Time(0));
            session.ended(stream);
        });
    }

    #[test]
    #[should_panic(expected = "is not at its end")]
    fn two_streams_at_once_are_seen() {
        let second = Started { stream: StreamId(2), ..STARTED };
        check(&[Message::Started(STARTED), Message::Started(second)], |session| {
            session.request_play(1, Start::Time(0));
            let stream = session.request_play(1, Start::Time(0));
            let _ = session.started(stream);
        });
    }
}
