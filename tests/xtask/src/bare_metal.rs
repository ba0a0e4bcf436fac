//! Builds for targets without an operating system, with whichever compiler there is for them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// A Cortex-M4F or M7: what the constrained boards have.
pub(crate) const CORTEX_M4F: &str = "thumbv7em-none-eabihf";

/// What the crates that boards use must build for: from the smallest core, without compare-and-swap, to another
/// architecture.
pub(crate) const TARGETS: &[&str] =
    &[CORTEX_M4F, "thumbv6m-none-eabi", "thumbv8m.main-none-eabihf", "riscv32imac-unknown-none-elf"];

/// A compiler for bare metal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Toolchain {
    /// The one that builds everything else, with `core` as rustup brings it for the target.
    Own,
    /// The one that builds everything else, with `core` built from the source that it has.
    OwnFromSource,
    /// Debian's, with `core` built from source: it takes no download from elsewhere.
    Debian,
}

impl Toolchain {
    /// Chooses the compiler for libraries for `target`, which need not be there yet.
    pub(crate) fn choose(target: &str) -> Self {
        // Where there is neither, rustc itself says best how to get its target.
        if has_core(target) || !system::is_debian_like() { Self::Own } else { Self::Debian }
    }

    /// Chooses the compiler for a board's program, whose `core` is built with it.
    pub(crate) fn choose_from_source() -> Self {
        if has_source() || !system::is_debian_like() { Self::OwnFromSource } else { Self::Debian }
    }

    /// Makes sure that the compiler for `target` is there, and all else that `needs` says.
    ///
    /// # Errors
    /// Those of [`system::ensure`], in [`Error::NoBareMetal`] where there is another way than Debian's packages.
    pub(crate) fn ensure(self, target: &'static str, needs: &[Need]) -> Result<(), Error> {
        match self {
            Self::Own | Self::OwnFromSource => system::ensure(needs),
            Self::Debian => system::ensure(&[needs, &[Need::BareMetal]].concat())
                .map_err(|debian| Error::NoBareMetal { target, debian: Box::new(debian) }),
        }
    }

    /// Its cargo, to be run in `dir`. What Debian's builds goes into a target directory of its own.
    ///
    /// # Errors
    /// Those of [`process::cargo`].
    pub(crate) fn cargo(self, dir: &Path) -> Result<Command, Error> {
        let mut cargo = match self {
            Self::Own => process::cargo()?,
            Self::OwnFromSource => {
                let mut cargo = process::cargo()?;
                // To build `core` is unstable, and has been stable for years.
                cargo.env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
            Self::Debian => debian("cargo")?,
        };
        cargo.current_dir(dir);
        Ok(cargo)
    }

    /// Its `cargo clippy`, as [`cargo`](Self::cargo).
    ///
    /// # Errors
    /// Those of [`process::cargo`].
    pub(crate) fn clippy(self, dir: &Path) -> Result<Command, Error> {
        let mut clippy = match self {
            Self::Own | Self::OwnFromSource => self.cargo(dir)?,
            Self::Debian => {
                // Not by way of cargo, which looks into its own home first, where rustup keeps another.
                let mut clippy = debian("cargo-clippy")?;
                clippy.env("CARGO", "/usr/bin/cargo").current_dir(dir);
                clippy
            }
        };
        clippy.arg("clippy");
        Ok(clippy)
    }

    /// The folder into which [`cargo`](Self::cargo) builds the workspace.
    ///
    /// # Errors
    /// Those of [`process::target_dir`].
    pub(crate) fn target_dir(self) -> Result<PathBuf, Error> {
        let dir = process::target_dir()?;
        Ok(if self == Self::Debian { dir.join("debian") } else { dir })
    }

    /// The Debian package, `NAME=VERSION`, with a std that this compiler can use: one that was built with itself.
    pub(crate) fn std_package(self) -> Option<String> {
        let query = &mut Command::new("dpkg-query");
        let version = process::ask(query.args(["--show", "--showformat=${Version}", "rustc-web"]));
        version.filter(|_| self == Self::Debian).map(|version| format!("libstd-rust-web-dev={version}"))
    }

    /// Builds `package` of the workspace for `target` with these `features` and no others.
    ///
    /// # Errors
    /// [`Error::Failed`] when it does not compile.
    pub(crate) fn build(self, target: &str, package: &str, features: &[&str]) -> Result<(), Error> {
        let mut cargo = self.cargo(process::workspace_dir())?;
        cargo.args(["build", "--target", target, "--package", package, "--no-default-features"]);
        if !features.is_empty() {
            cargo.args(["--features", &features.join(",")]);
        }
        if self != Self::Own {
            cargo.args(["-Z", "build-std=core"]);
        }
        process::run(&mut cargo)
    }
}

/// Whether the compiler on the path can build for `target`.
fn has_core(target: &str) -> bool {
    ask_rustc(&["--print", "target-libdir", "--target", target]).is_some_and(|dir| Path::new(dir.trim()).is_dir())
}

/// Whether the compiler on the path has the source of `core`.
fn has_source() -> bool {
    ask_rustc(&["--print", "sysroot"])
        .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").is_dir())
}

fn ask_rustc(arguments: &[&str]) -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    process::ask(Command::new(rustc).args(arguments))
}

/// A `program` of Debian's toolchain, kept apart from the one under which this program itself runs.
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

/// Whether a variable of this name ties cargo to a toolchain, its flags or its folders. What says how to reach
/// the package registry does not, nor does what is only for the eye.
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
