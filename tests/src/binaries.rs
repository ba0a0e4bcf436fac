//! Builds the programs under test from the current sources.
//!
//! `cargo test` builds no binaries of other packages and sets no `CARGO_BIN_EXE_*` for them. So each test process runs
//! cargo once for both programs. Cargo rebuilds stale binaries and only checks fresh ones.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const PACKAGES: [&str; 2] = ["trill-server", "trill"];

/// The path of `trill-server`.
///
/// # Panics
/// When the programs do not build; cargo's own messages are on stderr.
pub fn server() -> &'static Path {
    binary("trill-server")
}

/// The path of `trill`, the host client.
///
/// # Panics
/// When the programs do not build; cargo's own messages are on stderr.
pub fn client() -> &'static Path {
    binary("trill")
}

/// The path of a board's program, by the name of its folder.
///
/// # Panics
/// When it does not build; the messages are on stderr.
pub fn board(name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", &layout().target_dir);
    command.args(["run", "--quiet", "--package", "xtask", "--", "build", name]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("cargo starts");
    assert!(output.status.success(), "the program of {name} does not build: {}", output.status);
    let path = String::from_utf8(output.stdout).expect("paths are printed in UTF-8");
    PathBuf::from(path.trim_end())
}

/// A command that runs a program built for the tests' target. If that differs from the host, the runner in
/// `CARGO_TARGET_TRIPLE_RUNNER` runs the program as it runs the tests.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let runner = layout().target.as_deref().and_then(|triple| env::var(runner_variable(triple)).ok());
    run_by(runner.as_deref().unwrap_or_default(), program.as_ref())
}

/// Cargo's variable for a target's runner.
fn runner_variable(triple: &str) -> String {
    format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"))
}

/// Runs `program` with the words of `runner`, if any.
fn run_by(runner: &str, program: &OsStr) -> Command {
    let mut words = runner.split_whitespace().map(OsStr::new).chain([program]);
    let mut command = Command::new(words.next().expect("the program at least"));
    command.args(words);
    command
}

/// The target directory of this test process. Generated files are kept there between runs.
pub fn target_dir() -> &'static Path {
    &layout().target_dir
}

fn binary(name: &str) -> &'static Path {
    static BUILT: OnceLock<Result<BTreeMap<String, PathBuf>, String>> = OnceLock::new();
    let built = BUILT.get_or_init(build);
    let path = built.as_ref().map(|binaries| binaries.get(name));
    match path {
        Ok(Some(path)) => path,
        Ok(None) => panic!("cargo built {PACKAGES:?} but no binary `{name}`"),
        Err(reason) => panic!("the programs under test do not build: {reason}"),
    }
}

/// Builds both programs and returns the path of every binary by name.
fn build() -> Result<BTreeMap<String, PathBuf>, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--bins", "--message-format=json-render-diagnostics"])
        .arg("--target-dir")
        .arg(&layout().target_dir)
        .arg("--profile")
        .arg(&layout().profile);
    if let Some(target) = &layout().target {
        command.arg("--target").arg(target);
    }
    for package in PACKAGES {
        command.arg("--package").arg(package);
    }
    // Diagnostics go to stderr; the JSON messages come here.
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("{}: {e}", cargo.display()))?;
    if !output.status.success() {
        return Err(format!("cargo build: {}", output.status));
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// The binaries in cargo's JSON messages, one message per line.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    parsed
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            let path = message["executable"].as_str()?;
            Some((name, PathBuf::from(path)))
        })
        .collect()
}

/// The target directory, profile and triple of this test process.
#[derive(Debug, PartialEq)]
struct Layout {
    target_dir: PathBuf,
    target: Option<String>,
    profile: String,
}

fn layout() -> &'static Layout {
    static LAYOUT: OnceLock<Layout> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        let exe = env::current_exe().expect("a running test knows its own path");
        layout_of(&exe).unwrap_or_else(|| panic!("{} is not in a target directory of cargo", exe.display()))
    })
}

/// Parses `TARGET_DIR[/TRIPLE]/PROFILE/deps/TEST` or `TARGET_DIR[/TRIPLE]/PROFILE/PROGRAM`. This works for every way to
/// choose the directory (`CARGO_TARGET_DIR`, `--target-dir`, the configuration) and for every profile.
fn layout_of(exe: &Path) -> Option<Layout> {
    let folder = exe.parent()?;
    let profile_dir = if folder.file_name()? == "deps" { folder.parent()? } else { folder };
    let profile = match profile_dir.file_name()?.to_str()? {
        "debug" => "dev",
        other => other,
    };
    let above = profile_dir.parent()?;
    let triple = above.file_name().and_then(|name| name.to_str()).filter(|name| name.matches('-').count() >= 2);
    // A target directory may have dashes in its name. Cargo puts its tag file only into the target directory, not into
    // that of a triple.
    let triple = triple.filter(|_| above.parent().is_some_and(|dir| dir.join("CACHEDIR.TAG").exists()));
    let target_dir = if triple.is_some() { above.parent()? } else { above };
    Some(Layout { target_dir: target_dir.into(), target: triple.map(str::to_owned), profile: profile.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paths_from_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"trill_server"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"trill-server"},"executable":"/t/debug/trill-server"}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let expected = BTreeMap::from([("trill-server".to_owned(), PathBuf::from("/t/debug/trill-server"))]);
        assert_eq!(executables(messages), expected);
    }

    #[test]
    fn a_program_for_another_machine_is_run_by_what_runs_its_tests() {
        let check = |runner, expected: &[&str]| {
            let command = run_by(runner, OsStr::new("/a b/trill"));
            let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
            assert_eq!(words, expected, "{runner}");
        };
        check("", &["/a b/trill"]);
        check("qemu-arm-static -cpu max", &["qemu-arm-static", "-cpu", "max", "/a b/trill"]);
        assert_eq!(runner_variable("thumbv8m.main-none-eabi"), "CARGO_TARGET_THUMBV8M_MAIN_NONE_EABI_RUNNER");
    }

    #[test]
    fn finds_the_target_directory_from_the_tests_own_path() {
        let check = |exe: &Path, target_dir: &Path, target: Option<&str>, profile: &str| {
            let expected = Layout {
                target_dir: target_dir.into(),
                target: target.map(str::to_owned),
                profile: profile.to_owned(),
            };
            assert_eq!(layout_of(exe), Some(expected), "{}", exe.display());
        };
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = root.path().join("my-own-target-dir");
        std::fs::create_dir(&dir).expect("a directory");
        check(&dir.join("debug/deps/switch-0123"), &dir, None, "dev");
        check(&dir.join("release/deps/switch-0123"), &dir, None, "release");
        check(&dir.join("debug/bench"), &dir, None, "dev");
        std::fs::write(dir.join("CACHEDIR.TAG"), "").expect("a file");
        check(
            &dir.join("x86_64-unknown-linux-gnu/debug/deps/switch-0123"),
            &dir,
            Some("x86_64-unknown-linux-gnu"),
            "dev",
        );
    }
}
