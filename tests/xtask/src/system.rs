//! What the tasks need from the operating system.
//!
//! On Linux a table of packages, by Debian's names, each with a question whether what it brings is there; so a
//! system that has it from elsewhere is left alone. On other systems the audio interfaces come with the system,
//! and nothing is asked.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::error::Error;
use crate::process;

/// What a package is there for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Need {
    /// To compile the workspace.
    Build,
    /// To run the end-to-end tests: music to serve, a sound server to listen to.
    Tests,
    /// To compile and check for other targets, bare metal above all, without rustup's.
    BareMetal,
    /// To link the boards' programs.
    Boards,
    /// To run them without a board.
    Emulator,
    /// To link and run the tests of other machines' Linux.
    Cross,
    /// To measure what others take.
    Peers,
    /// To count instructions.
    Counting,
    /// To compile with sanitizers and coverage, C and libFuzzer's C++ too.
    Fuzzing,
}

/// How to find out whether something is there.
enum Probe {
    /// A program of this name is on the path.
    Program(&'static str),
    /// A program of this name is where those of the system's administrator are, on the path or not.
    System(&'static str),
    /// pkg-config knows a library by this name.
    Library(&'static str),
    /// A plugin of libasound has this file name.
    AlsaPlugin(&'static str),
    /// The Debian package itself: another compiler of the same name would not do.
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
    Package { name: "pulseaudio", probe: Probe::Program("pulseaudio"), need: Need::Tests },
    Package { name: "pulseaudio-utils", probe: Probe::Program("parec"), need: Need::Tests },
    Package {
        name: "libasound2-plugins",
        probe: Probe::AlsaPlugin("libasound_module_pcm_pulse.so"),
        need: Need::Tests,
    },
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

/// Who may install packages here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Installer {
    /// This process.
    Root,
    /// This process through sudo, which asks for no password.
    Sudo,
}

/// Makes sure that all of `needs` are met, by installing what is missing where that is allowed.
///
/// # Errors
/// [`Error::Missing`] with the command to type where it is not; [`Error::Failed`] when the installation fails.
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

/// Where distributions put the plugins of libasound: in the libraries' folder, or in that of the architecture there.
fn alsa_plugin_dirs() -> Vec<PathBuf> {
    let libraries = ["/usr/lib", "/usr/lib64"].map(PathBuf::from);
    let inner = libraries.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let inner: Vec<PathBuf> = inner.filter_map(|entry| Some(entry.ok()?.path())).collect();
    libraries.into_iter().chain(inner).map(|dir| dir.join("alsa-lib")).collect()
}

/// Whether packages come through apt-get here.
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

/// The commands that install `packages` without asking anything.
fn install_commands<'a>(packages: &[&'a str], installer: Installer) -> [Vec<&'a str>; 2] {
    let prefix: &[&str] = match installer {
        Installer::Root => &["env"],
        Installer::Sudo => &["sudo", "-n", "env"],
    };
    let apt_get = [prefix, &["DEBIAN_FRONTEND=noninteractive", "apt-get"]].concat();
    [
        [&apt_get, &["update"][..]].concat(),
        // Tests must not cost anybody their sound system: rather fail than remove a package.
        [&apt_get, &["install", "--yes", "--no-remove", "--no-install-recommends"][..], packages].concat(),
    ]
}

fn missing_error(packages: Vec<&'static str>) -> Error {
    let names = packages.join(" ");
    let remedy = if is_debian_like() {
        format!("Install with:\n  sudo apt-get update && sudo apt-get install --no-install-recommends {names}")
    } else {
        "These are Debian's names; install what your system calls them.".into()
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
