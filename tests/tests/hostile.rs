//! What a server hears from strangers: each is told what it did wrong and let go, and nobody else notices.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::limits::{
    CLOSE_AFTER, HEADER_BYTES, HELLO_DEADLINE, MAX_CLIENT_CONTROL_BYTES, MAX_CREDIT_BYTES, MAX_PAYLOAD_BYTES,
    MAX_WAITING, PING_AFTER,
};
use trill_proto::message::{Hello, Kind, Message, PREAMBLE, Ping, refusal};
use trill_tests::corpus::tags::Tags;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::listener::Listener;
use trill_tests::messages::{encode, frame, frames};
use trill_tests::proxy::{Conditions, Direction, Proxy, Shape};
use trill_tests::raw::{Ending, RawConnection};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;
use trill_tests::usage::Usage;

/// Long enough for a machine on its knees; nothing waits this long if all is well.
const DEADLINE: Duration = Duration::from_secs(20);

/// How soon the server is to be back at its first count of threads and descriptors.
const REST_DEADLINE: Duration = Duration::from_secs(10);

/// What the server must answer last, before it closes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// A refusal and nothing else.
    Refusal(Refusal),
    /// This ERROR about the connection.
    Error(ErrorCode),
    /// Nothing special: the client has said that it goes.
    Nothing,
}

