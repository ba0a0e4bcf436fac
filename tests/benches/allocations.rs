//! Counts memory allocations of server and client during seconds 5 to 15 of a song of 128 kbit/s: `cargo bench
//! --package trill-tests --bench allocations`. Fails if there are any.
//!
//! Each runs in a process of its own, because the allocator counts per process. The client plays without a sound
//! device, at the rate of the music. The path carries twice that rate. (A faster path would fill the client's buffer
//! within a second and then idle for 15 s.) The traffic is recorded and its amount printed.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("allocations plays through the harness's network: it runs on Linux alone");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::alloc::System;
    use std::io::{BufRead, BufReader, Write, stdin, stdout};
    use std::process::{Child, Command, Stdio};
    use std::thread;
    use std::time::Duration;

    use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
    use trill::options::{Invocation, Options};
    use trill::settings::state::StateFile;
    use trill_proto::frame::{FrameReader, Part};
    use trill_proto::limits::{MAX_CONTROL_BYTES, PREAMBLE_BYTES};
    use trill_server::library::{Library, Source};
    use trill_server::{Config, Server};
    use trill_tests::corpus::{LONG, MusicDir};
    use trill_tests::proxy::{Conditions, Direction, Proxy};
    use trill_tests::usage;

    #[global_allocator]
    static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    /// Song time from which playback is steady.
    const BEGIN: Duration = Duration::from_secs(5);

    /// Duration of the count.
    const SPAN: Duration = Duration::from_secs(10);

    /// Rate of the path in bits per second.
    const PATH_RATE: u64 = 2 * 128_000;

    /// Round-trip time of the path.
    const ROUND_TRIP: Duration = Duration::from_millis(20);

    /// Expected bytes during the count.
    const BYTES: u64 = SPAN.as_secs() * PATH_RATE / 8;

    /// Smallest CPU share of a playing client: a tenth of the decoder's on this machine.
    const LEAST_CPU_TIME: Duration = Duration::from_micros(500);

    pub(crate) fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] if measure() => {}
            [] => std::process::exit(1),
            ["server", directory] => serve(directory),
            ["client", address] => play(address),
            _ => panic!("allocations is run without arguments"),
        }
    }

    /// Returns whether there were no allocations.
    fn measure() -> bool {
        let music = MusicDir::new();
        music.add("long.mp3", &LONG);
        let mut server = Counted::start("server", &music.path().display().to_string());
        let address = server.line().parse().expect("an address");
        let proxy = Proxy::recording(address, Conditions::path(ROUND_TRIP, PATH_RATE));
        let mut client = Counted::start("client", &proxy.address().to_string());

        thread::sleep(BEGIN);
        let before = (server.allocations(), client.allocations(), proxy.recorded(0, Direction::ToClient).len());
        let rested = client.running_time();
        thread::sleep(SPAN);
        let played = client.running_time() - rested;
        let after = (server.allocations(), client.allocations());
        let recorded = proxy.recorded(0, Direction::ToClient);

        let bytes = (recorded.len() - before.2) as u64;
        assert!(bytes.abs_diff(BYTES) < BYTES / 4, "the music did not come steadily: {bytes} bytes");
        let frames = data_frames(&recorded) - data_frames(&recorded[..before.2]);
        println!("server: {} allocations in {frames} DATA frames", after.0 - before.0);
        assert!(played > LEAST_CPU_TIME, "the music was not played: {played:?} of a processor");
        println!("client: {} allocations in {} s of music", after.1 - before.1, SPAN.as_secs());
        after == (before.0, before.1)
    }

    /// Number of DATA frames that begin in these bytes of the server.
    fn data_frames(said: &[u8]) -> usize {
        let mut reader = FrameReader::<MAX_CONTROL_BYTES>::new();
        let (mut rest, mut frames) = (&said[PREAMBLE_BYTES..], 0);
        while !rest.is_empty() {
            let (taken, part) = reader.read(rest).expect("what the client understood");
            frames += usize::from(matches!(part, Some(Part::DataBegins { .. })));
            rest = &rest[taken..];
        }
        frames
    }

    /// A process of this program that reports its allocations. Dropping it kills it.
    struct Counted {
        child: Child,
        output: BufReader<std::process::ChildStdout>,
    }

    impl Counted {
        fn start(role: &str, operand: &str) -> Self {
            let program = std::env::current_exe().expect("a running program knows its own path");
            let mut command = Command::new(program);
            command.args([role, operand]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().expect("this program, once more");
            let output = BufReader::new(child.stdout.take().expect("it is piped"));
            Self { child, output }
        }

        fn line(&mut self) -> String {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("a line");
            line.trim_end().to_owned()
        }

        /// CPU time of its threads.
        fn running_time(&self) -> Duration {
            usage::running_time(self.child.id()).expect("it still runs")
        }

        fn allocations(&mut self) -> u64 {
            self.child.stdin.as_ref().expect("it is piped").write_all(b"?\n").expect("it still runs");
            self.line().parse().expect("a number")
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            // It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn serve(directory: &str) {
        let library = Library::open(Source::directory(directory)).expect("a directory");
        library.wait_until_scanned();
        let socket = Server::bind("127.0.0.1:0".parse().ok()).expect("a free port");
        let config = Config { name: "attic".into(), ..Config::default() };
        let server = Server::start(socket, library, config).expect("a server");
        println!("{}", server.address());
        answer();
    }

    fn play(address: &str) {
        let arguments = ["--output", "null", address, "play", "1"].map(Into::into);
        let Ok(Invocation::Run { settings, command, is_json }) = Invocation::parse(arguments) else {
            panic!("a good command line")
        };
        let options = Options::new(settings, command, is_json);
        thread::spawn(answer);
        panic!("the song has ended, {:?}", trill::app::run(&options, StateFile::default()));
    }

    /// Prints the number of allocations of this process for every input line, and from the first line on allocates
    /// nothing itself.
    fn answer() {
        let mut line = String::with_capacity(16);
        let _ = stdout().flush(); // allocates its buffer now
        while stdin().read_line(&mut line).is_ok_and(|length| length > 0) {
            let stats = ALLOCATOR.stats();
            writeln!(stdout(), "{}", stats.allocations + stats.reallocations).expect("somebody asks");
            line.clear();
        }
    }
}
