//! The host client with servers that break the protocol. Each server is told its error, the client does not hang, and
//! the user learns the reason.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{ANSWER_TIMEOUT, DATA_TIMEOUT};
use trill_proto::message::{self, List, ListEnd, Message, MessageType, Ping, Play, Song, Start, Started, Welcome};
use trill_tests::client::Client;
use trill_tests::messages::{encode, frame};
use trill_tests::raw::{Ending, RawConnection, RawListener};
use trill_tests::terminal::VT100;

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(150);

/// How long a program without a terminal tries to get its music.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server defined by its reaction to each connection, from WELCOME on.
struct Stranger {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Stranger {
    fn start(serve: impl Fn(RawConnection) + Send + Sync + 'static) -> Self {
        let listener = RawListener::bind();
        let (address, connections) = (listener.address(), Arc::<AtomicUsize>::default());
        let (counted, serve) = (connections.clone(), Arc::new(serve));
        thread::spawn(move || {
            loop {
                let mut connection = listener.accept(Duration::from_secs(3_600));
                counted.fetch_add(1, Ordering::Relaxed);
                let serve = serve.clone();
                thread::spawn(move || {
                    connection.welcome(Welcome { server_name: "stranger", generation: 1, ..Welcome::new() }, DEADLINE);
                    serve(connection);
                });
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// STARTED for this PLAY.
fn begin(play: &Play) -> Vec<u8> {
    let position = if let Start::Resume(position) = play.start { position } else { 0 };
    encode(&Message::Started(Started {
        stream: play.stream,
        song: SongId(3),
        content_tag: 1,
        position,
        size_bytes: 1_000_000,
        end_sample: 1_000_000,
        bitrate: 128_000,
        rate: 44_100,
        channels: 2,
        ..Started::default()
    }))
}

/// A byte of the stream.
fn drip(play: &Play) -> Vec<u8> {
    encode(&Message::Data(play.stream.0, b"\xff"))
}

/// Sends PING repeatedly, each after these bytes, until the client disconnects.
fn live_on(connection: &mut RawConnection, said: &[u8], every: Duration) {
    let ping = encode(&Message::Ping(Ping { token: 7 }));
    let said = [said, &ping].concat();
    while connection.try_send(&said).is_ok() {
        thread::sleep(every);
    }
}

// ── protocol violations are answered with the right ERROR ──

/// A server's answer to the first LIST or PLAY, which has the id 1, and the expected error code. The session machine's
/// tests cover other violations.
fn violations() -> Vec<(&'static str, &'static str, Vec<u8>, ErrorCode)> {
    let end = ListEnd { request: RequestId(1), total: 9, next: Some(SongId(1)), generation: 1 };
    let play = Play { stream: StreamId(1), song: SongId(3), start: Start::Time(0), content_tag: 0, credit: 0 };
    let data = encode(&Message::Data(1, &[0; 60_000]));
    vec![
        ("a list that does not advance", "list", encode(&Message::ListEnd(end)), ErrorCode::MALFORMED),
        ("data without credit", "play 3", [begin(&play), data].concat(), ErrorCode::CREDIT),
        ("a frame too large", "list", frame(MessageType::Song.to_byte(), 1, &[0; 2_000]), ErrorCode::TOO_LARGE),
    ]
}

/// A server that gives this answer to the first request, and reports what it receives then and how the connection ends.
fn liar(wrong: Vec<u8>) -> (Stranger, mpsc::Receiver<(Vec<u8>, Ending)>) {
    let (sender, told) = mpsc::channel();
    let stranger = Stranger::start(move |mut connection| {
        while !matches!(
            connection.receive_frame(DEADLINE).kind(),
            Some(MessageType::List | MessageType::Info | MessageType::Play)
        ) {}
        // Unread input causes a reset if the connection is closed too early.
        let ignorable = frame(0x9e, 0, &[0; 4_000]);
        let _ = connection.try_send(&[wrong.clone(), ignorable.repeat(10)].concat());
        let _ = sender.send(connection.receive_to_end(DEADLINE));
    });
    (stranger, told)
}

#[track_caller]
fn check_told(name: &str, told: &(Vec<u8>, Ending), code: ErrorCode) {
    let error = encode(&Message::Error(message::Error { id: 0, code, text: "" }));
    assert!(told.0.ends_with(&error) && told.1 == Ending::EndOfStream, "{name}: {told:02x?}");
}

#[test]
fn one_command_tells_a_server_what_it_did_wrong_each_time() {
    for (name, command, wrong, code) in violations() {
        let (stranger, told) = liar(wrong);
        for _ in 0..10 {
            let client = Client::new().args(["-q", "--output", "null", &stranger.address.to_string()]);
            client.args(command.split(' ')).run(DEADLINE).expect_code(1);
            check_told(name, &told.recv_timeout(DEADLINE).expect("last words"), code);
        }
    }
}

#[test]
fn a_prompt_tells_a_server_what_it_did_wrong_and_goes_on() {
    for (name, command, wrong, code) in violations() {
        let (stranger, told) = liar(wrong);
        let mut client = Client::of(stranger.address).arg("--output=null").in_terminal(VT100);
        client.wait_for_text(DEADLINE, "connected to stranger");
        client.type_line(command);
        check_told(name, &told.recv_timeout(DEADLINE).expect("last words"), code);
        client.type_line("quit");
        assert!(client.wait(DEADLINE).success(), "{name}");
    }
}

// ── a client does not hang ──

#[test]
fn a_server_that_is_alive_and_does_not_do_what_it_owes_is_given_up() {
    const TICK: Duration = Duration::from_millis(200);
    const LATE: &str = "the server does not answer in time";
    const SLOW: &str = "the server sends no music, or too slowly";
    let owes = |said: fn(&Play) -> Vec<u8>, drips: fn(&Play) -> Vec<u8>| {
        move |mut connection: RawConnection| {
            let play = loop {
                match connection.receive_frame(DEADLINE).message() {
                    Message::Play(play) => break play,
                    Message::Goodbye(_) => return,
                    _ => {}
                }
            };
            connection.send(&said(&play));
            live_on(&mut connection, &drips(&play), TICK);
        }
    };
    let nothing: fn(&Play) -> Vec<u8> = |_| Vec::new();
    let alive = |mut connection: RawConnection| live_on(&mut connection, &[], TICK);
    let cases: [(&str, Stranger, &str, Duration); 5] = [
        ("list", Stranger::start(alive), LATE, ANSWER_TIMEOUT),
        ("info 3", Stranger::start(alive), LATE, ANSWER_TIMEOUT),
        ("play 3", Stranger::start(owes(nothing, nothing)), LATE, ANSWER_TIMEOUT),
        ("play 3", Stranger::start(owes(begin, nothing)), SLOW, DATA_TIMEOUT),
        ("play 3", Stranger::start(owes(begin, drip)), SLOW, DATA_TIMEOUT),
    ];
    thread::scope(|scope| {
        for (command, stranger, said, least) in cases {
            scope.spawn(move || {
                let begun = Instant::now();
                let client = Client::new().args(["-q", "--output", "null", &stranger.address.to_string()]);
                let output = client.args(command.split(' ')).run(DEADLINE);
                let took = begun.elapsed();
                println!("figure: strangers: {command} is given up after {took:.1?}: {}", output.stderr.trim());
                assert!(output.stderr.contains(said), "{command}: {}", output.stderr);
                output.expect_code(1);
                assert!(took >= least, "{command}: after {took:?}");
            });
        }
    });
}

#[test]
fn a_list_that_breaks_off_leaves_nothing_to_the_next() {
    fn page_end(request: RequestId, next: Option<SongId>) -> Message<'static> {
        Message::ListEnd(ListEnd { request, total: 9, next, generation: 1 })
    }
    let stranger = Stranger::start(|mut connection| {
        let mut answer = |song: u32, rank: u32, end: fn(RequestId) -> Message<'static>| {
            let list = connection.receive_until(MessageType::List, DEADLINE);
            let Message::List(List { request, .. }) = list.message() else { unreachable!("a LIST was waited for") };
            let song = Song { request, song: SongId(song), rank: Some(rank), title: "again", ..Song::default() };
            connection.send_message(&Message::Song(song));
            connection.send_message(&end(request));
        };
        answer(1, 0, |request| page_end(request, Some(SongId(2))));
        answer(2, 1, |request| {
            Message::Error(message::Error { id: request.0, code: ErrorCode::READ_FAILED, text: "" })
        });
        answer(3, 0, |request| page_end(request, None));
        connection.receive_to_end(DEADLINE);
    });
    let output = Client::of(stranger.address).arg("--output=null").run_script("list\nlist\n", DEADLINE);
    let numbers: Vec<_> = output.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(numbers, ["1", "3"], "{}", output.stdout);
    output.expect_code(1);
}

// ── retries back off ──

#[test]
fn a_server_that_drops_every_connection_is_given_up_by_a_command() {
    let drops = |wait: fn(&mut RawConnection) -> Play, said: fn(&Play) -> Vec<u8>| {
        move |mut connection: RawConnection| {
            let play = wait(&mut connection);
            let _ = connection.try_send(&said(&play));
            connection.finish();
            connection.receive_to_end(DEADLINE);
        }
    };
    let next_play: fn(&mut RawConnection) -> Play = |connection| {
        let Message::Play(play) = connection.receive_until(MessageType::Play, DEADLINE).message() else {
            unreachable!("a PLAY was waited for")
        };
        play
    };
    let cases = [
        ("nothing", Stranger::start(drops(next_play, |_| Vec::new()))),
        ("STARTED", Stranger::start(drops(next_play, begin))),
        ("STARTED and a byte", Stranger::start(drops(next_play, |play| [begin(play), drip(play)].concat()))),
    ];
    thread::scope(|scope| {
        for (name, stranger) in cases {
            scope.spawn(move || {
                let begun = Instant::now();
                let client = Client::new().args(["-q", "--output", "null", &stranger.address.to_string()]);
                let output = client.args(["play", "3"]).run(DEADLINE);
                let (took, connections) = (begun.elapsed(), stranger.connections());
                println!("figure: strangers: {name}: given up after {took:.1?} and {connections} connections");
                assert_eq!(
                    output.stderr.lines().filter(|line| line.contains("the server closed")).count(),
                    1,
                    "{name}"
                );
                output.expect_code(1);
                // 40, 200, 400 ms and so on, each reduced by up to a half.
                assert!(took > PATIENCE && connections <= 11, "{name}: {connections} connections in {took:?}");
            });
        }
    });
}
