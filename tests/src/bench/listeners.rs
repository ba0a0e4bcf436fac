//! The section `listeners`: a server's CPU time and memory for many listeners.

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
    about: "Each listener receives one song at 16 KB a second. The listeners start one after the other within 16 seconds \
        and are counted until 25 seconds after the last start. Trill's listeners run the client session of `proto`, \
        as the laptop's client does. The others fetch the file by HTTP and read it from their sockets at the pace of \
        the music. Neither Trill (`--quiet`) nor nginx (`access_log off`) logs each listener. CPU time is that of \
        the server's processes, from before the first listener to the end, for each megabyte sent. Megabytes are \
        counted in two ways. *Received* counts what the listeners have read. *Handed over* counts what the server \
        gave to the kernel by write, writev and sendfile; Icecast uses send, which is not counted. nginx fills the \
        kernel's socket buffers at once, with megabytes that no listener has read at the end, so *received* omits \
        work that nginx did. Trill sends about a megabyte ahead, which its listeners read at once, so *handed over* \
        credits nginx with bytes that may never be heard. Both have the target. Memory is that of the server's \
        processes, divided by the listeners at the end; it excludes the kernel's socket buffers. A late second is a \
        second in which one listener's music had started and did not arrive in time. Icecast is measured in the \
        first round only, and not with 8,000 listeners, because it needs a hundred times Trill's CPU time. 10,000 \
        listeners are measured in at most three rounds, because a round takes most of a minute. Start times have a \
        resolution of a quarter of a second. There is no verdict where the generator used more than 0.9 of a core.",
    measure,
};

/// Crowd sizes whose CPU time is compared.
const CROWDS: [usize; 3] = [500, 2_000, 8_000];

/// Largest crowd for Icecast. It needs a hundred times the CPU time per megabyte.
const MOST_OF_ICECAST: usize = 2_000;

/// The crowd that must not lose a second of music.
const ALL: usize = 10_000;

/// Rounds for that crowd.
const ROUNDS_OF_ALL: usize = 3;

/// Bytes per second of a listener: a song of 128 kbit/s.
const RATE: u32 = 16_000;

const RAMP: Duration = Duration::from_secs(16);
const SETTLE: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(24);

/// The song is longer than any measurement: ten times four minutes, so that no server finishes sending it.
const REPEATED: usize = 10;

fn measure(plan: &Plan) -> Vec<Row> {
    let directory = MusicDir::new();
    let song = fs::read(corpus::LONG.make()).expect("a song that was just made");
    directory.add_bytes("1.mp3", &song.repeat(REPEATED));
    // Icecast runs as `nobody` and needs access.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("a directory of its own");
    let mut rows: Vec<Row> = CROWDS.iter().flat_map(|crowd| costs(plan, &directory, *crowd)).collect();
    rows.extend(held(plan, &directory));
    rows
}

fn costs(plan: &Plan, directory: &MusicDir, crowd: usize) -> Vec<Row> {
    // One round is enough for the smallest crowd.
    let rounds_of_icecast = if crowd <= MOST_OF_ICECAST { 1 } else { 0 };
    let compared = Compared::measure(directory, crowd, plan.rounds, rounds_of_icecast);
    let per_mb = |cpu: f64, bytes: f64| cpu * 1e3 / (bytes / 1e6);
    let received = |report: &Report| per_mb(report.whole.server_cpu, report.whole.received);
    let handed_over = |report: &Report| per_mb(report.whole.server_cpu, report.whole.server_written);
    let memory = |report: &Report| report.server_memory / 1024.0 / (crowd as f64 - report.failed);
    let mut cpu = compared.row("server CPU per MB received", "ms", received).target(at_most_nginx(1.0));
    if !compared.icecast.is_empty() {
        cpu = cpu.beside("Icecast", figures(&compared.icecast, received));
        cpu = cpu.target(Target::AtMostTimes(0.1, "Icecast".into()));
    }
    let mut rows = vec![
        cpu,
        compared.row("server CPU per MB handed over", "ms", handed_over).target(at_most_nginx(1.0)),
        compared.row("server memory per listener", "KiB", memory).target(at_most_nginx(1.5)),
    ];
    rows.extend(compared.how_they_fared());
    compared.judged(rows)
}

