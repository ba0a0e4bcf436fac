//! `cargo xtask cross`: what other machines run, tested under an emulator of their Linux. A size that fits in 64
//! bits and not in 32, or an atomic that the other has not, shows here and not on the bench.

use crate::bare_metal::Toolchain;
use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// A kind of machine that runs Linux, as rustup and Debian know it.
struct Machine {
    target: &'static str,
    /// Prefix of its C compiler, which links, and name of the folder below /usr with its C library.
    gnu: &'static str,
    emulator: &'static str,
    /// Each with its own `cargo test`, so that no package switches features of another on.
    suites: &'static [Suite],
}

/// Tests of one package.
struct Suite {
    package: &'static str,
    /// What cargo and the tests are told besides.
    selection: &'static [&'static str],
}

/// Tests that run programs of the target by themselves are out: the emulator runs the test, and not what it starts.
const MACHINES: &[Machine] = &[
    // As wide as the boards, which cannot run these tests.
    Machine {
        target: "armv7-unknown-linux-gnueabihf",
        gnu: "arm-linux-gnueabihf",
        emulator: "qemu-arm-static",
        suites: &[
            Suite { package: "trill-proto", selection: &[] },
            Suite { package: "trill-firmware", selection: &["--lib"] },
        ],
    },
    // A Raspberry Pi, or a rented server.
    Machine {
        target: "aarch64-unknown-linux-gnu",
        gnu: "aarch64-linux-gnu",
        emulator: "qemu-aarch64-static",
        suites: &[Suite { package: "trill-proto", selection: &["--features", "std"] }],
    },
];

/// Runs the tests for every machine.
///
/// # Errors
/// What is missing is said before anything runs; then the first package with a test that fails ends it.
pub(crate) fn run() -> Result<(), Error> {
    system::ensure(&[Need::Cross])?;
    for machine in MACHINES {
        let toolchain = Toolchain::choose(machine.target);
        toolchain.ensure(machine.target, &[])?;
        for suite in machine.suites {
            machine.test(toolchain, suite)?;
        }
    }
    Ok(())
}

impl Machine {
    fn test(&self, toolchain: Toolchain, suite: &Suite) -> Result<(), Error> {
        let mut cargo = toolchain.cargo(process::workspace_dir())?;
        cargo.args(["test", "--no-fail-fast", "--target", self.target, "--package", suite.package]);
        if toolchain != Toolchain::Own {
            cargo.args(["-Z", "build-std=std,panic_unwind,test"]);
        }
        // The emulator is an order of magnitude slower than the machine: two machines' worth of random cases
        // take minutes there unless optimised. Checks of overflow and the like stay.
        cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "2");
        cargo.env(self.variable("LINKER"), format!("{}-gcc", self.gnu));
        cargo.env(self.variable("RUNNER"), format!("{} -L /usr/{}", self.emulator, self.gnu));
        process::run(cargo.args(suite.selection))
    }

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
