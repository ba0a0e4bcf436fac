//! System packages of the tasks.
//!
//! On Linux a table lists Debian's package names, each with a check whether its content is present. So content from
//! other sources counts too. Other systems include the audio interfaces, and nothing is checked.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::error::Error;
use crate::process;

/// Why a package is needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Need {
    /// To compile the workspace.
    Build,
    /// To run the end-to-end tests: MP3 encoders and a sound server.
    Tests,
    /// To compile for bare metal and other targets without rustup.
    BareMetal,
    /// To link the boards' programs.
    Boards,
    /// To run the boards' programs in QEMU.
    Emulator,
    /// To link and run tests for other Linux architectures.
    Cross,
    /// To measure comparable programs.
    Peers,
    /// To count instructions.
    Counting,
    /// To compile C and libFuzzer's C++ with sanitizers and coverage.
    Fuzzing,
}

/// How to check whether something is present.
enum Probe {
    /// A program of this name is on the path.
    Program(&'static str),
    /// A program of this name is on the path or in `/usr/sbin`.
    System(&'static str),
    /// pkg-config finds a library of this name.
    Library(&'static str),
    /// A libasound plugin has this file name.
    AlsaPlugin(&'static str),
    /// The Debian package itself is installed. Another compiler of the same name is not enough.
    Package,
}

struct Package {
    name: &'static str,
    probe: Probe,
    need: Need,
}

const PACKAGES: &[Package] = &[
    Package { name: "pkg-config", probe: Probe::Program("pkg-config"), need: Need::Build },
    Package { name: "libasound2-dev", probe: Probe::Library("alsa"), need: Need::Build },
    Package { name: "lame", probe: Probe::Program("lame"), need: Need::Tests },
    Package { name: "twolame", probe: Probe::Program("twolame"), need: Need::Tests },
    Package { name: "iproute2", probe: Probe::System("ip"), need: Need::Tests },
    Package { name: "pulseaudio", probe: Probe::Program("pulseaudio"), need: Need::Tests },
    Package { name: "pulseaudio-utils", probe: Probe::Program("parec"), need: Need::Tests },
    Package {
        name: "libasound2-plugins",
        probe: Probe::AlsaPlugin("libasound_module_pcm_pulse.so"),
        need: Need::Tests,
    },
    Package { name: "dbus-daemon", probe: Probe::Program("dbus-daemon"), need: Need::Tests },
    Package { name: "playerctl", probe: Probe::Program("playerctl"), need: Need::Tests },
    Package { name: "libnss-wrapper", probe: Probe::Package, need: Need::Tests },
    Package { name: "rustc-web", probe: Probe::Package, need: Need::BareMetal },
    Package { name: "cargo-web", probe: Probe::Package, need: Need::BareMetal },
    Package { name: "rust-web-src", probe: Probe::Package, need: Need::BareMetal },
    Package { name: "rust-web-clippy", probe: Probe::Package, need: Need::BareMetal },
    Package { name: "lld", probe: Probe::Program("ld.lld"), need: Need::Boards },
    Package { name: "qemu-system-arm", probe: Probe::Program("qemu-system-arm"), need: Need::Emulator },
    Package { name: "gcc-arm-linux-gnueabihf", probe: Probe::Program("arm-linux-gnueabihf-gcc"), need: Need::Cross },
    Package { name: "libc6-dev-armhf-cross", probe: Probe::Package, need: Need::Cross },
    Package { name: "gcc-aarch64-linux-gnu", probe: Probe::Program("aarch64-linux-gnu-gcc"), need: Need::Cross },
    Package { name: "libc6-dev-arm64-cross", probe: Probe::Package, need: Need::Cross },
    Package { name: "valgrind", probe: Probe::Program("valgrind"), need: Need::Counting },
    Package { name: "clang", probe: Probe::Program("clang++"), need: Need::Fuzzing },
    Package { name: "qemu-user-static", probe: Probe::Program("qemu-arm-static"), need: Need::Cross },
    Package { name: "nginx", probe: Probe::System("nginx"), need: Need::Peers },
    Package { name: "icecast2", probe: Probe::Program("icecast2"), need: Need::Peers },
    Package { name: "mpd", probe: Probe::Program("mpd"), need: Need::Peers },
    Package { name: "mpg123", probe: Probe::Program("mpg123"), need: Need::Peers },
    Package { name: "ffmpeg", probe: Probe::Program("ffmpeg"), need: Need::Peers },
    Package { name: "curl", probe: Probe::Program("curl"), need: Need::Peers },
];

/// How packages are installed here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Installer {
    /// This process is root.
    Root,
    /// sudo works without a password.
    Sudo,
}

/// Checks that the packages for all of `needs` are present, and installs missing ones if possible.
///
/// # Errors
/// [`Error::Missing`], with the command to type, where installation needs a password; [`Error::Failed`] when it fails.
pub(crate) fn ensure(needs: &[Need]) -> Result<(), Error> {
    let missing = missing(needs, is_present);
    if missing.is_empty() || !cfg!(target_os = "linux") {
        return Ok(());
    }
    let Some(installer) = installer() else {
        return Err(missing_error(missing));
    };
    eprintln!("installing what is missing on this system: {}", missing.join(" "));
    for command in install_commands(&missing, installer) {
        process::run(Command::new(command[0]).args(&command[1..]))?;
    }
    match self::missing(needs, is_present) {
        still if still.is_empty() => Ok(()),
        still => Err(missing_error(still)),
    }
}

fn missing(needs: &[Need], is_present: impl Fn(&Package) -> bool) -> Vec<&'static str> {
    let needed = PACKAGES.iter().filter(|package| needs.contains(&package.need));
    needed.filter(|package| !is_present(package)).map(|package| package.name).collect()
}

fn is_present(package: &Package) -> bool {
    match package.probe {
        Probe::Program(name) => on_path(name),
        Probe::System(name) => on_path(name) || PathBuf::from("/usr/sbin").join(name).is_file(),
        Probe::Library(name) => process::ask(Command::new("pkg-config").args(["--exists", name])).is_some(),
        Probe::AlsaPlugin(file) => alsa_plugin_dirs().iter().any(|dir| dir.join(file).exists()),
        Probe::Package => {
            let mut query = Command::new("dpkg-query");
            process::ask(query.args(["--show", "--showformat=${db:Status-Status}", package.name]))
                .is_some_and(|status| status == "installed")
        }
    }
}

fn on_path(program: impl AsRef<OsStr>) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program.as_ref()).is_file())
}

