//! `cargo xtask lint`: every check that runs nothing of the project.

use std::process::Command;

use crate::boards;
use crate::error::Error;
use crate::fuzz;
use crate::process::{self, cargo, executable, target_dir};
use crate::system::{self, Need};

/// The one that understands `.deny.toml`.
const CARGO_DENY: &str = "0.20.2";

/// Checks format, lints, documentation and dependencies.
///
/// # Errors
/// The first check that fails ends it.
pub(crate) fn run() -> Result<(), Error> {
    system::ensure(&[Need::Build])?;
    for workspace in [process::workspace_dir(), &boards::workspace_dir()] {
        process::run(cargo()?.args(["fmt", "--all", "--check"]).current_dir(workspace))?;
    }
    process::run(cargo()?.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    process::run(cargo()?.args(["clippy", "--package", "trill-proto", "--features", "defmt", "--", "-D", "warnings"]))?;
    process::run(cargo()?.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    fuzz::lint()?;
    boards::lint()?;
    check_dependencies()
}

/// Holds the dependency trees against `.deny.toml`, with a cargo-deny that is built on first use: a policy that is
/// checked only where somebody happens to have the tool is not checked.
fn check_dependencies() -> Result<(), Error> {
    let tools = target_dir()?.join("tools");
    // Unoptimised it is built in a minute, and checks in two seconds.
    process::install(&tools, "cargo-deny", CARGO_DENY)?;
    for workspace in [process::workspace_dir(), &boards::workspace_dir(), &fuzz::workspace_dir()] {
        process::run(
            Command::new(executable(&tools.join("bin"), "cargo-deny"))
                .current_dir(workspace)
                .arg("--config")
                .arg(process::workspace_dir().join(".deny.toml"))
                // An exception that is made for one of them is of no use to the others.
                .args(["check", "--allow", "license-exception-not-encountered", "licenses", "bans", "sources"]),
        )?;
    }
    Ok(())
}
