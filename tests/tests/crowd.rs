//! Two thousand connections that never send HELLO, send one byte per second or never read, and one client that listens.
#![cfg(target_os = "linux")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use trill_proto::ids::{SongId, StreamId};
use trill_proto::limits::{COMMAND_BURST, HEADER_BYTES, MAX_CREDIT_BYTES, MAX_PAYLOAD_BYTES, MAX_QUEUED_BYTES};
use trill_proto::message::{Hello, Message, MessageType, PREAMBLE, Play, Start};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::listener::Listener;
use trill_tests::messages::{encode, frame};
use trill_tests::raw::RawConnection;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

const CROWD: usize = 2_000;

/// How long the whole crowd stays.
const STAY: Duration = Duration::from_secs(12);

/// The longest time from an honest client's connection to the end of its list. No process starts meanwhile, so it
/// depends little on the machine's load.
const MAX_LIST_TIME: Duration = Duration::from_secs(5);

/// The smallest fill level of trill's buffer. trill grants credit when a quarter of its 65 s is free. The remaining 5 %
/// are 3 s of music that may play before granted data arrives. The machine's speed does not matter: without CPU time
/// trill's playback stops too.
const MIN_BUFFER_PERCENT: u32 = 70;

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Largest average memory of the server per crowd connection: a stack, and a DATA frame if the client does not read.
const BYTES_EACH: u64 = 32 * 1024;

/// Largest unread data in the server's socket for such a client, including a frame written when there was less.
const QUEUED_BYTES: u64 = MAX_QUEUED_BYTES as u64 + (HEADER_BYTES + MAX_PAYLOAD_BYTES) as u64;

#[test]
fn a_crowd_that_means_no_good_disturbs_nobody() {
    allow_many_files();
    let music = MusicDir::new();
    let audio = fs::read(music.add("1.mp3", &corpus::LONG)).expect("a song that was just added");
    music.add("2.mp3", &corpus::LONG.seed(2));
    let server = ServerProcess::start(music.path());
    Session::open(server.address()).list_measured();
    let first = server.usage_at_rest();

    let mut client = Client::of(server.address()).arg("--output=null").preferred().spawn();
    client.write(b"play 1\n");
    let (mut rounds, mut list_time, mut peak, mut queued) = (0, Duration::ZERO, first, Queued::default());
    let connections = thread::scope(|scope| {
        let listener = Listener::start(scope, server.address(), &audio);
        let (stop, stopped) = mpsc::channel();
        let (report, gathered) = mpsc::channel();
        let crowd = scope.spawn(|| Crowd::new(server.address()).stay(report, stopped));
        gathered.recv_timeout(DEADLINE).expect("the crowd gathers");
        let begun = Instant::now();
        while begun.elapsed() < STAY {
            let list = Client::of(server.address()).arg("list").run(DEADLINE).expect_code(0);
            assert_eq!(list.stdout.lines().count(), 2, "{list}");
            list_time = list_time.max(time_of_list(server.address()));
            client.write(b"status\n");
            rounds += 1;
            let usage = server.usage();
            peak.resident_bytes = peak.resident_bytes.max(usage.resident_bytes);
            peak.threads = peak.threads.max(usage.threads);
            queued.take(server.address());
        }
        drop(stop);
        listener.check("crowd");
        crowd.join().expect("the crowd panics for itself")
    });
    let fills = client.wait_for_lines(DEADLINE, "buffer ", rounds);
    let fill_percent = fills.iter().map(|line| percent_in(line)).min().expect("a round");
    let underruns = client.wait_for_lines(DEADLINE, "underruns ", rounds).pop().expect("a round");
    println!("figure: crowd: {CROWD} at once, {connections} connections in all, within {STAY:?}");
    println!("figure: crowd: trill's buffer was {fill_percent} % full at least in {rounds} looks; {underruns}");
    println!("figure: crowd: a list took {list_time:?} at most (limit {MAX_LIST_TIME:?})");
    println!(
        "figure: crowd: the server had {} KiB before, {} KiB and {} threads at most",
        first.resident_bytes / 1024,
        peak.resident_bytes / 1024,
        peak.threads
    );
    println!("figure: crowd: its kernel had {} KiB for one that does not read at most", queued.unsent / 1024);
    assert!(list_time < MAX_LIST_TIME, "{list_time:?}");
    // Underruns are not checked: a client without CPU time has them with any server.
    assert!(fill_percent >= MIN_BUFFER_PERCENT, "{client}");
    assert!(client.stdout().lines().any(|line| line.ends_with("playing")), "{client}");
    assert!(peak.resident_bytes <= first.resident_bytes + CROWD as u64 * BYTES_EACH, "{peak:?}, before {first:?}");
    // The second shows that data was held back.
    assert!(queued.unsent <= QUEUED_BYTES && queued.unsent >= QUEUED_BYTES / 4, "{queued:?}");
    client.write(b"quit\n");
    client.wait(DEADLINE).expect_code(0);
    server.wait_until_back_at(&first, DEADLINE);
    server.stop().expect_code(0);
}

