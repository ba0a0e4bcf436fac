//! Clients that are silent, too slow, or send too little or too much. The server must close them, and others must not
//! notice.
#![cfg(target_os = "linux")]

use rustix::process::Signal;
use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::limits::{
    CLOSE_AFTER, COMMAND_BURST, COMMAND_TIME, HELLO_DEADLINE, MAX_CREDIT_BYTES, MAX_WAITING, PING_AFTER,
};
use trill_proto::message::{Hello, Message, MessageType, PREAMBLE, Ping, refusal};
use trill_tests::corpus::tags::Tags;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::listener::Listener;
use trill_tests::messages::{encode, frame, frames, play_payload};
use trill_tests::proxy::{Conditions, Direction, Proxy, Shape};
use trill_tests::raw::{Ending, RawConnection};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;
use trill_tests::usage::Usage;

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Time for the server to return to its initial threads and descriptors.
const REST_DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn those_that_never_get_to_hello_are_told_so_and_nobody_else_notices() {
    let (server, host) = Host::start();
    let first = server.usage_at_rest();
    let half_a_hello = [PREAMBLE.as_slice(), &hello()[..20]].concat();
    let timeout = error_frame(ErrorCode::HELLO_TIMEOUT);
    thread::scope(|scope| {
        let listener = Listener::start(scope, host.address, &host.audio);
        // The clients that wait for the server's timeout run in parallel.
        let patient = [
            scope.spawn(|| host.check_no_hello("not a byte", b"", &refusal(Refusal::NotTrill))),
            scope.spawn(|| host.check_no_hello("half a preamble", b"TRI", &refusal(Refusal::NotTrill))),
            scope.spawn(|| host.check_no_hello("half a HELLO", &half_a_hello, &[&PREAMBLE, &timeout[..]].concat())),
            scope.spawn(|| host.check_slow_drip()),
        ];
        host.check_fast_drip();
        host.check_name();
        for case in patient {
            case.join().expect("each case panics for itself");
        }
        host.check_crowd();
        listener.check("hostile");
    });
    close(server, &first);
}

#[test]
fn those_that_fall_silent_or_never_read_are_let_go() {
    let (mut server, host) = Host::start();
    let first = server.usage_at_rest();
    thread::scope(|scope| {
        let listener = Listener::start(scope, host.address, &host.audio);
        let silent = [
            scope.spawn(|| host.check_silence("half a frame", &[0x02, 0, 0, 8, 0, 0, 0, 1, 0, 0])),
            scope.spawn(|| host.check_silence("not a word", &[])),
        ];
        let play = frame(MessageType::Play.to_byte(), 1, &play_payload(2, 0, MAX_CREDIT_BYTES));
        let list = frame(MessageType::List.to_byte(), 1, &[0, 0, 0, 1, 0, 0, 1, 0]);
        let _deaf = [host.never_read(&play), host.never_read(&list.repeat(500))];
        server.process().wait_for_lines(CLOSE_AFTER + DEADLINE, "it takes no more data", 2);
        for case in silent {
            case.join().expect("each case panics for itself");
        }
        listener.check("hostile");
    });
    close(server, &first);
}

#[test]
fn those_that_vanish_at_any_byte_leave_nothing() {
    let (server, host) = Host::start();
    let first = server.usage_at_rest();
    let list = frame(MessageType::List.to_byte(), 1, &[0, 0, 0, 1, 0, 0, 0, 10]);
    let play = frame(MessageType::Play.to_byte(), 2, &play_payload(2, 0, MAX_CREDIT_BYTES));
    let everything = [PREAMBLE.as_slice(), &hello(), &list, &play].concat();
    thread::scope(|scope| {
        let listener = Listener::start(scope, host.address, &host.audio);
        for length in 0..=everything.len() {
            RawConnection::connect(host.address).send(&everything[..length]);
        }
        listener.check("hostile");
    });
    close(server, &first);
}

