//! The boards: built, run in an emulator, flashed.

pub(crate) mod elf;
mod flash;
mod qemu;
mod size;
mod uf2;

use std::path::PathBuf;

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
    /// It fits only with a `core` that is built as small as itself: see its `.cargo/config.toml`.
    needs_own_core: bool,
    /// How QEMU is told of it; `None` for a board of silicon.
    machine: Option<qemu::Machine>,
    /// How it shows itself to a computer that is to flash it.
    drive: Option<flash::Drive>,
}

/// Every board, the one that is meant if none is named first.
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

/// The board of this name.
///
/// # Errors
/// [`Error::Usage`], which names those there are.
pub(crate) fn find(name: &str) -> Result<&'static Board, Error> {
    let known = || BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", ");
    let found = BOARDS.iter().find(|board| board.name == name);
    found.ok_or_else(|| Error::Usage(format!("there is no board `{name}`; there are {}", known())))
}

/// What boards share and this machine can run, tested on it.
const TESTED_HERE: &[&str] = &["trill-access"];

/// Tests on this machine what boards share and needs no board.
///
/// # Errors
/// [`Error::Failed`] when a test fails.
pub(crate) fn test_support() -> Result<(), Error> {
    let mut cargo = process::cargo()?;
    cargo.current_dir(process::workspace_dir().join("firmware-client/boards")).args(["test", "--locked"]);
    cargo.env("CARGO_TARGET_DIR", process::target_dir()?.join("boards"));
    process::run(cargo.args(TESTED_HERE.iter().flat_map(|package| ["--package", package])))
}

/// `cargo xtask build`: builds the programs of `boards`, or of all, and prints where they are.
///
/// # Errors
/// Of the first that does not compile.
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
/// [`Error::Failed`] when it does not compile, or does not fit.
pub(crate) fn build(board: &Board) -> Result<PathBuf, Error> {
    let toolchain =
        if board.needs_own_core { Toolchain::choose_from_source() } else { Toolchain::choose(board.target) };
    toolchain.ensure(board.target, &[Need::Boards])?;
    let target_dir = process::target_dir()?.join(if toolchain == Toolchain::Debian { "debian" } else { "boards" });
    let mut cargo = toolchain.cargo(&process::workspace_dir().join("firmware-client/boards").join(board.name))?;
    cargo.env("CARGO_TARGET_DIR", &target_dir);
    if toolchain == Toolchain::Debian {
        // The linker that rustup brings is not among Debian's packages under its own name.
        let target = board.target.to_uppercase().replace(['-', '.'], "_");
        cargo.env(format!("CARGO_TARGET_{target}_LINKER"), "ld.lld");
    }
    cargo.args(["build", "--release", "--locked"]);
    if toolchain != Toolchain::Own {
        cargo.args(["-Z", "build-std=core"]);
    }
    process::run(&mut cargo)?;
    Ok(target_dir.join(board.target).join("release").join(format!("trill-{}", board.name)))
}
