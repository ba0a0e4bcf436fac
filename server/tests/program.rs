//! The program itself: its arguments, its lines, its exit status.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::{DEADLINE, Music, Raw, Seen, TestClient, mp3, mp3_of_bytes};
use trill_proto::ids::{SongId, StreamId};
use trill_proto::limits::MAX_CREDIT_BYTES;
use trill_proto::message::{EndReason, GoodbyeReason, MessageType, Play, Start};
use trill_tests::binaries;

fn program() -> Command {
    let mut command = binaries::command(env!("CARGO_BIN_EXE_trill-server"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program starts")
}

#[track_caller]
fn check_failure(arguments: &[&str], status: i32, complaint: &str) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("trill-server: {complaint}\n"), "{arguments:?}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
}

/// A server with its lines. Dropping it kills it.
struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Running {
    /// Serves `directory` on a free port.
    #[track_caller]
    fn start(options: &[&str], directory: Option<&Path>) -> Self {
        let mut child = program()
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .args(directory)
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        Self { child, stdout: Some(stdout), address: address.unwrap_or_else(|| panic!("{line:?}")) }
    }

    /// The next line of stdout.
    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().expect("not closed").read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Starts to collect stderr.
    fn collect_log(&mut self) -> Log {
        let text = Arc::<Mutex<String>>::default();
        let mut lines = BufReader::new(self.child.stderr.take().expect("stderr is piped"));
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                shared.lock().expect("no panic").push_str(&std::mem::take(&mut line));
            }
        });
        Log { text, reader }
    }

    /// A client with all the credit there is, that does not read.
    fn stuck_client(&self) -> Raw {
        let mut stuck = Raw::join(self.address);
        let (stream, song) = (StreamId(1), SongId(1));
        stuck.say(&Play { stream, song, start: Start::Time(0), content_tag: 0, credit: MAX_CREDIT_BYTES });
        assert_eq!(stuck.answer().kind, MessageType::Started);
        stuck
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the server", || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Log {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Log {
    #[track_caller]
    fn wait_for(&self, part: &str) {
        wait_for(part, || self.text.lock().expect("no panic").contains(part).then_some(()));
    }

    /// All of it, once the server has ended.
    fn end(self) -> String {
        self.reader.join().expect("no panic");
        self.text.lock().expect("no panic").clone()
    }
}

#[track_caller]
fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn help_and_version() {
    let help = run(&["--help"]);
    assert!(help.status.success() && help.stdout.starts_with(b"Serves the MP3 files"));
    let version = run(&["-V"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout), format!("trill-server {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    check_failure(&["--nonsense"], 2, "no option \"--nonsense\"; --help lists them");
    check_failure(&["a", "b"], 2, "unexpected argument \"b\"");
    check_failure(&["/no/such/place"], 1, "\"/no/such/place\": there is no such directory");
    check_failure(&["/etc/passwd"], 1, "\"/etc/passwd\" is not a directory");
    check_failure(&["--listen", "192.0.2.1:0"], 1, "192.0.2.1 is not an address of this machine");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let complaint = format!("port {} is taken: another server may be running; --listen chooses a port", address.port());
    check_failure(&["--listen", &address.to_string()], 1, &complaint);
}

#[test]
fn without_a_directory_it_plays_the_songs_that_are_built_in() {
    let mut server = Running::start(&[], None);
    assert_eq!(server.line(), "serving 3 built-in songs; to serve your own: trill-server DIR");
    assert_eq!(server.line(), "ready, 3 songs");
    assert_eq!(server.line(), format!("on this machine type:     trill {}", server.address));
    let mut client = TestClient::join(server.address);
    for song in 1..=3 {
        let started = client.start(song);
        assert!(started.end_sample > 0);
        assert_eq!(client.next(), Seen::Ended(started.stream, EndReason::Finished));
    }
}

#[test]
fn the_log_says_who_joined_what_they_play_who_left_and_why() {
    let music = Music::new(&[&mp3(3, 1)]);
    let mut server = Running::start(&["-v"], Some(music.path()));
    let log = server.collect_log();
    let mut client = TestClient::join_as(server.address, "lap\x1b[2Jtop", [1; 16]);
    log.wait_for(" laptop (127.0.0.1:");
    log.wait_for(") joined\n");
    client.start(1);
    log.wait_for(") plays 1 \"01\"\n");
    client.play(9);
    log.wait_for(") asked for song 9: there is no such song\n");
    drop(client);
    log.wait_for(") left: it closed the connection\n");
    Raw::connect(server.address).send(b"GET / HTTP/1.1\r\n\r\n");
    log.wait_for(" was refused: the other side does not speak Trill\n");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(log.end().ends_with(" shutting down\n"));
}

#[test]
fn either_signal_ends_it_in_peace_whatever_the_clients_do() {
    let music = Music::new(&[&mp3_of_bytes(8 << 20, 1)]);
    for signal in ["INT", "TERM"] {
        let mut server = Running::start(&["-q"], Some(music.path()));
        let log = server.collect_log();
        let mut idle = TestClient::join(server.address);
        let _stuck = server.stuck_client();
        let begun = Instant::now();
        server.signal(signal);
        assert_eq!(idle.next(), Seen::Goodbye(GoodbyeReason::Restarting));
        assert_eq!(idle.next(), Seen::Closed);
        assert_eq!(server.wait().code(), Some(0), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{signal}: took {:?}", begun.elapsed());
        assert_eq!(log.end(), "", "quiet is quiet");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let music = Music::new(&[&mp3_of_bytes(8 << 20, 1)]);
    // A machine on its knees may be so late with the second signal that the server has ended in peace.
    for _ in 0..5 {
        let mut server = Running::start(&[], Some(music.path()));
        let mut idle = TestClient::join(server.address);
        let _stuck = server.stuck_client();
        server.signal("INT");
        assert_eq!(idle.next(), Seen::Goodbye(GoodbyeReason::Restarting));
        server.signal("INT");
        match server.wait().code() {
            Some(0) => {}
            // It dies of the signal, which a shell reports as 130.
            code => return assert_eq!(code, None),
        }
    }
    panic!("it always ended in peace");
}

#[test]
fn it_serves_on_when_nobody_reads_what_it_says() {
    let music = Music::new(&[&mp3(30, 1)]);
    let mut server = Running::start(&["-v"], Some(music.path()));
    drop(server.stdout.take());
    drop(server.child.stderr.take());
    for _ in 0..3 {
        let mut client = TestClient::join(server.address);
        let stream = client.start(1).stream;
        assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn it_serves_on_when_its_log_is_stuck() {
    let music = Music::new(&[&mp3(30, 1)]);
    // A pipe takes 64 KiB. Nobody reads this one, so what is written to it after that waits for ever.
    let mut server = Running::start(&["-v"], Some(music.path()));
    let name = "a name that is as long as names may be, so that lines are long".to_owned();
    for _ in 0..5 {
        let mut client = TestClient::join_as(server.address, &name, [0; 16]);
        for _ in 0..400 {
            client.info(1);
            assert!(matches!(client.next(), Seen::Song { .. }));
        }
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