#[test]
fn a_flooder_has_its_music_its_answers_and_a_goodbye() {
    // Each is throttled most of the time. Only then could its end be mistaken for its own doing.
    const FLOODERS: usize = 8;
    let (server, host) = Host::start();
    let stops = |count| frame(MessageType::Stop.to_byte(), 0, &[]).repeat(count);
    let play = frame(MessageType::Play.to_byte(), 1, &play_payload(1, 0, MAX_CREDIT_BYTES));
    // The PING exceeds what the server reads at once.
    let flood = [play, stops(4_200), encode(&Message::Ping(Ping { token: 7 })), stops(3_000)].concat();
    let flooders = (0..FLOODERS).map(|_| {
        let mut flooder = RawConnection::connect(host.address);
        flooder.greet(Hello::default(), DEADLINE);
        flooder.send(&flood);
        flooder
    });
    let mut flooders: Vec<_> = flooders.collect();
    for flooder in &mut flooders {
        let mut awaited = vec![MessageType::End, MessageType::Pong];
        while !awaited.is_empty() {
            let kind = flooder.receive_frame(DEADLINE).kind();
            awaited.retain(|awaited| Some(*awaited) != kind);
        }
    }
    server.signal(Signal::TERM);
    for flooder in &mut flooders {
        let last = flooder.receive_frame(DEADLINE);
        assert_eq!((last.kind(), &last.payload[..]), (Some(MessageType::Goodbye), &[2][..]));
    }
    server.wait(DEADLINE).expect_code(0);
}

#[test]
fn what_a_flooder_leaves_behind_is_not_read() {
    // Together less than the server's kernel accepts at once.
    const TAKEN_AT_ONCE: usize = 4_000;
    const HELD_BACK: usize = 2_500;
    let (server, host) = Host::start();
    let mut flooder = RawConnection::connect(host.address);
    flooder.greet(Hello::default(), DEADLINE);
    let stops = frame(MessageType::Stop.to_byte(), 0, &[]).repeat(TAKEN_AT_ONCE);
    let info = frame(MessageType::Info.to_byte(), 1, &[0xff; 4]);
    let begun = Instant::now();
    flooder.send(&[stops, info.repeat(HELD_BACK)].concat());
    flooder.finish();
    let (answers, _) = flooder.receive_to_end(DEADLINE);
    let answered = frames(&[&PREAMBLE, &answers[..]].concat()).len();
    // On a slow machine the allowance refills meanwhile, and nothing is throttled. The burst is larger than the STOPs alone.
    let is_held_back = begun.elapsed() < COMMAND_TIME * ((TAKEN_AT_ONCE + HELD_BACK) as u32 - COMMAND_BURST);
    assert!(answered < HELD_BACK || !is_held_back, "all {answered} were answered within {:?}", begun.elapsed());
    server.stop().expect_code(0);
}

/// Checks that all connections are released, and that the log contains no control characters.
fn close(server: ServerProcess, first: &Usage) {
    server.wait_until_back_at(first, REST_DEADLINE);
    let output = server.stop().expect_code(0);
    let is_plain = |character: char| character == '\n' || !character.is_control();
    assert!(output.stderr.chars().all(is_plain), "the log: {}", output.stderr.escape_debug());
}

/// The server's address and the sound of song 1.
struct Host {
    address: SocketAddr,
    audio: Vec<u8>,
    _music: MusicDir,
}

impl Host {
    /// Song 1 is for the listener, song 2 has 20 MB, and a list of the others fills a page.
    fn start() -> (ServerProcess, Self) {
        let music = MusicDir::new();
        let listened_to = fs::read(music.add("1.mp3", &corpus::CBR_128)).expect("a song that was just added");
        music.add_bytes("2.mp3", &listened_to.repeat(20_000_000 / listened_to.len()));
        let text = "x".repeat(255);
        let tag = Tags { title: &text, artist: &text, album: &text, track: 1 }.id3v2(id3::Version::Id3v24);
        for index in 0..100 {
            music.add_bytes(format!("long {index:03}.mp3"), &tag);
        }
        let server = ServerProcess::start(music.path());
        Session::open(server.address()).list_measured();
        let audio = listened_to[layout::of(&listened_to).audio].to_vec();
        let host = Self { address: server.address(), audio, _music: music };
        (server, host)
    }

