//! A listener whose network, server or song disappears, with the real programs.
#![cfg(target_os = "linux")]

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use trill_proto::limits::{STALL_CLOSE_AFTER, STALL_PING_AFTER};
use trill_proto::message::{MessageType, Play, Start};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::messages;
use trill_tests::names::Hosts;
use trill_tests::pcm::Pcm;
use trill_tests::process::Process;
use trill_tests::proxy::{Conditions, Direction, Fault, Proxy};
use trill_tests::raw::SilentListener;
use trill_tests::reference::{self, compare::assert_same_from};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Terminal, VT100};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);

/// 384 KB.
const SONG: Song = corpus::CBR_128.milliseconds(24_000);

/// Rate at which the song takes a second and a half.
const SLOW: Conditions = Conditions::path(Duration::from_millis(20), 2_000_000);

/// Bytes of a part of the song.
const PART: u64 = 100_000;

// ── the server ends ──

#[test]
fn a_server_that_was_restarted_on_its_directory_goes_on_with_the_song() {
    for signal in [Signal::TERM, Signal::KILL] {
        let music = MusicDir::new();
        music.add("2.mp3", &SONG);
        let mut server = ServerProcess::start(music.path());
        let proxy = Proxy::recording(server.address(), SLOW);
        let recorder = Recorder::start(proxy.address());
        wait_for_part(&proxy);
        server.signal(signal);
        wait::wait_for(DEADLINE, "the server's end", || server.process().has_ended());

        // Song 1 has become song 2.
        music.add("1.mp3", &corpus::VBR.milliseconds(2_000));
        let mut command = ServerProcess::command();
        command.args(["--listen", &server.address().to_string()]).arg(music.path());
        let _restarted = ServerProcess::launch(command);
        let said = recorder.expect_whole_song();
        assert!(said.contains("reconnecting") && said.contains("connected again"), "{signal:?}: {said}");
        let resumed = plays(&proxy, proxy.accepted() - 1);
        assert!(matches!(resumed[..], [Play { start: Start::Resume(PART..), .. }]), "{signal:?}: {resumed:?}");
    }
}

#[test]
fn a_song_that_was_replaced_meanwhile_ends_where_it_is() {
    let music = MusicDir::new();
    music.add("1.mp3", &SONG);
    let server = ServerProcess::start(music.path());
    let proxy = Proxy::recording(server.address(), SLOW);
    let recorder = Recorder::start(proxy.address());
    wait_for_part(&proxy);
    music.add("1.mp3", &SONG.seed(2));
    proxy.inject_both(Fault::Reset);
    let output = recorder.process.wait(DEADLINE).expect_code(1);
    assert!(output.stderr.contains("trill: song 1 has changed on the server; play it anew"), "{output}");
    let (heard, song) = (Pcm::read_wav(&recorder.file), reference::decode(&SONG.make()).music);
    // A second of 128 kbit/s is 16,000 bytes. The last frame needs the next one to be complete.
    let least = PART as usize / 16_000 * 44_100 - 44_100;
    assert!((least..song.frames()).contains(&heard.frames()), "{heard:?}");
    assert_same_from(&heard, &song.slice(0..heard.frames()), 0);
}

// ── one side is suspended ──

#[test]
fn a_server_that_hangs_is_noticed_and_found_again_when_it_goes_on() {
    let music = MusicDir::new();
    music.add("1.mp3", &SONG);
    let server = ServerProcess::start(music.path());
    let proxy = Proxy::recording(server.address(), SLOW);
    let recorder = Recorder::start(proxy.address());
    wait_for_part(&proxy);
    server.signal(Signal::STOP);
    let stopped = Instant::now();
    // The stopped server's kernel still accepts connections.
    wait::wait_for(DEADLINE, "another connection", || proxy.accepted() > 1);
    println!("figure: faults: a server that hangs is given up after {:.1?}", stopped.elapsed());
    server.signal(Signal::CONT);
    recorder.expect_whole_song();
    assert!(stopped.elapsed() >= STALL_PING_AFTER + STALL_CLOSE_AFTER);
}

