//! `cargo xtask soak`: 50 clients against one server.

use std::path::Path;
use std::process::ExitCode;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// Runs the soak in a release build for `minutes` and draws the charts into `svg`. Returns the exit code of the soak.
///
/// # Errors
/// The build or the program cannot start.
pub(crate) fn run(minutes: u32, seed: Option<u64>, svg: Option<&Path>) -> Result<ExitCode, Error> {
    system::ensure(&[Need::Build, Need::Tests])?;
    // The program runs in the workspace's folder, but a relative path is relative to the user's.
    let svg = match svg {
        Some(svg) => std::path::absolute(svg).map_err(Error::io("--svg"))?,
        None => process::target_dir()?.join("soak").join("soak.svg"),
    };
    let mut soak = process::cargo()?;
    soak.args(["run", "--quiet", "--release", "--package", "trill-tests", "--bin", "soak", "--"]);
    soak.arg(minutes.to_string()).arg(svg);
    if let Some(seed) = seed {
        soak.arg(seed.to_string());
    }
    process::run_instead(&mut soak)
}