/// A name for people, what is sent, and what must come of it.
type Case = (&'static str, Vec<u8>, Answer);

/// What strangers say that were looking for somebody else.
fn strangers() -> Vec<Case> {
    let not_trill = Answer::Refusal(Refusal::NotTrill);
    let tls_hello = [b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03".as_slice(), &random_bytes(1, 240)].concat();
    vec![
        ("random bytes", random_bytes(2, 4_000), not_trill),
        ("more random bytes than are read of a stranger", random_bytes(3, 40_000), not_trill),
        ("zeros", vec![0; 1_000], not_trill),
        ("one wrong byte", b"t".to_vec(), not_trill),
        ("a preamble with a wrong fourth byte", b"TRIP".to_vec(), not_trill),
        ("a refusal", refusal(Refusal::Busy).to_vec(), not_trill),
        ("HTTP", b"GET /stream.mp3 HTTP/1.1\r\nHost: attic\r\nIcy-MetaData: 1\r\n\r\n".to_vec(), not_trill),
        ("TLS", tls_hello, not_trill),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".to_vec(), not_trill),
        ("the encrypted mode", b"TRIL\x01\0\0\0".to_vec(), Answer::Refusal(Refusal::Mode)),
        ("a suite of the clear mode", b"TRIL\0\x01\0\0".to_vec(), Answer::Refusal(Refusal::Mode)),
    ]
}

/// HELLOs that are none, and what comes in the place of HELLO.
fn greetings() -> Vec<Case> {
    use Answer::Error;
    let versions = |lowest, highest| hello_with(|payload| payload[..2].copy_from_slice(&[lowest, highest]));
    let takes_255_bytes = hello_with(|payload| payload[2..4].copy_from_slice(&[0, 255]));
    let too_long = before_hello(Kind::Hello, &[1; MAX_CLIENT_CONTROL_BYTES + 1]);
    vec![
        ("a later version", versions(2, 9), Error(ErrorCode::VERSION)),
        ("no version", versions(0, 0), Error(ErrorCode::VERSION)),
        ("versions the wrong way round", versions(2, 1), Error(ErrorCode::MALFORMED)),
        ("a HELLO that takes 255 bytes", takes_255_bytes, Error(ErrorCode::MALFORMED)),
        ("a HELLO that is too short", before_hello(Kind::Hello, &[1; 27]), Error(ErrorCode::MALFORMED)),
        ("an empty HELLO", before_hello(Kind::Hello, &[]), Error(ErrorCode::MALFORMED)),
        ("a HELLO over the limit", too_long, Error(ErrorCode::TOO_LARGE)),
        ("a name that is not UTF-8", hello_with_name(4, b"\xf0\x9f\x8e\xff"), Error(ErrorCode::MALFORMED)),
        ("a name of 65 bytes", hello_with_name(65, &[b'x'; 65]), Error(ErrorCode::MALFORMED)),
        ("a name that is cut short", hello_with_name(9, b"short"), Error(ErrorCode::MALFORMED)),
        ("LIST before HELLO", before_hello(Kind::List, &[0, 0, 0, 1, 0, 0, 0, 9]), Error(ErrorCode::UNEXPECTED)),
        ("PING before HELLO", before_hello(Kind::Ping, &[0; 8]), Error(ErrorCode::UNEXPECTED)),
        ("GOODBYE before HELLO", before_hello(Kind::Goodbye, &[1]), Answer::Nothing),
    ]
}

/// What a client must not say once it is in.
fn members() -> Vec<Case> {
    use Answer::Error;
    let one = |kind: Kind, id: u32, payload: &[u8]| after_hello(&[&frame(kind.to_byte(), id, payload)]);
    let header = |kind: u8, length: u16| after_hello(&[&[kind, 0], &length.to_be_bytes(), &[0, 0, 0, 1]]);
    let play = |stream: u32, credit: u32| frame(Kind::Play.to_byte(), stream, &play_payload(1, 0, credit));
    let credit = |stream: u32, more: u32| frame(Kind::Credit.to_byte(), stream, &more.to_be_bytes());
    let too_much_in_all = after_hello(&[&play(1, MAX_CREDIT_BYTES), &credit(1, 1)]);
    vec![
        ("HELLO twice", after_hello(&[&hello()]), Error(ErrorCode::UNEXPECTED)),
        ("WELCOME", one(Kind::Welcome, 0, &[1; 20]), Error(ErrorCode::UNEXPECTED)),
        ("SONG", one(Kind::Song, 1, &[0; 28]), Error(ErrorCode::UNEXPECTED)),
        ("LIST-END", one(Kind::ListEnd, 1, &[0; 12]), Error(ErrorCode::UNEXPECTED)),
        ("STARTED", one(Kind::Started, 1, &[0; 72]), Error(ErrorCode::UNEXPECTED)),
        ("DATA", one(Kind::Data, 1, &[0; 5_000]), Error(ErrorCode::UNEXPECTED)),
        ("END", one(Kind::End, 1, &[1]), Error(ErrorCode::UNEXPECTED)),
        ("an unknown type", header(0x7f, 3), Error(ErrorCode::UNKNOWN_TYPE)),
        ("type 0", header(0, 0), Error(ErrorCode::UNKNOWN_TYPE)),
        ("a LIST that says it is huge", header(0x02, u16::MAX), Error(ErrorCode::TOO_LARGE)),
        ("a PING over the limit", header(0x07, 513), Error(ErrorCode::TOO_LARGE)),
        ("a LIST that is too short", one(Kind::List, 1, &[0; 7]), Error(ErrorCode::MALFORMED)),
        ("an INFO that is too long", one(Kind::Info, 1, &[0; 5]), Error(ErrorCode::MALFORMED)),
        ("a PLAY that starts in no known way", one(Kind::Play, 1, &play_payload(1, 2, 9)), Error(ErrorCode::MALFORMED)),
        ("a STOP with a payload", one(Kind::Stop, 1, &[0]), Error(ErrorCode::MALFORMED)),
        ("PLAY on stream 0", after_hello(&[&play(0, 100)]), Error(ErrorCode::STREAM_ID)),
        ("a stream id twice", after_hello(&[&play(5, 100), &play(5, 100)]), Error(ErrorCode::STREAM_ID)),
        ("a smaller stream id", after_hello(&[&play(5, 100), &play(4, 100)]), Error(ErrorCode::STREAM_ID)),
        ("CREDIT for no stream", after_hello(&[&play(5, 100), &credit(6, 1)]), Error(ErrorCode::STREAM_ID)),
        ("too much credit at once", after_hello(&[&play(1, MAX_CREDIT_BYTES + 1)]), Error(ErrorCode::CREDIT)),
        ("too much credit in all", too_much_in_all, Error(ErrorCode::CREDIT)),
        ("credit that overflows", after_hello(&[&play(1, 100), &credit(1, u32::MAX)]), Error(ErrorCode::CREDIT)),
        ("ERROR", one(Kind::Error, 0, &[0, 1, b'?']), Answer::Nothing),
        ("GOODBYE for a reason of the future", one(Kind::Goodbye, 0, &[200]), Answer::Nothing),
    ]
}

/// What looks odd but is allowed: the session goes on.
fn oddities() -> Vec<(&'static str, Vec<u8>)> {
    let play = |payload: &[u8]| frame(Kind::Play.to_byte(), 1, payload);
    let mut play_of_the_future = play_payload(1, 0, 100);
    play_of_the_future[5..8].fill(0xff); // reserved
    play_of_the_future.extend([0xee, 0, 2, 1, 2]); // an unknown extension
    let stop = |stream| frame(Kind::Stop.to_byte(), stream, &[]);
    let late_credit = frame(Kind::Credit.to_byte(), 1, &[0, 0, 1, 0]).repeat(20_000);
    vec![
        ("a type of the future that may be ignored", frame(0xfe, 9, &vec![0xff; MAX_PAYLOAD_BYTES])),
        ("an empty one", frame(0x80, 0, &[])),
        ("NOTICE", frame(Kind::Notice.to_byte(), 0, &[0, 1])),
        ("STOP of a stream that never was", stop(77)),
        ("a PONG that nobody waits for", frame(Kind::Pong.to_byte(), 0, &[1; 24])),
        ("a PLAY of the future", play(&play_of_the_future)),
        ("a flood of STOPs", stop(9).repeat(6_000)),
        ("20,000 CREDITs for an ended stream", [play(&play_payload(1, 0, 0)), stop(1), late_credit].concat()),
    ]
}

#[test]
fn strangers_are_told_what_is_wrong_and_nobody_else_notices() {
    let (server, host) = Host::start();
    let first = server.usage_at_rest();
    let half_a_hello = [PREAMBLE.as_slice(), &hello()[..20]].concat();
    let timeout = error_frame(ErrorCode::HELLO_TIMEOUT);
    thread::scope(|scope| {
        let listener = Listener::start(scope, host.address, &host.audio);
        // Those that wait for the server to lose patience wait together.
        let patient = [
            scope.spawn(|| host.check_no_hello("not a byte", b"", &refusal(Refusal::NotTrill))),
            scope.spawn(|| host.check_no_hello("half a preamble", b"TRI", &refusal(Refusal::NotTrill))),
            scope.spawn(|| host.check_no_hello("half a HELLO", &half_a_hello, &[&PREAMBLE, &timeout[..]].concat())),
            scope.spawn(|| host.check_slow_drip()),
        ];
        for (name, bytes, answer) in [strangers(), greetings(), members()].concat() {
            host.check(name, &bytes, answer);
        }
        for (name, bytes) in oddities() {
            host.check_accepted(host.address, name, &bytes);
        }
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
        let play = frame(Kind::Play.to_byte(), 1, &play_payload(2, 0, MAX_CREDIT_BYTES));
        let list = frame(Kind::List.to_byte(), 1, &[0, 0, 0, 1, 0, 0, 1, 0]);
        let _deaf = [host.never_read(&play), host.never_read(&list.repeat(500))];
        server.process().wait_for_lines(CLOSE_AFTER + DEADLINE, "it takes no more data", 2);
        for case in silent {
            case.join().expect("each case panics for itself");
        }
        listener.check("hostile");
    });
    close(server, &first);
}

/// Nothing is left of anybody, and nothing got into the log that a terminal obeys.
fn close(server: ServerProcess, first: &Usage) {
    server.wait_until_back_at(first, REST_DEADLINE);
    let output = server.stop().expect_code(0);
    let is_plain = |character: char| character == '\n' || !character.is_control();
    assert!(output.stderr.chars().all(is_plain), "the log: {}", output.stderr.escape_debug());
}

/// Where the server is, and what song 1 sounds like.
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

    /// Says `bytes`; the server must answer like this and close.
    #[track_caller]
    fn check(&self, name: &str, bytes: &[u8], answer: Answer) {
        let mut connection = RawConnection::connect(self.address);
        // The server may have heard enough before the end.
        let sent = connection.try_send(bytes);
        let (received, ending) = connection.receive_to_end(DEADLINE);
        assert_eq!(ending, Ending::EndOfStream, "{name}: {sent:?}, {received:02x?}");
        match answer {
            Answer::Refusal(reason) => assert_eq!(received, refusal(reason), "{name}"),
            Answer::Error(code) => assert!(received.ends_with(&error_frame(code)), "{name}: {:?}", frames(&received)),
            Answer::Nothing => {
                let last = frames(&received).pop();
                assert!(last.is_none_or(|last| last.kind() == Some(Kind::Welcome)), "{name}: {:02x?}", received);
            }
        }
    }

    /// Says HELLO and `bytes`; the server must answer a PING after that.
    #[track_caller]
    fn check_accepted(&self, address: SocketAddr, name: &str, bytes: &[u8]) {
        let mut connection = RawConnection::connect(address);
        let ping = Message::Ping(Ping { token: 0x5eed });
        connection.send(&[PREAMBLE.as_slice(), &hello(), bytes, &encode(&ping)].concat());
        assert_eq!(connection.receive(PREAMBLE.len(), DEADLINE), PREAMBLE, "{name}");
        let pong = connection.receive_until(Kind::Pong, DEADLINE);
        assert!(matches!(pong.message(), Message::Pong(pong) if pong.token == 0x5eed), "{name}: {pong:?}");
    }

    /// A HELLO of single bytes, each in a segment of its own.
    fn check_fast_drip(&self) {
        let proxy = Proxy::start(self.address, Conditions::PERFECT);
        let drip = Shape::Pieces { bytes: 1, gap: Duration::ZERO };
        proxy.set(Direction::ToServer, Conditions { shape: drip, ..Conditions::PERFECT });
        self.check_accepted(proxy.address(), "single bytes", &[]);
    }

    /// The same, so slowly that it is not done in time, although there is never silence.
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

    /// Says `bytes`, which are no HELLO, and no more.
    fn check_no_hello(&self, name: &str, bytes: &[u8], said: &[u8]) {
        check_patience(name, self.address, bytes, HELLO_DEADLINE, said);
    }

    /// Joins, says `bytes`, and no more: not even an answer to PING.
    fn check_silence(&self, name: &str, bytes: &[u8]) {
        let begun = Instant::now();
        let mut connection = RawConnection::connect(self.address);
        connection.greet(Hello::default(), DEADLINE);
        connection.send(bytes);
        let ping = connection.receive_frame(PING_AFTER + DEADLINE);
        assert!(ping.kind() == Some(Kind::Ping) && begun.elapsed() >= PING_AFTER, "{name}: {ping:?}");
        let rest = connection.receive_to_end(CLOSE_AFTER + DEADLINE);
        assert_eq!(rest, (error_frame(ErrorCode::SILENT), Ending::EndOfStream), "{name}");
        assert!(begun.elapsed() >= CLOSE_AFTER, "{name}: after {:?}", begun.elapsed());
    }

    /// Asks for more than any buffer takes, and reads none of it.
    fn never_read(&self, bytes: &[u8]) -> RawConnection {
        let mut connection = RawConnection::connect(self.address);
        connection.set_receive_buffer(4_096);
        connection.send(&[PREAMBLE.as_slice(), &hello(), bytes].concat());
        connection
    }

    /// More silent connections than the server has patience with, and then somebody honest.
    fn check_crowd(&self) {
        const MORE: usize = 44;
        let mut crowd: Vec<_> = (0..MAX_WAITING + MORE).map(|_| RawConnection::connect(self.address)).collect();
        Session::open(self.address).leave();
        for oldest in &mut crowd[..MORE] {
            // Without the ERROR that those get whose time is up.
            assert_eq!(oldest.receive_to_end(DEADLINE), (Vec::new(), Ending::EndOfStream));
        }
    }

    /// A name that would take over the terminal in which the log is read.
    fn check_name(&self) {
        let name = "\x1b]0;owned\x07\x1b[2J\r\u{9b}31m\u{202e}";
        let mut session = Session::connect(self.address, Hello { name, ..Hello::default() });
        session.greeting();
        session.leave();
    }
}

/// Says `bytes` and no more; the server must wait for so long, and then say this and close.
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

/// A HELLO that the project's own encoder would not write, after a preamble.
fn hello_with(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = hello()[HEADER_BYTES..].to_vec();
    edit(&mut payload);
    before_hello(Kind::Hello, &payload)
}

/// Where its extensions begin.
const HELLO_FIXED_BYTES: usize = 28;

fn hello_with_name(length: u16, name: &[u8]) -> Vec<u8> {
    hello_with(|payload| {
        payload.truncate(HELLO_FIXED_BYTES);
        payload.push(1);
        payload.extend(length.to_be_bytes());
        payload.extend(name);
    })
}

fn before_hello(kind: Kind, payload: &[u8]) -> Vec<u8> {
    [&PREAMBLE, frame(kind.to_byte(), 0, payload).as_slice()].concat()
}

fn after_hello(frames: &[&[u8]]) -> Vec<u8> {
    [PREAMBLE.as_slice(), &hello(), &frames.concat()].concat()
}

/// PLAY of a song from its beginning, or in whatever way `start` says.
fn play_payload(song: u32, start: u8, credit: u32) -> Vec<u8> {
    let mut payload = vec![0; 28];
    payload[..4].copy_from_slice(&song.to_be_bytes());
    payload[4] = start;
    payload[24..].copy_from_slice(&credit.to_be_bytes());
    payload
}

/// An ERROR about the connection, with no text.
fn error_frame(code: ErrorCode) -> Vec<u8> {
    frame(Kind::Error.to_byte(), 0, &code.0.to_be_bytes())
}

/// The same in every run.
fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}