#[test]
fn a_client_that_slept_goes_on_with_the_connection_that_it_has() {
    let music = MusicDir::new();
    music.add("1.mp3", &SONG);
    let server = ServerProcess::start(music.path());
    let proxy = Proxy::recording(server.address(), SLOW);
    let recorder = Recorder::start(proxy.address());
    wait_for_part(&proxy);
    // The test needs real time: the client's clock must jump by more than its timeout for a silent server.
    recorder.process.signal(Signal::STOP);
    thread::sleep(STALL_PING_AFTER + STALL_CLOSE_AFTER + Duration::from_secs(1));
    recorder.process.signal(Signal::CONT);
    recorder.expect_whole_song();
    assert_eq!(proxy.accepted(), 1, "connections");
}

// ── addresses ──

#[test]
fn a_server_that_moved_to_another_address_is_found_by_its_name() {
    let music = MusicDir::new();
    music.add("1.mp3", &SONG);
    let server = ServerProcess::start(music.path());
    let proxy = Proxy::recording(server.address(), SLOW);
    let port = proxy.address().port();
    let mut hosts = Hosts::new(&["127.0.0.1 attic"]);
    let recorder = Recorder::start_by_name("attic", port, &hosts);
    wait_for_part(&proxy);
    let mut command = ServerProcess::command();
    command.args(["--listen", &format!("127.0.0.2:{port}")]).arg(music.path());
    let mut moved = ServerProcess::launch(command);
    hosts.change(&["127.0.0.2 attic"]);
    proxy.inject_both(Fault::Reset);
    recorder.expect_whole_song();
    assert_eq!(proxy.accepted(), 1, "connections to the old address");
    moved.process().wait_for_line(DEADLINE, "joined");
}

#[test]
fn a_server_that_answers_at_only_one_of_its_addresses_is_reached_there_soon() {
    let music = MusicDir::new();
    music.add("1.mp3", &SONG);
    let server = ServerProcess::start(music.path());
    let port = server.address().port();
    // Two IPv4 addresses, if this machine has no IPv6.
    let first = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let (silent, first) = match SilentListener::bind(first) {
        Ok(silent) => (silent, first),
        Err(_) => {
            let first = SocketAddr::from(([127, 0, 0, 2], port));
            (SilentListener::bind(first).expect("a port that is free there"), first)
        }
    };
    let hosts = Hosts::new(&[&format!("{} attic", first.ip()), "127.0.0.1 attic"]);
    let list = |what: &str| {
        let mut command = Client::new().args([&format!("attic:{port}"), "list"]).into_command();
        hosts.apply_to(&mut command);
        let output = Process::spawn("trill", command).wait(DEADLINE).expect_code(0);
        assert!(output.stdout.starts_with("1\t"), "{output}");
        println!("figure: faults: list where {first} {what} and IPv4 answers: {:.0?}", output.elapsed);
        output.elapsed
    };
    // The first address has 250 ms before the second is tried. Waiting for its failure would take 5 s.
    assert!(list("is silent") < Duration::from_secs(4));
    drop(silent);
    assert!(list("refuses") < Duration::from_secs(4));
}

// ── at a prompt ──

#[test]
fn while_it_reconnects_the_sound_goes_on_and_the_status_line_says_so() {
    let Prompt { proxy, mut client, _server, _music } = Prompt::playing();
    wait_for_part(&proxy);
    proxy.refuse(true);
    proxy.inject_both(Fault::Reset);
    client.wait_for_text(DEADLINE, "; reconnecting");
    let status = |client: &Terminal| {
        client.wait_for_text(DEADLINE, "reconnecting 1 ").row_with("reconnecting 1 ").map(str::to_owned)
    };
    let before = status(&client);
    wait::wait_for(DEADLINE, "the sound to go on", || status(&client) != before);
    proxy.refuse(false);
    client.wait_for_text(DEADLINE, "▶ 1 ");
    client.wait_for_text(DEADLINE, "connected again");
    client.type_line("quit");
    assert!(client.wait(DEADLINE).success());
}

