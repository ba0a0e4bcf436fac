//! Codec, framing and the command parser.

use std::hint::black_box;

use trill_player::command::{COMMANDS, parse};
use trill_proto::frame::FrameReader;
use trill_proto::limits::{HEADER_BYTES, MAX_CONTROL_BYTES, MAX_PAYLOAD_BYTES};
use trill_proto::message::{Header, Message, MessageType};

use crate::count::counted;
use vectors::VECTORS;

/// Every message of the byte vectors in `wire-format.md`.
#[path = "../../../proto/tests/wire_format/vectors.rs"]
mod vectors;

/// Repetitions of short work, so that it dominates the count.
const TIMES: usize = 100;

/// Size of one read, as in the client's network thread.
const INPUT_BYTES: usize = 16 * 1024;

/// Encodes every message, 100 times.
pub(crate) fn encode() {
    let mut frame = [0; HEADER_BYTES + MAX_CONTROL_BYTES];
    counted(|| {
        for (_, message) in VECTORS.iter().cycle().take(TIMES * VECTORS.len()) {
            let length = black_box(message).encode(&mut frame).expect("it fits");
            black_box(&frame[..length]);
        }
    });
}

/// Decodes every message, 100 times.
pub(crate) fn decode() {
    let frames: Vec<Vec<u8>> = VECTORS.iter().map(|(_, message)| encoded(message)).collect();
    counted(|| {
        for frame in frames.iter().cycle().take(TIMES * VECTORS.len()) {
            let (header, payload) = black_box(frame.as_slice()).split_first_chunk().expect("a header");
            black_box(Message::decode(Header::decode(*header), payload).expect("a message"));
        }
    });
}

/// Parses every message 100 times from a stream in large pieces.
pub(crate) fn frames_whole() {
    frames(INPUT_BYTES);
}

/// The same from a stream of single bytes.
pub(crate) fn frames_byte_by_byte() {
    frames(1);
}

fn frames(piece_bytes: usize) {
    let stream: Vec<u8> = VECTORS.iter().flat_map(|(_, message)| encoded(message)).collect();
    let stream = stream.repeat(TIMES);
    counted(|| read(&stream, piece_bytes));
}

/// Extracts a megabyte of music from the largest frames.
pub(crate) fn frames_data() {
    let payload = [0x55; MAX_PAYLOAD_BYTES];
    let header = Header { kind: MessageType::Data.to_byte(), flags: 0, length: u16::MAX, id: 1 };
    let stream = [&header.encode()[..], &payload].concat().repeat(1_000_000 / MAX_PAYLOAD_BYTES);
    counted(|| read(&stream, INPUT_BYTES));
}

fn read(stream: &[u8], piece_bytes: usize) {
    let mut reader = FrameReader::<MAX_CONTROL_BYTES>::new();
    for mut piece in black_box(stream).chunks(piece_bytes) {
        while !piece.is_empty() {
            let (taken, part) = reader.read(piece).expect("good frames");
            black_box(part);
            piece = &piece[taken..];
        }
    }
}

/// Parses every example of a command, and some invalid lines, 100 times.
pub(crate) fn commands() {
    const LINES: &[&str] = &[
        "",
        "list",
        "l",
        "info 7",
        "play 3",
        "PLAY 12 AT 1:30",
        "pl 3-7",
        "play all",
        "stop",
        "pause",
        "resume",
        "next",
        "previous",
        "seek 1:02:03",
        "seek +15",
        "seek -5",
        "volume 50",
        "vol +5",
        "volume",
        "status",
        "help",
        "help seek",
        "quit",
        "p",
        "play",
        "play 0",
        "play 3 4",
        "seek 1:99",
        "volume 101",
        "frobnicate",
    ];
    let lines: Vec<_> = COMMANDS.iter().map(|command| command.example).chain(LINES.iter().copied()).collect();
    counted(|| {
        for line in lines.iter().cycle().take(TIMES * lines.len()) {
            let _ = black_box(parse(black_box(line)));
        }
    });
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut frame = vec![0; HEADER_BYTES + MAX_CONTROL_BYTES];
    let length = message.encode(&mut frame).expect("it fits");
    frame.truncate(length);
    frame
}
