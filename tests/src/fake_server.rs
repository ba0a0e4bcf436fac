//! A small correct server in the test's process that can drop connections on demand.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use trill_proto::error::ErrorCode;
use trill_proto::ids::{SongId, StreamId};
use trill_proto::limits::MAX_PAYLOAD_BYTES;
use trill_proto::message::{self, Info, List, ListEnd, Play, Search, Start, Welcome};
use trill_proto::session::server::{Event, Server};
use trill_proto::time;
use trill_proto::transport::blocking::{Received, receive, transmit_server};
use trill_proto::transport::std_io::StdIo;

pub use song::Song;

mod song;

/// A generous deadline.
const DEADLINE: Duration = Duration::from_secs(60);

/// Most songs per page.
const PAGE_SONGS: usize = 3;

/// A running server. Its threads end with the test's process.
#[derive(Debug)]
pub struct FakeServer {
    /// Its address on the loopback interface.
    pub address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

/// The server's songs and faults.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Songs by number.
    pub songs: Vec<(u32, Song)>,
    /// Each connection is dropped after this many bytes of DATA, in order of acceptance. Later connections are not
    /// dropped.
    pub cut_after: Vec<usize>,
    /// Songs that are listed, but whose PLAY is refused.
    pub refused: Vec<u32>,
    /// The error for PLAYs that resume, if any.
    pub refuses_resume: Option<ErrorCode>,
}

impl FakeServer {
    /// A server with songs 1, 2, …
    pub fn with(songs: impl IntoIterator<Item = Song>) -> Self {
        Self::start(Setup { songs: (1..).zip(songs).collect(), ..Setup::default() })
    }

    /// Starts a server.
    ///
    /// # Panics
    /// When no port is free.
    /// When there is no port to listen on.
    pub fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number");
        let log = Arc::<Log>::default();
        let setup = Arc::new(setup);
        let lines = log.clone();
        thread::spawn(move || {
            for (index, socket) in listener.incoming().enumerate() {
                let (setup, log) = (setup.clone(), lines.clone());
                let cut_after = setup.cut_after.get(index).copied();
                let connection = Connection { setup, log, cut_after, playing: None };
                thread::spawn(move || connection.serve(&socket.expect("a client")));
            }
        });
        Self { address, log }
    }

    /// The requests of the clients, one line per message.
    ///
    /// # Panics
    /// When a connection's thread panicked.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().expect("no thread panicked").clone()
    }

    /// The number of requests that begin with `prefix`.
    ///
    /// # Panics
    /// When a connection's thread panicked.
    pub fn count(&self, prefix: &str) -> usize {
        self.log().iter().filter(|line| line.starts_with(prefix)).count()
    }

    /// Waits for a request line.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn wait_for(&self, line: &str) {
        let lines = self.log.lines.lock().expect("no thread panicked");
        let lacks = |lines: &mut Vec<String>| lines.iter().all(|said| said != line);
        let (lines, waited) = self.log.grown.wait_timeout_while(lines, DEADLINE, lacks).expect("no thread panicked");
        assert!(!waited.timed_out(), "{line} did not come: {lines:?}");
    }
}

struct Connection {
    setup: Arc<Setup>,
    log: Arc<Log>,
    /// Bytes of DATA until the connection is dropped.
    cut_after: Option<usize>,
    playing: Option<(StreamId, Song)>,
}

impl Connection {
    fn serve(mut self, socket: &TcpStream) {
        let epoch = Instant::now();
        let now = || time::Instant::from_micros(epoch.elapsed().as_micros() as u64);
        let mut server = Server::new(now());
        let (mut io, mut input) = (StdIo(socket), vec![0; 4096]);
        while !server.is_closed() {
            if transmit_server(&mut server, now(), &mut io).is_err() {
                return;
            }
            let Ok(has_sent) = self.send_data(&mut server, socket) else { return };
            if self.cut_after == Some(0) {
                return;
            }
            let patience = Duration::from_millis(if has_sent { 1 } else { 10 });
            socket.set_read_timeout(Some(patience)).expect("a time-out");
            match receive(&mut io, &mut input) {
                Ok(Received::Bytes(count)) => {
                    let mut rest = &input[..count];
                    while !rest.is_empty() {
                        let taken = self.take(&mut server, now(), rest, socket);
                        rest = &rest[taken..];
                        // The outbox is full, or the client has sent GOODBYE and is gone.
                        if taken == 0 && transmit_server(&mut server, now(), &mut io).is_err() {
                            return;
                        }
                    }
                }
                Ok(Received::Nothing) => {}
                Ok(Received::Closed) | Err(_) => return,
            }
        }
    }

    /// Sends one DATA frame if there is credit. Returns whether it did.
    fn send_data(&mut self, server: &mut Server, mut socket: &TcpStream) -> io::Result<bool> {
        // A dropped connection ends inside a frame.
        let at_most = self.cut_after.unwrap_or(usize::MAX).clamp(1, MAX_PAYLOAD_BYTES);
        let Some(frame) = server.poll_data(at_most) else { return Ok(false) };
        let (playing, song) = self.playing.as_ref().expect("a song");
        assert_eq!(*playing, frame.stream);
        let position = usize::try_from(frame.position).expect("a short song");
        if let Some(left) = &mut self.cut_after {
            *left = left.saturating_sub(frame.length);
        }
        socket.write_all(&[&frame.header, &song.audio[position..][..frame.length]].concat())?;
        Ok(true)
    }