#[test]
fn what_was_paused_or_stopped_stays_so() {
    let Prompt { proxy, mut client, _server, _music } = Prompt::playing();
    client.wait_for_text(DEADLINE, "  0:01/");
    client.type_line("pause");
    let position = |client: &Terminal| {
        let screen = client.wait_for_text(DEADLINE, "paused 1  ");
        screen.row_with("paused 1  ").and_then(|row| row.split_whitespace().nth(3)).map(str::to_owned)
    };
    let before = position(&client);

    // On a busy machine there may have been several connections.
    let second = proxy.accepted();
    proxy.inject_both(Fault::Reset);
    wait::wait_for(DEADLINE, "a PLAY on another connection", || plays(&proxy, second).len() == 1);
    assert!(matches!(plays(&proxy, second)[0].start, Start::Resume(_)));
    let received = proxy.forwarded(Direction::ToClient);
    wait::wait_for(DEADLINE, "more of the song", || proxy.forwarded(Direction::ToClient) > received + 20_000);
    assert_eq!(position(&client), before, "{}", client.transcript());

    client.type_line("stop");
    let third = proxy.accepted();
    let sent = || messages::frames(&proxy.recorded(third - 1, Direction::ToServer));
    wait::wait_for(DEADLINE, "STOP", || sent().iter().any(|frame| frame.kind() == Some(MessageType::Stop)));
    proxy.inject_both(Fault::Reset);
    client.wait_for_text(DEADLINE, "the next command connects again");
    client.type_line("info 1");
    client.wait_for_text(DEADLINE, "kbit/s");
    assert_eq!((proxy.accepted(), plays(&proxy, third).len()), (third + 1, 0), "{}", client.transcript());
    client.type_line("quit");
    assert!(client.wait(DEADLINE).success());
}

/// The program in a terminal, playing song 1 over a path with 1.5 times the song's rate, so that the transfer takes
/// long.
struct Prompt {
    client: Terminal,
    proxy: Proxy,
    _server: ServerProcess,
    _music: MusicDir,
}

impl Prompt {
    fn playing() -> Self {
        let music = MusicDir::new();
        music.add("1.mp3", &SONG);
        let server = ServerProcess::start(music.path());
        let proxy = Proxy::recording(server.address(), Conditions::path(Duration::from_millis(20), 200_000));
        let client = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
        client.wait_for_text(DEADLINE, "connected to");
        client.type_line("play 1");
        Self { client, proxy, _server: server, _music: music }
    }
}

/// The program, recording song 1.
struct Recorder {
    process: Process,
    file: PathBuf,
    _folder: TempDir,
}

impl Recorder {
    fn start(server: SocketAddr) -> Self {
        Self::launch(&server.to_string(), None)
    }

    fn start_by_name(host: &str, port: u16, hosts: &Hosts) -> Self {
        Self::launch(&format!("{host}:{port}"), Some(hosts))
    }

    fn launch(server: &str, hosts: Option<&Hosts>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("out.wav");
        let output = format!("--output=wav:{}", file.display());
        let mut command = Client::new().args([&output, server, "play", "1"]).into_command();
        if let Some(hosts) = hosts {
            hosts.apply_to(&mut command);
        }
        Self { process: Process::spawn("trill", command), file, _folder: folder }
    }

    /// Waits for the end of the complete song. Returns the output.
    #[track_caller]
    fn expect_whole_song(self) -> String {
        let output = self.process.wait(DEADLINE).expect_code(0);
        let (heard, song) = (Pcm::read_wav(&self.file), reference::decode(&SONG.make()).music);
        assert_eq!(heard.frames(), song.frames(), "{output}");
        assert_same_from(&heard, &song, 0);
        output.stderr
    }
}

#[track_caller]
fn wait_for_part(proxy: &Proxy) {
    wait::wait_for(DEADLINE, "a part of the song", || proxy.forwarded(Direction::ToClient) > PART);
}

/// The client's requests on one of its connections.
fn plays(proxy: &Proxy, connection: usize) -> Vec<Play> {
    if proxy.accepted() <= connection {
        return Vec::new();
    }
    messages::plays(&proxy.recorded(connection, Direction::ToServer))
}
