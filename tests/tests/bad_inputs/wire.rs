//! Bytes from any peer to the server's port. One server gets all rows, and between two rows an honest client lists and
//! plays.

use super::{DEADLINE, Findings};
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::limits::{HEADER_BYTES, MAX_CLIENT_CONTROL_BYTES, MAX_CREDIT_BYTES, MAX_PAYLOAD_BYTES};
use trill_proto::message::{EndReason, Hello, Message, MessageType, PREAMBLE, Ping, refusal};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages::{Frame, encode, frame, frames, play_payload};
use trill_tests::raw::{Ending, RawConnection};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

/// A row: its name, the bytes, and the expected result.
type Row = (&'static str, Vec<u8>, Expected);

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    /// A refusal and nothing else before the end.
    Refusal(Refusal),
    /// This connection ERROR as the last message before the end.
    Error(ErrorCode),
    /// The end without an ERROR.
    Closed,
    /// Exactly these answers, and the session continues.
    Answers(Vec<Answer>),
}

/// An answer with its request id; for the end of a page also the next page's first song.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Song(u32),
    ListEnd(u32, Option<u32>),
    Started(u32),
    End(u32, EndReason),
    Refused(u32, ErrorCode),
}

use Answer::{End, ListEnd, Refused, Song, Started};
use Expected::{Answers, Closed, Error};

const NOTHING: Expected = Answers(Vec::new());

