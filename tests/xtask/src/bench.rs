//! `cargo xtask bench`: measures Trill next to comparable programs.

use std::process::ExitCode;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// Folder of the results, in the workspace.
const RESULTS: &str = "tests/benches";

/// Runs these sections, or all, in a release build, `rounds` times each, and updates the results. Returns the exit code
/// of the benchmark program.
///
/// # Errors
/// The build or the program cannot start.
pub(crate) fn run(sections: &[String], rounds: u32) -> Result<ExitCode, Error> {
    system::ensure(&[Need::Build, Need::Tests, Need::Peers])?;
    let mut build = process::cargo()?;
    process::run(build.args(["build", "--quiet", "--release", "--package", "trill-tests", "--bin", "load"]))?;
    let mut bench = process::cargo()?;
    bench.args(["run", "--quiet", "--release", "--package", "trill-tests", "--bin", "bench", "--"]);
    bench.arg(process::workspace_dir().join(RESULTS)).arg(rounds.to_string()).args(sections);
    process::run_instead(&mut bench)
}
