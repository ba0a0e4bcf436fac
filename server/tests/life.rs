//! How connections begin and end.

mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use common::{DEADLINE, Frame, Music, Raw, Seen, TestClient, encoded, mp3, mp3_of_bytes, serve, serve_with, start};
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::ids::{SongId, StreamId};
use trill_proto::limits::{HELLO_DEADLINE, MAX_CREDIT_BYTES};
use trill_proto::message::{EndReason, Goodbye, GoodbyeReason, Hello, MessageType, PREAMBLE, Play, Start, refusal};
use trill_server::Config;
use trill_server::library::{Library, Options, Source};

#[test]
fn a_client_that_connects_again_takes_its_own_place() {
    let song = mp3_of_bytes(1 << 20, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut old = TestClient::join_as(server.address(), "laptop", [1; 16]);
    let mut other = TestClient::join_as(server.address(), "phone", [2; 16]);
    old.plays = false;
    old.start(1);
    let mut new = TestClient::join_as(server.address(), "laptop", [1; 16]);
    assert_eq!(old.next(), Seen::Goodbye(GoodbyeReason::Superseded));
    assert_eq!(old.next(), Seen::Closed);
    for client in [&mut new, &mut other] {
        let stream = client.start(1).stream;
        assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    }
}

/// A client that gave up waiting for WELCOME and connected anew, while its first HELLO was still on its way.
#[test]
fn a_hello_that_comes_late_does_not_end_the_newer_connection() {
    let music = Music::new(&[&mp3(3, 1)]);
    let server = serve(music.path());
    let mut old = Raw::connect(server.address());
    old.send(&PREAMBLE);
    assert_eq!(old.bytes(PREAMBLE.len()), PREAMBLE);
    let mut new = TestClient::join_as(server.address(), "laptop", [1; 16]);
    old.say(&Hello { nonce: [1; 16], ..Hello::default() });
    assert_eq!(old.rest(), encoded(&Goodbye { reason: GoodbyeReason::Superseded }));
    let stream = new.start(1).stream;
    assert_eq!(new.next(), Seen::Ended(stream, EndReason::Finished));
}

#[test]
fn clients_without_a_nonce_are_all_different() {
    let music = Music::new(&[&mp3(3, 1)]);
    let server = serve(music.path());
    let mut clients: Vec<_> = (0..3).map(|_| TestClient::join(server.address())).collect();
    for client in &mut clients {
        let stream = client.start(1).stream;
        assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    }
}

#[test]
fn a_full_server_is_busy_until_somebody_leaves() {
    let music = Music::new(&[&mp3(3, 1)]);
    let server = serve_with(music.path(), only(1));
    assert_eq!(server.max_clients(), 1);
    let first = TestClient::join_as(server.address(), "first", [1; 16]);
    for name in ["second", "third"] {
        let mut raw = Raw::connect(server.address());
        raw.send(&[&PREAMBLE[..], &encoded(&Hello { nonce: [2; 16], name, ..Hello::default() })].concat());
        assert_eq!(raw.rest(), refusal(Refusal::Busy));
    }
    // One that waits for the server's preamble.
    let mut raw = Raw::connect(server.address());
    raw.send(&PREAMBLE);
    assert_eq!(raw.rest(), refusal(Refusal::Busy));

    drop(first);
    let end = Instant::now() + DEADLINE;
    loop {
        let mut raw = Raw::connect(server.address());
        raw.send(&[&PREAMBLE[..], &encoded(&Hello::default())].concat());
        if raw.bytes(PREAMBLE.len()) == PREAMBLE {
            break;
        }
        assert!(Instant::now() < end, "the place was not given away");
    }
}

#[test]
fn even_a_full_server_takes_a_client_back_whose_connection_is_stuck() {
    let music = Music::new(&[&mp3_of_bytes(16 << 20, 1)]);
    let server = serve_with(music.path(), only(1));
    let mut stuck = Raw::connect(server.address());
    stuck.send(&PREAMBLE);
    stuck.say(&Hello { nonce: [1; 16], ..Hello::default() });
    stuck.say(&play(MAX_CREDIT_BYTES));
    stuck.bytes(PREAMBLE.len());
    assert_eq!(stuck.frame().kind, MessageType::Welcome);
    assert_eq!(stuck.answer().kind, MessageType::Started);
    assert_eq!(stuck.frame().kind, MessageType::Data);
    // Reads no more from here on, so that the server's thread waits for it in a write.
    let begun = Instant::now();
    let mut back = TestClient::join_as(server.address(), "laptop", [1; 16]);
    back.start(1);
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
}

#[test]
fn whoever_says_nothing_is_closed_after_five_seconds() {
    let music = Music::new(&[]);
    let server = serve(music.path());
    let begun = Instant::now();
    let hello = encoded(&Hello::default());
    let halves = [&b""[..], b"TRI", &PREAMBLE, &[&PREAMBLE[..], &hello[..hello.len() - 1]].concat()];
    let mut silent: Vec<_> = halves
        .iter()
        .map(|half| {
            let mut raw = Raw::connect(server.address());
            raw.send(half);
            raw
        })
        .collect();
    for mut raw in silent.drain(..2) {
        assert_eq!(raw.rest(), refusal(Refusal::NotTrill), "without a preamble there are no frames");
    }
    for raw in &mut silent {
        let rest = raw.rest();
        let frames = Frame::all(rest.strip_prefix(&PREAMBLE).unwrap_or(&rest));
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!(
            (frames[0].kind, &frames[0].payload[..]),
            (MessageType::Error, &ErrorCode::HELLO_TIMEOUT.0.to_be_bytes()[..])
        );
    }
    assert!(begun.elapsed() >= HELLO_DEADLINE, "after {:?}", begun.elapsed());
}

#[test]
fn of_too_many_that_say_nothing_the_oldest_goes() {
    let music = Music::new(&[]);
    let server = serve(music.path());
    let mut waiting: Vec<_> = (0..257).map(|_| Raw::connect(server.address())).collect();
    let mut newest = waiting.pop().expect("one of them");
    assert_eq!(waiting[0].rest(), b"", "dropped without a word");
    newest.send(&[&PREAMBLE[..], &encoded(&Hello::default())].concat());
    assert_eq!(newest.bytes(PREAMBLE.len()), PREAMBLE);
    assert_eq!(newest.frame().kind, MessageType::Welcome);
}

#[test]
fn those_that_say_nothing_keep_nobody_out_of_a_small_server() {
    let music = Music::new(&[&mp3(3, 1)]);
    let server = serve_with(music.path(), only(2));
    let mut silent: Vec<_> = (0..2).map(|_| Raw::connect(server.address())).collect();
    for raw in &mut silent {
        raw.send(&PREAMBLE);
        assert_eq!(raw.bytes(PREAMBLE.len()), PREAMBLE);
    }
    let mut client = TestClient::join_as(server.address(), "laptop", [1; 16]);
    let stream = client.start(1).stream;
    assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    assert_eq!(silent[0].rest(), b"", "dropped without a word");
    silent[1].say(&Hello::default());
    assert_eq!(silent[1].frame().kind, MessageType::Welcome);
}

#[test]
fn a_shutdown_says_goodbye_and_ends_no_stream() {
    let music = Music::new(&[&mp3_of_bytes(8 << 20, 1)]);
    let server = serve(music.path());
    let mut idle = TestClient::join(server.address());
    let mut playing = TestClient::join(server.address());
    playing.plays = false;
    playing.start(1);
    let address = server.address();
    server.shut_down();
    for client in [&mut idle, &mut playing] {
        assert_eq!(client.next(), Seen::Goodbye(GoodbyeReason::Restarting));
        assert_eq!(client.next(), Seen::Closed);
    }
    assert!(std::net::TcpStream::connect(address).is_err(), "still listening");
}

#[test]
fn a_shutdown_waits_for_nobody() {
    let music = Music::new(&[&mp3_of_bytes(16 << 20, 1)]);
    let server = serve(music.path());
    let mut stuck: Vec<_> = (0..5).map(|_| Raw::join(server.address())).collect();
    for raw in &mut stuck {
        raw.say(&play(MAX_CREDIT_BYTES));
        assert_eq!(raw.answer().kind, MessageType::Started);
    }
    let _silent = Raw::connect(server.address());
    let begun = Instant::now();
    server.shut_down();
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
}

#[test]
fn who_comes_before_the_directory_was_walked_waits_for_all_of_it() {
    const SONGS: usize = 3_000;
    let music = Music::new(&[]);
    let song = mp3(1, 1);
    for number in 1..=SONGS {
        fs::write(music.song(number), &song).expect("room for a song");
    }
    let library = Library::open(Source::Directory(music.path().into()), Options::default()).expect("a directory");
    let server = start(library, Config::default());
    let mut client = TestClient::join(server.address());
    client.list(1, 0);
    let Seen::ListEnd(end) = client.next() else { panic!("no list") };
    assert_eq!(end.total as usize, SONGS);
}

fn only(clients: usize) -> Config {
    Config { max_clients: NonZeroUsize::new(clients), ..Config::default() }
}

fn play(credit: u32) -> Play {
    Play { stream: StreamId(1), song: SongId(1), start: Start::Time(0), content_tag: 0, credit }
}