/// Messages of other protocols' clients.
fn strangers() -> Vec<Row> {
    let not_trill = Expected::Refusal(Refusal::NotTrill);
    let mode = Expected::Refusal(Refusal::Mode);
    let tls = [b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03".as_slice(), &random_bytes(1, 240)].concat();
    vec![
        ("random bytes", random_bytes(2, 4_000), not_trill.clone()),
        ("more random bytes than are read of a stranger", random_bytes(3, 40_000), not_trill.clone()),
        ("zeros", vec![0; 1_000], not_trill.clone()),
        ("one wrong byte", b"t".to_vec(), not_trill.clone()),
        ("a preamble with a wrong fourth byte", b"TRIP".to_vec(), not_trill.clone()),
        ("a preamble after a line end", b"\nTRIL\0\0\0\0".to_vec(), not_trill.clone()),
        ("a refusal", refusal(Refusal::Busy).to_vec(), not_trill.clone()),
        ("HELLO without a preamble", hello(), not_trill.clone()),
        ("HTTP", b"GET /stream.mp3 HTTP/1.1\r\nHost: attic\r\nIcy-MetaData: 1\r\n\r\n".to_vec(), not_trill.clone()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), not_trill.clone()),
        ("TLS", tls, not_trill.clone()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".to_vec(), not_trill.clone()),
        ("a proxy's introduction", b"PROXY TCP4 192.0.2.1 192.0.2.2 5 7455\r\n".to_vec(), not_trill),
        ("the encrypted mode", b"TRIL\x01\0\0\0".to_vec(), mode.clone()),
        ("a mode of the future", b"TRIL\xff\0\0\0".to_vec(), mode.clone()),
        ("a suite of the clear mode", b"TRIL\0\x01\0\0".to_vec(), mode),
    ]
}

/// Invalid HELLOs, and other messages instead of HELLO.
fn greetings() -> Vec<Row> {
    let versions = |lowest, highest| hello_with(|payload| payload[..2].copy_from_slice(&[lowest, highest]));
    let takes = |bytes: u16| hello_with(|payload| payload[2..4].copy_from_slice(&bytes.to_be_bytes()));
    let too_long = before_hello(MessageType::Hello, &[1; MAX_CLIENT_CONTROL_BYTES + 1]);
    let reserved = hello_with(|payload| payload[10..12].fill(0xff));
    let features = hello_with(|payload| payload[4..10].fill(0xff));
    let other_tag = hello_with(|payload| payload.extend([0x77, 0, 1, 9]));
    let no_room = hello_with(|payload| payload.extend([0x77, 0]));
    let reserved_preamble = [b"TRIL\0\0\xff\xff".as_slice(), &hello()].concat();
    vec![
        ("a later version", versions(2, 9), Error(ErrorCode::VERSION)),
        ("no version", versions(0, 0), Error(ErrorCode::VERSION)),
        ("every version", versions(0, 255), NOTHING),
        ("versions the wrong way round", versions(2, 1), Error(ErrorCode::MALFORMED)),
        ("a HELLO that takes 255 bytes", takes(255), Error(ErrorCode::MALFORMED)),
        ("a HELLO that takes nothing", takes(0), Error(ErrorCode::MALFORMED)),
        ("a HELLO that is too short", before_hello(MessageType::Hello, &[1; 27]), Error(ErrorCode::MALFORMED)),
        ("an empty HELLO", before_hello(MessageType::Hello, &[]), Error(ErrorCode::MALFORMED)),
        ("a HELLO over the limit", too_long, Error(ErrorCode::TOO_LARGE)),
        ("a name that is not UTF-8", hello_with_name(4, b"\xf0\x9f\x8e\xff"), Error(ErrorCode::MALFORMED)),
        ("a name with a surrogate", hello_with_name(3, b"\xed\xa0\x80"), Error(ErrorCode::MALFORMED)),
        ("a name of 65 bytes", hello_with_name(65, &[b'x'; 65]), Error(ErrorCode::MALFORMED)),
        ("a name of 64 bytes", hello_with_name(64, &[b'x'; 64]), NOTHING),
        ("a name of escapes", hello_with_name(8, b"\x1b[2J\x07\r\n\0"), NOTHING),
        ("a name that is cut short", hello_with_name(9, b"short"), Error(ErrorCode::MALFORMED)),
        ("a tag without its length", no_room, Error(ErrorCode::MALFORMED)),
        ("a tag of the future", other_tag, NOTHING),
        ("reserved bytes that are set", reserved, NOTHING),
        ("reserved bytes of the preamble that are set", reserved_preamble, NOTHING),
        ("features and roles of the future", features, NOTHING),
        ("LIST before HELLO", before_hello(MessageType::List, &[0, 0, 0, 1, 0, 0, 0, 9]), Error(ErrorCode::UNEXPECTED)),
        ("PING before HELLO", before_hello(MessageType::Ping, &[0; 8]), Error(ErrorCode::UNEXPECTED)),
        (
            "a message of the server's before HELLO",
            before_hello(MessageType::Welcome, &[1; 20]),
            Error(ErrorCode::UNEXPECTED),
        ),
        ("GOODBYE before HELLO", before_hello(MessageType::Goodbye, &[1]), Closed),
        ("ERROR before HELLO", before_hello(MessageType::Error, &[0, 1]), Closed),
        (
            "something to be ignored before HELLO",
            [&PREAMBLE, &frame(0xfe, 0, &[7; 900])[..], &hello()].concat(),
            NOTHING,
        ),
    ]
}

/// Messages that a client must not send after HELLO.
fn broken_members() -> Vec<Row> {
    let one = |kind: MessageType, id: u32, payload: &[u8]| after_hello(&[&frame(kind.to_byte(), id, payload)]);
    let header = |kind: u8, length: u16| after_hello(&[&[kind, 0], &length.to_be_bytes(), &[0, 0, 0, 1]]);
    let (malformed, unexpected) = (|| Error(ErrorCode::MALFORMED), || Error(ErrorCode::UNEXPECTED));
    let extended = |extension: &[u8]| one(MessageType::Play, 1, &[&play_payload(1, 0, 9), extension].concat());
    vec![
        ("HELLO twice", after_hello(&[&hello()]), unexpected()),
        ("another preamble", after_hello(&[&PREAMBLE]), Error(ErrorCode::UNKNOWN_TYPE)),
        ("WELCOME", one(MessageType::Welcome, 0, &[1; 20]), unexpected()),
        ("SONG", one(MessageType::Song, 1, &[0; 28]), unexpected()),
        ("LIST-END", one(MessageType::ListEnd, 1, &[0; 12]), unexpected()),
        ("STARTED", one(MessageType::Started, 1, &[0; 72]), unexpected()),
        ("DATA", one(MessageType::Data, 1, &[0; 5_000]), unexpected()),
        ("DATA without a byte", header(0x15, 0), malformed()),
        ("END", one(MessageType::End, 1, &[1]), unexpected()),
        ("an unknown type", header(0x7f, 3), Error(ErrorCode::UNKNOWN_TYPE)),
        ("type 0", header(0, 0), Error(ErrorCode::UNKNOWN_TYPE)),
        ("a type between those that are known", header(0x0b, 0), Error(ErrorCode::UNKNOWN_TYPE)),
        ("a LIST that says it is huge", header(0x02, u16::MAX), Error(ErrorCode::TOO_LARGE)),
        ("a PING over the limit", header(0x07, 513), Error(ErrorCode::TOO_LARGE)),
        ("a message of the server's over the limit", header(0x11, 513), Error(ErrorCode::TOO_LARGE)),
        ("a LIST that is too short", one(MessageType::List, 1, &[0; 7]), malformed()),
        ("a LIST that is too long", one(MessageType::List, 1, &[0; 9]), malformed()),
        ("a LIST without a request", one(MessageType::List, 0, &[0, 0, 0, 1, 0, 0, 0, 1]), malformed()),
        ("an INFO that is too long", one(MessageType::Info, 1, &[0; 5]), malformed()),
        ("an INFO without a request", one(MessageType::Info, 0, &[0, 0, 0, 1]), malformed()),
        ("a PLAY that is too short", one(MessageType::Play, 1, &[0; 27]), malformed()),
        ("a PLAY that starts in no known way", one(MessageType::Play, 1, &play_payload(1, 2, 9)), malformed()),
        ("a PLAY with an extension that is cut short", extended(&[9, 0, 5, 1]), malformed()),
        ("a PLAY with an extension of 64 KB", extended(&[9, 0xff, 0xff]), malformed()),
        ("a CREDIT that is too short", one(MessageType::Credit, 1, &[0; 3]), malformed()),
        ("a STOP with a payload", one(MessageType::Stop, 1, &[0]), malformed()),
        ("a PING of seven bytes", one(MessageType::Ping, 0, &[0; 7]), malformed()),
        ("a PONG of eight bytes", one(MessageType::Pong, 0, &[0; 8]), malformed()),
        ("a GOODBYE for no reason", one(MessageType::Goodbye, 0, &[]), malformed()),
        ("an ERROR of one byte", one(MessageType::Error, 0, &[1]), malformed()),
        ("an ERROR that is not UTF-8", one(MessageType::Error, 0, b"\x00\x01\xff"), malformed()),
        ("an ERROR of many words", one(MessageType::Error, 0, &[b'x'; 203]), malformed()),
        ("PLAY on stream 0", after_hello(&[&play(0, 1, 100)]), Error(ErrorCode::STREAM_ID)),
        ("a stream id twice", after_hello(&[&play(5, 1, 100), &play(5, 1, 100)]), Error(ErrorCode::STREAM_ID)),
        ("a smaller stream id", after_hello(&[&play(5, 1, 100), &play(4, 1, 100)]), Error(ErrorCode::STREAM_ID)),
        (
            "the id of a PLAY that was refused",
            after_hello(&[&play(5, 9, 0), &play(5, 1, 0)]),
            Error(ErrorCode::STREAM_ID),
        ),
        ("CREDIT for no stream", after_hello(&[&play(5, 1, 100), &credit(6, 1)]), Error(ErrorCode::STREAM_ID)),
        ("CREDIT for stream 0", after_hello(&[&play(5, 1, 100), &credit(0, 1)]), Error(ErrorCode::STREAM_ID)),
        ("CREDIT before any PLAY", after_hello(&[&credit(1, 0)]), Error(ErrorCode::STREAM_ID)),
        ("too much credit at once", after_hello(&[&play(1, 1, MAX_CREDIT_BYTES + 1)]), Error(ErrorCode::CREDIT)),
        (
            "too much credit in all",
            after_hello(&[&play(1, 1, MAX_CREDIT_BYTES), &credit(1, 99)]),
            Error(ErrorCode::CREDIT),
        ),
        ("credit that overflows", after_hello(&[&play(1, 2, 0), &credit(1, u32::MAX)]), Error(ErrorCode::CREDIT)),
        ("ERROR about the connection", one(MessageType::Error, 0, &[0, 1, b'?']), Closed),
        ("ERROR about a stream", one(MessageType::Error, 7, &[1, 0]), Closed),
        ("GOODBYE for a reason of the future", one(MessageType::Goodbye, 0, &[200]), Closed),
        ("GOODBYE and more", after_hello(&[&frame(0x09, 0, &[1]), &[0xee; 100]]), Closed),
    ]
}

/// Unusual but valid messages.
fn oddities() -> Vec<Row> {
    let mut play_of_the_future = play_payload(3, 0, 0);
    play_of_the_future[5..8].fill(0xff); // reserved
    play_of_the_future.extend([0xee, 0, 2, 1, 2, 0xee, 0, 0]); // an unknown extension, twice
    let future = frame(MessageType::Play.to_byte(), 1, &play_of_the_future);
    let flagged = [&[MessageType::Ping.to_byte(), 0xff, 0, 8, 0xff, 0xff, 0xff, 0xff], &[1; 8][..]].concat();
    let late_credit = credit(1, 256).repeat(20_000);
    let started = vec![Started(1)];
    let stopped = |stream| End(stream, EndReason::Stopped);
    vec![
        (
            "a type of the future that may be ignored",
            after_hello(&[&frame(0xfe, 9, &vec![0xff; MAX_PAYLOAD_BYTES])]),
            NOTHING,
        ),
        ("an empty one", after_hello(&[&frame(0x80, 0, &[])]), NOTHING),
        ("NOTICE", after_hello(&[&frame(MessageType::Notice.to_byte(), 0, &[0, 1])]), NOTHING),
        ("flags and an id where there are none", after_hello(&[&flagged]), NOTHING),
        ("STOP of a stream that never was", after_hello(&[&stop(77)]), NOTHING),
        ("STOP of stream 0", after_hello(&[&stop(0)]), NOTHING),
        ("a PONG without a PING", after_hello(&[&frame(MessageType::Pong.to_byte(), 0, &[1; 24])]), NOTHING),
        ("a PLAY of the future", after_hello(&[&future]), Answers(started)),
        (
            "a PLAY that is stopped at once",
            after_hello(&[&play(1, 3, 0), &stop(1)]),
            Answers(vec![Started(1), stopped(1)]),
        ),
        (
            "PLAY, STOP and PLAY at once",
            after_hello(&[&play(1, 3, 0), &stop(1), &play(2, 2, 0)]),
            Answers(vec![Started(1), stopped(1), Started(2)]),
        ),
        (
            "a PLAY in the place of another",
            after_hello(&[&play(1, 3, 0), &play(2, 2, 0)]),
            Answers(vec![Started(1), End(1, EndReason::Replaced), Started(2)]),
        ),
        (
            "a PLAY that is refused while another plays",
            after_hello(&[&play(1, 3, 0), &play(2, 9, 0), &stop(1)]),
            Answers(vec![Started(1), Refused(2, ErrorCode::NO_SUCH_SONG), stopped(1)]),
        ),
        ("STOP twice", after_hello(&[&play(1, 3, 0), &stop(1), &stop(1)]), Answers(vec![Started(1), stopped(1)])),
        ("a flood of STOPs", after_hello(&[&stop(9).repeat(6_000)]), NOTHING),
        (
            "20,000 CREDITs for an ended stream",
            after_hello(&[&play(1, 3, 0), &stop(1), &late_credit]),
            Answers(vec![Started(1), stopped(1)]),
        ),
        ("CREDIT of nothing", after_hello(&[&play(1, 3, 0), &credit(1, 0)]), Answers(vec![Started(1)])),
        ("the largest stream id", after_hello(&[&play(u32::MAX, 3, 0)]), Answers(vec![Started(u32::MAX)])),
    ]
}

/// Requests that must be refused. The session continues.
fn requests() -> Vec<Row> {
    let ask = |kind: MessageType, payload: &[u8]| after_hello(&[&frame(kind.to_byte(), 1, payload)]);
    let list =
        |first: u32, at_most: u32| ask(MessageType::List, &[first.to_be_bytes(), at_most.to_be_bytes()].concat());
    let info = |song: u32| ask(MessageType::Info, &song.to_be_bytes());
    let from = |start: u8, position: u64, tag: u64| {
        let mut payload = play_payload(3, start, 0);
        payload[8..16].copy_from_slice(&position.to_be_bytes());
        payload[16..24].copy_from_slice(&tag.to_be_bytes());
        ask(MessageType::Play, &payload)
    };
    let refused = |code| Answers(vec![Refused(1, code)]);
    let page = |songs: usize, next| Answers([vec![Song(1); songs], vec![ListEnd(1, next)]].concat());
    vec![
        ("a list of nothing", list(2, 0), page(0, Some(2))),
        ("a list from song 0", list(0, 2), page(2, Some(3))),
        ("a list of more than there is", list(1, u32::MAX), page(3, None)),
        ("a list from behind the end", list(4, 9), page(0, None)),
        ("a list from the last number that there can be", list(u32::MAX, u32::MAX), page(0, None)),
        ("particulars of song 0", info(0), refused(ErrorCode::NO_SUCH_SONG)),
        ("particulars of a song that is not there", info(4), refused(ErrorCode::NO_SUCH_SONG)),
        ("particulars of the last song that there can be", info(u32::MAX), refused(ErrorCode::NO_SUCH_SONG)),
        ("PLAY of song 0", after_hello(&[&play(1, 0, 9)]), refused(ErrorCode::NO_SUCH_SONG)),
        ("PLAY of a song that is not there", after_hello(&[&play(1, 4, 9)]), refused(ErrorCode::NO_SUCH_SONG)),
        (
            "PLAY of the last song that there can be",
            after_hello(&[&play(1, u32::MAX, 9)]),
            refused(ErrorCode::NO_SUCH_SONG),
        ),
        ("a time behind the end", from(0, 10_000, 0), refused(ErrorCode::BAD_POSITION)),
        ("a time at the end of all times", from(0, u64::MAX, 0), refused(ErrorCode::BAD_POSITION)),
        ("a position behind the end", from(1, 1_000_000, 0), refused(ErrorCode::BAD_POSITION)),
        ("a position at the end of all positions", from(1, u64::MAX, 0), refused(ErrorCode::BAD_POSITION)),
        ("other music than there is", from(0, 0, 1), refused(ErrorCode::SONG_CHANGED)),
        (
            "other music than there is, from behind its end",
            from(1, u64::MAX, u64::MAX),
            refused(ErrorCode::SONG_CHANGED),
        ),
    ]
}

fn rows() -> Vec<Row> {
    [strangers(), greetings(), broken_members(), oddities(), requests()].concat()
}

pub(crate) fn names() -> Vec<&'static str> {
    rows().iter().map(|row| row.0).collect()
}