    /// Answers the first message in `input`. Returns its length in bytes.
    fn take(&mut self, server: &mut Server, now: time::Instant, input: &[u8], socket: &TcpStream) -> usize {
        let (taken, event) = server.handle_input(now, input).expect("an honest client");
        let request = match event {
            None => return taken,
            Some(Event::Hello(_)) => {
                let song_count = self.setup.songs.len() as u32;
                let welcome = Welcome { server_name: "fake", song_count, generation: 1, ..Welcome::new() };
                server.welcome(&welcome).expect("room");
                return taken;
            }
            Some(Event::List(list)) => {
                let search = list.search.map(|search| Search { query: "", ..search });
                Request::List(List { search, ..list })
            }
            Some(Event::Info(info)) => Request::Info(info),
            Some(Event::Play(play)) => Request::Play(play),
            Some(Event::Stopped(_)) => Request::Note("STOP"),
            Some(Event::Goodbye(_)) => Request::Note("GOODBYE"),
            Some(Event::Failed(error)) => panic!("the client gave up: {error:?}"),
        };
        self.answer(server, now, request, socket);
        taken
    }

    fn answer(&mut self, server: &mut Server, now: time::Instant, request: Request, socket: &TcpStream) {
        let line = match &request {
            Request::List(List { first, at_most, search, .. }) => {
                format!("LIST {first} {} {at_most}", search.unwrap_or_default().rank)
            }
            Request::Info(Info { song, .. }) => format!("INFO {song}"),
            Request::Play(Play { song, start: Start::Time(ms), .. }) => format!("PLAY {song} at {ms} ms"),
            Request::Play(Play { song, start: Start::Resume(position), .. }) => format!("PLAY {song} from {position}"),
            Request::Note(note) => (*note).to_owned(),
        };
        self.log.lines.lock().expect("no thread panicked").push(line);
        self.log.grown.notify_all();
        match request {
            Request::List(list) => self.list(server, now, list, socket),
            Request::Info(Info { request, song }) => match self.song(song) {
                Some(found) => drop(server.song(&describe(request, song.0, &found)).expect("room")),
                None => server.refuse_info(request, ErrorCode::NO_SUCH_SONG, "").expect("room"),
            },
            Request::Play(play) => self.play(server, &play),
            Request::Note(_) => {}
        }
    }

    fn list(&self, server: &mut Server, now: time::Instant, list: List<'_>, socket: &TcpStream) {
        let List { request, first, at_most, search } = list;
        // The numbers of the songs are in library order.
        let Search { rank, numbers, .. } = search.expect("a list in library order");
        let is_found = |number: u32| numbers.is_none_or(|(low, high)| (low.0..=high.0).contains(&number));
        let found: Vec<_> = self.setup.songs.iter().filter(|(number, _)| is_found(*number)).collect();
        let begins_at_song = self.song(first).is_some();
        let mut rest = (0..).zip(found.iter()).filter(
            |(at, (number, _))| {
                if begins_at_song { *number >= first.0 } else { *at >= rank }
            },
        );
        for (rank, (number, song)) in rest.by_ref().take(PAGE_SONGS.min(at_most as usize)) {
            let song = message::Song { rank: Some(rank), ..describe(request, *number, song) };
            server.song(&song).expect("room");
            // Fails if the client has gone. Then the next read fails too.
            let _ = transmit_server(server, now, &mut StdIo(socket));
        }
        let next = rest.next().map(|(_, (number, _))| SongId(*number));
        let total = found.len() as u32;
        server.list_end(&ListEnd { request, total, next, generation: 1 }).expect("room");
    }

    fn play(&mut self, server: &mut Server, play: &Play) {
        if self.setup.refused.contains(&play.song.0) {
            return server.refuse_play(play.stream, ErrorCode::NO_AUDIO, "").expect("room");
        }
        let Some(song) = self.song(play.song) else {
            return server.refuse_play(play.stream, ErrorCode::NO_SUCH_SONG, "").expect("room");
        };
        let position = match (play.start, self.setup.refuses_resume) {
            (Start::Resume(_), Some(code)) => return server.refuse_play(play.stream, code, "").expect("room"),
            (Start::Resume(position), None) => {
                assert_eq!(play.content_tag, song.started.content_tag, "a client that resumes says what");
                position
            }
            (Start::Time(_), _) => 0,
        };
        let started = message::Started { stream: play.stream, song: play.song, position, ..song.started };
        server.start(&started).expect("room");
        self.playing = Some((play.stream, song));
    }

    fn song(&self, wanted: SongId) -> Option<Song> {
        self.setup.songs.iter().find(|(number, _)| *number == wanted.0).map(|(_, song)| song.clone())
    }
}

/// A single message of the client.
enum Request {
    List(List<'static>),
    Info(Info),
    Play(Play),
    Note(&'static str),
}

fn describe(request: trill_proto::ids::RequestId, number: u32, song: &Song) -> message::Song<'_> {
    message::Song {
        request,
        song: SongId(number),
        duration_ms: Some(song.started.duration_ms() as u32),
        size_bytes: song.started.size_bytes,
        bitrate: song.started.bitrate,
        rate: song.started.rate,
        channels: song.started.channels,
        title: &song.title,
        ..message::Song::default()
    }
}
