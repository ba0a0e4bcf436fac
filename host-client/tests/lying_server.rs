//! Whatever a server does wrong, the program says so in one line and fails. It never panics and never hangs.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use common::trill;
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{
    Encode, End, EndReason, Error, Goodbye, GoodbyeReason, ListEnd, Message, PREAMBLE, Song, Started, Welcome, refusal,
};
use trill_proto::session::server::{Event, Server};
use trill_proto::time::Instant;

/// A server that greets everybody like this, and says the rest in answer to the first question.
fn liar(greeting: Vec<u8>, answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a client");
            // A client that has had enough already does not care.
            let _ = socket.write_all(&greeting);
            if wait_for_question(&mut socket) {
                let _ = socket.write_all(&answer);
            }
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    address
}

/// Whether the client asked something, after its greeting.
fn wait_for_question(socket: &mut TcpStream) -> bool {
    let mut server = Server::new(Instant::from_micros(0));
    let mut byte = [0];
    while socket.read_exact(&mut byte).is_ok() {
        match server.handle_input(Instant::from_micros(0), &byte) {
            Ok((_, None | Some(Event::Hello(_)))) => {}
            Ok((_, Some(Event::List(_) | Event::Info(_) | Event::Play(_)))) => return true,
            Ok(_) | Err(_) => return false,
        }
    }
    false
}

/// Frames, one after the other.
fn frames(messages: &[Message<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let mut frame = vec![0; 70_000];
        let length = message.encode(&mut frame).expect("it fits");
        bytes.extend_from_slice(&frame[..length]);
    }
    bytes
}

fn welcome() -> Vec<u8> {
    let mut bytes = PREAMBLE.to_vec();
    let mut frame = [0; 128];
    let length = Welcome { server_name: "liar", generation: 1, ..Welcome::new() }.encode(&mut frame).expect("it fits");
    bytes.extend_from_slice(&frame[..length]);
    bytes
}

const STREAM: StreamId = StreamId(1);
const REQUEST: RequestId = RequestId(1);

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

/// After a proper greeting and this answer, the command fails with this one line.
#[track_caller]
fn check(answer: Vec<u8>, command: &[&str], expected: &str) {
    check_greeting(welcome(), answer, command, expected);
}

#[track_caller]
fn check_greeting(greeting: Vec<u8>, answer: Vec<u8>, command: &[&str], expected: &str) {
    let address = liar(greeting, answer).to_string();
    let run = trill(&[&["-q", "--output", "null", &address], command].concat(), "");
    assert_eq!(run.code, Some(1), "{expected}: {run:?}");
    assert_eq!(run.only_error(), format!("trill: {}", expected.replace("HOST", &address)));
}

#[test]
fn what_is_no_trill_server_is_called_so() {
    let check = |greeting: &[u8], expected| check_greeting(greeting.to_vec(), Vec::new(), &["list"], expected);
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", "HOST: the other side does not speak Trill");
    check(b"SSH-2.0-OpenSSH_9.2\r\n", "HOST: the other side does not speak Trill");
    check(b"TRIL\x01\0\0\0", "HOST: the other side does not speak Trill");
    check(&[0; 64], "HOST: the other side does not speak Trill");
    check(&refusal(Refusal::Busy), "HOST: the server is full");
}

#[test]
fn a_server_that_closes_without_a_word_is_called_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number").to_string();
    thread::spawn(move || listener.incoming().for_each(drop));
    let run = trill(&[&address, "list"], "");
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.only_error(),
        format!("trill: {address} closed the connection without a word; is it a Trill server?")
    );
}

#[test]
fn a_server_of_another_version_is_called_so() {
    let mut frame = [0; 128];
    let length = Welcome { version: 9, ..Welcome::new() }.encode(&mut frame).expect("it fits");
    let says = [&PREAMBLE[..], &frame[..length]].concat();
    check_greeting(says, Vec::new(), &["list"], "HOST: no common protocol version (the other side speaks 9 to 9)");
}

#[test]
fn answers_that_nobody_asked_for_end_the_connection() {
    let song = Song { request: RequestId(77), title: "x", ..Song::default() };
    check(frames(&[Message::Song(song)]), &["list"], "list: SONG message out of place");
    let end = ListEnd { request: RequestId(77), total: 0, next: None, generation: 1 };
    check(frames(&[Message::ListEnd(end)]), &["list"], "list: LIST-END message out of place");
    let hello = Message::List(trill_proto::message::List { request: REQUEST, first: SongId(1), at_most: 1 });
    check(frames(&[hello]), &["list"], "list: LIST message out of place");
}