fn held(plan: &Plan, directory: &MusicDir) -> Vec<Row> {
    let compared = Compared::measure(directory, ALL, plan.rounds.min(ROUNDS_OF_ALL), 0);
    let server = |report: &Report| report.window.server_cpu / report.window.seconds;
    let mut rows = vec![
        compared.row("listeners whose music started", "", |report| report.listeners).target(Target::Always(ALL as f64)),
        compared.row("underruns", "", |report| report.underruns).target(Target::Always(0.0)),
    ];
    rows.extend(compared.how_they_fared());
    rows.push(compared.row("the server's CPU", "cores", server));
    compared.judged(rows)
}

/// The reports of all servers for a crowd, one per round.
struct Compared {
    crowd: usize,
    trill: Vec<Report>,
    nginx: Vec<Report>,
    icecast: Vec<Report>,
}

impl Compared {
    fn measure(directory: &MusicDir, crowd: usize, rounds: usize, rounds_of_icecast: usize) -> Self {
        let (trill, nginx, icecast) = (Vec::new(), Vec::new(), Vec::new());
        let mut compared = Self { crowd, trill, nginx, icecast };
        for round in 0..rounds {
            compared.trill.push(of_trill(directory, crowd));
            compared.nginx.push(of_nginx(directory, crowd));
            if round < rounds_of_icecast {
                compared.icecast.push(of_icecast(directory, crowd));
            }
        }
        compared
    }

    fn row(&self, what: &str, unit: &str, figure: impl Fn(&Report) -> f64) -> Row {
        let (trill, nginx) = (figures(&self.trill, &figure), figures(&self.nginx, &figure));
        Row::new(format!("{what}, {} listeners", self.crowd), unit, trill).beside("nginx", nginx)
    }

    /// Rows for a crowd of any size.
    fn how_they_fared(&self) -> [Row; 4] {
        [
            self.row("listeners that failed or did not start", "", |report| report.failed).target(Target::Always(0.0)),
            self.row("late seconds", "", |report| report.late_seconds).target(Target::Always(0.0)),
            self.row("longest time from connecting to the first sound", "s", |report| report.latest_beginning),
            self.row("the generator's CPU, at most", "cores", Report::own_share),
        ]
    }

    /// Drops the targets if the generator limited the result.
    fn judged(&self, mut rows: Vec<Row>) -> Vec<Row> {
        if [&self.trill, &self.nginx, &self.icecast].into_iter().flatten().any(Report::is_saturated) {
            for row in rows.iter_mut().filter(|row| !row.targets.is_empty()) {
                row.targets.clear();
                row.what.push_str(" (no verdict: the generator is at its limit)");
            }
        }
        rows
    }
}

/// Figures of the rounds that had listeners.
fn figures(reports: &[Report], figure: impl Fn(&Report) -> f64) -> Vec<f64> {
    reports.iter().map(figure).filter(|figure| figure.is_finite()).collect()
}

fn at_most_nginx(times: f64) -> Target {
    Target::AtMostTimes(times, "nginx".into())
}

fn of_trill(directory: &MusicDir, crowd: usize) -> Report {
    // Raises the server's limit: by default each client must be able to open another song.
    let server = ServerProcess::start_with(directory.path(), &["--quiet", "--max-clients", &crowd.to_string()]);
    server.usage_at_rest();
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
    for remark in report.remarks() {
        eprintln!("  {remark}");
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Verdict;
    use crate::load::Span;

    fn compared(share: f64, failed: f64) -> Compared {
        let window = Span { seconds: 10.0, own_cpu: 10.0 * share, ..Span::default() };
        let report = Report { listeners: 5.0, failed, window, whole: window, ..Report::default() };
        Compared { crowd: 5, trill: vec![report.clone()], nginx: vec![report], icecast: vec![] }
    }

    #[test]
    fn listeners_that_fail_are_missed() {
        let verdicts = |failed| compared(0.1, failed).how_they_fared().map(|row| row.verdicts());
        let (met, missed, none) = (vec![Verdict::Met], vec![Verdict::Missed], vec![]);
        assert_eq!(verdicts(0.0), [met.clone(), met.clone(), none.clone(), none.clone()]);
        assert_eq!(verdicts(1.0), [missed, met, none.clone(), none]);
    }

    #[test]
    fn a_generator_at_its_limit_leaves_no_verdict() {
        let compared = compared(0.95, 1.0);
        for row in compared.judged(compared.how_they_fared().into()) {
            assert!(row.verdicts().is_empty(), "{row:?}");
        }
    }

    #[test]
    fn where_nobody_listens_there_is_no_figure() {
        let report = Report::default();
        let cpu = |report: &Report| report.whole.server_cpu / report.whole.received;
        assert!(figures(&[report], cpu).is_empty());
    }
}
