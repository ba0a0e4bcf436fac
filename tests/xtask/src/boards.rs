//! Builds the boards' programs, runs them in QEMU, and flashes them.

pub(crate) mod elf;
mod flash;
mod qemu;
mod size;
mod uf2;

use std::path::PathBuf;
use std::process::Command;

use crate::bare_metal::{CORTEX_M4F, Toolchain};
use crate::error::Error;
use crate::process;
use crate::system::Need;

pub(crate) use flash::run as flash;
pub(crate) use qemu::run as run_in_qemu;
pub(crate) use size::run as measure_all;

/// A folder of `firmware-client/boards`.
#[derive(Debug, PartialEq)]
pub(crate) struct Board {
    pub(crate) name: &'static str,
    target: &'static str,
    /// It fits only with a size-optimised `core`: see its `.cargo/config.toml`.
    needs_own_core: bool,
    /// Its QEMU machine; `None` for real hardware.
    machine: Option<qemu::Machine>,
    /// The USB drive that its boot ROM shows; `None` if it has none.
    drive: Option<flash::Drive>,
}

/// Every board. The first is the default.
pub(crate) const BOARDS: &[Board] = &[
    Board {
        name: "mps2-an386",
        target: CORTEX_M4F,
        needs_own_core: true,
        machine: Some(qemu::Machine { name: "mps2-an386", sound: qemu::Sound::Semihosting }),
        drive: None,
    },
    Board {
        name: "vexpress-a9",
        target: "armv7a-none-eabihf",
        needs_own_core: false,
        machine: Some(qemu::Machine { name: "vexpress-a9", sound: qemu::Sound::Codec }),
        drive: None,
    },
    Board {
        name: "pico2w",
        target: "thumbv8m.main-none-eabihf",
        needs_own_core: false,
        machine: None,
        drive: Some(flash::Drive { label: "RP2350", family: uf2::RP2350_ARM_S }),
    },
];

/// Finds the board with this name.
///
/// # Errors
/// [`Error::Usage`], with the names of all boards.
pub(crate) fn find(name: &str) -> Result<&'static Board, Error> {
    let known = || BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", ");
    let found = BOARDS.iter().find(|board| board.name == name);
    found.ok_or_else(|| Error::Usage(format!("unknown board `{name}`; boards: {}", known())))
}

/// The boards' shared packages whose tests run on this machine.
const TESTED_HERE: &[&str] = &["trill-access"];

/// Tests the boards' shared packages on this machine.
///
/// # Errors
/// [`Error::Failed`] when a test fails.
pub(crate) fn test_support() -> Result<(), Error> {
    let mut cargo = process::cargo()?;
    cargo.current_dir(process::workspace_dir().join("firmware-client/boards")).args(["test", "--locked"]);
    cargo.env("CARGO_TARGET_DIR", process::target_dir()?.join("boards"));
    process::run(cargo.args(TESTED_HERE.iter().flat_map(|package| ["--package", package])))
}

/// Builds the programs of `boards`, or of all, and prints their paths.
///
/// # Errors
/// [`Error::Failed`] when one does not compile.
pub(crate) fn build_all(boards: &[&'static Board]) -> Result<(), Error> {
    let all: Vec<_> = BOARDS.iter().collect();
    for board in if boards.is_empty() { &all } else { boards } {
        println!("{}", build(board)?.display());
    }
    Ok(())
}

/// Builds a board's program and returns its path.
///
/// # Errors
/// [`Error::Failed`] when it does not compile or exceeds the board's memory.
pub(crate) fn build(board: &Board) -> Result<PathBuf, Error> {
    let toolchain = board.toolchain()?;
    process::run(board.configure(toolchain, toolchain.cargo(&board.dir())?.arg("build"))?)?;
    Ok(target_dir(toolchain)?.join(board.target).join("release").join(board.package()))
}

/// Runs clippy and rustdoc on each board's program and on the shared packages, for the board's target.
///
/// # Errors
/// The first failed check.
pub(crate) fn lint() -> Result<(), Error> {
    for board in BOARDS {
        let toolchain = board.toolchain()?;
        let others = BOARDS.iter().filter(|other| *other != board);
        let selection: Vec<_> = others.flat_map(|other| ["--exclude".to_owned(), other.package()]).collect();
        let mut clippy = toolchain.clippy(&board.dir())?;
        board.configure(toolchain, clippy.arg("--workspace").args(&selection))?;
        process::run(clippy.args(["--", "-D", "warnings"]))?;
        let mut doc = toolchain.cargo(&board.dir())?;
        board.configure(toolchain, doc.args(["doc", "--no-deps", "--workspace"]).args(&selection))?;
        process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}

impl Board {
    fn dir(&self) -> PathBuf {
        workspace_dir().join(self.name)
    }

    fn package(&self) -> String {
        format!("trill-{}", self.name)
    }

    /// Its toolchain, after an installation if necessary.
    fn toolchain(&self) -> Result<Toolchain, Error> {
        let toolchain =
            if self.needs_own_core { Toolchain::choose_from_source() } else { Toolchain::choose(self.target) };
        toolchain.ensure(self.target, &[Need::Boards])?;
        Ok(toolchain)
    }

    /// Adds the same options to every cargo command for this board, so that the commands share compiled crates.
    fn configure<'a>(&self, toolchain: Toolchain, cargo: &'a mut Command) -> Result<&'a mut Command, Error> {
        cargo.env("CARGO_TARGET_DIR", target_dir(toolchain)?).args(["--release", "--locked"]);
        if toolchain == Toolchain::Debian {
            // Debian does not package rustup's linker name.
            let target = self.target.to_uppercase().replace(['-', '.'], "_");
            cargo.env(format!("CARGO_TARGET_{target}_LINKER"), "ld.lld");
        }
        if toolchain != Toolchain::Own {
            cargo.args(["-Z", "build-std=core"]);
        }
        Ok(cargo)
    }
}

/// The folder of the boards' own workspace.
pub(crate) fn workspace_dir() -> PathBuf {
    process::workspace_dir().join("firmware-client/boards")
}

/// The target directory of the boards' programs.
fn target_dir(toolchain: Toolchain) -> Result<PathBuf, Error> {
    Ok(process::target_dir()?.join(if toolchain == Toolchain::Debian { "debian" } else { "boards" }))
}