#[test]
fn each_is_answered_as_it_deserves_and_the_next_is_none_the_worse() {
    let music = MusicDir::new();
    let song = std::fs::read(music.add("1.mp3", &corpus::CBR_128)).expect("a song that was just added");
    music.add_bytes("2.mp3", &song.repeat(20_000_000 / song.len()));
    let short = music.add("3.mp3", &corpus::CBR_128.milliseconds(500));
    let audio = layout::audio_of(&short);
    let server = ServerProcess::start(music.path());
    let mut honest = Session::open(server.address());
    assert_eq!(honest.list_measured().len(), 3);
    let mut findings = Findings::default();
    for (name, bytes, expected) in rows() {
        let connection = RawConnection::connect(server.address());
        match expected {
            Answers(answers) => findings.compare(name, "the answers", say_and_ping(connection, &bytes), Ok(answers)),
            _ => findings.compare(name, "the last word", say_to_the_end(connection, &bytes), Ok(expected)),
        }
        findings.compare(name, "the list after it", honest.list().len(), 3);
        let played = honest.play_out(3).expect("a song that was listed");
        findings.compare(name, "the song after it", played.audio == audio, true);
    }
    honest.leave();
    let log = server.stop().expect_code(0).stderr;
    findings.compare("all of them", "a log that is plain", super::is_plain(&log), true);
}

