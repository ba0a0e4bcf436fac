//! How fast a song passes when nobody waits for its music, and what passes beside the song.

use super::figures::{Row, Target};
use super::peers::nginx::Nginx;
use super::{Plan, Section, generator};
use crate::corpus::{self, MusicDir};
use crate::load::{Options, Report, Service};
use crate::process::{Process, system_program};
use crate::server::ServerProcess;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(super) const THROUGHPUT: Section = Section {
    name: "throughput",
    title: "As fast as it comes",
    about: "A song of 100 MB, taken by one listener and by a hundred at once who need it all now: megabytes a second until \
            the first has all of it. The file from nginx is taken by the same generator, and by curl, whose hundred \
            transfers are counted to the end of the last.",
    measure: throughput,
};

pub(super) const WIRE: Section = Section {
    name: "wire",
    title: "Bytes on the wire",
    about: "One listener of a song of 128 kbit/s for 45 seconds of its music. Counted are the bytes of the connection in \
            either direction, without the headers of TCP and IP, beyond the bytes of music.",
    measure: wire,
};

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(120);

const HEARD: Duration = Duration::from_secs(45);

fn throughput(plan: &Plan) -> Vec<Row> {
    let directory = MusicDir::new();
    directory.add("1.mp3", &corpus::GIANT);
    let (server, nginx) = (ServerProcess::start(directory.path()), Nginx::start(directory.path()));
    [1, 100].into_iter().map(|listeners| fast(plan, &server, &nginx, listeners)).collect()
}

fn fast(plan: &Plan, server: &ServerProcess, nginx: &Nginx, listeners: usize) -> Row {
    let (mut trill, mut generator, mut curl) = (Vec::new(), Vec::new(), Vec::new());
    let rate = |report: Report| report.whole.payload / 1e6 / report.whole.seconds;
    for _ in 0..plan.rounds {
        trill.push(rate(take_all(Service::Trill, server.address(), listeners)));
        generator.push(rate(take_all(Service::Http("/1.mp3".into()), nginx.address(), listeners)));
        curl.push(curl_all(&nginx.url("1.mp3"), listeners));
    }
    let who = if listeners == 1 { "one listener".to_owned() } else { format!("{listeners} listeners together") };
    Row::new(format!("a song of 100 MB, {who}"), "MB/s", trill)
        .beside("nginx + curl", curl)
        .beside("nginx", generator)
        .target(Target::AtLeastTimes(0.9, "nginx + curl".into()))
}

fn take_all(service: Service, address: SocketAddr, listeners: usize) -> Report {
    generator::run(&Options {
        service,
        address,
        listeners,
        bytes_per_second: None,
        ramp: Duration::ZERO,
        settle: Duration::ZERO,
        window: PATIENCE,
        watched: vec![],
    })
}

/// Megabytes a second with which curl fetches `url` so many times at once.
fn curl_all(url: &str, times: usize) -> f64 {
    let mut curl = system_program("curl", "curl");
    curl.args(["--silent", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", "300"]);
    curl.args(["--write-out", "%{size_download}\n"]);
    for _ in 0..times {
        curl.args(["--output", "/dev/null", url]);
    }
    let begun = Instant::now();
    let output = Process::spawn("curl", curl).wait(PATIENCE).expect_code(0);
    let seconds = begun.elapsed().as_secs_f64();
    let sizes: Vec<f64> = output.stdout.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(sizes.len(), times, "{output:?}");
    sizes.iter().sum::<f64>() / 1e6 / seconds
}

fn wire(_: &Plan) -> Vec<Row> {
    let directory = MusicDir::new();
    directory.add("1.mp3", &corpus::LONG);
    let (server, nginx) = (ServerProcess::start(directory.path()), Nginx::start(directory.path()));
    let trill = hear(Service::Trill, server.address());
    let http = hear(Service::Http("/1.mp3".into()), nginx.address());
    let extra = |report: &Report| vec![(report.whole.received - report.whole.payload) * 100.0 / report.whole.payload];
    let back = |report: &Report| vec![report.whole.sent * 100.0 / report.whole.payload];
    vec![
        Row::new("from the server, beyond the music", "% of it", extra(&trill))
            .beside("HTTP/1.1", extra(&http))
            .target(Target::AtMost(0.3)),
        Row::new("from the client", "% of the music", back(&trill)).beside("HTTP/1.1", back(&http)),
    ]
}

fn hear(service: Service, address: SocketAddr) -> Report {
    generator::run(&Options {
        service,
        address,
        listeners: 1,
        bytes_per_second: Some(16_000),
        ramp: Duration::ZERO,
        settle: Duration::ZERO,
        window: HEARD,
        watched: vec![],
    })
}
