//! `cargo xtask soak`: many clients on one server for long.

use std::path::Path;
use std::process::ExitCode;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// Soaks as released programs do, for so many minutes, and draws the figures into `svg`. The status is that of the soak.
///
/// # Errors
/// What keeps it from running.
pub(crate) fn run(minutes: u32, seed: Option<u64>, svg: Option<&Path>) -> Result<ExitCode, Error> {
    system::ensure(&[Need::Build, Need::Tests])?;
    // The program runs in the workspace's folder; a relative path was meant from where the user is.
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
