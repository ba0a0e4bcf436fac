//! The sections `throughput` and `wire`: transfer of a song without a rate limit, and bytes beyond the music.

use super::figures::{Figure, Row, Target};
use super::peers::nginx::Nginx;
use super::{Plan, Section, generator};
use crate::corpus::{self, MusicDir};
use crate::load::{Options, Report, Service};
use crate::process::{Process, system_program};
use crate::proxy::{Conditions, Proxy};
use crate::server::ServerProcess;
use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

pub(super) const THROUGHPUT: Section = Section {
    name: "throughput",
    title: "As fast as it comes",
    about: "One listener, and then a hundred at once, receive a song of 100 MB as fast as possible. The figure is \
        megabytes a second until the first listener has the whole song. nginx sends the file to the same generator, \
        and to curl. For curl, time runs from its start to the end of the last of its transfers. Only the row with \
        the same generator compares the servers alone.",
    measure: throughput,
};

pub(super) const WIRE: Section = Section {
    name: "wire",
    title: "Bytes on the wire",
    about: "One listener hears a whole song of 128 kbit/s that lasts 75 seconds, which is longer than what the laptop's \
        client buffers. The figures are the bytes of the connection in each direction that are not music, from the \
        start to the end of the song, without the headers of TCP and IP. HTTP/1.1 is the same song from nginx over a \
        path of the same rate. A frame of Trill has a header of 8 bytes and carries what the path transfers in 50 \
        ms, at most 64 KiB, so a slow path needs more frames. All paths are measured at the same time.",
    measure: wire,
};

/// Deadline of any step.
const PATIENCE: Duration = Duration::from_secs(120);

/// Smallest multiple of the peer's throughput.
const LEAST_OF_NGINX: f64 = 0.9;

const CURL: &str = "nginx + curl";
const GENERATOR: &str = "nginx";

/// Bits per second of the paths; `None` for plain loopback.
const PATHS: [Option<u64>; 3] = [None, Some(1_000_000), Some(256_000)];

/// MPEG 1 frames in 75 seconds at 44.1 kHz.
const HEARD_FRAMES: usize = 75 * 44_100 / 1_152;

/// Deadline of a listener.
const LONGEST: Duration = Duration::from_secs(180);

/// One round: byte counts vary only with the estimated rate of a slow path.
const MAX_WIRE_ROUNDS: usize = 3;

/// Largest overhead in percent of the music.
const MOST_BEYOND: f64 = 0.3;

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
        .beside(CURL, curl)
        .beside(GENERATOR, generator)
        .target(Target::AtLeastTimes(LEAST_OF_NGINX, CURL.into()))
        .target(Target::AtLeastTimes(LEAST_OF_NGINX, GENERATOR.into()))
}

fn take_all(service: Service, address: SocketAddr, listeners: usize) -> Report {
    let report = generator::run(&Options { window: PATIENCE, ..Options::new(service, address, listeners) });
    assert_eq!(report.failed, 0.0, "all take the song: {:?}", report.remarks());
    report
}

/// Megabytes per second of so many parallel curl downloads of `url`.
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

fn wire(plan: &Plan) -> Vec<Row> {
    let directory = MusicDir::new();
    let song = song();
    directory.add_bytes("1.mp3", &song);
    let (server, nginx) = (ServerProcess::start(directory.path()), Nginx::start(directory.path()));
    let (trill, http) = (server.address(), nginx.address());
    // All paths in parallel: bytes are counted, and the paths are slow.
    thread::scope(|scope| {
        let song_bytes = song.len();
        let paths = PATHS.map(|rate| scope.spawn(move || over_path(plan, rate, song_bytes, trill, http)));
        paths.into_iter().flat_map(|rows| rows.join().expect("a path that was measured")).collect()
    })
}

/// A song of whole frames without tags.
fn song() -> Vec<u8> {
    let mut song = fs::read(corpus::LONG.make()).expect("a song that was just made");
    let heard = nanomp3::frames(&song).take(HEARD_FRAMES).map(|frame| frame.data.len()).sum();
    song.truncate(heard);
    song
}

fn over_path(plan: &Plan, rate: Option<u64>, song_bytes: usize, trill: SocketAddr, http: SocketAddr) -> [Row; 2] {
    let proxies = rate.map(|_| [trill, http].map(|to| Proxy::start(to, Conditions { rate, ..Conditions::PERFECT })));
    let [trill, http] = proxies.as_ref().map_or([trill, http], |proxies| proxies.each_ref().map(Proxy::address));
    let heard = |service, address| {
        let report = hear(service, address);
        assert_eq!(report.whole.payload, song_bytes as f64, "the same music of both");
        report
    };
    let rounds = 0..plan.rounds.min(MAX_WIRE_ROUNDS);
    let (trill, http): (Vec<Report>, Vec<Report>) =
        rounds.map(|_| (heard(Service::Trill, trill), heard(Service::Http("/1.mp3".into()), http))).unzip();

    let place = rate
        .map_or_else(|| "loopback".to_owned(), |rate| format!("a path of {} kbit/s", Figure((rate / 1_000) as f64)));
    let row = |who: &str, figure: fn(&Report) -> f64| {
        let of = |reports: &[Report]| reports.iter().map(figure).collect();
        Row::new(format!("{who}, {place}"), "% of the music", of(&trill)).beside("HTTP/1.1", of(&http))
    };
    [
        row("from the server, beyond the music", |report| {
            percent(report, report.whole.received - report.whole.payload)
        })
        .target(Target::AtMost(MOST_BEYOND)),
        row("from the client", |report| percent(report, report.whole.sent)),
    ]
}

fn percent(report: &Report, bytes: f64) -> f64 {
    bytes * 100.0 / report.whole.payload
}

/// Receives the song to its end at the rate of the music.
fn hear(service: Service, address: SocketAddr) -> Report {
    let bytes_per_second = Some(16_000);
    generator::run(&Options { bytes_per_second, window: LONGEST, ..Options::new(service, address, 1) })
}
