//! The boards: built, run in an emulator, flashed.

mod qemu;

use std::path::PathBuf;

use crate::bare_metal::{CORTEX_M4F, Toolchain};
use crate::error::Error;
use crate::process;
use crate::system::Need;

pub(crate) use qemu::run as run_in_qemu;

/// A folder of `firmware-client/boards`.
#[derive(Debug, PartialEq)]
pub(crate) struct Board {
    pub(crate) name: &'static str,
    target: &'static str,
    /// How QEMU is told of it; `None` for a board of silicon.
    machine: Option<qemu::Machine>,
}

/// Every board, the one that is meant if none is named first.
pub(crate) const BOARDS: &[Board] = &[
    Board {
        name: "mps2-an386",
        target: CORTEX_M4F,
        machine: Some(qemu::Machine { name: "mps2-an386", sound: qemu::Sound::Semihosting }),
    },
    Board {
        name: "vexpress-a9",
        target: "armv7a-none-eabihf",
        machine: Some(qemu::Machine { name: "vexpress-a9", sound: qemu::Sound::Codec }),
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
    let toolchain = Toolchain::choose_from_source();
    toolchain.ensure(board.target, &[Need::Boards])?;
    let mut cargo = toolchain.cargo(&process::workspace_dir().join("firmware-client/boards").join(board.name))?;
    if toolchain == Toolchain::Debian {
        // The linker that rustup brings is not among Debian's packages under its own name.
        let target = board.target.to_uppercase().replace(['-', '.'], "_");
        cargo.env(format!("CARGO_TARGET_{target}_LINKER"), "ld.lld");
    }
    cargo.args(["build", "--release", "--locked"]);
    process::run(&mut cargo)?;
    let target_dir = cargo.get_envs().find(|(name, _)| *name == "CARGO_TARGET_DIR").and_then(|(_, dir)| dir);
    let target_dir = target_dir.map(PathBuf::from).expect("both toolchains have a target directory of their own");
    Ok(target_dir.join(board.target).join("release").join(format!("trill-{}", board.name)))
}
