//! The measurements of each second, and their evaluation.

use super::growth;
use super::shared::{Shared, lock};
use crate::server::ServerProcess;
use crate::usage::{self, Usage};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Normal fluctuation of the server's memory. Its allocator has eight arenas per processor. Each grows to the largest
/// simultaneous use of its threads, mostly frames of 64 KiB. All arenas reach that only after minutes.
const SERVER_FLOOR_KIB: f64 = 1_024.0;

/// Normal fluctuation of a client's memory. It buffers two songs of 1 MiB each; the second may be empty.
const CLIENT_FLOOR_KIB: f64 = 1_024.0;

/// Normal fluctuation of a client's threads or descriptors: a new connection exists while the old one closes.
const COUNT_FLOOR: f64 = 4.0;

/// The measurements of one quantity.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) values: Vec<f64>,
    rule: Rule,
}

/// The pass criterion of a series.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// No criterion.
    Shown,
    /// It does not [grow](growth::has_grown) by more than the floor.
    Steady { floor: f64 },
    /// Every value is 0.
    Zero,
}

impl Series {
    const fn new(name: &'static str, unit: &'static str, rule: Rule) -> Self {
        Self { name, unit, values: Vec::new(), rule }
    }

    /// Why the series fails its rule; `None` if it passes.
    pub(super) fn failure(&self) -> Option<String> {
        let last = self.values.last().copied().unwrap_or_default();
        match self.rule {
            Rule::Steady { floor } if growth::has_grown(&self.values, floor) => {
                let quarters = growth::quarters(&self.values).unwrap_or_default();
                Some(format!("{} grew: the medians of the quarters are {quarters:?} {}", self.name, self.unit))
            }
            Rule::Zero if last > 0.0 => Some(format!("{}: {last}", self.name)),
            _ => None,
        }
    }
}

/// All series.
#[derive(Debug)]
pub(super) struct Samples {
    /// Time of each measurement.
    pub(super) times: Vec<Duration>,
    /// The series, in the order of [`Self::NEW`].
    pub(super) series: [Series; 11],
    cpu_time: Duration,
}

impl Samples {
    const NEW: [Series; 11] = [
        Series::new("server: memory", "KiB", Rule::Steady { floor: SERVER_FLOOR_KIB }),
        // These follow the number of connections. `check_rest` compares them at the end.
        Series::new("server: threads", "", Rule::Shown),
        Series::new("server: descriptors", "", Rule::Shown),
        Series::new("server: CPU", "%", Rule::Shown),
        Series::new("server: connections", "", Rule::Shown),
        Series::new("trill, the largest: memory", "KiB", Rule::Steady { floor: CLIENT_FLOOR_KIB }),
        Series::new("trill, the largest: threads", "", Rule::Steady { floor: COUNT_FLOOR }),
        Series::new("trill, the largest: descriptors", "", Rule::Steady { floor: COUNT_FLOOR }),
        Series::new("underruns on the good path", "", Rule::Zero),
        Series::new("underruns during stalls", "", Rule::Shown),
        Series::new("this machine: longest stall", "ms", Rule::Shown),
    ];

    pub(super) fn new(server: &Usage) -> Self {
        Self { times: Vec::new(), series: Self::NEW, cpu_time: server.cpu_time }
    }

