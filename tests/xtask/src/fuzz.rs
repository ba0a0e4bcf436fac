//! `cargo xtask fuzz`: hostile input for every part, made up by libFuzzer under AddressSanitizer.
//!
//! The targets are a workspace of their own, `tests/fuzz`. All of it is compiled with instrumentation, C included: that
//! takes Clang, for GCC has no coverage that libFuzzer understands.

mod report;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::Error;
use crate::process::{self, cargo, executable, target_dir};
use crate::system::{self, Need};
use report::Report;

/// The one that knows how this compiler is told to instrument.
const CARGO_FUZZ: &str = "0.13.1";

/// Every target, in the order in which they are run. Each is a program in `tests/fuzz`.
pub(crate) const TARGETS: &[&str] =
    &["frame", "message", "command", "client_session", "server_session", "mp3", "library"];

/// How long each target runs unless told otherwise: whether it still works, more than what it finds.
pub(crate) const SMOKE: Duration = Duration::from_secs(10);

/// The program that has to be stopped for an overflow in C.
const PLANTED: &str = "planted_overflow";

/// The target whose worth hangs on that.
const IN_C: &str = "mp3";

/// What Clang makes of C so that its overflows are caught and its branches seen.
const C_FLAGS: &str = "-g -fno-omit-frame-pointer -fsanitize=address \
                       -fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp";

/// In damaged frames minimp3 reads working memory that it has not written, so that what is heard of them depends on what
/// was on the stack. With zeros there, as in its port, the two can be compared.
const ZEROED: &str = "-ftrivial-auto-var-init=zero";

/// What it takes for that before Clang 16. Later ones do not know it.
const ZEROED_BEFORE_16: &str = "-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang";

/// Longest time that one input may take, in seconds: more is a finding.
const INPUT_SECONDS: u32 = 20;

/// The target of this name.
///
/// # Errors
/// [`Error::Usage`], which names those there are.
pub(crate) fn find(name: &str) -> Result<&'static str, Error> {
    let found = TARGETS.iter().copied().find(|target| *target == name);
    found.ok_or_else(|| Error::Usage(format!("there is no target `{name}`; there are {}", TARGETS.join(", "))))
}

/// Runs `targets`, or all, for `span` each, and prints a table.
///
/// # Errors
/// [`Error::Findings`] after the table, with how to reproduce each; [`Error::NoFuzzing`] where it cannot work.
pub(crate) fn run(targets: &[&'static str], span: Duration) -> Result<(), Error> {
    let fuzzing = Fuzzing::build()?;
    let targets = if targets.is_empty() { TARGETS } else { targets };
    if targets.contains(&IN_C) {
        fuzzing.prove_that_overflows_in_c_are_caught()?;
    }
    let reports = targets.iter().map(|target| fuzzing.fuzz(target, span)).collect::<Result<Vec<_>, _>>()?;
    println!("\n{}", report::table(&reports));
    let findings: Vec<_> = reports.into_iter().filter_map(|report| report.finding).collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings(findings)) }
}

/// Checks format and lints of the targets, where they can be compiled.
///
/// # Errors
/// The first check that fails ends it.
pub(crate) fn lint() -> Result<(), Error> {
    process::run(cargo()?.current_dir(workspace_dir()).args(["fmt", "--check"]))?;
    if why_not().is_some() {
        return Ok(());
    }
    system::ensure(&[Need::Fuzzing])?;
    let mut clippy = cargo()?;
    clippy
        .args(["clippy", "--locked", "--lib", "--bins", "--examples", "--target-dir"])
        .arg(target_dir()?.join("fuzz"));
    process::run(with_clang(&mut clippy).current_dir(workspace_dir()).args(["--", "-D", "warnings"]))
}

/// Where the targets are, with their corpora.
pub(crate) fn workspace_dir() -> PathBuf {
    process::workspace_dir().join("tests/fuzz")
}

/// Why there is no fuzzing here, if there is none.
fn why_not() -> Option<&'static str> {
    if !cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        return Some("it takes Linux on x86-64 or 64-bit Arm");
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = process::ask(Command::new(rustc).args(["--print", "target-libdir"]));
    let entries = libraries.and_then(|dir| fs::read_dir(dir.trim()).ok()).into_iter().flatten().flatten();
    let has_runtime = entries.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with("rt.asan.a"));
    if has_runtime { None } else { Some("the compiler has no AddressSanitizer; rustup's has") }
}

/// The programs, built.
struct Fuzzing {
    programs: PathBuf,
    /// What runs leave behind: logs, grown corpora, findings.
    results: PathBuf,
}

