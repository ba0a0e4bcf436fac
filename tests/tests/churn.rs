//! Five hundred clients that connect, send requests, listen and vanish. The server must serve the others and leak
//! nothing.
#![cfg(target_os = "linux")]

use socket2::SockRef;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};
use trill_proto::error::ErrorCode;
use trill_proto::limits::FIRST_CREDIT_BYTES;
use trill_proto::message::{EndReason, Hello, MessageType, Start};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages::frame;
use trill_tests::reference;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;
use trill_tests::usage::Usage;

const CLIENTS: usize = 500;
const ROUNDS: u64 = 200;

/// Threads of this process. Each sends the requests of all of its clients before it reads the first answer.
const DRIVERS: usize = 5;

/// From this round on the server's memory may grow by at most a tenth.
const WARM_ROUND: u64 = 20;

/// Time for the server to return to its initial threads and descriptors.
const REST_DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn five_hundred_clients_of_which_a_quarter_vanishes_each_round() {
    let music = Music::new();
    let server = ServerProcess::start(music.directory.path());
    music.check_list(&mut Session::open(server.address()));
    let first = server.usage_at_rest();

    let mut shares: Vec<Vec<Option<Client>>> =
        (0..DRIVERS).map(|_| (0..CLIENTS / DRIVERS).map(|_| None).collect()).collect();
    let mut slowest = Duration::ZERO;
    let mut resident_bytes = Vec::new();
    let begun = Instant::now();
    for round in 1..=ROUNDS {
        let round_begun = Instant::now();
        thread::scope(|scope| {
            for (driver, clients) in shares.iter_mut().enumerate() {
                let seed = round * DRIVERS as u64 + driver as u64;
                let (address, music) = (server.address(), &music);
                scope.spawn(move || play_round(address, music, clients, seed));
            }
        });
        slowest = slowest.max(round_begun.elapsed());
        if [WARM_ROUND, ROUNDS].contains(&round) {
            let connected = shares.iter().flatten().flatten().count();
            resident_bytes.push(resident_once_the_dead_are_gone(&server, &music, &first, connected));
        }
    }
    println!(
        "figure: churn: {ROUNDS} rounds of {CLIENTS} clients in {:?}, the slowest in {slowest:?}",
        begun.elapsed()
    );
    println!("figure: churn: the server used {:?} of CPU time", server.usage().cpu_time);

    drop(shares);
    let left = Instant::now();
    server.wait_until_back_at(&first, REST_DEADLINE);
    println!(
        "figure: churn: back at {} threads and {} descriptors {:?} after the last client left",
        first.threads,
        first.open_files,
        left.elapsed()
    );
    let [warm, last] = resident_bytes[..] else { panic!("two readings: {resident_bytes:?}") };
    println!(
        "figure: churn: resident after round {WARM_ROUND} {} KiB, after round {ROUNDS} {} KiB",
        warm / 1024,
        last / 1024
    );
    assert!(last * 10 <= warm * 11, "resident memory grew from {warm} to {last} bytes");
    server.stop().expect_code(0);
}

/// The server's resident memory after it has released vanished clients, so that rounds are comparable.
fn resident_once_the_dead_are_gone(server: &ServerProcess, music: &Music, first: &Usage, connected: usize) -> u64 {
    let open_files = first.open_files + connected + music.songs.len();
    server.wait_until_back_at(&Usage { threads: first.threads + connected, open_files, ..*first }, REST_DEADLINE);
    server.usage().resident_bytes
}

/// Runs a round in which every client acts and a quarter of them vanish. New clients first take the places of those.
fn play_round(address: SocketAddr, music: &Music, clients: &mut [Option<Client>], seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for (place, client) in clients.iter_mut().enumerate() {
        // The same nonces in every round: a returning client supersedes its old connection.
        let nonce = (seed % DRIVERS as u64) << 32 | (place as u64 + 1);
        client.get_or_insert_with(|| Client::connect(address, nonce));
    }
    for client in clients.iter_mut().flatten() {
        client.session.greeting();
    }
    let mut is_doomed: Vec<bool> = (0..clients.len()).map(|place| place < clients.len() / 4).collect();
    random.shuffle(&mut is_doomed);
    let mut asked = Vec::new();
    for (client, is_doomed) in clients.iter_mut().zip(is_doomed) {
        let Some(present) = client else { unreachable!("every place was taken above") };
        asked.push(present.ask(music, &mut random));
        if is_doomed && let Some(doomed) = client.take() {
            doomed.vanish(&mut random);
        }
    }
    for (client, asked) in clients.iter_mut().zip(asked) {
        if let Some(present) = client.take() {
            *client = present.check(music, asked);
        }
    }
}

/// A client and its song.
struct Client {
    session: Session,
    heard: Option<Heard>,
}

#[derive(Clone, Copy)]
struct Heard {
    stream: u32,
    /// Index in [`Music::songs`].
    song: usize,
}

