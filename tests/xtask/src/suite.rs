//! `cargo xtask test`: every test.

use std::ffi::OsString;
use std::process::Command;

use crate::bare_metal::{CORTEX_M4F, Toolchain};
use crate::boards;
use crate::error::Error;
use crate::process::{self, cargo, processors};
use crate::programs;
use crate::system::{self, Need};

/// Programs that run alone, after all others. Recordings have holes where the sound server has to wait for a processor, or for a
/// disk that stores what was built a moment ago.
const ALONE: [&str; 1] = ["tests: sound"];

/// Programs that begin before the others because they take longest: at the end, one would run alone.
const LONG: [&str; 5] = ["tests: boards", "core: playing", "tests: browse", "tests: attacks", "tests: churn"];

/// Runs every test and builds the boards' programs; with `cargo_args` only the tests that these select.
///
/// # Errors
/// What is missing is said before anything runs; then the first step that fails ends it.
pub(crate) fn run(cargo_args: &[OsString]) -> Result<(), Error> {
    if !cargo_args.is_empty() {
        system::ensure(&[Need::Build, Need::Tests])?;
        return process::run(cargo()?.arg("test").args(cargo_args));
    }
    Toolchain::choose(CORTEX_M4F).ensure(CORTEX_M4F, &[Need::Build, Need::Tests, Need::Boards, Need::Emulator])?;
    run_programs()?;
    process::run(cargo()?.args(["test", "--workspace", "--doc"]))?;
    boards::test_support()?;
    boards::measure_all()
}

/// Runs the workspace's test programs.
fn run_programs() -> Result<(), Error> {
    let programs = programs::build(cargo()?.args(["test", "--workspace"]))?;
    let (alone, mut others): (Vec<_>, Vec<_>) =
        programs.into_iter().partition(|program| ALONE.contains(&program.name().as_str()));
    // The end-to-end tests come last in cargo's order, and take longer than the units.
    others.reverse();
    others.sort_by_key(|program| !LONG.contains(&program.name().as_str()));
    let run = |programs: &[_], at_a_time| programs::run(programs, at_a_time, |program| Command::new(program));
    Error::of_tests([run(&others, processors()), run(&alone, 1)].concat())
}
