//! Parses libFuzzer's log.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::Finding;

/// The result of a run.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    pub(super) target: &'static str,
    pub(super) executions: u64,
    pub(super) per_second: u64,
    /// Code locations covered by the corpus, and by the end of the run.
    pub(super) coverage: (u64, u64),
    pub(super) finding: Option<Finding>,
}

impl Report {
    /// Parses a run's log. A run that failed always has a finding.
    pub(super) fn read(target: &'static str, said: &str, succeeded: bool, program: &Path, log: &Path) -> Self {
        let number =
            |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0);
        let mut coverage = said.lines().filter_map(coverage);
        let first = said.lines().find(|line| line.contains("INITED")).and_then(self::coverage);
        let finding = (!succeeded).then(|| Finding {
            target,
            what: headline(said),
            input: said
                .lines()
                .find_map(|line| line.split_once("Test unit written to "))
                .map(|(_, path)| PathBuf::from(path)),
            program: program.to_owned(),
            log: log.to_owned(),
        });
        Self {
            target,
            executions: number("stat::number_of_executed_units:"),
            per_second: number("stat::average_exec_per_sec:"),
            coverage: (first.unwrap_or(0), coverage.next_back().unwrap_or(0)),
            finding,
        }
    }
}

/// `#8192 pulse  cov: 312 ft: 790 corp: …`
fn coverage(line: &str) -> Option<u64> {
    line.split_once(" cov: ")?.1.split(' ').next()?.parse().ok()
}

/// The line with the error. After a panic, also the next line, which has its message.
fn headline(said: &str) -> String {
    let mut lines = said.lines();
    let found = lines.find(|line| line.contains(" panicked at ") || line.contains("ERROR: "));
    match (found, lines.next()) {
        (Some(panic), Some(message)) if panic.contains(" panicked at ") => format!("{panic}\n  {message}"),
        (Some(error), _) => error.to_owned(),
        (None, _) => "it ended without a word".to_owned(),
    }
}

/// One line for each run.
pub(super) fn table(reports: &[Report]) -> String {
    let mut table = format!(
        "{:<16}{:>14}{:>14}{:>12}{:>14}{:>10}",
        "target", "executions", "per second", "coverage", "new coverage", "findings"
    );
    for Report { target, executions, per_second, coverage: (before, after), finding } in reports {
        let (new, findings) = (after.saturating_sub(*before), u32::from(finding.is_some()));
        let _ = write!(table, "\n{target:<16}{executions:>14}{per_second:>14}{after:>12}{new:>14}{findings:>10}");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &str = "\
INFO: seed corpus: files: 9 min: 8b max: 90b total: 300b rss: 40Mb
#10\tINITED cov: 300 ft: 500 corp: 9/300b exec/s: 0 rss: 41Mb
#8192\tpulse  cov: 312 ft: 790 corp: 90/3Kb lim: 120 exec/s: 4096 rss: 60Mb
#20000\tDONE   cov: 320 ft: 800 corp: 99/3Kb lim: 200 exec/s: 2000 rss: 70Mb
stat::number_of_executed_units: 20000
stat::average_exec_per_sec:     2000
";

    fn read(said: &str, succeeded: bool) -> Report {
        Report::read("frame", said, succeeded, Path::new("/p/frame"), Path::new("/p/frame.log"))
    }

    #[test]
    fn a_run_without_findings_has_statistics() {
        let report = read(QUIET, true);
        assert_eq!((report.executions, report.per_second, report.coverage), (20_000, 2_000, (300, 320)));
        assert_eq!(report.finding, None);
        let table = table(&[report]);
        assert!(
            table.lines().any(|line| line.split_whitespace().eq(["frame", "20000", "2000", "320", "20", "0"])),
            "{table}"
        );
    }

    #[test]
    fn a_finding_comes_with_its_input_and_what_was_wrong() {
        let said = "\nthread '<unnamed>' (7) panicked at src/frame.rs:3:9:\nin pieces\nstack backtrace:\n\
                    ==7== ERROR: libFuzzer: deadly signal\n\
                    artifact_prefix='/f/'; Test unit written to /f/crash-07\n";
        let finding = read(said, false).finding.expect("it failed");
        assert_eq!(finding.input.as_deref(), Some(Path::new("/f/crash-07")));
        assert!(finding.what.contains("frame.rs:3:9") && finding.what.ends_with("in pieces"), "{}", finding.what);
        assert_eq!(
            read("==7==ERROR: AddressSanitizer: x\n", false).finding.unwrap().what,
            "==7==ERROR: AddressSanitizer: x"
        );
        assert!(read(QUIET, false).finding.is_some());
    }
}