/// A request and its expected answer.
enum Asked {
    Page { request: u32, first: u32, at_most: u32 },
    Info { request: u32, song: usize },
    Play { heard: Heard, start: Start },
    PlayStopPlay { stopped: u32, heard: Heard },
    Stop,
    Wrong { stream: u32, code: ErrorCode },
    WrongInfo { request: u32 },
    Leave,
}

impl Client {
    fn connect(address: SocketAddr, nonce: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&nonce.to_be_bytes());
        Self {
            session: Session::connect(address, Hello { nonce: bytes, name: "crowd", ..Hello::default() }),
            heard: None,
        }
    }

    /// Sends a request, and sometimes grants more credit.
    fn ask(&mut self, music: &Music, random: &mut fastrand::Rng) -> Asked {
        if let Some(heard) = self.heard
            && random.bool()
        {
            self.session.grant(heard.stream, random.u32(1..4_000));
        }
        let session = &mut self.session;
        let (song, id) = music.any(random);
        let credit = random.u32(1..=FIRST_CREDIT_BYTES);
        let mut play = |start| {
            let stream = session.request_play_of(id, start, 0, credit);
            Asked::Play { heard: Heard { stream, song }, start }
        };
        match random.u8(0..12) {
            0 => Asked::Page { request: session.request_page(1, 100), first: 1, at_most: 100 },
            1 => {
                let (first, at_most) = (random.u32(0..8), random.u32(0..8));
                Asked::Page { request: session.request_page(first, at_most), first, at_most }
            }
            2 => Asked::Info { request: session.request_info(id), song },
            3 | 4 => play(Start::Time(0)),
            5 | 6 => play(Start::Time(random.u64(0..music.songs[song].duration_ms()))),
            7 => play(Start::Resume(random.u64(0..=music.songs[song].audio.len() as u64))),
            8 => {
                if let Some(heard) = self.heard {
                    session.stop(heard.stream);
                }
                Asked::Stop
            }
            9 => {
                let (stopped, stream) = session.together(|session| {
                    let stopped = session.request_play(music.any(random).1, Start::Time(0));
                    session.stop(stopped);
                    (stopped, session.request_play_of(id, Start::Time(0), 0, credit))
                });
                Asked::PlayStopPlay { stopped, heard: Heard { stream, song } }
            }
            10 => music.songs[song].ask_wrong(session, id, random),
            _ => Asked::Leave,
        }
    }

    /// Receives and checks the answer. Returns the client, unless it was to leave.
    fn check(mut self, music: &Music, asked: Asked) -> Option<Self> {
        let session = &mut self.session;
        match asked {
            Asked::Page { request, first, at_most } => music.check_page(session, request, first, at_most),
            Asked::Info { request, song } => {
                let info = session.info(request).expect("a song that is there");
                let expected = &music.songs[song];
                let found = (info.title.as_str(), info.size_bytes, info.duration_ms.map(u64::from));
                assert_eq!(found, (expected.title.as_str(), expected.audio.len() as u64, Some(expected.duration_ms())));
            }
            Asked::Play { heard, start } => self.check_start(music, heard, start),
            Asked::PlayStopPlay { stopped, heard } => {
                if let Some(replaced) = self.heard.take() {
                    check_replaced(session, replaced);
                }
                let stopped = session.ended(stopped);
                assert_eq!((stopped.end, stopped.audio.len()), (Some(EndReason::Stopped), 0), "only the last counts");
                self.check_start(music, heard, Start::Time(0));
            }
            Asked::Stop => {
                if let Some(heard) = self.heard.take() {
                    let end = session.ended(heard.stream).end;
                    assert!(matches!(end, Some(EndReason::Stopped | EndReason::Finished)), "{end:?}");
                }
            }
            Asked::Wrong { stream, code } => assert_eq!(session.started(stream), Err(code)),
            Asked::WrongInfo { request } => assert_eq!(session.info(request), Err(ErrorCode::NO_SUCH_SONG)),
            Asked::Leave => {
                self.session.leave();
                return None;
            }
        }
        self.hear(music);
        Some(self)
    }

    fn check_start(&mut self, music: &Music, heard: Heard, start: Start) {
        let started = self.session.started(heard.stream).expect("a song that is there");
        if let Some(replaced) = self.heard.replace(heard) {
            check_replaced(&mut self.session, replaced);
        }
        let song = &music.songs[heard.song];
        assert_eq!((started.song.0, started.size_bytes), (heard.song as u32 + 1, song.audio.len() as u64));
        assert_eq!((started.rate, started.end_sample), (song.rate, song.heard.end as u64));
        match start {
            Start::Time(ms) => {
                let target = song.heard.start as u64 + ms * u64::from(song.rate) / 1_000;
                assert_eq!(started.first_sample + u64::from(started.discard), target, "{ms} ms: {started:?}");
            }
            Start::Resume(position) => assert_eq!(started.position, position),
        }
    }

    /// Receives all granted bytes of its song and compares them with the file.
    fn hear(&mut self, music: &Music) {
        let Some(Heard { stream, song }) = self.heard else { return };
        let played = self.session.played(stream);
        let rest = &music.songs[song].audio[played.started().position as usize..];
        let due = rest.len().min(played.audio.len() + played.credit as usize);
        assert!(self.session.receive_audio(stream, due) == &rest[..due], "the bytes are not those of the file");
        if due == rest.len() {
            assert_eq!(self.session.ended(stream).end, Some(EndReason::Finished));
            self.heard = None;
        }
    }

    /// Vanishes: without GOODBYE, within a message, or with a reset.
    fn vanish(mut self, random: &mut fastrand::Rng) {
        match random.u8(0..3) {
            0 => {}
            1 => self.session.send(&frame(MessageType::List.to_byte(), 1 << 30, &[0; 8])[..random.usize(1..16)]),
            _ => SockRef::from(self.session.stream()).set_linger(Some(Duration::ZERO)).expect("a socket"),
        }
    }
}

