//! The host client on a long path: commands within one round-trip, and a dead path.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use trill_proto::message::{MessageType, Play, Start};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages;
use trill_tests::proxy::{Conditions, Direction, Fault, Proxy, SOCKET_BUFFER_BYTES};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Terminal, VT100};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);

/// Long enough to type two lines before the first answer.
const FAR: Conditions = Conditions { delay: Duration::from_millis(500), ..Conditions::PERFECT };

#[test]
fn next_typed_twice_skips_two_songs() {
    let host = Host::with_songs(4);
    let (proxy, mut client) = host.listener(FAR);
    client.type_line("play 1");
    client.wait_for_text(DEADLINE, "▶ 1 ");
    enter(&client, &["next", "next"]);
    client.wait_for_text(DEADLINE, "▶ 3 ");
    enter(&client, &["previous", "previous", "previous"]);
    client.wait_for_text(DEADLINE, "song 1 is the first");
    wait::wait_for(DEADLINE, "a PLAY", || plays(&proxy, 0).len() > 2);
    quit(&mut client);
    assert_eq!(plays(&proxy, 0).iter().map(|play| play.song.0).collect::<Vec<_>>(), [1, 3, 1]);
}

#[test]
fn a_song_that_is_looked_up_does_not_start_after_stop() {
    let host = Host::with_songs(2);
    let (proxy, mut client) = host.listener(FAR);
    enter(&client, &["play all", "stop", "info 2"]);
    // The answer comes after the name lookup.
    client.wait_for_text(DEADLINE, "kbit/s");
    quit(&mut client);
    assert!(
        messages::frames(&proxy.recorded(0, Direction::ToServer)).iter().any(|it| it.kind() == Some(MessageType::List))
    );
    assert_eq!(plays(&proxy, 0).len(), 0, "{:?}", plays(&proxy, 0));
}

#[test]
fn a_path_that_goes_dead_is_noticed_within_seconds_and_the_song_resumed() {
    let host = Host::with_songs(1);
    // Slow enough for the song to be in transfer all the time.
    let (proxy, mut client) = host.listener(Conditions::path(Duration::from_millis(40), 200_000));
    client.type_line("play 1");
    wait::wait_for(DEADLINE, "a part of the song", || proxy.forwarded(Direction::ToClient) > 50_000);
    proxy.inject_both(Fault::Freeze(Duration::MAX));
    let frozen = Instant::now();
    // A second of silence and two more after the PING; the rest allows for a busy machine.
    wait::wait_for(Duration::from_secs(15), "a new connection", || proxy.accepted() == 2);
    println!("figure: distance: a path that goes dead is given up after {:.1?}", frozen.elapsed());
    wait::wait_for(DEADLINE, "a PLAY on it", || !plays(&proxy, 1).is_empty());
    let play = plays(&proxy, 1)[0];
    let Start::Resume(position) = play.start else { panic!("{play:?}") };
    assert!((30_000..=60_000).contains(&position) && play.content_tag != 0, "{play:?}");
    let before = proxy.forwarded(Direction::ToClient);
    wait::wait_for(DEADLINE, "more of the song", || proxy.forwarded(Direction::ToClient) > before + 50_000);
    quit(&mut client);
}

#[test]
fn what_is_asked_on_a_path_that_went_dead_is_given_up_within_seconds() {
    let host = Host::with_songs(2);
    let (proxy, mut client) = host.listener(Conditions::PERFECT);
    proxy.inject_both(Fault::Freeze(Duration::MAX));
    let asked = Instant::now();
    client.type_line("list");
    client.wait_for_text(DEADLINE, "list: ");
    println!("figure: distance: a list on a path that went dead is given up after {:.1?}", asked.elapsed());
    // 3 s. Without a pending request, the client waits 30 s.
    assert!(asked.elapsed() < Duration::from_secs(15));
    // The client requests the song again by itself.
    client.type_line("info 1");
    client.wait_for_text(DEADLINE, "kbit/s");
    proxy.inject_both(Fault::Freeze(Duration::MAX));
    client.type_line("play 2");
    client.wait_for_text(DEADLINE, "▶ 2 ");
    assert_eq!((proxy.accepted(), plays(&proxy, 2).len()), (3, 1), "{}", client.transcript());
    quit(&mut client);
}