#[test]
fn a_list_without_end_is_ended() {
    let song = Song { request: REQUEST, title: "x", ..Song::default() };
    check(frames(&[Message::Song(song); 501]), &["list"], "list: SONG message out of place");
    let end = ListEnd { request: REQUEST, total: 1_000_000, next: Some(SongId(1)), generation: 1 };
    check(frames(&[Message::ListEnd(end)]), &["list"], "list: malformed LIST-END message");
}

#[test]
fn malformed_and_oversized_frames_end_the_connection() {
    let list = &["list"];
    check(vec![0x12, 0, 0, 1, 0, 0, 0, 1, 9], list, "list: malformed SONG message");
    check(vec![0x12, 0, 0xff, 0xff, 0, 0, 0, 1], list, "list: SONG message of 65535 bytes is over the limit");
    check(vec![0x7f, 0, 0, 0, 0, 0, 0, 0], list, "list: unknown message type 0x7f");
    check(vec![0x15, 0, 0, 0, 0, 0, 0, 1], list, "list: malformed DATA message");
}

#[test]
fn errors_of_the_server_are_told() {
    let fatal = Error { id: 0, code: ErrorCode::MALFORMED, text: "slow\u{1b}[2J down" };
    check(frames(&[Message::Error(fatal)]), &["list"], "list: the server gave up: slow down");
    let refused = Error { id: 1, code: ErrorCode::READ_FAILED, text: "" };
    check(frames(&[Message::Error(refused)]), &["play", "3"], "song 3: read failed");
    check(frames(&[Message::Error(refused)]), &["list"], "list: read failed");
    let goodbye = Goodbye { reason: GoodbyeReason::Done };
    check(frames(&[Message::Goodbye(goodbye)]), &["play", "3"], "the server said goodbye");
}

#[test]
fn data_without_leave_ends_the_song() {
    let play = &["play", "3"];
    let credit = "more data or credit than allowed";
    let data = vec![0xaa; 60_000];
    check(frames(&[Message::Started(started()), Message::Data(1, &data)]), play, credit);
    let short = Started { size_bytes: 10, ..started() };
    check(frames(&[Message::Started(short), Message::Data(1, &data[..11])]), play, credit);
    check(frames(&[Message::Data(1, &data[..9])]), play, "DATA message out of place");
    check(frames(&[Message::Data(9, &data[..9])]), play, "stream id out of order");
}

#[test]
fn a_started_that_makes_no_sense_ends_the_song() {
    let play = &["play", "3"];
    let says = |started| frames(&[Message::Started(started)]);
    check(says(Started { song: SongId(4), ..started() }), play, "malformed STARTED message");
    check(says(Started { position: 200_000, ..started() }), play, "malformed STARTED message");
    check(says(Started { channels: 77, ..started() }), play, "malformed STARTED message");
    check(says(Started { rate: 0, ..started() }), play, "malformed STARTED message");
    check(says(Started { begin_sample: u64::MAX, ..started() }), play, "malformed STARTED message");
    check(says(Started { stream: StreamId(9), ..started() }), play, "stream id out of order");
}

#[test]
fn a_song_that_ends_too_early_has_failed() {
    let play = &["play", "3"];
    let ends = |reason| frames(&[Message::Started(started()), Message::End(End { stream: STREAM, reason })]);
    check(ends(EndReason::Finished), play, "END message out of place");
    // Also told, in a line of its own: that there is nothing in it that can be played.
    for reason in [EndReason::Failed, EndReason::Replaced, EndReason::Stopped] {
        let address = liar(welcome(), ends(reason)).to_string();
        let run = trill(&[&["-q", "--output", "null", &address], &play[..]].concat(), "");
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.starts_with("trill: the server ended song 3 before its end\n"), "{run:?}");
    }
}

#[test]
fn what_is_no_mp3_is_called_so() {
    let mut noise = vec![0; 10_000];
    let mut state = 1_u32;
    noise.fill_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Never a byte that a frame could begin with.
        (state >> 24) as u8 & 0x7f
    });
    let started = Started { size_bytes: 10_000, ..started() };
    let end = End { stream: STREAM, reason: EndReason::Finished };
    let says = frames(&[Message::Started(started), Message::Data(1, &noise), Message::End(end)]);
    check(says, &["play", "3"], "song 3 is no MP3 that can be decoded");
}

#[test]
fn rates_and_lengths_beyond_reason_do_no_harm() {
    let started = Started {
        size_bytes: 1_000,
        rate: u32::MAX,
        bitrate: u32::MAX,
        discard: u32::MAX,
        first_sample: u64::MAX / 2,
        begin_sample: u64::MAX,
        end_sample: u64::MAX,
        ..started()
    };
    let end = End { stream: STREAM, reason: EndReason::Finished };
    let says = frames(&[Message::Started(started), Message::Data(1, &[0; 1_000]), Message::End(end)]);
    check(says, &["play", "3"], "song 3 is no MP3 that can be decoded");
}