    /// A HELLO of single bytes, one per segment.
    fn check_fast_drip(&self) {
        let proxy = Proxy::start(self.address, Conditions::PERFECT);
        let drip = Shape::Pieces { bytes: 1, gap: Duration::ZERO };
        proxy.set(Direction::ToServer, Conditions { shape: drip, ..Conditions::PERFECT });
        Session::open(proxy.address()).leave();
    }

    /// A HELLO too slow for the deadline, but without long silence.
    fn check_slow_drip(&self) {
        let proxy = Proxy::start(self.address, Conditions::PERFECT);
        let gap = HELLO_DEADLINE / 30;
        let drip = Shape::Pieces { bytes: 1, gap };
        proxy.set(Direction::ToServer, Conditions { shape: drip, ..Conditions::PERFECT });
        let bytes = [PREAMBLE.as_slice(), &hello()].concat();
        assert!(gap * u32::try_from(bytes.len()).expect("a short HELLO") > HELLO_DEADLINE);
        let said = [PREAMBLE.as_slice(), &error_frame(ErrorCode::HELLO_TIMEOUT)].concat();
        check_patience("a byte at a time", proxy.address(), &bytes, HELLO_DEADLINE, &said);
    }

    /// Sends `bytes`, which are not a HELLO, and nothing else.
    fn check_no_hello(&self, name: &str, bytes: &[u8], said: &[u8]) {
        check_patience(name, self.address, bytes, HELLO_DEADLINE, said);
    }

    /// Joins, sends `bytes` and nothing else, not even an answer to PING.
    fn check_silence(&self, name: &str, bytes: &[u8]) {
        let begun = Instant::now();
        let mut connection = RawConnection::connect(self.address);
        connection.greet(Hello::default(), DEADLINE);
        connection.send(bytes);
        let ping = connection.receive_frame(PING_AFTER + DEADLINE);
        assert!(ping.kind() == Some(MessageType::Ping) && begun.elapsed() >= PING_AFTER, "{name}: {ping:?}");
        let rest = connection.receive_to_end(CLOSE_AFTER + DEADLINE);
        assert_eq!(rest, (error_frame(ErrorCode::SILENT), Ending::EndOfStream), "{name}");
        assert!(begun.elapsed() >= CLOSE_AFTER, "{name}: after {:?}", begun.elapsed());
    }

    /// Requests more than any buffer holds, and reads nothing.
    fn never_read(&self, bytes: &[u8]) -> RawConnection {
        let mut connection = RawConnection::connect(self.address);
        connection.set_receive_buffer(4_096);
        connection.send(&[PREAMBLE.as_slice(), &hello(), bytes].concat());
        connection
    }

    /// Opens more silent connections than the server tolerates, then an honest one.
    fn check_crowd(&self) {
        const MORE: usize = 44;
        let mut crowd: Vec<_> = (0..MAX_WAITING + MORE).map(|_| RawConnection::connect(self.address)).collect();
        Session::open(self.address).leave();
        for oldest in &mut crowd[..MORE] {
            // Without the ERROR of a timeout.
            assert_eq!(oldest.receive_to_end(DEADLINE), (Vec::new(), Ending::EndOfStream));
        }
    }

    /// A name with terminal control sequences, which must not reach the terminal that shows the log.
    fn check_name(&self) {
        let name = "\x1b]0;owned\x07\x1b[2J\r\u{9b}31m\u{202e}";
        let mut session = Session::connect(self.address, Hello { name, ..Hello::default() });
        session.greeting();
        session.leave();
    }
}

/// Sends `bytes` and nothing else. The server must wait this long, then send this answer and close.
fn check_patience(name: &str, address: SocketAddr, bytes: &[u8], patience: Duration, said: &[u8]) {
    let begun = Instant::now();
    let mut connection = RawConnection::connect(address);
    connection.send(bytes);
    let end = connection.receive_to_end(patience + DEADLINE);
    assert_eq!(end, (said.to_vec(), Ending::EndOfStream), "{name}");
    assert!(begun.elapsed() >= patience, "{name}: after {:?}", begun.elapsed());
}

fn hello() -> Vec<u8> {
    encode(&Message::Hello(Hello::default()))
}

/// A connection ERROR without text.
fn error_frame(code: ErrorCode) -> Vec<u8> {
    frame(MessageType::Error.to_byte(), 0, &code.0.to_be_bytes())
}