#[test]
fn an_answer_comes_soon_after_a_path_became_slow() {
    const ROUND_TRIP: Duration = Duration::from_millis(40);
    const SLOW: Conditions = Conditions { queue_bytes: 16 * 1_024, ..Conditions::path(ROUND_TRIP, 256_000) };
    let music = MusicDir::new();
    let song = std::fs::read(music.add("1.mp3", &corpus::CBR_320)).expect("a song that was just added");
    // Ten minutes, so that data never runs out.
    music.add_bytes("2.mp3", &song.repeat(24_000_000 / song.len()));
    let server = ServerProcess::start(music.path());
    let fast = Conditions { queue_bytes: SLOW.queue_bytes, ..Conditions::path(ROUND_TRIP, 20_000_000) };
    let proxy = Proxy::start(server.address(), fast);
    let mut client = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
    client.wait_for_text(DEADLINE, "connected to");
    client.type_line("play 2");
    // The buffer of 1 MiB is filling.
    wait::wait_for(DEADLINE, "a part of the song", || proxy.forwarded(Direction::ToClient) > 300_000);
    proxy.set(Direction::ToClient, SLOW);
    let changed = Instant::now();
    wait::wait_for(DEADLINE, "a second and two round-trips", || {
        changed.elapsed() > Duration::from_secs(1) + ROUND_TRIP * 2
    });
    let asked = Instant::now();
    client.type_line("info 1");
    client.wait_for_text(DEADLINE, "kbit/s");
    let took = asked.elapsed();
    // Data waiting in the proxy: its queue, and the kernel's buffers, which the kernel doubles.
    let queue = Duration::from_millis((SLOW.queue_bytes + 2 * 2 * SOCKET_BUFFER_BYTES) as u64 * 8 / 256);
    println!(
        "figure: distance: after 20 Mbit/s became 256 kbit/s an answer takes {took:.1?}; the path's queue {queue:.1?}"
    );
    assert!(took < Duration::from_millis(1_500) + queue, "{took:?}");
    assert_eq!(proxy.accepted(), 1, "{}", client.transcript());
    quit(&mut client);
}

/// A server with songs of 24 s whose titles are their numbers.
struct Host {
    server: ServerProcess,
    _music: MusicDir,
}

impl Host {
    fn with_songs(count: u64) -> Self {
        let music = MusicDir::new();
        for number in 1..=count {
            music.add(format!("{number}.mp3"), &corpus::CBR_128.seed(number).milliseconds(24_000));
        }
        Self { server: ServerProcess::start(music.path()), _music: music }
    }

    /// A client in a terminal, on a path with this round-trip time.
    fn listener(&self, conditions: Conditions) -> (Proxy, Terminal) {
        let proxy = Proxy::recording(self.server.address(), conditions);
        let client = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
        client.wait_for_text(DEADLINE, "connected to");
        (proxy, client)
    }
}

/// The client's requests on one of its connections.
fn plays(proxy: &Proxy, connection: usize) -> Vec<Play> {
    if proxy.accepted() <= connection {
        return Vec::new();
    }
    messages::plays(&proxy.recorded(connection, Direction::ToServer))
}

/// Types each line at its prompt, long before the previous one is answered.
#[track_caller]
fn enter(client: &Terminal, lines: &[&str]) {
    for line in lines {
        let is_entered = |row: &&String| **row == format!("trill> {line}");
        let before = client.screen().rows.iter().filter(is_entered).count();
        client.type_line(line);
        client.wait_for(DEADLINE, "the next prompt", |screen| {
            let is_next = screen.rows.iter().rfind(|row| !row.is_empty()).is_some_and(|row| row == "trill>");
            is_next && screen.rows.iter().filter(is_entered).count() > before
        });
    }
}

#[track_caller]
fn quit(client: &mut Terminal) {
    client.type_line("quit");
    assert!(client.wait(DEADLINE).success());
}
