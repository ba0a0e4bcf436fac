//! `cargo xtask fuzz`: runs the fuzz targets with libFuzzer and AddressSanitizer.
//!
//! The targets are a workspace of their own, `tests/fuzz`. Rust and C are both compiled with instrumentation. This
//! needs Clang, because libFuzzer does not understand GCC's coverage.

mod report;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::Error;
use crate::process::{self, cargo, target_dir};
use crate::system::{self, Need};
use report::Report;

/// Every target, in running order. Each is a program in `tests/fuzz`.
pub(crate) const TARGETS: &[&str] =
    &["frame", "message", "command", "client_session", "server_session", "mp3", "library"];

/// Default duration of each target: enough to show that the target works, too short to search.
pub(crate) const SMOKE: Duration = Duration::from_secs(10);

/// The program with an overflow in C that the sanitizer must catch.
const PLANTED: &str = "planted_overflow";

/// The target that depends on instrumented C code.
const IN_C: &str = "mp3";

/// The compiler's options for Rust, those of cargo-fuzz: catch overflows, record coverage for libFuzzer, keep branches
/// apart. With one codegen unit, functions of other crates are inlined as in a release build.
const RUST_FLAGS: &str = "-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                          -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                          -Cllvm-args=-sanitizer-coverage-pc-table \
                          -Cllvm-args=-sanitizer-coverage-trace-compares \
                          -Cllvm-args=-sanitizer-coverage-stack-depth \
                          -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Ccodegen-units=1 --cfg fuzzing";

/// Clang's options for C: catch overflows and record coverage.
const C_FLAGS: &str = "-g -fno-omit-frame-pointer -fsanitize=address \
                       -fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp";

/// minimp3 reads uninitialised stack memory in damaged frames, so its output depends on the stack's contents. With
/// zeros, as in its Rust port, the outputs are comparable.
const ZEROED: &str = "-ftrivial-auto-var-init=zero";

/// Clang before 16 needs this option for that. Later ones do not know it.
const ZEROED_BEFORE_16: &str = "-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang";

/// Longest time for one input, in seconds. A slower input is a finding.
const INPUT_SECONDS: u32 = 20;

/// Finds the target with this name.
///
/// # Errors
/// [`Error::Usage`], with the names of all targets.
pub(crate) fn find(name: &str) -> Result<&'static str, Error> {
    let found = TARGETS.iter().copied().find(|target| *target == name);
    found.ok_or_else(|| Error::Usage(format!("unknown target `{name}`; targets: {}", TARGETS.join(", "))))
}

/// Runs `targets`, or all, for `span` each, and prints a table.
///
/// # Errors
/// [`Error::Findings`] after the table, with how to reproduce each; [`Error::NoFuzzing`] where fuzzing is not possible.
pub(crate) fn run(targets: &[&'static str], span: Duration) -> Result<(), Error> {
    let fuzzing = Fuzzing::build()?;
    let targets = if targets.is_empty() { TARGETS } else { targets };
    if targets.contains(&IN_C) {
        fuzzing.check_planted_overflow()?;
    }
    let fuzz = |target: &&'static str| fuzzing.fuzz(target, span);
    let reports = process::run_in_parallel(targets, process::processors(), fuzz);
    let reports = reports.into_iter().collect::<Result<Vec<_>, _>>()?;
    println!("\n{}", report::table(&reports));
    let findings: Vec<_> = reports.into_iter().filter_map(|report| report.finding).collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings(findings)) }
}

/// Checks the format and lints of the targets, where they compile.
///
/// # Errors
/// The first failed check.
pub(crate) fn lint() -> Result<(), Error> {
    process::run(cargo()?.current_dir(workspace_dir()).args(["fmt", "--check"]))?;
    if why_not().is_some() {
        return Ok(());
    }
    system::ensure(&[Need::Fuzzing])?;
    process::run(instrumented("clippy")?.args(["--lib", "--bins", "--examples", "--", "-D", "warnings"]))
}

/// The folder of the targets and their corpora.
pub(crate) fn workspace_dir() -> PathBuf {
    process::workspace_dir().join("tests/fuzz")
}

/// Why fuzzing is not possible on this machine; `None` if it is.
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

/// The built programs.
struct Fuzzing {
    programs: PathBuf,
    /// See [`results_dir`].
    results: PathBuf,
}

impl Fuzzing {
    fn build() -> Result<Self, Error> {
        if let Some(why) = why_not() {
            return Err(Error::NoFuzzing { why });
        }
        system::ensure(&[Need::Fuzzing])?;
        process::run(&mut instrumented("build")?)?;
        let results = results_dir()?;
        Ok(Self { programs: results.join(triple()).join("release"), results })
    }

    /// Clang instruments C only with the right options and does not warn without them. So this runs a C function that
    /// writes past the end of a buffer. Nothing else uses those bytes.
    fn check_planted_overflow(&self) -> Result<(), Error> {
        let log = self.results.join(format!("{PLANTED}.log"));
        let mut planted = Command::new(self.programs.join(PLANTED));
        let artifacts = format!("-artifact_prefix={}", log.with_extension("").display());
        let status = run_logged(planted.args(["-runs=1", &artifacts]), &log)?;
        let said = fs::read_to_string(&log).map_err(Error::io(PLANTED))?;
        if !status && said.contains("AddressSanitizer: heap-buffer-overflow") {
            eprintln!("the sanitizer caught the planted overflow in C");
            return Ok(());
        }
        Err(Error::MissedOverflow { log })
    }

    /// Runs a target on a copy of its corpus.
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
            // A fixed seed: a short run tests a change reproducibly. Longer runs search.
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

/// A command of cargo on the targets with instrumentation. Clippy gets the same options, so that libFuzzer and minimp3
/// are compiled once.
fn instrumented(command: &str) -> Result<Command, Error> {
    let mut cargo = cargo()?;
    // Only with a target are build scripts and macros not instrumented.
    cargo.current_dir(workspace_dir()).args([command, "--locked", "--release", "--target", &triple()]);
    cargo.arg("--target-dir").arg(results_dir()?).env("RUSTFLAGS", RUST_FLAGS).env("CFLAGS", c_flags());
    // Instrumentation is unstable, but has worked for years.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CC", "clang").env("CXX", "clang++");
    Ok(cargo)
}

/// The folder of programs, logs, grown corpora and findings.
fn results_dir() -> Result<PathBuf, Error> {
    Ok(target_dir()?.join("fuzz"))
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn c_flags() -> String {
    let mut empty = Command::new("clang");
    let is_known = process::ask(empty.args([ZEROED, "-fsyntax-only", "-x", "c", "/dev/null"])).is_some();
    format!("{C_FLAGS} {ZEROED} {}", if is_known { "" } else { ZEROED_BEFORE_16 })
}

/// Runs `command` with its output in a file. Returns whether it succeeded.
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

/// Copies a corpus into a new folder, so that the one under version control does not change.
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
