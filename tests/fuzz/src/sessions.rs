//! The session machines against the plain models of the tests of `trill-proto`, and against any bytes at all.
//!
//! The input is where the models' strategies get their chances from, so that libFuzzer looks for sequences of operations as
//! the tests draw them by chance. Messages in these are mostly sensible. The same input is also what the other side sends.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::time::Duration;
use trill_proto::error::ErrorCode;
use trill_proto::ids::SongId;
use trill_proto::limits::MIN_BUFFER_BYTES;
use trill_proto::message::{Start, Welcome};
use trill_proto::session::{client as client_session, server as server_session};
use trill_proto::time::Instant;

use crate::{client, server, wire};

/// Operations of a sequence at most.
const OPERATIONS: usize = 200;

fn client_sequence() -> impl Strategy<Value = (wire::Opening, Vec<client::Operation>)> {
    (wire::opening(), vec(client::operation(), 0..OPERATIONS))
}

fn server_sequence() -> impl Strategy<Value = (wire::Opening, Vec<server::Operation>)> {
    (wire::opening(), vec(server::operation(), 0..OPERATIONS))
}

/// An input for [`check_client`]: the chances that lead to some sequence.
pub fn client_chances(seed: u8) -> Vec<u8> {
    record(seed, client_sequence())
}

/// The same for [`check_server`].
pub fn server_chances(seed: u8) -> Vec<u8> {
    record(seed, server_sequence())
}

/// Whether a client's machine does what its model does, and survives what a server may send.
///
/// # Panics
/// If it does not.
pub fn check_client(input: &[u8]) {
    let (opening, operations) = draw(input, client_sequence());
    client::check(opening, &operations);
    hear_as_client(input);
}

/// Whether a server's machine does what its model does, and survives what a client may send.
///
/// # Panics
/// If it does not.
pub fn check_server(input: &[u8]) {
    let (opening, operations) = draw(input, server_sequence());
    server::check(opening, &operations);
    hear_as_server(input);
}

/// The value to which these chances lead.
fn draw<T>(chances: &[u8], strategy: impl Strategy<Value = T>) -> T {
    let chances = TestRng::from_seed(RngAlgorithm::PassThrough, chances);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), chances);
    strategy.new_tree(&mut runner).expect("no strategy rejects a value").current()
}

/// The chances that such a draw takes.
fn record(seed: u8, strategy: impl Strategy) -> Vec<u8> {
    let chances = TestRng::from_seed(RngAlgorithm::Recorder, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), chances);
    strategy.new_tree(&mut runner).expect("no strategy rejects a value");
    runner.bytes_used()
}

/// Time that passes with each piece of input.
const STEP: Duration = Duration::from_millis(300);

/// A client that has asked for everything hears these bytes in pieces, until it closes the connection.
fn hear_as_client(input: &[u8]) {
    let mut now = Instant::from_micros(0);
    let identity = client_session::Identity { name: "", nonce: [0; 16], roles: 0 };
    let mut machine: client_session::Client = client_session::Client::new(now, &identity);
    let (song, start, capacity) = (SongId(1), Start::Time(0), MIN_BUFFER_BYTES);
    let wanted = client_session::PlayRequest { song, start, content_tag: 0, capacity, occupied: 0 };
    machine.list(song, u32::MAX).expect("room");
    machine.info(song).expect("room");
    machine.play(now, &wanted).expect("room");
    for piece in input.chunks(97) {
        let mut rest = piece;
        while !rest.is_empty() {
            let Ok((taken, event)) = machine.handle_input(now, rest) else { return };
            if let Some(client_session::Event::Data { stream, bytes }) = event {
                let count = bytes.len();
                machine.release(stream, count);
            }
            rest = &rest[taken..];
        }
        while machine.poll_transmit(now).is_some() {}
        now = now + STEP;
        if machine.handle_timeout(now).is_err() {
            return;
        }
    }
}

/// A server that refuses what is asked hears these bytes in pieces, until it closes the connection.
fn hear_as_server(input: &[u8]) {
    let mut now = Instant::from_micros(0);
    let mut machine = server_session::Server::new(now);
    let refused = ErrorCode::NO_SUCH_SONG;
    for piece in input.chunks(97) {
        let mut rest = piece;
        while !rest.is_empty() {
            let Ok((taken, event)) = machine.handle_input(now, rest) else { return };
            // Room is made below.
            match event {
                Some(server_session::Event::Hello(_)) => drop(machine.welcome(&Welcome::new())),
                Some(server_session::Event::Info(info)) => drop(machine.refuse_info(info.request, refused, "")),
                Some(server_session::Event::Play(play)) => drop(machine.refuse_play(play.stream, refused, "")),
                _ => {}
            }
            while machine.poll_transmit(now).is_some() {}
            if taken == 0 {
                break; // a flood of commands
            }
            rest = &rest[taken..];
        }
        now = now + STEP;
        if machine.handle_timeout(now).is_err() {
            return;
        }
    }
}
