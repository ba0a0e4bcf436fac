//! Broken and malicious server messages. A client receives one in answer to a command. It must print one line and fail,
//! without a panic or a hang.

use super::{DEADLINE, Findings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{
    Credit, End, EndReason, Error, Goodbye, GoodbyeReason, List, ListEnd, Message, PREAMBLE, Song, Started, Welcome,
    refusal,
};
use trill_proto::session::server::{Event, Server};
use trill_proto::time::Instant;
use trill_tests::client::Client;
use trill_tests::messages::{encode, frame};

/// A row: its name; the server's first bytes and its answer to the first request; the command; and the expected line on
/// standard error after `trill: `. HOST stands for the server's address.
struct Row {
    name: &'static str,
    greeting: Vec<u8>,
    answer: Vec<u8>,
    command: &'static [&'static str],
    expected: &'static str,
}

const LIST: &[&str] = &["list"];
const INFO: &[&str] = &["info", "3"];
const PLAY: &[&str] = &["play", "3"];

const STREAM: StreamId = StreamId(1);
const REQUEST: RequestId = RequestId(1);

/// Bytes that a server sends first.
fn greetings() -> Vec<Row> {
    let row = |name, greeting: &[u8], expected| Row {
        name,
        greeting: greeting.into(),
        answer: vec![],
        command: LIST,
        expected,
    };
    let says = |message: Message<'_>| [&PREAMBLE[..], &encode(&message)].concat();
    let version = |version| says(Message::Welcome(Welcome { version, ..Welcome::new() }));
    let edited = |at: usize, bytes: &[u8]| {
        let mut greeting = says(Message::Welcome(Welcome::new()));
        greeting[PREAMBLE.len() + 8 + at..][..bytes.len()].copy_from_slice(bytes);
        greeting
    };
    let long_name = [&PREAMBLE[..], &frame(0x11, 0, &[&welcome()[16..36], &[1, 0, 65], &[b'x'; 65]].concat())].concat();
    let early = |code| says(Message::Error(Error { id: 1, code, text: "" }));
    let full = Error { id: 0, code: ErrorCode::TOO_MANY_CLIENTS, text: "\u{1b}[2Jat most 2\nclients" };
    const STRANGER: &str = "HOST: the other side does not speak Trill";
    vec![
        row("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", STRANGER),
        row("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", STRANGER),
        row("zeros", &[0; 64], STRANGER),
        row(
            "a client",
            &[
                &PREAMBLE[..],
                &encode(&Message::List(List { request: REQUEST, first: SongId(1), at_most: 1, search: None })),
            ]
            .concat(),
            "HOST: LIST message out of place",
        ),
        row("the encrypted mode", b"TRIL\x01\0\0\0", STRANGER),
        row("another suite", b"TRIL\0\x01\0\0", STRANGER),
        row("a refusal: full", &refusal(Refusal::Busy), "HOST: the server is full"),
        row(
            "a refusal: no such mode",
            &refusal(Refusal::Mode),
            "HOST: the server does not offer this kind of connection",
        ),
        row(
            "a refusal: not understood",
            &refusal(Refusal::NotTrill),
            "HOST: the server did not understand the greeting",
        ),
        row(
            "a refusal for a reason of the future",
            &refusal(Refusal::Other(77)),
            "HOST: the server refused the connection (reason 77)",
        ),
        row("version 9", &version(9), "HOST: no common protocol version (the other side speaks 9 to 9)"),
        row("version 0", &version(0), "HOST: no common protocol version (the other side speaks 0 to 0)"),
        row("WELCOME twice", &[welcome(), welcome()[8..].to_vec()].concat(), "list: WELCOME message out of place"),
        row("a WELCOME that takes less than everybody sends", &edited(2, &[0, 255]), "HOST: malformed WELCOME message"),
        row("a WELCOME that allows no credit", &edited(16, &[0, 0, 0x3f, 0xff]), "HOST: malformed WELCOME message"),
        row("a name of the server of 65 bytes", &long_name, "HOST: malformed WELCOME message"),
        row("SONG before WELCOME", &says(Message::Song(song())), "HOST: SONG message out of place"),
        row("DATA before WELCOME", &says(Message::Data(1, b"abc")), "HOST: DATA message out of place"),
        row("a refused request before WELCOME", &early(ErrorCode::NO_SUCH_SONG), "HOST: ERROR message out of place"),
        row("ERROR instead of WELCOME", &says(Message::Error(full)), "HOST: the server gave up: at most 2 clients"),
        row(
            "GOODBYE instead of WELCOME",
            &says(Message::Goodbye(Goodbye { reason: GoodbyeReason::Restarting })),
            "HOST: the server is shutting down",
        ),
        row("half a preamble after another", b"TRILTRIL", STRANGER),
    ]
}