/// The plugin folders of libasound, with and without the architecture in the path.
fn alsa_plugin_dirs() -> Vec<PathBuf> {
    let libraries = ["/usr/lib", "/usr/lib64"].map(PathBuf::from);
    let inner = libraries.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let inner: Vec<PathBuf> = inner.filter_map(|entry| Some(entry.ok()?.path())).collect();
    libraries.into_iter().chain(inner).map(|dir| dir.join("alsa-lib")).collect()
}

/// Whether apt-get exists.
pub(crate) fn is_debian_like() -> bool {
    on_path("apt-get")
}

fn installer() -> Option<Installer> {
    if !is_debian_like() {
        None
    } else if is_root() {
        Some(Installer::Root)
    } else {
        process::ask(Command::new("sudo").args(["-n", "true"])).map(|_| Installer::Sudo)
    }
}

fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    return false;
}

/// The commands that install `packages` without questions.
fn install_commands<'a>(packages: &[&'a str], installer: Installer) -> [Vec<&'a str>; 2] {
    let prefix: &[&str] = match installer {
        Installer::Root => &["env"],
        Installer::Sudo => &["sudo", "-n", "env"],
    };
    let apt_get = [prefix, &["DEBIAN_FRONTEND=noninteractive", "apt-get"]].concat();
    [
        [&apt_get, &["update"][..]].concat(),
        // Never remove a package, such as the user's sound system: fail instead.
        [&apt_get, &["install", "--yes", "--no-remove", "--no-install-recommends"][..], packages].concat(),
    ]
}

fn missing_error(packages: Vec<&'static str>) -> Error {
    let names = packages.join(" ");
    let remedy = if is_debian_like() {
        format!("Install with:\n  sudo apt-get update && sudo apt-get install --no-install-recommends {names}")
    } else {
        "These are Debian's names; install your system's equivalents.".into()
    };
    Error::Missing { packages, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_and_absent_is_missing() {
        let all = |_: &Package| true;
        let none = |_: &Package| false;
        let but_lame = |package: &Package| package.name != "lame";
        assert_eq!(missing(&[Need::Build, Need::Tests, Need::BareMetal], all), [""; 0]);
        assert_eq!(missing(&[Need::Build], none), ["pkg-config", "libasound2-dev"]);
        assert_eq!(missing(&[Need::Build, Need::Tests], but_lame), ["lame"]);
        assert_eq!(missing(&[Need::Build], but_lame), [""; 0]);
    }

    #[test]
    fn installing_asks_nothing_and_removes_nothing() {
        let [update, install] = install_commands(&["lame", "pulseaudio"], Installer::Sudo);
        assert_eq!(update.join(" "), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update");
        assert_eq!(
            install.join(" "),
            "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove \
             --no-install-recommends lame pulseaudio"
        );
        let [_, install] = install_commands(&["lame"], Installer::Root);
        assert_eq!(install[..3], ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    }

    #[test]
    fn probes_tell_presence_from_absence() {
        let probe = |probe| is_present(&Package { name: "no-such-package", probe, need: Need::Build });
        assert!(probe(Probe::Program(if cfg!(windows) { "cmd.exe" } else { "sh" })));
        assert!(!probe(Probe::Program("no-such-program")));
        assert!(!probe(Probe::Library("no-such-library")));
        assert!(!probe(Probe::AlsaPlugin("no_such_plugin.so")));
        assert!(!probe(Probe::Package));
    }

    #[test]
    fn what_is_missing_is_named_with_a_remedy() {
        let said = missing_error(vec!["lame", "pulseaudio"]).to_string();
        assert!(said.contains("missing on this system: lame pulseaudio"), "{said}");
    }
}
