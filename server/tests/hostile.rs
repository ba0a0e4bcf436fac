//! What clients do that are broken or mean no good: they are told what is wrong and closed, and nobody else notices.

mod common;

use std::io::Read;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Frame, Music, Raw, Seen, TestClient, encoded, mp3, mp3_of_bytes, serve};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{COMMAND_TIME, HEADER_BYTES, MAX_CREDIT_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{EndReason, Hello, Info, List, MessageType, PREAMBLE, Ping, Play, Start, Stop};

/// What the server says before it closes the connection.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// A refusal with this reason instead of a preamble.
    Refused(u8),
    /// An ERROR that concerns the connection.
    Error(ErrorCode),
    /// Nothing.
    Closed,
}

/// What the last words of a connection mean, whatever came before them.
fn verdict(answer: &[u8]) -> Verdict {
    if let Some(refusal) = answer.strip_prefix(b"TRNO") {
        assert_eq!(refusal.len(), PREAMBLE_BYTES - 4, "nothing follows a refusal");
        return Verdict::Refused(refusal[0]);
    }
    let answer = answer.strip_prefix(&PREAMBLE).unwrap_or(answer);
    match Frame::all(answer).last() {
        Some(Frame { kind: MessageType::Error, id: 0, payload }) => {
            Verdict::Error(ErrorCode(u16::from_be_bytes([payload[0], payload[1]])))
        }
        _ => Verdict::Closed,
    }
}

