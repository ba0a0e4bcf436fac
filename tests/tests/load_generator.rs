//! The load generator with a crowd on a real server, on a small HTTP server, and on faulty servers.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::load::{self, Options, Report, Service};
use trill_tests::server::ServerProcess;

const LISTENERS: usize = 20;

/// Bytes per second of each listener.
const RATE: u32 = 16_000;

const RAMP: Duration = Duration::from_millis(200);
const SETTLE: Duration = Duration::from_millis(100);
const WINDOW: Duration = Duration::from_secs(2);

#[test]
fn a_crowd_hears_song_1_of_a_trill_server() {
    let music = MusicDir::new();
    let song = fs::read(music.add("1.mp3", &corpus::LONG)).expect("a song that was just added");
    let server = ServerProcess::start(music.path());
    server.usage_at_rest();
    let report = listen(Service::Trill, server.address(), vec![server.id()]).expect("a server that is there");
    check_all_well(&report);
    check_bytes(&report, song.len());
    // All music was written, and more than the music was received.
    assert!(report.whole.server_written >= report.whole.payload, "{report:?}");
    assert!(report.whole.received > report.whole.payload, "{report:?}");
}

#[test]
fn a_crowd_fetches_a_file_by_http() {
    let file = vec![0x55; 4_000_000];
    let length = file.len();
    let address = answer(move |_, stream| respond(&stream, "200 OK", &file, file.len()));
    let report = listen(Service::Http("/1.mp3".into()), address, vec![]).expect("a server that is there");
    check_all_well(&report);
    check_bytes(&report, length);
    assert!(report.whole.sent >= LISTENERS as f64 * "GET /1.mp3 HTTP/1.1".len() as f64, "{report:?}");
}

#[test]
fn a_server_that_closes_half_way_fails_those_whom_it_leaves() {
    // Every second listener is dropped after a second of music.
    let file = vec![0x55; 4_000_000];
    let address = answer(move |index, stream| {
        let whole = file.len();
        let sent = if index.is_multiple_of(2) { whole } else { RATE as usize };
        respond(&stream, "200 OK", &file[..sent], whole);
    });
    let report = listen(Service::Http("/1.mp3".into()), address, vec![]).expect("a server that is there");
    check_failed(&report, LISTENERS, LISTENERS / 2, "the server closed the connection");
    assert_eq!(report.late_seconds, 0.0, "those who are left are not late: {report:?}");
}

#[test]
fn who_is_not_given_the_file_has_failed() {
    // Every fourth listener.
    let file = vec![0x55; 4_000_000];
    let address = answer(move |index, stream| match index % 4 {
        3 => respond(&stream, "404 Not Found", b"no", 2),
        _ => respond(&stream, "200 OK", &file, file.len()),
    });
    let report = listen(Service::Http("/1.mp3".into()), address, vec![]).expect("a server that is there");
    check_failed(&report, LISTENERS * 3 / 4, LISTENERS / 4, "404 Not Found");
    check_well(&report);
}

#[test]
fn a_server_that_closes_every_connection_fails_the_whole_crowd() {
    let address = answer(|_, stream| drop(stream));
    let report = listen(Service::Trill, address, vec![]).expect("a server that is there");
    let because = report.first_failure.as_deref().unwrap_or_default();
    assert_eq!((report.listeners, report.failed), (0.0, LISTENERS as f64), "{report:?}");
    assert!(!because.is_empty() && report.remarks()[0].contains(because), "{report:?}");
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    // Bound but not listening: connections are refused, and no other process gets the port.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("the loopback address has a free port");
    let address =
        socket.local_addr().ok().and_then(|address| address.as_socket()).expect("a bound socket has an address");
    let error = listen(Service::Trill, address, vec![]).expect_err("no server listens");
    let said = error.to_string();
    assert!(said.contains("connecting") && said.contains("refused"), "{said}");
}

fn listen(service: Service, address: SocketAddr, watched: Vec<u32>) -> Result<Report, load::LoadError> {
    let (ramp, settle, window) = (RAMP, SETTLE, WINDOW);
    let (listeners, bytes_per_second) = (LISTENERS, Some(RATE));
    load::run(&Options { service, address, listeners, bytes_per_second, ramp, settle, window, watched })
}

#[track_caller]
fn check_all_well(report: &Report) {
    assert_eq!((report.listeners, report.failed), (LISTENERS as f64, 0.0), "{report:?}");
    assert_eq!(report.first_failure, None);
    check_well(report);
}

/// Listeners that began received everything in time, for the whole window.
#[track_caller]
fn check_well(report: &Report) {
    assert_eq!((report.underruns, report.late_seconds), (0.0, 0.0), "{report:?}");
    assert!(report.latest_beginning > 0.0 && report.latest_beginning < report.whole.seconds, "{report:?}");
    assert!(report.window.seconds >= WINDOW.as_secs_f64(), "{report:?}");
    assert!(report.whole.seconds >= (SETTLE + WINDOW).as_secs_f64(), "{report:?}");
}

#[track_caller]
fn check_failed(report: &Report, begun: usize, failed: usize, because: &str) {
    assert_eq!((report.listeners, report.failed), (begun as f64, failed as f64), "{report:?}");
    assert!(report.first_failure.as_ref().is_some_and(|why| why.contains(because)), "{report:?}");
    assert!(report.remarks().iter().any(|remark| remark.contains(because)), "{:?}", report.remarks());
}

/// Every listener received its music, and none more than the file.
#[track_caller]
fn check_bytes(report: &Report, song_bytes: usize) {
    let heard = LISTENERS as f64 * f64::from(RATE) * WINDOW.as_secs_f64();
    let all = (LISTENERS * song_bytes) as f64;
    assert!(report.whole.payload >= heard && report.whole.payload <= all, "{report:?}");
    assert!(report.whole.received >= report.whole.payload && report.whole.received <= all * 1.01, "{report:?}");
    assert!(report.window.payload <= report.whole.payload && report.whole.sent > 0.0, "{report:?}");
}

/// Answers each connection of a crowd on a thread of its own, by its index.
fn answer(with: impl Fn(usize, TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback address has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let (with, stream) = (with.clone(), stream.expect("a connection that was made"));
            thread::spawn(move || with(index, stream));
        }
    });
    address
}

/// Reads a request and writes `body`, with `length` in the header.
fn respond(mut stream: &TcpStream, status: &str, body: &[u8], length: usize) {
    let request = BufReader::new(stream).lines().map_while(io::Result::ok).take_while(|line| !line.is_empty());
    assert!(request.last().is_some(), "a request");
    let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    answer.extend_from_slice(body);
    // Fails when the listener has finished.
    let _ = stream.write_all(&answer);
}