impl Fuzzing {
    fn build() -> Result<Self, Error> {
        if let Some(why) = why_not() {
            return Err(Error::NoFuzzing { why });
        }
        system::ensure(&[Need::Fuzzing])?;
        let (tools, results) = (target_dir()?.join("tools"), target_dir()?.join("fuzz"));
        process::install(&tools, "cargo-fuzz", CARGO_FUZZ)?;
        // What follows would bring a stale lock file up to date without a word.
        process::run(cargo()?.current_dir(workspace_dir()).args(["fetch", "--quiet", "--locked"]))?;
        let mut build = Command::new(executable(&tools.join("bin"), "cargo-fuzz"));
        build.current_dir(process::workspace_dir()).args(["build", "--fuzz-dir", "tests/fuzz", "--target-dir"]);
        // To instrument is unstable, and has been stable for years.
        process::run(with_clang(build.arg(&results).env("RUSTC_BOOTSTRAP", "1").env("CFLAGS", c_flags())))?;
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        Ok(Self { programs: results.join(triple).join("release"), results })
    }

    /// The C compiler instruments only if it is told to, and says nothing if it is not: so a C function is sent over the
    /// end of a buffer. Nothing else touches those bytes.
    fn prove_that_overflows_in_c_are_caught(&self) -> Result<(), Error> {
        let log = self.results.join(format!("{PLANTED}.log"));
        let mut planted = Command::new(self.programs.join(PLANTED));
        let artifacts = format!("-artifact_prefix={}", log.with_extension("").display());
        let status = run_logged(planted.args(["-runs=1", &artifacts]), &log)?;
        let said = fs::read_to_string(&log).map_err(Error::io(PLANTED))?;
        if !status && said.contains("AddressSanitizer: heap-buffer-overflow") {
            eprintln!("an overflow that was planted in C was caught");
            return Ok(());
        }
        Err(Error::UnseenOverflow { log })
    }

    /// Runs a target on a copy of its corpus, which may grow.
    fn fuzz(&self, target: &'static str, span: Duration) -> Result<Report, Error> {
        let (scratch, findings) =
            (self.results.join("scratch").join(target), self.results.join("findings").join(target));
        let corpus = scratch.join("corpus");
        copy_corpus(&workspace_dir().join("corpus").join(target), &scratch, &corpus).map_err(Error::io(target))?;
        fs::create_dir_all(&findings).map_err(Error::io(target))?;
        let log = self.results.join(format!("{target}.log"));
        let program = self.programs.join(target);
        let mut fuzzer = Command::new(&program);
        fuzzer.arg(&corpus).arg(format!("-max_total_time={}", span.as_secs())).arg("-print_final_stats=1");
        fuzzer.arg(format!("-timeout={INPUT_SECONDS}")).arg(format!("-artifact_prefix={}/", findings.display()));
        if span <= SMOKE {
            // The same beginnings everywhere: a smoke tells whether a change did harm, and longer runs look for what is new.
            fuzzer.arg("-seed=1");
        }
        let dictionary = workspace_dir().join("dictionaries").join(format!("{target}.dict"));
        if dictionary.is_file() {
            fuzzer.arg(format!("-dict={}", dictionary.display()));
        }
        let succeeded = run_logged(fuzzer.env("TMPDIR", &scratch), &log)?;
        let said = fs::read(&log).map_err(Error::io(target))?;
        Ok(Report::read(target, &String::from_utf8_lossy(&said), succeeded, &program, &log))
    }
}

fn c_flags() -> String {
    let mut empty = Command::new("clang");
    let is_known = process::ask(empty.args([ZEROED, "-fsyntax-only", "-x", "c", "/dev/null"])).is_some();
    format!("{C_FLAGS} {ZEROED} {}", if is_known { "" } else { ZEROED_BEFORE_16 })
}

fn with_clang(command: &mut Command) -> &mut Command {
    command.env("CC", "clang").env("CXX", "clang++")
}

/// Runs `command` with all it says in a file. Whether it succeeded.
fn run_logged(command: &mut Command, log: &Path) -> Result<bool, Error> {
    let file = File::create(log).map_err(Error::io(log.display().to_string()))?;
    let for_errors = file.try_clone().map_err(Error::io(log.display().to_string()))?;
    command.stdin(Stdio::null()).stdout(file).stderr(for_errors);
    match process::run(command) {
        Ok(()) => Ok(true),
        Err(Error::Failed { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts a fresh copy of a corpus into a fresh folder, so that the one under version control stays as it is.
fn copy_corpus(from: &Path, scratch: &Path, to: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(to)?,
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_program_and_a_small_corpus() {
        let manifest = fs::read_to_string(workspace_dir().join("Cargo.toml")).unwrap();
        let programs: Vec<_> =
            manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let mut known = TARGETS.to_vec();
        known.push(PLANTED);
        assert!(known.iter().all(|target| programs.contains(target)) && programs.len() == known.len(), "{programs:?}");
        for target in TARGETS {
            let seeds = fs::read_dir(workspace_dir().join("corpus").join(target)).unwrap();
            let sizes: Vec<_> = seeds.map(|seed| seed.unwrap().metadata().unwrap().len()).collect();
            let total: u64 = sizes.iter().sum();
            assert!((1..=100 * 1024).contains(&total), "{target}: {} seeds of {total} bytes", sizes.len());
        }
    }

    #[test]
    fn a_target_is_found_by_its_name() {
        assert_eq!(find("mp3").unwrap(), "mp3");
        let error = find("teapot").unwrap_err().to_string();
        assert!(error.contains("teapot") && error.contains("client_session"), "{error}");
    }
}