/// Answers to a request about songs.
fn lists() -> Vec<Row> {
    let row = |name, command, answer, expected| Row { name, greeting: welcome(), answer, command, expected };
    let list = |name, answer, expected| row(name, LIST, answer, expected);
    let end = ListEnd { request: REQUEST, total: 0, next: None, generation: 1 };
    let backwards = ListEnd { total: 1_000_000, next: Some(SongId(1)), ..end };
    let tagged = |tag: u8, length: u16, text: &[u8]| {
        frame(0x12, 1, &[&[0; 28][..], &[tag], &length.to_be_bytes(), text].concat())
    };
    let ranked = |id, rank| Song { song: SongId(id), rank: Some(rank), ..song() };
    let endless: Vec<_> = (1..=501).map(|id| Message::Song(ranked(id, id - 1))).collect();
    let early = [Message::Song(ranked(9, 0)), Message::ListEnd(ListEnd { next: Some(SongId(9)), ..end })];
    let repeating = [ranked(9, 0), ranked(8, 0)];
    let in_the_middle = frames(&[Message::Song(ranked(1, 0))]);
    let fatal = Error { id: 0, code: ErrorCode::MALFORMED, text: "slow\u{1b}[2J down" };
    let wordless = Error { id: 0, code: ErrorCode(99), text: "" };
    let refused = Error { id: 1, code: ErrorCode::READ_FAILED, text: "" };
    let unknown = Error { id: 1, code: ErrorCode(999), text: "the disk\r\nis tired" };
    vec![
        list(
            "a song without a request",
            frames(&[Message::Song(Song { request: RequestId(77), ..song() })]),
            "list: SONG message out of place",
        ),
        list(
            "the end of a list without a request",
            frames(&[Message::ListEnd(ListEnd { request: RequestId(77), ..end })]),
            "list: LIST-END message out of place",
        ),
        list(
            "a message of the client's",
            frames(&[Message::Credit(Credit { stream: STREAM, more: 1 })]),
            "list: CREDIT message out of place",
        ),
        list(
            "HELLO",
            frames(&[Message::Hello(trill_proto::message::Hello::default())]),
            "list: HELLO message out of place",
        ),
        list("a list without end", frames(&endless), "list: SONG message out of place"),
        list("a list that starts over", frames(&[Message::ListEnd(backwards)]), "list: malformed LIST-END message"),
        list("a list with a rank twice", frames(&repeating.map(Message::Song)), "list: malformed SONG message"),
        list("a song with the number 0", frames(&[Message::Song(ranked(0, 0))]), "list: malformed SONG message"),
        list("a next page from within this one", frames(&early), "list: malformed LIST-END message"),
        list(
            "a list that stops in the middle",
            in_the_middle,
            "list: nothing was heard from the other side for too long",
        ),
        list("a SONG of one byte", frame(0x12, 1, &[9]), "list: malformed SONG message"),
        list(
            "a SONG over the limit",
            vec![0x12, 0, 0xff, 0xff, 0, 0, 0, 1],
            "list: SONG message of 65535 bytes is over the limit",
        ),
        list(
            "a SONG a byte over the limit",
            vec![0x12, 0, 4, 1, 0, 0, 0, 1],
            "list: SONG message of 1025 bytes is over the limit",
        ),
        list("a title of 256 bytes", tagged(1, 256, &[b'x'; 256]), "list: malformed SONG message"),
        list("a title that is not UTF-8", tagged(1, 2, b"\xc3("), "list: malformed SONG message"),
        list("an album that is cut short", tagged(3, 9, b"short"), "list: malformed SONG message"),
        list("a LIST-END that is too long", frame(0x13, 1, &[0; 13]), "list: malformed LIST-END message"),
        list("an unknown type", vec![0x7f, 0, 0, 0, 0, 0, 0, 0], "list: unknown message type 0x7f"),
        list("DATA without a byte", vec![0x15, 0, 0, 0, 0, 0, 0, 1], "list: malformed DATA message"),
        list("a PING of seven bytes", frame(0x07, 0, &[0; 7]), "list: malformed PING message"),
        list("ERROR about the connection", frames(&[Message::Error(fatal)]), "list: the server gave up: slow down"),
        list(
            "ERROR of the future without a word",
            frames(&[Message::Error(wordless)]),
            "list: the server gave up: error 99",
        ),
        list("ERROR about the list", frames(&[Message::Error(refused)]), "list: read failed"),
        list(
            "GOODBYE",
            frames(&[Message::Goodbye(Goodbye { reason: GoodbyeReason::Done })]),
            "list: the server said goodbye",
        ),
        list(
            "GOODBYE for a reason of the future",
            frames(&[Message::Goodbye(Goodbye { reason: GoodbyeReason::Other(200) })]),
            "list: the server said goodbye",
        ),
        list(
            "GOODBYE to a ghost",
            frames(&[Message::Goodbye(Goodbye { reason: GoodbyeReason::Superseded })]),
            "list: another connection took this one's place",
        ),
        row(
            "two songs for one",
            INFO,
            frames(&[Message::Song(Song { song: SongId(3), ..song() }), Message::Song(song())]),
            "",
        ),
        row(
            "particulars of another song",
            INFO,
            frames(&[Message::Song(Song { song: SongId(4), ..song() })]),
            "info: malformed SONG message",
        ),
        row(
            "a SONG of a rate that no MP3 has",
            INFO,
            frames(&[Message::Song(Song { song: SongId(3), rate: 7_350, ..song() })]),
            "info: malformed SONG message",
        ),
        row(
            "a SONG of more music than its bytes can hold",
            INFO,
            frames(&[Message::Song(Song { song: SongId(3), size_bytes: 1_000, duration_ms: Some(36_001), ..song() })]),
            "info: malformed SONG message",
        ),
        row("a list for a song", INFO, frames(&[Message::ListEnd(end)]), "info: LIST-END message out of place"),
        row("ERROR with two lines of text", INFO, frames(&[Message::Error(unknown)]), "song 3: the disk  is tired"),
    ]
}

