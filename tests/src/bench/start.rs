//! The section `start`: how soon the prompt is there, and the memory of a player at its prompt.

use super::client::cost_of;
use super::figures::{Figure, Row, Target};
use super::{Plan, Section, trees};
use crate::bus::SessionBus;
use crate::client::Client;
use crate::corpus::{self, MusicDir};
use crate::pulse::{DEFAULT_SINK, PulseServer};
use crate::server::ServerProcess;
use crate::terminal::{Terminal, VT100};
use crate::usage;
use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// The section.
pub(super) const SECTION: Section = Section {
    name: "start",
    title: "The prompt",
    about: "Trill alone, in a terminal, with a PulseAudio server and a D-Bus session bus, so with all that it does on a \
        desktop. Time runs from before the process is started until the terminal shows `trill>`. Memory is the largest \
        resident set: after ten seconds of a song of an hour, when the buffer is full, and again after five `list` of a \
        library of 100,000 songs while a song plays. *In a pipe* a list has all songs; at a terminal it shows the part \
        that fits.",
    measure,
};

const MOST_TO_PROMPT_MS: f64 = 60.0;
const MOST_MEMORY_MIB: f64 = 8.0;

/// Code that was not in use before.
const MOST_OF_LISTS_MIB: f64 = 0.5;

/// Songs in the large library.
const SONGS: usize = 100_000;

/// The time after which a player has filled its buffers.
const SETTLING: Duration = Duration::from_secs(10);

const DEADLINE: Duration = Duration::from_secs(60);

fn measure(plan: &Plan) -> Vec<Row> {
    let desktop = Desktop::start();
    let music = MusicDir::new();
    music.add("hour.mp3", &corpus::HOUR);
    let server = ServerProcess::start(music.path());
    let large = ServerProcess::start(&trees::small(SONGS));
    large.usage_at_rest();

    let [mut start, mut playing, mut own, mut lists, mut in_pipe] = [const { Vec::new() }; 5];
    // The first start is not counted: later ones find the program in memory.
    desktop.prompt(server.address());
    for _ in 0..plan.rounds {
        let begin = Instant::now();
        let terminal = desktop.prompt(server.address());
        start.push(begin.elapsed().as_secs_f64() * 1_000.0);
        terminal.type_line("play 1");
        terminal.wait_for_text(DEADLINE, "0:01");
        thread::sleep(SETTLING);
        playing.push(peak_mib(&terminal));
        own.push(mib(usage::anonymous_bytes(terminal.id()).expect("a process that plays has a record")));
        drop(terminal);

        lists.push(growth_by_lists(&desktop.prompt(large.address())));
        large.usage_at_rest();
        let mut list = Client::of(large.address()).args(["--quiet", "list"]).into_command();
        list.stdout(Stdio::null());
        in_pipe.push(mib(cost_of(list).peak_bytes));
        large.usage_at_rest();
    }
    let songs = Figure(SONGS as f64);
    vec![
        Row::new("from the start to the prompt", "ms", start).target(Target::AtMost(MOST_TO_PROMPT_MS)),
        Row::new("memory while a song plays", "MiB", playing).target(Target::AtMost(MOST_MEMORY_MIB)),
        Row::new("the same, without code and libraries", "MiB", own),
        Row::new(format!("memory that lists of {songs} songs add"), "MiB", lists)
            .target(Target::AtMost(MOST_OF_LISTS_MIB)),
        Row::new(format!("memory for a list of {songs} songs, in a pipe"), "MiB", in_pipe)
            .target(Target::AtMost(MOST_MEMORY_MIB)),
    ]
}

/// What five lists add to the memory of a player whose music goes on.
fn growth_by_lists(terminal: &Terminal) -> f64 {
    terminal.type_line("repeat all");
    terminal.type_line("play all");
    terminal.wait_for_text(DEADLINE, "next: ");
    thread::sleep(SETTLING);
    let before = peak_mib(terminal);
    for _ in 0..5 {
        let shown = terminal.transcript().matches("again shows").count();
        terminal.type_line("list");
        terminal.wait_for(DEADLINE, "a list", |_| terminal.transcript().matches("again shows").count() > shown);
    }
    peak_mib(terminal) - before
}

fn peak_mib(terminal: &Terminal) -> f64 {
    mib(usage::peak_resident_bytes(terminal.id()).expect("a process that plays has a record"))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What a desktop has.
struct Desktop {
    pulse: PulseServer,
    bus: SessionBus,
    /// The folder of the bus.
    _folder: tempfile::TempDir,
}

impl Desktop {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let bus = SessionBus::start(folder.path());
        Self { pulse: PulseServer::start(), bus, _folder: folder }
    }

    /// A client at its prompt.
    fn prompt(&self, server: SocketAddr) -> Terminal {
        let client =
            Client::of(server).plays_to(&self.pulse, DEFAULT_SINK).env("DBUS_SESSION_BUS_ADDRESS", self.bus.address());
        let terminal = client.in_terminal(VT100);
        terminal.wait_for_text(DEADLINE, "trill>");
        terminal
    }
}
