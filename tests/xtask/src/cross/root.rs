//! The libraries of another architecture: Debian packages, unpacked but not installed. Installed foreign packages would
//! constrain later installations on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::process;

/// A folder with unpacked packages.
pub(super) struct Root {
    dir: PathBuf,
}

impl Root {
    /// Unpacks `packages` for `architecture`, and `std` if available, unless the folder already exists.
    ///
    /// # Errors
    /// [`Error::Failed`] when apt-get cannot download one of `packages`.
    pub(super) fn of(architecture: &str, packages: &[&str], std: Option<&str>) -> Result<Self, Error> {
        let dir = process::target_dir()?.join("cross").join(architecture);
        let root = Self { dir: dir.join("root") };
        let contents = packages.iter().copied().chain(std).collect::<Vec<_>>().join("\n");
        let stamp = dir.join("contents");
        if fs::read_to_string(&stamp).is_ok_and(|there| there == contents) {
            return Ok(root);
        }
        let io = |error| Error::io(dir.display().to_string())(error);
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(io)?;
        }
        let archives = Archives::open(architecture, &dir)?;
        for package in packages {
            archives.unpack(package, &root.dir)?;
        }
        match std.map(|std| archives.unpack(std, &root.dir)) {
            None | Some(Ok(())) => fs::write(stamp, contents).map_err(io)?,
            Some(Err(error @ Error::Failed { .. })) => eprintln!("xtask: {error}; std is built from source instead"),
            Some(Err(error)) => return Err(error),
        }
        Ok(root)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// rustc's sysroot for `target`, if std is among the packages.
    pub(super) fn sysroot(&self, target: &str) -> Option<PathBuf> {
        let sysroot = self.dir.join("usr");
        sysroot.join("lib/rustlib").join(target).is_dir().then_some(sysroot)
    }
}

/// The package archives of another architecture. apt-get's state stays in a folder of its own.
struct Archives {
    configuration: PathBuf,
    downloads: PathBuf,
}

impl Archives {
    fn open(architecture: &str, dir: &Path) -> Result<Self, Error> {
        let io = |error| Error::io(dir.display().to_string())(error);
        let archives = Self { configuration: dir.join("apt.conf"), downloads: dir.join("downloads") };
        for needed in ["state/lists/partial", "cache/archives/partial", "downloads"] {
            fs::create_dir_all(dir.join(needed)).map_err(io)?;
        }
        fs::write(&archives.configuration, configuration(architecture, dir)).map_err(io)?;
        // apt-get fails if one of many lists is unavailable. A missing package is reported later.
        match process::run(archives.apt_get().arg("update")) {
            Err(Error::Failed { .. }) | Ok(()) => Ok(archives),
            Err(error) => Err(error),
        }
    }

    /// Unpacks `package`, a `NAME` or `NAME=VERSION`.
    fn unpack(&self, package: &str, into: &Path) -> Result<(), Error> {
        let io = |error| Error::io(self.downloads.display().to_string())(error);
        process::run(self.apt_get().args(["download", package]).current_dir(&self.downloads))?;
        for file in fs::read_dir(&self.downloads).map_err(io)? {
            let file = file.map_err(io)?.path();
            process::run(Command::new("dpkg").arg("--extract").args([&file, into]))?;
            fs::remove_file(file).map_err(io)?;
        }
        Ok(())
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("--config-file").arg(&self.configuration);
        command
    }
}

/// apt-get options: keep all state below `dir`, download few lists, and skip this machine's post-update hooks.
fn configuration(architecture: &str, dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
Dir::State "{dir}/state";
Dir::Cache "{dir}/cache";
"#
    )
}