/// Answers to PLAY.
fn streams() -> Vec<Row> {
    let play = |name, answer, expected| Row { name, greeting: welcome(), answer, command: PLAY, expected };
    let says = |name, started, expected| play(name, frames(&[Message::Started(started)]), expected);
    let ends = |reason| frames(&[Message::Started(started()), Message::End(End { stream: STREAM, reason })]);
    let data = vec![0xaa; 60_000];
    // Not more samples than the bytes can hold.
    let of_size = |size_bytes: u64| Started {
        size_bytes,
        end_sample: started().end_sample.min(size_bytes / 4 * 1_152),
        ..started()
    };
    let empty = of_size(0);
    let malformed = "play 3: malformed STARTED message";
    let credit = "more data or credit than allowed";
    let twice = frames(&[Message::Started(started()), Message::Started(started())]);
    let finished = Message::End(End { stream: STREAM, reason: EndReason::Finished });
    let noise =
        |length: u64, bytes: &[u8]| frames(&[Message::Started(of_size(length)), Message::Data(1, bytes), finished]);
    let refused = |code, text| frames(&[Message::Error(Error { id: 1, code, text })]);
    const EARLY: &str = "the server ended song 3 before its end";
    const UNDECODABLE: &str = "song 3 contains no decodable MP3 audio";
    vec![
        play(
            "more DATA than there is credit for",
            frames(&[Message::Started(started()), Message::Data(1, &data)]),
            credit,
        ),
        play(
            "more DATA than the song has",
            frames(&[Message::Started(of_size(10)), Message::Data(1, &data[..11])]),
            credit,
        ),
        play("DATA before STARTED", frames(&[Message::Data(1, &data[..9])]), "play 3: DATA message out of place"),
        play("DATA of no stream", frames(&[Message::Data(9, &data[..9])]), "play 3: stream id out of order"),
        play(
            "END of no stream",
            frames(&[Message::End(End { stream: StreamId(9), reason: EndReason::Failed })]),
            "play 3: stream id out of order",
        ),
        play("END without a reason", frame(0x16, 1, &[]), "play 3: malformed END message"),
        play("STARTED twice", twice, "STARTED message out of place"),
        says("another song", Started { song: SongId(4), ..started() }, "play 3: STARTED message out of place"),
        says(
            "a start behind the end",
            Started { discard: 1_000_001, ..started() },
            "play 3: STARTED message out of place",
        ),
        says("a rate beyond reason", Started { rate: 4_000_000_000, ..started() }, malformed),
        says("a rate that no MP3 has", Started { rate: 96_000, ..started() }, malformed),
        says("a bit rate beyond reason", Started { bitrate: u32::MAX, ..started() }, malformed),
        says("more music than the bytes can hold", Started { end_sample: 86_400_001, ..started() }, malformed),
        says("a position behind the end", Started { position: 200_000, ..started() }, malformed),
        says("77 channels", Started { channels: 77, ..started() }, malformed),
        says("no channels", Started { channels: 0, ..started() }, malformed),
        says("no rate", Started { rate: 0, ..started() }, malformed),
        says("no content tag", Started { content_tag: 0, ..started() }, malformed),
        says("sound without a byte", empty, malformed),
        says("music that ends before it begins", Started { begin_sample: u64::MAX, ..started() }, malformed),
        says(
            "more to discard than can be counted",
            Started { first_sample: u64::MAX, discard: 1, ..started() },
            malformed,
        ),
        says(
            "a stream that was never asked for",
            Started { stream: StreamId(9), ..started() },
            "play 3: stream id out of order",
        ),
        says("stream 0", Started { stream: StreamId(0), ..started() }, "play 3: stream id out of order"),
        play("a STARTED that is too short", frame(0x14, 1, &[0; 71]), malformed),
        play("finished before the last byte", ends(EndReason::Finished), "END message out of place"),
        play("failed before the last byte", ends(EndReason::Failed), EARLY),
        play("replaced by nothing", ends(EndReason::Replaced), EARLY),
        play("stopped without a STOP", ends(EndReason::Stopped), EARLY),
        play(
            "END for a reason of the future",
            [frames(&[Message::Started(started())]), frame(0x16, 1, &[99])].concat(),
            EARLY,
        ),
        play("zeros for music", noise(10_000, &[0; 10_000]), UNDECODABLE),
        play("ones", noise(10_000, &[0xff; 10_000]), UNDECODABLE),
        play("four bytes", noise(4, &[0xff; 4]), UNDECODABLE),
        play("text", noise(16_000, &b"This is no music".repeat(1_000)), UNDECODABLE),
        play("text that is cut short", noise(17_000, &b"This is no music".repeat(1_000)), "END message out of place"),
        play("a song that cannot be read", refused(ErrorCode::READ_FAILED, ""), "song 3: read failed"),
        play(
            "a song that is gone",
            refused(ErrorCode::SONG_GONE, "\u{1b}c"),
            "song 3 is gone; list shows what there is",
        ),
        play("an error of the future", refused(ErrorCode(4_000), "\u{202e}later\u{7}"), "song 3: later"),
        play(
            "GOODBYE instead of STARTED",
            frames(&[Message::Goodbye(Goodbye { reason: GoodbyeReason::Done })]),
            "play 3: the server said goodbye",
        ),
    ]
}

