//! Counts memory allocations during playback.

use super::figures::{Row, Target};
use super::{Plan, Section};
use crate::process::Process;
use std::env;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

pub(super) const SECTION: Section = Section {
    name: "allocations",
    title: "Heap allocations in steady playback",
    about: "Server and client run in processes of their own with an allocator that counts. It counts between seconds 5 \
        and 15 of a song of 128 kbit/s. The path between them has twice the rate of the music; over a faster one, \
        all of these ten seconds would arrive in the first second. `cargo bench --package trill-tests --bench \
        allocations` prints the same.",
    measure,
};

/// Includes the build.
const PATIENCE: Duration = Duration::from_secs(600);

fn measure(plan: &Plan) -> Vec<Row> {
    let rounds: Vec<[f64; 2]> = (0..plan.rounds.min(3)).map(|_| counted()).collect();
    let row = |what: &str, place: usize| {
        let figures = rounds.iter().map(|round| round[place]).collect();
        Row::new(what, "in ten seconds", figures).target(Target::Always(0.0))
    };
    vec![row("allocations of the server", 0), row("allocations of the client", 1)]
}

/// The counts of server and client.
fn counted() -> [f64; 2] {
    let mut bench = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    bench.current_dir(env!("CARGO_MANIFEST_DIR"));
    bench.args(["bench", "--quiet", "--package", "trill-tests", "--bench", "allocations"]);
    // The benchmark exits with an error if there are any. The table reports them instead.
    let said = Process::spawn("cargo bench", bench).wait(PATIENCE).stdout;
    ["server: ", "client: "].map(|who| match allocations(&said, who) {
        Some(count) => count,
        None => panic!("no count of {who}in {said:?}"),
    })
}

/// The number in `server: 0 allocations in 90 DATA frames`.
fn allocations(said: &str, who: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix(who))?;
    line.split_once(" allocations")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_bench_says_is_understood() {
        let said = "playing\nserver: 12 allocations in 90 DATA frames\nclient: 0 allocations in 10 s of music\n";
        assert_eq!(allocations(said, "server: "), Some(12.0));
        assert_eq!(allocations(said, "client: "), Some(0.0));
        assert_eq!(allocations("server: none", "server: "), None);
    }
}
