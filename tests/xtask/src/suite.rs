//! `cargo xtask test`: every test and build check.

mod programs;

use std::ffi::OsString;

use crate::bare_metal::{CORTEX_M4F, TARGETS, Toolchain};
use crate::boards;
use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// The package that every side shares, boards included.
const SHARED: &str = "trill-proto";

/// The boards' client, which brings the shared package and the decoder with it.
const FIRMWARE: &str = "trill-firmware";

/// Runs every test and the bare-metal builds; with `cargo_args` only the tests that these select.
///
/// # Errors
/// What is missing is said before anything runs; then the first step that fails ends it.
pub(crate) fn run(cargo_args: &[OsString]) -> Result<(), Error> {
    if !cargo_args.is_empty() {
        system::ensure(&[Need::Build, Need::Tests])?;
        return process::run(process::cargo()?.arg("test").args(cargo_args));
    }
    let toolchain = Toolchain::choose(CORTEX_M4F);
    toolchain.ensure(CORTEX_M4F, &[Need::Build, Need::Tests, Need::Boards, Need::Emulator])?;
    programs::run_all()?;
    process::run(process::cargo()?.args(["test", "--workspace", "--doc"]))?;
    // The workspace's other members switch `std` on, so only alone is the package as a board gets it. `defmt`
    // has to stay out of every other test: its logging links on a host only under a logger of one's own.
    let mut alone = process::cargo()?;
    alone.args(["test", "--package", SHARED, "--features", "defmt"]).env_remove("DEFMT_LOG");
    process::run(&mut alone)?;
    toolchain.build(CORTEX_M4F, SHARED, &[])?;
    for target in TARGETS {
        let toolchain = Toolchain::choose(target);
        toolchain.ensure(target, &[])?;
        toolchain.build(target, FIRMWARE, &["defmt"])?;
    }
    boards::test_support()?;
    boards::measure_all()
}