fn rows() -> Vec<Row> {
    [greetings(), lists(), streams()].into_iter().flatten().collect()
}

pub(crate) fn names() -> Vec<&'static str> {
    rows().iter().map(|row| row.name).collect()
}

#[test]
fn each_is_said_in_one_line() {
    let mut findings = Findings::default();
    for Row { name, greeting, answer, command, expected } in rows() {
        let address = liar(greeting, answer);
        let client = Client::new().args(["-q", "--output", "null", &address.to_string()]).args(command);
        let output = client.run(DEADLINE);
        let expected = expected.replace("HOST", &address.to_string());
        let line = if expected.is_empty() { expected } else { format!("trill: {expected}\n") };
        let code = if line.is_empty() { 0 } else { 1 };
        findings.compare(name, "code and line", (output.status.code(), output.stderr), (Some(code), line));
    }
}

/// A server that sends these first bytes, and the rest in answer to the first request.
fn liar(greeting: Vec<u8>, answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a client");
            // Fails if the client has already disconnected.
            let _ = socket.write_all(&greeting);
            if wait_for_question(&mut socket) {
                let _ = socket.write_all(&answer);
            }
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    address
}

/// Whether the client has sent a request after HELLO. This machine only receives; its output is dropped.
fn wait_for_question(socket: &mut TcpStream) -> bool {
    let mut server = Server::new(Instant::from_micros(0));
    let mut byte = [0];
    while socket.read_exact(&mut byte).is_ok() {
        match server.handle_input(Instant::from_micros(0), &byte) {
            Ok((_, None)) => {}
            Ok((_, Some(Event::Hello(_)))) => server.welcome(&Welcome::new()).expect("room"),
            Ok((_, Some(Event::List(_) | Event::Info(_) | Event::Play(_)))) => return true,
            Ok(_) | Err(_) => return false,
        }
    }
    false
}

fn frames(messages: &[Message<'_>]) -> Vec<u8> {
    messages.iter().flat_map(encode).collect()
}

fn welcome() -> Vec<u8> {
    let welcome = Welcome { server_name: "liar", generation: 1, ..Welcome::new() };
    [&PREAMBLE[..], &encode(&Message::Welcome(welcome))].concat()
}

fn song() -> Song<'static> {
    Song { request: REQUEST, song: SongId(1), title: "x", ..Song::default() }
}

fn started() -> Started {
    Started {
        stream: STREAM,
        song: SongId(3),
        content_tag: 1,
        size_bytes: 100_000,
        end_sample: 1_000_000,
        bitrate: 128_000,
        rate: 44_100,
        channels: 2,
        ..Started::default()
    }
}