/// The previous song has ended.
fn check_replaced(session: &mut Session, replaced: Heard) {
    let end = session.ended(replaced.stream).end;
    // The last grant may have covered the rest of the song.
    assert!(matches!(end, Some(EndReason::Replaced | EndReason::Finished)), "{end:?}");
}

/// The served songs and the expected answers.
struct Music {
    directory: MusicDir,
    songs: Vec<Song>,
}

struct Song {
    title: String,
    /// The bytes that the server may send.
    audio: Vec<u8>,
    rate: u32,
    /// The samples that are music.
    heard: std::ops::Range<usize>,
}

impl Music {
    fn new() -> Self {
        let directory = MusicDir::new();
        let kinds = [corpus::CBR_128, corpus::VBR, corpus::MONO_22050, corpus::MONO_32_KBPS, corpus::MONO_8_KBPS];
        let add = |(index, kind): (usize, corpus::Song)| {
            let title = format!("song {}", index + 1);
            let file = std::fs::read(directory.add(format!("{title}.mp3"), &kind.milliseconds(2_000)));
            let file = file.expect("a song that was just added");
            let decoded = reference::decode_bytes(&file);
            let audio = file[decoded.layout.audio].to_vec();
            Song { title, audio, rate: decoded.music.rate, heard: decoded.heard }
        };
        let songs = kinds.into_iter().enumerate().map(add).collect();
        Self { directory, songs }
    }

    /// A song's index and id.
    fn any(&self, random: &mut fastrand::Rng) -> (usize, u32) {
        let song = random.usize(0..self.songs.len());
        (song, song as u32 + 1)
    }

    fn check_list(&self, session: &mut Session) {
        let listed = session.list_measured();
        let titles: Vec<_> = listed.iter().map(|song| song.title.as_str()).collect();
        assert_eq!(titles, self.songs.iter().map(|song| song.title.as_str()).collect::<Vec<_>>());
    }

    fn check_page(&self, session: &mut Session, request: u32, first: u32, at_most: u32) {
        let page = session.page(request);
        let mut expected = (1..).zip(&self.songs).filter(|(id, _)| *id >= first);
        let songs: Vec<_> =
            expected.by_ref().take(at_most as usize).map(|(id, song)| (id, song.title.as_str())).collect();
        let next = expected.next().map(|(id, _)| id);
        let found: Vec<_> = page.songs.iter().map(|song| (song.id, song.title.as_str())).collect();
        assert_eq!(
            (found, page.next, page.total as usize),
            (songs, next, self.songs.len()),
            "{at_most} from {first} on"
        );
    }
}

impl Song {
    fn duration_ms(&self) -> u64 {
        self.heard.len() as u64 * 1_000 / u64::from(self.rate)
    }

    /// Sends one of many requests that must fail.
    fn ask_wrong(&self, session: &mut Session, id: u32, random: &mut fastrand::Rng) -> Asked {
        let beyond = self.audio.len() as u64 + 1;
        let (id, start, tag, code) = match random.u8(0..9) {
            0 => (0, Start::Time(0), 0, ErrorCode::NO_SUCH_SONG),
            1 => (6, Start::Time(0), 0, ErrorCode::NO_SUCH_SONG),
            2 => (u32::MAX, Start::Time(0), 0, ErrorCode::NO_SUCH_SONG),
            3 => (id, Start::Time(self.duration_ms() + 2), 0, ErrorCode::BAD_POSITION),
            4 => (id, Start::Time(u64::MAX), 0, ErrorCode::BAD_POSITION),
            5 => (id, Start::Resume(beyond), 0, ErrorCode::BAD_POSITION),
            6 => (id, Start::Resume(u64::MAX), 0, ErrorCode::BAD_POSITION),
            7 => (id, Start::Time(0), 1, ErrorCode::SONG_CHANGED),
            _ => return Asked::WrongInfo { request: session.request_info([0, 6, u32::MAX][random.usize(0..3)]) },
        };
        Asked::Wrong { stream: session.request_play_of(id, start, tag, 1_000), code }
    }
}