    /// Measures everything once.
    ///
    /// # Errors
    /// The server has ended.
    pub(super) fn take(&mut self, shared: &Shared<'_>, server: &mut ServerProcess) -> io::Result<()> {
        let usage = usage::of(server.process().id())?;
        let now = shared.elapsed();
        let since = now.saturating_sub(self.times.last().copied().unwrap_or_default()).as_secs_f64();
        let cpu_percent = (usage.cpu_time - self.cpu_time).as_secs_f64() / since * 100.0;
        // A client that is ending has no measurement.
        let residents: Vec<u32> = lock(&shared.residents).iter().copied().collect();
        let residents: Vec<Usage> = residents.into_iter().filter_map(|pid| usage::of(pid).ok()).collect();
        let largest = |figure: fn(&Usage) -> f64| residents.iter().map(figure).fold(0.0, f64::max);
        let values = [
            kib(&usage),
            usage.threads as f64,
            usage.open_files as f64,
            cpu_percent,
            connections(shared.address)? as f64,
            largest(kib),
            largest(|usage| usage.threads as f64),
            largest(|usage| usage.open_files as f64),
            shared.tally.underruns.value() as f64,
            shared.tally.excused_underruns.value() as f64,
            shared.stall_monitor.take_latest().as_secs_f64() * 1_000.0,
        ];
        for (series, value) in self.series.iter_mut().zip(values) {
            series.values.push(value);
        }
        self.times.push(now);
        self.cpu_time = usage.cpu_time;
        Ok(())
    }

    /// One line per series.
    pub(super) fn table(&self) -> String {
        let columns = ["min", "median", "max", "1st quarter", "2nd quarter", "3rd quarter", "last quarter"];
        let row = |name: &str, cells: [String; 7]| {
            format!("{name:<36}{}\n", cells.map(|cell| format!("{cell:>13}")).concat())
        };
        let mut table = row("", columns.map(str::to_owned));
        for Series { name, unit, values, .. } in &self.series {
            let of = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
            let quarters = growth::quarters(values).map_or([None; 4], |quarters| quarters.map(Some));
            let cells = [
                values.iter().copied().min_by(f64::total_cmp),
                growth::median(values),
                values.iter().copied().max_by(f64::total_cmp),
                quarters[0],
                quarters[1],
                quarters[2],
                quarters[3],
            ];
            let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
            table.push_str(&row(&format!("{name}{unit}"), cells.map(of)));
        }
        table
    }
}

fn kib(usage: &Usage) -> f64 {
    usage.resident_bytes as f64 / 1024.0
}

/// Established connections of the server, as `/proc/net/tcp` lists them.
fn connections(server: SocketAddr) -> io::Result<usize> {
    const ESTABLISHED: &str = "01";
    let port = format!(":{:04X}", server.port());
    let table = fs::read_to_string("/proc/net/tcp")?;
    let is_one = |line: &&str| {
        // sl, local address, remote address, state, … (proc(5))
        let fields: Vec<_> = line.split_whitespace().take(4).collect();
        matches!(fields[..], [_, local, _, ESTABLISHED] if local.ends_with(&port))
    };
    Ok(table.lines().skip(1).filter(is_one).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rule: Rule, values: &[f64]) -> Series {
        Series { values: values.to_vec(), ..Series::new("memory", "KiB", rule) }
    }

    #[test]
    fn an_hour_shows_a_leak_of_1_percent_a_minute_in_either_program() {
        // The memory of the smaller program.
        let leak: Vec<f64> = (0..3_600).map(|s| 6_000.0 * (1.0 + f64::from(s) / 6_000.0)).collect();
        for series in Samples::NEW {
            let leaks = series.name.ends_with("memory");
            let series = Series { values: if leaks { leak.clone() } else { vec![0.0; 3_600] }, ..series };
            assert_eq!(series.failure().is_some(), leaks, "{}", series.name);
        }
    }

    #[test]
    fn a_series_says_what_is_wrong_with_it() {
        let grown = [100.0, 100.0, 150.0, 200.0];
        let lines = series(Rule::Steady { floor: 50.0 }, &grown).failure();
        assert_eq!(
            lines.as_deref(),
            Some("memory grew: the medians of the quarters are [100.0, 100.0, 150.0, 200.0] KiB")
        );
        assert_eq!(series(Rule::Steady { floor: 100.0 }, &grown).failure(), None);
        assert_eq!(series(Rule::Shown, &grown).failure(), None);
        assert_eq!(series(Rule::Zero, &[0.0, 0.0, 3.0]).failure().as_deref(), Some("memory: 3"));
        assert_eq!(series(Rule::Zero, &[0.0]).failure(), None);
    }
}
