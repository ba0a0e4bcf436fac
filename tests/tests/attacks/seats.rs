//! Clients that use as much memory and as many files as they can.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{HEADER_BYTES, MAX_CREDIT_BYTES, MAX_PAYLOAD_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{Credit, Header, Hello, List, Message, MessageType, PREAMBLE, Play, Start};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages::encode;
use trill_tests::server::ServerProcess;
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);

/// The server's limits in these tests.
const MEMORY_BYTES: u64 = 48 << 20;

/// More clients than the server has places.
const CROWD: usize = 600;

#[test]
fn clients_that_do_not_read_exhaust_no_control_group() {
    let Some(group) = MemoryGroup::create(MEMORY_BYTES) else {
        eprintln!("skipped: no control group can be made here");
        return;
    };
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::LONG);
    let mut server = group.launch(&music);
    let room = room(&mut server);
    let crowd = Crowd::gather(server.address(), CROWD);
    crowd.settle(&mut server);
    assert!(!server.process().has_ended(), "{} clients joined, and the kernel killed the server", crowd.0.len());
    let peak = group.peak_bytes() + Crowd::unsent_bytes(server.address());
    eprintln!(
        "figure: seats: {} of {CROWD} clients that do not read joined, room for {room} was announced; \
         peak memory / limit {:.2}, {} bytes unsent",
        crowd.0.len(),
        peak as f64 / MEMORY_BYTES as f64,
        Crowd::unsent_bytes(server.address())
    );
    assert!(peak < MEMORY_BYTES);
    check_service(server, crowd, room);
}

#[test]
fn clients_that_do_not_read_exhaust_no_resource_limit() {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::LONG);
    // The C library's allocator reserves this much per processor of the machine, including those outside the control
    // group.
    let reserved = online_processors() * 8 * (64 << 20);
    for limit in ["--data=200000000", &format!("--as={}", 500_000_000 + reserved)] {
        let mut server = ServerProcess::launch(started_by("prlimit", &[limit], &music));
        let room = room(&mut server);
        let crowd = Crowd::gather(server.address(), CROWD);
        eprintln!("figure: seats: {limit}: {} of {CROWD} clients joined, room for {room} was announced", crowd.0.len());
        check_service(server, crowd, room);
    }
}

/// Lines such as `cpu0 336361 515767 …` (proc(5)).
fn online_processors() -> usize {
    let table = fs::read_to_string("/proc/stat").expect("the kernel's table");
    table.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
}

#[test]
fn no_song_fails_for_want_of_descriptors() {
    const FILES: usize = 512;
    let music = MusicDir::new();
    for song in 1..=FILES {
        music.add(format!("{song:03}.mp3"), &corpus::CBR_128.milliseconds(500));
    }
    let limit = format!("--nofile={FILES}");
    let mut server = ServerProcess::launch(started_by("prlimit", &[&limit], &music));
    let room = room(&mut server);
    // Each client has a song and requests another, and none reads.
    let mut crowd: Vec<Attacker> = Vec::new();
    while let Some(attacker) = Attacker::join(server.address()) {
        crowd.push(attacker);
        assert!(crowd.len() <= FILES, "no limit");
    }
    let (mut failures, mut started) = (0, 0);
    for round in 0..2 {
        for (index, attacker) in crowd.iter_mut().enumerate() {
            attacker.play(round + 1, (index + round as usize * FILES / 2) % FILES + 1, 0);
        }
        for attacker in &mut crowd {
            match attacker.next_answer() {
                Some(MessageType::Started) => started += 1,
                _ => failures += 1,
            }
        }
    }
    eprintln!("figure: seats: {FILES} files: {} clients joined, {started} songs began, {failures} failed", crowd.len());
    assert_eq!((failures, started), (0, 2 * crowd.len()));
    assert_eq!(crowd.len(), room);
    drop(crowd);
    server.stop().expect_code(0);
}

/// Checks that as many clients have joined as announced, and that an honest one gets the place of one that leaves.
#[track_caller]
fn check_service(server: ServerProcess, mut crowd: Crowd, room: usize) {
    assert!((1..CROWD).contains(&room), "room for {room}");
    assert_eq!(crowd.0.len(), room);
    crowd.0.pop();
    wait::wait_for(DEADLINE, "a place", || Client::of(server.address()).arg("list").run(DEADLINE).status.success());
    drop(crowd);
    server.stop().expect_code(0);
}

/// The number in `room for 12 clients`.
#[track_caller]
fn room(server: &mut ServerProcess) -> usize {
    let line = server.process().wait_for_line(DEADLINE, "room for ");
    let (_, number) = line.split_once("room for ").expect("the line that was found");
    let number = number.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    server.wait_until_ready();
    number
}

/// Starts the server through a program that limits it.
fn started_by(program: &str, arguments: &[&str], music: &MusicDir) -> Command {
    let server = ServerProcess::command();
    let mut command = Command::new(program);
    command.args(arguments).arg(server.get_program()).args(["--listen", "127.0.0.1:0"]).arg(music.path());
    command
}

// ── clients that do not read ──

struct Crowd(Vec<Attacker>);

impl Crowd {
    /// Connects until the server is full or `count` clients are connected.
    fn gather(address: SocketAddr, at_most: usize) -> Self {
        let attackers = std::iter::from_fn(|| Attacker::join(address).map(Attacker::earn_long_frames));
        Self(attackers.take(at_most).collect())
    }

