//! Hostile and faulty clients, which must not disturb the others.

use super::shared::Shared;
use crate::messages::{encode, frame};
use crate::raw::RawConnection;
use crate::session::Session;
use fastrand::Rng;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::HELLO_DEADLINE;
use trill_proto::message::{Hello, Info, List, Message, MessageType, PREAMBLE, Ping, Play, Start, Stop};

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Timeout of a read or write, so that the client can stop soon.
const PATIENCE: Duration = Duration::from_millis(100);

/// Never sends HELLO. The server must close the connection in time.
pub(super) fn stay_silent(shared: &Shared<'_>, random: &mut Rng) {
    let mut connection = RawConnection::connect(shared.address);
    connection.send(&PREAMBLE[..random.usize(0..=PREAMBLE.len())]);
    connection.receive_to_end(HELLO_DEADLINE + DEADLINE);
    shared.tally.hostile_connections.add(1);
    shared.stop.wait(Duration::from_millis(random.u64(0..2_000)));
}

/// Requests music and disconnects: without BYE, in the middle of a command, or with a reset.
pub(super) fn disconnect_abruptly(shared: &Shared<'_>, random: &mut Rng) {
    let mut session = Session::open(shared.address);
    let songs = session.list();
    session.request_play(songs[random.usize(0..songs.len())].id, Start::Time(0));
    shared.stop.wait(Duration::from_millis(random.u64(0..1_000)));
    match random.u8(0..3) {
        0 => {}
        1 => session.send(&frame(MessageType::List.to_byte(), 1 << 30, &[0; 8])[..random.usize(1..16)]),
        _ => SockRef::from(session.stream()).set_linger(Some(Duration::ZERO)).expect("a socket"),
    }
    shared.tally.hostile_connections.add(1);
}

/// Reconnects constantly with the same client ID, possibly before the server has noticed the disconnection.
pub(super) fn reconnect(shared: &Shared<'_>, random: &mut Rng) {
    let mut nonce = [0; 16];
    random.fill(&mut nonce);
    for _ in 0..random.u8(1..50) {
        let mut session = Session::open_as(shared.address, nonce);
        if random.bool() {
            session.list();
        }
        if random.bool() {
            session.leave();
        }
        shared.tally.hostile_connections.add(1);
        if shared.stop.wait(Duration::from_millis(random.u64(10..200))) {
            return;
        }
    }
}

/// Sends commands as fast as possible, with or without reading the answers.
pub(super) fn flood(shared: &Shared<'_>, random: &mut Rng) {
    let connection = greet(shared.address);
    let request = RequestId(1);
    let commands = [
        encode(&Message::List(List { request, first: SongId(1), at_most: 3, search: None })),
        encode(&Message::Info(Info { request, song: SongId(random.u32(0..20)) })),
        encode(&Message::Stop(Stop { stream: StreamId(0) })),
        encode(&Message::Ping(Ping { token: random.u64(..) })),
    ];
    let flood: Vec<u8> = (0..2_000).flat_map(|_| commands[random.usize(0..commands.len())].clone()).collect();
    let (reads, end) = (random.bool(), Instant::now() + Duration::from_secs(random.u64(1..15)));
    let mut rest = &flood[..];
    while Instant::now() < end && !shared.stop.is_set() {
        match (&connection).write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if is_time_out(&error) => {}
            Err(_) => break,
        }
        if rest.is_empty() {
            rest = &flood;
        }
        if reads && !matches!(read_some(&connection, 64 * 1024), Ok(1..)) {
            break;
        }
    }
    shared.tally.hostile_connections.add(1);
}

/// Requests much data and reads it a few bytes at a time.
pub(super) fn read_slowly(shared: &Shared<'_>, random: &mut Rng) {
    let connection = greet(shared.address);
    SockRef::from(&connection).set_recv_buffer_size(4_096).expect("the kernel takes any size");
    let (stream, song) = (StreamId(1), SongId(random.u32(1..20)));
    let play = Play { stream, song, start: Start::Time(0), content_tag: 0, credit: 1 << 20 };
    let mut is_there = (&connection).write_all(&encode(&Message::Play(play))).is_ok();
    let end = Instant::now() + Duration::from_secs(random.u64(5..60));
    while is_there && Instant::now() < end {
        if shared.stop.wait(Duration::from_millis(random.u64(50..1_000))) {
            break;
        }
        is_there = match read_some(&connection, random.usize(1..2_000)) {
            Ok(count) => count > 0,
            Err(error) => is_time_out(&error),
        };
    }
    shared.tally.hostile_connections.add(1);
}

/// Sends random bytes over the broken path.
pub(super) fn send_garbage(shared: &Shared<'_>, random: &mut Rng) {
    let mut bytes = vec![0; random.usize(1..5_000)];
    random.fill(&mut bytes);
    if random.bool() {
        let hello = [PREAMBLE.as_slice(), &encode(&Message::Hello(Hello::default()))].concat();
        bytes.splice(..0, hello);
    }
    if let Ok(connection) = connect(shared.broken.address()) {
        // The path may already be broken.
        let _ = (&connection).write_all(&bytes);
        let end = Instant::now() + Duration::from_secs(random.u64(1..8));
        while Instant::now() < end && !shared.stop.is_set() {
            match read_some(&connection, 64 * 1024) {
                Ok(1..) => {}
                Err(error) if is_time_out(&error) => {}
                _ => break,
            }
        }
    }
    shared.tally.hostile_connections.add(1);
    shared.stop.wait(Duration::from_millis(random.u64(0..1_000)));
}

fn greet(address: SocketAddr) -> TcpStream {
    let connection = connect(address).expect("the server accepts connections");
    let hello = [PREAMBLE.as_slice(), &encode(&Message::Hello(Hello::default()))].concat();
    (&connection).write_all(&hello).expect("a new connection takes a few bytes");
    connection
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn read_some(mut connection: &TcpStream, most: usize) -> io::Result<usize> {
    connection.read(&mut vec![0; most])
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
