//! A song of 100 MB: it starts at once, and requests during its transfer are answered at once.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use trill_proto::message::{EndReason, Message, MessageType};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages::{self, Frame};
use trill_tests::process::Process;
use trill_tests::proxy::{Conditions, Direction, Proxy};
use trill_tests::server::ServerProcess;
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);
const MS: fn(u64) -> Duration = Duration::from_millis;

/// Number of `list` commands during the transfer.
const LISTS: usize = 5;

#[test]
fn it_starts_long_before_it_is_sent() {
    let giant = Giant::serve();
    let proxy = Proxy::start(giant.server.address(), Conditions::PERFECT);
    let mut client = Client::of(proxy.address()).args(["-v", "--output=null", "play", "1"]).spawn();
    let line = client.wait_for_line(DEADLINE, "first sample after");
    // Read after the first sample was output, so this is an upper bound of the bytes received by then.
    let received = proxy.received(Direction::ToClient);
    let percent = 100.0 * received as f64 / giant.bytes as f64;
    println!("figure: giant: {}; {received} bytes sent, {percent:.2} % (bound 5 %)", line.trim());
    assert!(percent < 5.0, "{received} of {} bytes", giant.bytes);
}

#[test]
fn everything_is_answered_while_it_is_sent_at_full_speed() {
    let giant = Giant::serve();
    let proxy = Proxy::start(giant.server.address(), Conditions::PERFECT);
    let mut listener = Listener::start(&proxy);
    listener.play_until(&proxy, 1_000_000);
    listener.print_list_latency("loopback", MS(50));
    let received = proxy.received(Direction::ToClient);
    assert!(received < giant.bytes, "the song is over: nothing was shown");
    wait::wait_for(DEADLINE, "more of the song", || proxy.received(Direction::ToClient) > received + 100_000);

    listener.client.write(b"stop\n");
    // The answer follows the STOP and all bytes sent before it.
    listener.list();
    let stopped = proxy.received(Direction::ToClient);
    listener.list();
    let answer = proxy.received(Direction::ToClient) - stopped;
    assert!(answer < 1_000, "{answer} bytes, where a list of two songs was asked for");
    assert!(stopped < giant.bytes, "the song was over: nothing was shown");
    listener.quit();
}

#[test]
fn everything_is_answered_while_it_is_sent_over_a_slow_and_long_path() {
    /// 1 Mbit/s, in bytes.
    const RATE: f64 = 125_000.0;
    /// The window of `wire-format.md`: the path's rate times its round-trip plus 200 ms.
    const WINDOW: f64 = RATE * 0.3;

    let giant = Giant::serve();
    let proxy = Proxy::recording(giant.server.address(), Conditions::path(MS(100), 1_000_000));
    let received = || messages::frames(&proxy.recorded(0, Direction::ToClient));
    let sent = || messages::frames(&proxy.recorded(0, Direction::ToServer));
    let mut listener = Listener::start(&proxy);
    listener.play_until(&proxy, 250_000);
    listener.print_list_latency("100 ms and 1 Mbit/s", MS(500));

    let data_before = data_bytes(&received());
    let typed = Instant::now();
    listener.client.write(b"stop\n");
    wait::wait_for(DEADLINE, "STOP at the server", || {
        sent().iter().any(|frame| frame.kind() == Some(MessageType::Stop))
    });
    let obeyed_after = typed.elapsed();
    wait::wait_for(DEADLINE, "END", || received().iter().any(is_stopped));
    listener.list();

    let (received, granted) = (received(), granted_bytes(&sent()));
    let data = data_bytes(&received);
    let after = data - data_before;
    println!(
        "figure: giant: {after} bytes came after stop was typed, which reached the server {obeyed_after:?} later \
         (window {WINDOW} bytes)"
    );
    assert!(data <= granted, "{data} bytes came of {granted} that were asked for");
    // Twice the window, since the rate is measured, plus the bytes carried before the server knew it.
    let most = 2.0 * WINDOW + RATE * obeyed_after.as_secs_f64();
    assert!((after as f64) < most, "{after} bytes after stop, {most} at most");
    let end = received.iter().position(is_stopped).expect("it was waited for");
    assert_eq!(data_bytes(&received[end..]), 0, "DATA after END");
    listener.quit();
}

/// A server with the giant as song 1, and a short song.
struct Giant {
    server: ServerProcess,
    bytes: u64,
    _music: MusicDir,
}

impl Giant {
    fn serve() -> Self {
        let music = MusicDir::new();
        let path = music.add("1 giant.mp3", &corpus::GIANT);
        music.add("2 small.mp3", &corpus::CBR_128);
        let bytes = path.metadata().expect("a song that was just added").len();
        Self { server: ServerProcess::start(music.path()), bytes, _music: music }
    }
}

/// A client that reads the song at full speed.
struct Listener {
    client: Process,
    lists: usize,
    _directory: TempDir,
}

impl Listener {
    fn start(proxy: &Proxy) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let wav: PathBuf = directory.path().join("out.wav");
        let client = Client::of(proxy.address()).arg(format!("--output=wav:{}", wav.display())).spawn();
        Self { client, lists: 0, _directory: directory }
    }

    /// Plays the giant and waits for so many bytes of it.
    #[track_caller]
    fn play_until(&mut self, proxy: &Proxy, bytes: u64) {
        self.client.write(b"play 1\n");
        wait::wait_for(DEADLINE, "the song", || proxy.forwarded(Direction::ToClient) >= bytes);
    }

    /// Types `list`. Returns the time until the whole answer is shown.
    #[track_caller]
    fn list(&mut self) -> Duration {
        self.lists += 1;
        let typed = Instant::now();
        self.client.write(b"list\n");
        self.client.wait_for_lines(DEADLINE, "2\t2 small\t", self.lists);
        typed.elapsed()
    }

    #[track_caller]
    fn print_list_latency(&mut self, path: &str, target: Duration) {
        let mut times: Vec<Duration> = (0..LISTS).map(|_| self.list()).collect();
        times.sort();
        let (median, slowest) = (times[LISTS / 2], times[LISTS - 1]);
        let verdict = if median <= target { "met" } else { "missed" };
        println!(
            "figure: giant: list during the transmission, {path}: median {median:?}, slowest {slowest:?} (target \
             {target:?}: {verdict})"
        );
    }

    #[track_caller]
    fn quit(mut self) {
        self.client.write(b"quit\n");
        self.client.wait(DEADLINE).expect_code(0);
    }
}

fn data_bytes(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind() == Some(MessageType::Data)).map(|frame| frame.payload.len()).sum()
}

fn is_stopped(frame: &Frame) -> bool {
    frame.kind() == Some(MessageType::End)
        && matches!(frame.message(), Message::End(end) if end.reason == EndReason::Stopped)
}

/// The total credit of a client with one stream.
fn granted_bytes(sent: &[Frame]) -> usize {
    let credit = sent.iter().map(|frame| match frame.message() {
        Message::Play(play) => play.credit,
        Message::Credit(credit) => credit.more,
        _ => 0,
    });
    credit.map(|bytes| bytes as usize).sum()
}