/// Bounds the unread commands in the server's kernel, however fast it read commands before.
#[test]
fn what_a_flooder_sends_waits_on_its_own_side() {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(500));
    let server = ServerProcess::start(music.path());
    let mut flooder = RawConnection::connect(server.address());
    assert_eq!(flooder.greet(Hello::default(), DEADLINE).kind(), Some(MessageType::Welcome));
    let (stream, song, start) = (StreamId(1), SongId(1), Start::Time(0));
    flooder.send_message(&Message::Play(Play { stream, song, start, content_tag: 0, credit: 0 }));
    // The server reads the burst immediately.
    let stop = frame(MessageType::Stop.to_byte(), 1, &[]);
    flooder.send(&stop.repeat(COMMAND_BURST as usize));
    // Far more than any socket buffers, so both sides' buffers fill.
    let flood = stop.repeat(5_000_000);
    let sent = flooder.send_what_fits(&flood, Duration::from_millis(300));
    assert!(sent < flood.len(), "all {sent} bytes were taken");
    let mut queued = Queued::default();
    queued.take(server.address());
    println!("figure: crowd: its kernel had {} KiB of commands from a flooder", queued.unread / 1024);
    assert!((1..=u64::from(MAX_QUEUED_BYTES)).contains(&queued.unread), "{queued:?}");
    server.stop().expect_code(0);
}

/// The time until a new client has its list.
fn time_of_list(server: SocketAddr) -> Duration {
    let begun = Instant::now();
    let mut session = Session::open(server);
    assert_eq!(session.list().len(), 2);
    let elapsed = begun.elapsed();
    session.leave();
    elapsed
}

/// The percentage in a line such as `buffer     53.3 s, 81 % full`.
fn percent_in(line: &str) -> u32 {
    let word = line.rsplit(' ').nth(2).unwrap_or_default();
    word.parse().unwrap_or_else(|_| panic!("no percentage in {line:?}"))
}

fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the hard limit is allowed");
    assert!(maximum.is_none_or(|most| most > 2 * CROWD as u64), "ulimit -Hn is {maximum:?}: too few for this test");
}

// ── the crowd ──

/// All hostile clients, on one thread.
struct Crowd {
    address: SocketAddr,
    members: Vec<Member>,
    /// Number of connections so far.
    connections: usize,
}

struct Member {
    habit: Habit,
    connection: TcpStream,
    /// The bytes that it sends, one per second.
    drips: std::vec::IntoIter<u8>,
}

#[derive(Clone, Copy)]
enum Habit {
    /// Never says HELLO.
    Silent,
    /// Sends HELLO too slowly.
    DripsHello,
    /// Sends HELLO, then a LIST at one byte per second.
    DripsCommands,
    /// Requests everything and reads nothing.
    NeverReads,
}

