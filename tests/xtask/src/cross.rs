//! `cargo xtask cross`: what other machines run, tested under an emulator of their Linux. A size that fits in 64
//! bits and not in 32, or an atomic that the other has not, shows here and not on the bench.

mod radio;
mod root;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bare_metal::Toolchain;
use crate::error::Error;
use crate::process;
use crate::system::{self, Need};
use root::Root;

/// A kind of machine that runs Linux, as rustup and Debian know it.
struct Machine {
    target: &'static str,
    /// Debian's name for it.
    architecture: &'static str,
    /// Prefix of its C compiler, which links, and name of the folder with its libraries.
    gnu: &'static str,
    emulator: &'static str,
    /// What its programs are linked with and run with: Debian's packages.
    libraries: &'static [&'static str],
    suites: &'static [Suite],
}

/// Tests with one `cargo test` of their own, so that no package switches features of another on.
struct Suite {
    packages: &'static [&'static str],
    /// What cargo and the tests are told besides.
    selection: &'static [&'static str],
    /// Whether server and client are among the packages, and are run then.
    has_radio: bool,
}

/// The variable by which QEMU is told where to look first for what a program of the machine opens.
const EMULATED_ROOT: &str = "QEMU_LD_PREFIX";

const MACHINES: &[Machine] = &[
    // As wide as the boards, which cannot run these tests.
    Machine {
        target: "armv7-unknown-linux-gnueabihf",
        architecture: "armhf",
        gnu: "arm-linux-gnueabihf",
        emulator: "qemu-arm-static",
        libraries: &["libc6", "libgcc-s1"],
        suites: &[
            Suite { packages: &["trill-proto"], selection: &[], has_radio: false },
            Suite { packages: &["trill-firmware"], selection: &["--lib"], has_radio: false },
        ],
    },
    // A Raspberry Pi, or a rented server.
    Machine {
        target: "aarch64-unknown-linux-gnu",
        architecture: "arm64",
        gnu: "aarch64-linux-gnu",
        emulator: "qemu-aarch64-static",
        libraries: &["libc6", "libgcc-s1", "libasound2", "libasound2-dev"],
        suites: &[Suite {
            packages: &["trill-proto", "trill-server", "trill"],
            // It runs itself as nobody, who may not enter the folder with the machine's libraries.
            selection: &["--", "--skip", "what_cannot_be_read_is_skipped"],
            has_radio: true,
        }],
    },
];

/// Runs the tests for every machine, and server and client on those that have both.
///
/// # Errors
/// What is missing is said before anything runs; then the first suite with a test that fails ends it.
pub(crate) fn run() -> Result<(), Error> {
    system::ensure(&[Need::Build, Need::Tests, Need::Cross])?;
    for machine in MACHINES {
        let workshop = Workshop::open(machine)?;
        for suite in machine.suites {
            workshop.test(suite)?;
            if suite.has_radio {
                radio::check(&workshop, suite)?;
            }
        }
    }
    Ok(())
}

/// What it takes to build and run a machine's programs.
struct Workshop {
    machine: &'static Machine,
    toolchain: Toolchain,
    root: Root,
}

impl Workshop {
    fn open(machine: &'static Machine) -> Result<Self, Error> {
        let toolchain = Toolchain::choose(machine.target);
        toolchain.ensure(machine.target, &[])?;
        let root = Root::of(machine.architecture, machine.libraries, toolchain.std_package().as_deref())?;
        Ok(Self { machine, toolchain, root })
    }

    fn test(&self, suite: &Suite) -> Result<(), Error> {
        let mut cargo = self.cargo("test", suite.packages)?;
        process::run(cargo.arg("--no-fail-fast").args(suite.selection))
    }

    /// Builds the programs of a suite's packages, and returns the folder that they are in.
    fn build(&self, suite: &Suite) -> Result<PathBuf, Error> {
        // With the tests, for which they have been built before: alone, some of what they need has other features.
        process::run(self.cargo("build", suite.packages)?.args(["--bins", "--tests"]))?;
        Ok(self.toolchain.target_dir()?.join(self.machine.target).join("debug"))
    }

    /// Runs the machine's `program` here.
    fn emulate(&self, program: &Path) -> Command {
        let mut command = Command::new(self.machine.emulator);
        command.env(EMULATED_ROOT, self.root.dir()).arg(program);
        command
    }

    fn cargo(&self, command: &str, packages: &[&str]) -> Result<Command, Error> {
        let Machine { target, gnu, emulator, .. } = self.machine;
        let mut cargo = self.toolchain.cargo(process::workspace_dir())?;
        cargo.args([command, "--target", target]);
        cargo.args(packages.iter().flat_map(|package| ["--package", package]));
        // The emulator is an order of magnitude slower than the machine, and optimising well takes as long as it
        // saves. Checks of overflow and the like stay.
        cargo.args(["--config", "profile.dev.opt-level=1", "--config", r#"profile.dev.package."*".opt-level=1"#]);
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.env(self.machine.variable("LINKER"), format!("{gnu}-gcc"));
        // Tests start programs with it too, see `trill_tests::binaries`: so nothing but a name, and the rest apart.
        cargo.env(self.machine.variable("RUNNER"), emulator).env(EMULATED_ROOT, self.root.dir());
        cargo.env("PKG_CONFIG_ALLOW_CROSS", "1").env("PKG_CONFIG_SYSROOT_DIR", self.root.dir());
        cargo.env("PKG_CONFIG_LIBDIR", self.root.dir().join("usr/lib").join(gnu).join("pkgconfig"));
        if self.toolchain != Toolchain::Own {
            match self.root.sysroot(target) {
                // With a `--target`, build scripts and macros do not see it. Examples in documentation are compiled too.
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
    fn cargo_is_told_by_the_names_it_knows() {
        assert_eq!(MACHINES[0].variable("RUNNER"), "CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUNNER");
    }
}
