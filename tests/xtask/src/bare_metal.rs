//! Builds for targets without an operating system, with rustup's toolchain or Debian's.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// Cortex-M4F or M7: the cores of the constrained boards.
pub(crate) const CORTEX_M4F: &str = "thumbv7em-none-eabihf";

/// Targets that the boards' crates must compile for although no board has them: the smallest core, without
/// compare-and-swap, and another architecture.
const OTHER_TARGETS: &[&str] = &["thumbv6m-none-eabi", "riscv32imac-unknown-none-elf"];

/// What must compile there, each alone, because together one would switch on another's features: the package that all
/// sides share, as small as it gets, and the boards' client, which brings the player and the decoder with it.
const PORTABLE: &[(&str, &[&str])] = &[("trill-proto", &[]), ("trill-firmware", &["defmt"])];

/// A toolchain for bare metal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Toolchain {
    /// The default toolchain, with rustup's prebuilt `core` for the target.
    Own,
    /// The default toolchain, with `core` built from its source.
    OwnFromSource,
    /// Debian's toolchain, with `core` built from source. It needs no download outside Debian's archive.
    Debian,
}

impl Toolchain {
    /// Chooses the toolchain for libraries for `target`. It may not be installed yet.
    pub(crate) fn choose(target: &str) -> Self {
        // If neither is installed, rustc's own error explains best how to install its target.
        if has_core(target) || !system::is_debian_like() { Self::Own } else { Self::Debian }
    }

    /// Chooses the toolchain for a board's program, which needs `core` built from source.
    pub(crate) fn choose_from_source() -> Self {
        if has_source() || !system::is_debian_like() { Self::OwnFromSource } else { Self::Debian }
    }

    /// Checks that the toolchain for `target` and the packages for `needs` are installed, and installs them if it may.
    ///
    /// # Errors
    /// As [`system::ensure`], as [`Error::NoBareMetal`] if rustup could install the target too.
    pub(crate) fn ensure(self, target: &'static str, needs: &[Need]) -> Result<(), Error> {
        match self {
            Self::Own | Self::OwnFromSource => system::ensure(needs),
            Self::Debian => system::ensure(&[needs, &[Need::BareMetal]].concat())
                .map_err(|debian| Error::NoBareMetal { target, debian: Box::new(debian) }),
        }
    }

    /// The toolchain's cargo, to run in `dir`. Debian's builds into a target directory of its own.
    ///
    /// # Errors
    /// Those of [`process::cargo`].
    pub(crate) fn cargo(self, dir: &Path) -> Result<Command, Error> {
        let mut cargo = match self {
            Self::Own => process::cargo()?,
            Self::OwnFromSource => {
                let mut cargo = process::cargo()?;
                // `-Z build-std` is unstable, but has worked for years.
                cargo.env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
            Self::Debian => debian("cargo")?,
        };
        cargo.current_dir(dir);
        Ok(cargo)
    }

    /// The toolchain's `cargo clippy`, configured like [`cargo`](Self::cargo).
    ///
    /// # Errors
    /// Those of [`process::cargo`].
    pub(crate) fn clippy(self, dir: &Path) -> Result<Command, Error> {
        let mut clippy = match self {
            Self::Own | Self::OwnFromSource => self.cargo(dir)?,
            Self::Debian => {
                // Not through cargo: it looks in its own home first, where rustup keeps another clippy.
                let mut clippy = debian("cargo-clippy")?;
                clippy.env("CARGO", "/usr/bin/cargo").current_dir(dir);
                clippy
            }
        };
        clippy.arg("clippy");
        Ok(clippy)
    }

    /// The folder into which [`cargo`](Self::cargo) builds.
    ///
    /// # Errors
    /// Those of [`process::target_dir`].
    pub(crate) fn target_dir(self) -> Result<PathBuf, Error> {
        let dir = process::target_dir()?;
        Ok(if self == Self::Debian { dir.join("debian") } else { dir })
    }

    /// The Debian package, `NAME=VERSION`, with the std that this compiler's version built.
    pub(crate) fn std_package(self) -> Option<String> {
        let query = &mut Command::new("dpkg-query");
        let version = process::ask(query.args(["--show", "--showformat=${Version}", "rustc-web"]));
        version.filter(|_| self == Self::Debian).map(|version| format!("libstd-rust-web-dev={version}"))
    }

    /// Runs clippy on `package` of the workspace for `target` with exactly these `features`.
    ///
    /// # Errors
    /// [`Error::Failed`] when clippy objects.
    fn lint(self, target: &str, package: &str, features: &[&str]) -> Result<(), Error> {
        let mut clippy = self.clippy(process::workspace_dir())?;
        clippy.args(["--target", target, "--package", package, "--no-default-features"]);
        clippy.args(features.iter().flat_map(|feature| ["--features", feature]));
        if self != Self::Own {
            clippy.args(["-Z", "build-std=core"]);
        }
        process::run(clippy.args(["--", "-D", "warnings"]))
    }
}

/// Runs clippy on the boards' crates for the targets that no board has.
///
/// # Errors
/// The first failed check.
pub(crate) fn lint() -> Result<(), Error> {
    for target in OTHER_TARGETS {
        let toolchain = Toolchain::choose(target);
        toolchain.ensure(target, &[])?;
        for (package, features) in PORTABLE {
            toolchain.lint(target, package, features)?;
        }
    }
    Ok(())
}

/// Whether the default rustc has `core` for the target.
fn has_core(target: &str) -> bool {
    ask_rustc(&["--print", "target-libdir", "--target", target]).is_some_and(|dir| Path::new(dir.trim()).is_dir())
}

/// Whether the default rustc has the source of `core`.
fn has_source() -> bool {
    ask_rustc(&["--print", "sysroot"])
        .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").is_dir())
}

fn ask_rustc(arguments: &[&str]) -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    process::ask(Command::new(rustc).args(arguments))
}

/// A `program` of Debian's toolchain, without the environment of the toolchain that runs this program.
fn debian(program: &str) -> Result<Command, Error> {
    let mut command = Command::new(Path::new("/usr/bin").join(program));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(chooses_toolchain) {
            command.env_remove(name);
        }
    }
    command.env("PATH", "/usr/bin:/bin").env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_TARGET_DIR", Toolchain::Debian.target_dir()?);
    Ok(command)
}

/// Whether a variable of this name selects cargo's toolchain, flags or folders. Variables for the registry's access and
/// for the output's look do not.
fn chooses_toolchain(name: &str) -> bool {
    const HARMLESS: &[&str] =
        &["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_", "RUST_BACKTRACE"];
    let harmless = HARMLESS.iter().any(|prefix| name.starts_with(prefix));
    (name.starts_with("CARGO") || name.starts_with("RUST") || name == "LD_LIBRARY_PATH") && !harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_chooses_the_toolchain_is_kept_from_debians() {
        for name in [
            "CARGO",
            "RUSTC",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "LD_LIBRARY_PATH",
            "CARGO_MANIFEST_DIR",
        ] {
            assert!(chooses_toolchain(name), "{name}");
        }
        for name in [
            "HOME",
            "CARGO_HOME",
            "CARGO_HTTP_CAINFO",
            "CARGO_NET_OFFLINE",
            "CARGO_TERM_COLOR",
            "CARGO_REGISTRIES_X_INDEX",
            "RUST_BACKTRACE",
            "https_proxy",
        ] {
            assert!(!chooses_toolchain(name), "{name}");
        }
    }
}