const HABITS: [Habit; 4] = [Habit::Silent, Habit::DripsHello, Habit::DripsCommands, Habit::NeverReads];

/// Interval between the actions of each client.
const PACE: Duration = Duration::from_secs(1);

/// The crowd acts in so many groups, one after the other. All at once would load this machine's CPU rather than test
/// the server.
const GROUPS: usize = 50;

impl Crowd {
    fn new(address: SocketAddr) -> Self {
        let members: Vec<_> =
            HABITS.into_iter().cycle().take(CROWD).map(|habit| Member::come(habit, address)).collect();
        Self { address, members, connections: CROWD }
    }

    /// Runs until told to stop. Closed connections are opened again.
    fn stay(mut self, report: mpsc::Sender<()>, stopped: Receiver<()>) -> usize {
        report.send(()).expect("the test waits for it");
        for group in (0..GROUPS).cycle() {
            if stopped.recv_timeout(PACE / GROUPS as u32) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            for member in self.members.iter_mut().skip(group).step_by(GROUPS) {
                if member.drip().is_err() {
                    *member = Member::come(member.habit, self.address);
                    self.connections += 1;
                }
            }
        }
        self.connections
    }
}

impl Member {
    fn come(habit: Habit, address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).expect("the server accepts connections");
        let hello = [PREAMBLE.as_slice(), &encode(&Message::Hello(Hello::default()))].concat();
        let (at_once, drips) = match habit {
            Habit::Silent => (Vec::new(), Vec::new()),
            Habit::DripsHello => (Vec::new(), hello),
            Habit::DripsCommands => (hello, frame(MessageType::List.to_byte(), 1, &[0, 0, 0, 1, 0, 0, 0, 9]).repeat(9)),
            Habit::NeverReads => {
                socket2::SockRef::from(&connection).set_recv_buffer_size(4_096).expect("the kernel takes any size");
                let (stream, song, start) = (StreamId(1), SongId(2), Start::Time(0));
                let play = Play { stream, song, start, content_tag: 0, credit: MAX_CREDIT_BYTES };
                ([hello, encode(&Message::Play(play))].concat(), Vec::new())
            }
        };
        // Fails if the server has already closed the connection.
        let _ = (&connection).write_all(&at_once);
        connection.set_nonblocking(true).expect("a socket");
        Self { habit, connection, drips: drips.into_iter() }
    }

    /// Sends the next byte, if any.
    ///
    /// # Errors
    /// When the server has closed the connection.
    fn drip(&mut self) -> io::Result<()> {
        if let Some(byte) = self.drips.next() {
            self.connection.write_all(&[byte])?;
        }
        if matches!(self.habit, Habit::NeverReads) {
            return Ok(());
        }
        match self.connection.read(&mut [0; 1_024]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

// ── the kernel's buffers ──

/// Bytes in the buffers of the server's sockets, as `/proc/net/tcp` counts them.
#[derive(Debug, Default)]
struct Queued {
    /// Unsent or unacknowledged bytes, for one connection.
    unsent: u64,
    /// Bytes that the server has not read, for one connection.
    unread: u64,
}

impl Queued {
    /// Reads the server's connections.
    fn take(&mut self, server: SocketAddr) {
        let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
        let port = format!(":{:04X}", server.port());
        for line in table.lines().skip(1) {
            // sl, local address, remote address, state, tx_queue:rx_queue, … (proc(5))
            let fields: Vec<_> = line.split_whitespace().collect();
            if fields[1].ends_with(&port) {
                let (sent, received) = fields[4].split_once(':').expect("two queues");
                let number = |digits| u64::from_str_radix(digits, 16).expect("a hexadecimal number");
                self.unsent = self.unsent.max(number(sent));
                // For a listening socket these are waiting connections.
                self.unread = self.unread.max(number(received));
            }
        }
    }
}
