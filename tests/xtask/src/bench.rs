//! `cargo xtask bench`: Trill beside what a person would pick instead.

use std::process::ExitCode;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// Where the results are, in the workspace.
const RESULTS: &str = "tests/benches";

/// Measures these sections, or all, as released programs do, so many rounds each, and brings the results up to date. The
/// status is that of the program that measures.
///
/// # Errors
/// What keeps it from running.
pub(crate) fn run(sections: &[String], rounds: u32) -> Result<ExitCode, Error> {
    system::ensure(&[Need::Build, Need::Tests, Need::Peers])?;
    let mut build = process::cargo()?;
    process::run(build.args(["build", "--quiet", "--release", "--package", "trill-tests", "--bin", "load"]))?;
    let mut bench = process::cargo()?;
    bench.args(["run", "--quiet", "--release", "--package", "trill-tests", "--bin", "bench", "--"]);
    bench.arg(process::workspace_dir().join(RESULTS)).arg(rounds.to_string()).args(sections);
    process::run_instead(&mut bench)
}