    /// Waits until all of the server's sockets are full.
    fn settle(&self, server: &mut ServerProcess) {
        let (mut last, mut times) = (0, 0);
        wait::wait_for(DEADLINE, "writes to end", || {
            let unsent = Self::unsent_bytes(server.address());
            times = if unsent == last { times + 1 } else { 0 };
            last = unsent;
            times > 100 || server.process().has_ended()
        });
    }

    /// Bytes in the buffers of the server's sockets, from `/proc/net/tcp`. Version 1 of control groups does not count
    /// them.
    fn unsent_bytes(server: SocketAddr) -> u64 {
        let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
        let port = format!(":{:04X}", server.port());
        // sl, local address, remote address, state, tx_queue:rx_queue, … (proc(5))
        let of_server = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let unsent = of_server.filter(|fields| fields[1].ends_with(&port)).map(|fields| {
            let (unsent, _) = fields[4].split_once(':').expect("two queues");
            u64::from_str_radix(unsent, 16).expect("a hexadecimal number")
        });
        unsent.sum()
    }
}

struct Attacker(TcpStream);

impl Attacker {
    /// `None` if the server is full or gone.
    fn join(address: SocketAddr) -> Option<Self> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
        socket2::SockRef::from(&stream).set_recv_buffer_size(4_096).expect("the kernel takes any size");
        let hello = encode(&Message::Hello(Hello::default()));
        stream.write_all(&[PREAMBLE.as_slice(), &hello].concat()).ok()?;
        let mut preamble = [0; PREAMBLE_BYTES];
        stream.read_exact(&mut preamble).ok()?;
        let mut attacker = Self(stream);
        (preamble == PREAMBLE && attacker.next_answer()? == MessageType::Welcome).then_some(attacker)
    }

    /// Makes the server measure a fast path, and requests much more.
    fn earn_long_frames(mut self) -> Self {
        let stream = StreamId(1);
        self.play(1, 1, 16 * 1_024);
        if self.next_answer() == Some(MessageType::Started) {
            let mut first = vec![0; HEADER_BYTES + 4_096];
            let _ = self.0.read_exact(&mut first);
            let more = MAX_CREDIT_BYTES - 16 * 1_024;
            let list = List { request: RequestId(1), first: SongId(1), at_most: 1_000, search: None };
            self.say(&[Message::Credit(Credit { stream, more }), Message::List(list)]);
        }
        self
    }

    fn play(&mut self, stream: u32, song: usize, credit: u32) {
        let (stream, song) = (StreamId(stream), SongId(song as u32));
        self.say(&[Message::Play(Play { stream, song, start: Start::Time(0), content_tag: 0, credit })]);
    }

    fn say(&mut self, messages: &[Message<'_>]) {
        let bytes: Vec<u8> = messages.iter().flat_map(encode).collect();
        let _ = self.0.write_all(&bytes); // the server may be gone
    }

    /// The next frame that is neither PING nor END.
    fn next_answer(&mut self) -> Option<MessageType> {
        loop {
            match self.next_frame().ok()? {
                MessageType::Ping | MessageType::End => {}
                kind => return Some(kind),
            }
        }
    }

    fn next_frame(&mut self) -> io::Result<MessageType> {
        let mut header = [0; HEADER_BYTES];
        self.0.read_exact(&mut header)?;
        let header = Header::decode(header);
        let mut payload = [0; MAX_PAYLOAD_BYTES];
        self.0.read_exact(&mut payload[..header.length.into()])?;
        MessageType::from_byte(header.kind).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

// ── a control group ──

/// A control group with a memory limit. Dropping it removes it.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// Creates a group below the root. `None` if that is not permitted, or the kernel accounts memory elsewhere.
    fn create(limit_bytes: u64) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let memory = mounts.lines().find_map(|line| {
            let point = line.split(' ').nth(4)?;
            let has_memory = fs::read_to_string(format!("{point}/cgroup.controllers"))
                .is_ok_and(|list| list.split_whitespace().any(|name| name == "memory"));
            let is_version_1 = line.contains(" - cgroup ") && line.ends_with(",memory");
            (has_memory || is_version_1).then(|| PathBuf::from(point))
        })?;
        let group = Self(memory.join(format!("trill-test-{}", std::process::id())));
        fs::create_dir(&group.0).ok()?;
        let limits = ["memory.max", "memory.limit_in_bytes"];
        let is_limited = limits.iter().any(|name| group.0.join(name).exists() && group.write(name, limit_bytes));
        // Swap would hide the memory use.
        group.write("memory.swap.max", 0);
        is_limited.then_some(group)
    }

    fn write(&self, name: &str, value: u64) -> bool {
        // Written only if the file exists.
        let file = fs::OpenOptions::new().write(true).open(self.0.join(name));
        file.is_ok_and(|mut file| file.write_all(value.to_string().as_bytes()).is_ok())
    }

    /// Starts a server in this group.
    fn launch(&self, music: &MusicDir) -> ServerProcess {
        let procs = self.0.join("cgroup.procs").display().to_string();
        let join = "echo $$ > \"$0\" && exec \"$@\"";
        ServerProcess::launch(started_by("sh", &["-c", join, &procs], music))
    }

    fn peak_bytes(&self) -> u64 {
        let number = |name| fs::read_to_string(self.0.join(name)).ok()?.trim().parse().ok();
        number("memory.peak").or_else(|| number("memory.max_usage_in_bytes")).expect("the kernel counts memory")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The server has just ended or is ending.
        let _ = wait::try_wait(DEADLINE, || fs::remove_dir(&self.0).ok());
    }
}
