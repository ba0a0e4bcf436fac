//! `cargo xtask cross`: tests for other Linux architectures in an emulator. Finds errors of 32-bit sizes and missing
//! atomics without a board.

mod end_to_end;
mod root;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bare_metal::Toolchain;
use crate::error::Error;
use crate::process::{self, processors};
use crate::programs;
use crate::system::{self, Need};
use root::Root;

/// A Linux architecture, with rustup's and Debian's names.
struct Machine {
    target: &'static str,
    /// Debian's architecture name.
    architecture: &'static str,
    /// GNU triple: prefix of its C compiler, and folder of its libraries.
    gnu: &'static str,
    emulator: &'static str,
    /// Debian packages with its libraries.
    libraries: &'static [&'static str],
    /// The packages whose tests run there.
    packages: &'static [&'static str],
    /// cargo's options that select their tests.
    selection: &'static [&'static str],
    /// Whether server and client are among the packages, so that both can run together.
    is_end_to_end: bool,
}

/// QEMU's variable for the folder that it searches first when a program opens a file.
const EMULATED_ROOT: &str = "QEMU_LD_PREFIX";

const MACHINES: &[Machine] = &[
    // 32-bit like the boards, which cannot run these tests.
    Machine {
        target: "armv7-unknown-linux-gnueabihf",
        architecture: "armhf",
        gnu: "arm-linux-gnueabihf",
        emulator: "qemu-arm-static",
        libraries: &["libc6", "libgcc-s1"],
        // The boards in QEMU run the other packages without an operating system.
        packages: &["trill-proto"],
        selection: &["--lib", "--tests"],
        is_end_to_end: false,
    },
    // A Raspberry Pi or a rented server.
    Machine {
        target: "aarch64-unknown-linux-gnu",
        architecture: "arm64",
        gnu: "aarch64-linux-gnu",
        emulator: "qemu-aarch64-static",
        libraries: &["libc6", "libgcc-s1", "libasound2", "libasound2-dev"],
        // The packages without an operating system differ by the size of an address, which is this machine's.
        packages: &["trill-server", "trill"],
        selection: &["--lib"],
        is_end_to_end: true,
    },
];

/// This test restarts itself as `nobody`, who cannot read the folder with the libraries.
const SKIPPED: &str = "what_cannot_be_read_is_skipped";

/// Cases of each property test: proptest's own number, where some ask for 2,000. The emulator is slow, and a size that
/// does not fit shows soon.
const PROPERTY_CASES: &str = "256";

/// Runs the tests for every architecture, and server and client together where both are built.
///
/// # Errors
/// Missing packages, before anything runs; then the first failed step.
pub(crate) fn run() -> Result<(), Error> {
    system::ensure(&[Need::Build, Need::Tests, Need::Cross])?;
    for machine in MACHINES {
        let tools = Tools::open(machine)?;
        tools.test()?;
        if machine.is_end_to_end {
            end_to_end::check(&tools)?;
        }
    }
    Ok(())
}

/// The tools to build and run programs of one architecture.
struct Tools {
    machine: &'static Machine,
    toolchain: Toolchain,
    root: Root,
}

impl Tools {
    fn open(machine: &'static Machine) -> Result<Self, Error> {
        let toolchain = Toolchain::choose(machine.target);
        toolchain.ensure(machine.target, &[])?;
        let root = Root::of(machine.architecture, machine.libraries, toolchain.std_package().as_deref())?;
        Ok(Self { machine, toolchain, root })
    }

    fn test(&self) -> Result<(), Error> {
        let programs = programs::build(self.cargo("test")?.args(self.machine.selection))?;
        Error::of_tests(programs::run(&programs, processors(), |program| {
            let mut command = self.emulate(program);
            command.args(["--skip", SKIPPED]).env("PROPTEST_CASES", PROPERTY_CASES);
            command
        }))
    }

    /// Builds the programs of the packages. Returns their folder.
    fn build(&self) -> Result<PathBuf, Error> {
        // Together with the tests, which were built before. Alone, shared dependencies would get other features.
        process::run(self.cargo("build")?.args(["--bins", "--tests"]))?;
        Ok(self.toolchain.target_dir()?.join(self.machine.target).join("debug"))
    }

    /// Runs a `program` of the architecture in the emulator.
    fn emulate(&self, program: &Path) -> Command {
        let mut command = Command::new(self.machine.emulator);
        command.env(EMULATED_ROOT, self.root.dir()).arg(program);
        command
    }

    fn cargo(&self, command: &str) -> Result<Command, Error> {
        let Machine { target, gnu, packages, .. } = self.machine;
        let mut cargo = self.toolchain.cargo(process::workspace_dir())?;
        cargo.args([command, "--target", target]);
        cargo.args(packages.iter().flat_map(|package| ["--package", package]));
        // The emulator is an order of magnitude slower than the machine, so the code is optimised a little. More
        // optimisation takes as long as it saves. Overflow checks stay on.
        cargo.args(["--config", "profile.dev.opt-level=1", "--config", r#"profile.dev.package."*".opt-level=1"#]);
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.env(self.machine.variable("LINKER"), format!("{gnu}-gcc"));
        cargo.env("PKG_CONFIG_ALLOW_CROSS", "1").env("PKG_CONFIG_SYSROOT_DIR", self.root.dir());
        cargo.env("PKG_CONFIG_LIBDIR", self.root.dir().join("usr/lib").join(gnu).join("pkgconfig"));
        if self.toolchain != Toolchain::Own {
            match self.root.sysroot(target) {
                // With `--target`, build scripts and macros do not see these flags. Doctests are compiled with them
                // too.
                Some(sysroot) => {
                    let flags = format!("--sysroot\x1f{}", sysroot.display());
                    cargo.env("CARGO_ENCODED_RUSTFLAGS", &flags).env("CARGO_ENCODED_RUSTDOCFLAGS", &flags)
                }
                None => cargo.args(["-Z", "build-std=std,panic_unwind,test"]),
            };
        }
        Ok(cargo)
    }
}

impl Machine {
    /// The variable that sets `key` of cargo's configuration for this target.
    fn variable(&self, key: &str) -> String {
        format!("CARGO_TARGET_{}_{key}", self.target.to_uppercase().replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_cargos_names() {
        assert_eq!(MACHINES[0].variable("LINKER"), "CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER");
    }
}
