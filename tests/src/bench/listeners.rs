//! What a server takes for many listeners.

use super::figures::{Row, Target};
use super::peers::icecast::Icecast;
use super::peers::nginx::Nginx;
use super::{Plan, Section, generator};
use crate::corpus::{self, MusicDir};
use crate::load::{Options, Report, Service};
use crate::server::ServerProcess;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

pub(super) const SECTION: Section = Section {
    name: "listeners",
    title: "Many listeners",
    about: "Listeners that each take 16 KB a second of one song, begin one after the other within 16 seconds, and are \
            counted until 25 seconds after the last has begun. Those of Trill run `proto`'s client as the laptop does; the \
            others fetch the file and take it from their sockets as the music needs it. *Sent* is what has come to the \
            listeners, who keep up to a megabyte ahead with Trill; nginx hands as much and more to the kernel's socket \
            buffers, which does not count until it is taken from there (by what was handed to the kernel it is shown for \
            comparison). The memory is that of the server's processes; socket buffers are the kernel's. A late second is one \
            of one listener in which the music was not there in time.",
    measure,
};

/// Crowds whose CPU time is compared.
const CROWDS: [usize; 3] = [500, 2_000, 8_000];

/// Icecast is not asked for more: it would take more than there is.
const MOST_OF_ICECAST: usize = 2_000;

/// A crowd that must not lose a second.
const ALL: usize = 10_000;

/// What a listener takes in a second: a song of 128 kbit/s.
const RATE: u32 = 16_000;

const RAMP: Duration = Duration::from_secs(16);
const SETTLE: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(24);

/// The song lasts longer than anybody listens: ten times four minutes, so that no server has given away all of it.
const REPEATED: usize = 10;

fn measure(plan: &Plan) -> Vec<Row> {
    let directory = MusicDir::new();
    let song = fs::read(corpus::LONG.make()).expect("a song that was just made");
    directory.add_bytes("1.mp3", &song.repeat(REPEATED));
    // Icecast runs as nobody.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("a directory of its own");
    let mut rows: Vec<Row> = CROWDS.iter().flat_map(|crowd| costs(plan, &directory, *crowd)).collect();
    rows.extend(held(plan, &directory));
    rows
}

fn costs(plan: &Plan, directory: &MusicDir, crowd: usize) -> Vec<Row> {
    let (mut trill, mut nginx, mut icecast) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        trill.push(of_trill(directory, crowd));
        nginx.push(of_nginx(directory, crowd));
        // Once is enough for a tenth.
        if round == 0 && crowd <= MOST_OF_ICECAST {
            icecast.push(of_icecast(directory, crowd));
        }
    }
    let all = |reports: &[Report], figure: fn(&Report) -> f64| reports.iter().map(figure).collect::<Vec<f64>>();
    let sent = |report: &Report| report.whole.server_cpu * 1e3 / (report.whole.received / 1e6);
    let handed = |report: &Report| report.whole.server_cpu * 1e3 / (report.whole.server_written / 1e6);
    let memory = |report: &Report| report.server_memory / 1024.0 / report.listeners;
    let late = |report: &Report| report.late_seconds;
    let mut cpu = Row::new(format!("server CPU per MB sent, {crowd} listeners"), "ms", all(&trill, sent))
        .beside("nginx", all(&nginx, sent))
        .target(Target::AtMostTimes(1.0, "nginx".into()));
    if !icecast.is_empty() {
        cpu = cpu.beside("Icecast", all(&icecast, sent)).target(Target::AtMostTimes(0.1, "Icecast".into()));
    }
    vec![
        cpu,
        Row::new(format!("the same, per MB handed to the kernel, {crowd} listeners"), "ms", all(&trill, handed))
            .beside("nginx", all(&nginx, handed)),
        Row::new(format!("server memory per listener, {crowd} listeners"), "KiB", all(&trill, memory))
            .beside("nginx", all(&nginx, memory))
            .target(Target::AtMostTimes(1.5, "nginx".into())),
        Row::new(format!("late seconds, {crowd} listeners"), "", all(&trill, late))
            .beside("nginx", all(&nginx, late))
            .target(Target::Always(0.0)),
    ]
}

fn held(plan: &Plan, directory: &MusicDir) -> Vec<Row> {
    let rounds = 0..plan.rounds.min(3);
    let (trill, nginx): (Vec<Report>, Vec<Report>) =
        rounds.map(|_| (of_trill(directory, ALL), of_nginx(directory, ALL))).unzip();
    let row = |what: &str, figure: fn(&Report) -> f64| {
        let of = |reports: &[Report]| reports.iter().map(figure).collect();
        Row::new(format!("{what}, {ALL} listeners"), "", of(&trill)).beside("nginx", of(&nginx))
    };
    vec![
        row("whose music began", |report| report.listeners).target(Target::Always(ALL as f64)),
        row("late seconds", |report| report.late_seconds).target(Target::Always(0.0)),
        row("underruns", |report| report.underruns).target(Target::Always(0.0)),
        row("processors that the server keeps busy", |report| report.window.server_cpu / report.window.seconds),
        row("processors that the listeners keep busy", |report| report.window.own_cpu / report.window.seconds),
    ]
}

fn of_trill(directory: &MusicDir, crowd: usize) -> Report {
    let server = ServerProcess::start(directory.path());
    listen(Service::Trill, server.address(), crowd, vec![server.id()])
}

fn of_nginx(directory: &MusicDir, crowd: usize) -> Report {
    let nginx = Nginx::start(directory.path());
    listen(Service::Http("/1.mp3".into()), nginx.address(), crowd, nginx.pids().to_vec())
}

fn of_icecast(directory: &MusicDir, crowd: usize) -> Report {
    let icecast = Icecast::start(directory.path());
    listen(Service::Http("/1.mp3".into()), icecast.address(), crowd, vec![icecast.pid()])
}

fn listen(service: Service, address: SocketAddr, listeners: usize, watched: Vec<u32>) -> Report {
    let bytes_per_second = Some(RATE);
    let (ramp, settle, window) = (RAMP, SETTLE, WINDOW);
    let options = Options { service, address, listeners, bytes_per_second, ramp, settle, window, watched };
    let report = generator::run(&options);
    eprintln!("  {:?}, {listeners} listeners: {report:?}", options.service);
    report
}