/// Sends the bytes and checks how the server ends the connection.
fn say_to_the_end(mut connection: RawConnection, bytes: &[u8]) -> Result<Expected, String> {
    // The server may close before it has read everything.
    let _ = connection.try_send(bytes);
    let (received, ending) = connection.receive_to_end(DEADLINE);
    if ending != Ending::EndOfStream {
        return Err(format!("{ending:?} after {received:02x?}"));
    }
    if received.starts_with(b"TRNO") {
        let reason = Refusal::from_byte(received[4]);
        return if received == refusal(reason) {
            Ok(Expected::Refusal(reason))
        } else {
            Err(format!("{received:02x?}"))
        };
    }
    let received = frames(&received);
    match received.last().map(Frame::message) {
        Some(Message::Error(error)) if error.id == 0 => Ok(Error(error.code)),
        None | Some(Message::Welcome(_)) => Ok(Closed),
        _ => Err(format!("{received:?}")),
    }
}

/// Sends the bytes and a PING. Returns the answers before the PONG. The first PONG may answer several PINGs.
/// answer several PINGs.
fn say_and_ping(mut connection: RawConnection, bytes: &[u8]) -> Result<Vec<Answer>, String> {
    const TOKEN: u64 = 0x5eed;
    connection.send(&[bytes, &encode(&Message::Ping(Ping { token: TOKEN }))].concat());
    let preamble = connection.receive(PREAMBLE.len(), DEADLINE);
    if preamble != PREAMBLE {
        return Err(format!("{preamble:02x?}"));
    }
    let mut answers = Vec::new();
    loop {
        let frame = connection.receive_frame(DEADLINE);
        let id = frame.header.id;
        answers.push(match frame.message() {
            Message::Pong(pong) if pong.token == TOKEN => return Ok(answers),
            Message::Pong(_) | Message::Welcome(_) => continue,
            Message::Song(_) => Song(id),
            Message::ListEnd(end) => ListEnd(id, end.next.map(|next| next.0)),
            Message::Started(_) => Started(id),
            Message::End(end) => End(id, end.reason),
            Message::Error(error) if id != 0 => Refused(id, error.code),
            _ => return Err(format!("{frame:?}")),
        });
    }
}

