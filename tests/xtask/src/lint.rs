//! `cargo xtask lint`: every static check.

use std::process::Command;

use crate::boards;
use crate::error::Error;
use crate::fuzz;
use crate::process::{self, cargo, executable, target_dir};
use crate::system::{self, Need};

/// A version that supports the options in `.deny.toml`.
const CARGO_DENY: &str = "0.20.2";

/// Checks format, lints, documentation and dependencies.
///
/// # Errors
/// The first failed check.
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

/// Checks the dependency trees against `.deny.toml`. Installs cargo-deny on first use, so that the check runs on every
/// machine.
fn check_dependencies() -> Result<(), Error> {
    let tools = target_dir()?.join("tools");
    // An unoptimised build takes a minute; the check takes two seconds.
    process::install(&tools, "cargo-deny", CARGO_DENY)?;
    for workspace in [process::workspace_dir(), &boards::workspace_dir(), &fuzz::workspace_dir()] {
        process::run(
            Command::new(executable(&tools.join("bin"), "cargo-deny"))
                .current_dir(workspace)
                .arg("--config")
                .arg(process::workspace_dir().join(".deny.toml"))
                // A licence exception may apply to only one of the workspaces.
                .args(["check", "--allow", "license-exception-not-encountered", "licenses", "bans", "sources"]),
        )?;
    }
    Ok(())
}