/// Plays the song again and again meanwhile.
fn while_a_listener_hears_every_byte(address: SocketAddr, song: &[u8], act: impl FnOnce()) {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let listener = scope.spawn(|| {
            let mut client = TestClient::join_as(address, "listener", [9; 16]);
            let mut heard = 0;
            while heard == 0 || !is_done.load(Ordering::Relaxed) {
                let stream = client.start(1).stream;
                assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
                assert!(client.data(stream) == song);
                heard += 1;
            }
        });
        // If `act` panics, the scope waits for the listener all the same.
        let _done = SetOnDrop(&is_done);
        act();
        drop(_done);
        listener.join().expect("an undisturbed listener");
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_of_commands_is_taken_slowly_and_answered_to_the_last() {
    const FLOOD: usize = 6_000;
    let song = mp3_of_bytes(1 << 20, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    while_a_listener_hears_every_byte(server.address(), &song, || {
        let mut raw = Raw::join(server.address());
        let begun = Instant::now();
        raw.say(&Play { stream: StreamId(1), song: SongId(1), start: Start::Time(0), content_tag: 0, credit: 1 << 20 });
        raw.send(&encoded(&Stop { stream: StreamId(0) }).repeat(FLOOD));
        raw.say(&Ping { token: 7 });
        let mut heard = 0;
        let pong = loop {
            match raw.frame() {
                Frame { kind: MessageType::Data, payload, .. } => heard += payload.len(),
                Frame { kind: MessageType::Pong, payload, .. } => break payload,
                _ => {}
            }
        };
        assert_eq!(pong[..8], 7_u64.to_be_bytes());
        assert!(begun.elapsed() > Duration::from_secs(1), "{:?} for {FLOOD} commands", begun.elapsed());
        assert_eq!(heard, 1 << 20, "what the client has asked for comes meanwhile");
    });
}

#[test]
fn a_flooder_is_told_goodbye_like_everybody_else() {
    // Each is held back most of the time, and only then its end could be taken for its own doing.
    const FLOODERS: usize = 8;
    let music = Music::new(&[&mp3(3, 1)]);
    let server = serve(music.path());
    let mut flooders: Vec<_> = (0..FLOODERS).map(|_| Raw::join(server.address())).collect();
    let stops = |count| encoded(&Stop { stream: StreamId(0) }).repeat(count);
    for flooder in &mut flooders {
        // The PING is beyond what is taken at once.
        flooder.send(&[stops(4_200), encoded(&Ping { token: 7 }), stops(3_000)].concat());
    }
    for flooder in &mut flooders {
        assert_eq!(flooder.frame().kind, MessageType::Pong);
    }
    server.shut_down();
    for flooder in &mut flooders {
        let last = flooder.frame();
        assert_eq!((last.kind, &last.payload[..]), (MessageType::Goodbye, &[2][..]));
    }
}

#[test]
fn what_a_flooder_leaves_behind_is_not_read() {
    // Together less than the server's kernel takes at once.
    const TAKEN_AT_ONCE: usize = 4_000;
    const HELD_BACK: usize = 2_500;
    let music = Music::new(&[&mp3(3, 1)]);
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    let info = |number| encoded(&Info { request: RequestId(number), song: SongId(7) });
    let stops = encoded(&Stop { stream: StreamId(0) }).repeat(TAKEN_AT_ONCE);
    let begun = Instant::now();
    raw.send(&[stops, (1..=HELD_BACK as u32).flat_map(info).collect()].concat());
    raw.stream().shutdown(Shutdown::Write).expect("a connection");
    let answer = raw.frame();
    assert_eq!(answer.kind, MessageType::Error);
    // The end is a reset, since what was sent was not all read.
    let mut answers = Vec::new();
    let _ = raw.stream().read_to_end(&mut answers);
    let answered = 1 + answers.len() / (HEADER_BYTES + answer.payload.len());
    // On a machine that needs as long for an answer as one may take, nobody was held back.
    let is_held_back = begun.elapsed() < COMMAND_TIME * HELD_BACK as u32;
    assert!(answered < HELD_BACK || !is_held_back, "all {answered} were answered within {:?}", begun.elapsed());
}

#[test]
fn clients_that_vanish_at_any_moment_do_no_harm() {
    let song = mp3_of_bytes(1 << 20, 1);
    let music = Music::new(&[&song, &mp3(50, 2)]);
    let server = serve(music.path());
    let everything = [
        PREAMBLE.to_vec(),
        encoded(&Hello::default()),
        encoded(&Ping { token: 1 }),
        encoded(&List { request: RequestId(1), first: SongId(1), at_most: 10 }),
        encoded(&Play {
            stream: StreamId(2),
            song: SongId(1),
            start: Start::Time(0),
            content_tag: 0,
            credit: MAX_CREDIT_BYTES,
        }),
    ]
    .concat();
    while_a_listener_hears_every_byte(server.address(), &song, || {
        for length in 0..=everything.len() {
            Raw::connect(server.address()).send(&everything[..length]);
        }
    });
}

#[test]
fn terminal_escapes_and_bad_utf8_in_a_name() {
    let music = Music::new(&[&mp3(3, 1)]);
    let server = serve(music.path());
    // Shown to nobody but the log, which strips it; see there.
    TestClient::join_as(server.address(), "\x1b]0;owned\x07\x1b[2J\r\n", [0; 16]);

    let mut hello = encoded(&Hello { name: "abc", ..Hello::default() });
    let at = hello.len() - 2;
    hello[at] = 0xff;
    let mut raw = Raw::connect(server.address());
    raw.send(&[&PREAMBLE[..], &hello].concat());
    assert_eq!(verdict(&raw.rest()), Verdict::Error(ErrorCode::MALFORMED));
}

#[test]
fn a_client_that_never_reads_does_not_delay_the_others() {
    let song = mp3_of_bytes(1 << 20, 1);
    let music = Music::new(&[&song, &mp3_of_bytes(16 << 20, 2)]);
    let server = serve(music.path());
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let mut raw = Raw::join(server.address());
            let (stream, song) = (StreamId(1), SongId(2));
            raw.say(&Play { stream, song, start: Start::Time(0), content_tag: 0, credit: MAX_CREDIT_BYTES });
            raw
        })
        .collect();
    while_a_listener_hears_every_byte(server.address(), &song, || {});
    drop(stuck);
}