// ── constructors ──

fn hello() -> Vec<u8> {
    encode(&Message::Hello(Hello::default()))
}

/// A preamble and a HELLO that the project's encoder refuses.
fn hello_with(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = hello()[HEADER_BYTES..].to_vec();
    edit(&mut payload);
    before_hello(MessageType::Hello, &payload)
}

/// A HELLO whose name claims `length` bytes.
fn hello_with_name(length: u16, name: &[u8]) -> Vec<u8> {
    hello_with(|payload| {
        payload.push(1);
        payload.extend(length.to_be_bytes());
        payload.extend(name);
    })
}

fn before_hello(kind: MessageType, payload: &[u8]) -> Vec<u8> {
    [&PREAMBLE, frame(kind.to_byte(), 0, payload).as_slice()].concat()
}

fn after_hello(frames: &[&[u8]]) -> Vec<u8> {
    [PREAMBLE.as_slice(), &hello(), &frames.concat()].concat()
}

fn play(stream: u32, song: u32, credit: u32) -> Vec<u8> {
    frame(MessageType::Play.to_byte(), stream, &play_payload(song, 0, credit))
}

fn credit(stream: u32, more: u32) -> Vec<u8> {
    frame(MessageType::Credit.to_byte(), stream, &more.to_be_bytes())
}

fn stop(stream: u32) -> Vec<u8> {
    frame(MessageType::Stop.to_byte(), stream, &[])
}

/// The same bytes in every run.
fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}
