//! The session machines against the models of `trill-proto`'s tests, and against arbitrary bytes.
//!
//! Every four bytes of the input seed one operation of the models' strategies. So libFuzzer searches for sequences of
//! the operations that the tests draw at random. Their messages are mostly valid. The same input also serves as the
//! peer's bytes.

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

/// Bytes of the input per operation.
const SEED_BYTES: usize = 4;

/// Checks that a client's machine matches its model and survives any server.
///
/// # Panics
/// If it does not.
pub fn check_client(input: &[u8]) {
    let operations: Vec<_> = input.chunks(SEED_BYTES).map(|seed| draw(seed, client::operation())).collect();
    client::check(draw(input, wire::opening()), &operations);
    hear_as_client(input);
}

/// Checks that a server's machine matches its model and survives any client.
///
/// # Panics
/// If it does not.
pub fn check_server(input: &[u8]) {
    let operations: Vec<_> = input.chunks(SEED_BYTES).map(|seed| draw(seed, server::operation())).collect();
    server::check(draw(input, wire::opening()), &operations);
    hear_as_server(input);
}

/// A value of the strategy, seeded by the first bytes of the input.
fn draw<T>(input: &[u8], strategy: impl Strategy<Value = T>) -> T {
    let mut seed = [0; 32];
    seed.iter_mut().zip(input.iter().take(SEED_BYTES)).for_each(|(seed, byte)| *seed = *byte);
    let chances = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), chances);
    strategy.new_tree(&mut runner).expect("no strategy rejects a value").current()
}

/// Time between two pieces of input.
const STEP: Duration = Duration::from_millis(300);

/// Feeds these bytes in pieces to a client with all kinds of requests, until it closes the connection.
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

/// Feeds these bytes in pieces to a server that refuses every request, until it closes the connection.
fn hear_as_server(input: &[u8]) {
    let mut now = Instant::from_micros(0);
    let mut machine = server_session::Server::new(now);
    let refused = ErrorCode::NO_SUCH_SONG;
    for piece in input.chunks(97) {
        let mut rest = piece;
        while !rest.is_empty() {
            let Ok((taken, event)) = machine.handle_input(now, rest) else { return };
            // Space is freed below.
            match event {
                Some(server_session::Event::Hello(_)) => drop(machine.welcome(&Welcome::new())),
                Some(server_session::Event::Info(info)) => drop(machine.refuse_info(info.request, refused, "")),
                Some(server_session::Event::Play(play)) => drop(machine.refuse_play(play.stream, refused, "")),
                _ => {}
            }
            while machine.poll_transmit(now).is_some() {}
            if taken == 0 {
                break; // too many commands
            }
            rest = &rest[taken..];
        }
        now = now + STEP;
        if machine.handle_timeout(now).is_err() {
            return;
        }
    }
}
