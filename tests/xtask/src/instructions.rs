//! `cargo xtask instructions`: counts the instructions of each microbenchmark and compares them with the accepted
//! counts.
//!
//! Instruction counts do not drift with the machine's load, unlike times. Callgrind counts everything executed while
//! one function of `tests/benches/instructions` is on the stack, including the standard library and libc, so that an
//! extra copy shows. libc's choice by processor is fixed, see [`SAME_COPIES`].

mod record;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};
use record::{Count, Record, Toolchain};

/// The file of the accepted counts, in the workspace.
const RECORD: &str = "tests/benches/instructions.txt";

/// The measured function. Its symbol ends in a hash.
const COUNTED: &str = "instructions::count::counted_by_callgrind*";

/// Selects glibc's copy routine for baseline x86-64. By default glibc chooses by the processor, from 1 to 32 bytes per
/// instruction, and Callgrind cannot run AVX-512. Other architectures and libraries ignore this.
const SAME_COPIES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-SSSE3";

/// Counts and prints a table. With `accept`, stores the counts.
///
/// # Errors
/// [`Error::NotAsStored`] after the table if a count exceeds the stored one and `accept` is false; and the
/// errors of building and counting.
pub(crate) fn run(accept: bool) -> Result<(), Error> {
    if !cfg!(target_os = "linux") {
        return Err(Error::NoCounting { why: "counting needs Linux".into() });
    }
    system::ensure(&[Need::Build, Need::Counting])?;
    let path = process::workspace_dir().join(RECORD);
    if accept {
        let counted = count_all()?;
        print!("\n{counted}");
        return fs::write(&path, counted.to_string()).map_err(Error::io(RECORD));
    }
    // Read first, because counting takes minutes.
    let stored: Record = fs::read_to_string(&path).map_err(Error::io(RECORD))?.parse().map_err(Error::io(RECORD))?;
    let counted = count_all()?;
    if stored.toolchain.host != counted.toolchain.host {
        let why = format!("{RECORD} was made on {}, and this is {}", stored.toolchain.host, counted.toolchain.host);
        return Err(Error::NoCounting { why });
    }
    let comparison = stored.compare(&counted);
    println!("\n{comparison}");
    match comparison.objections() {
        objections if objections.is_empty() => Ok(()),
        what => Err(Error::NotAsStored { what, record: RECORD }),
    }
}

fn count_all() -> Result<Record, Error> {
    let toolchain = toolchain()?;
    let profiles = process::target_dir()?.join("instructions");
    fs::create_dir_all(&profiles).map_err(Error::io("the folder for profiles"))?;
    let names = process::output(&mut bench()?)?;
    let count =
        |name: &str| Ok(Count { name: name.to_owned(), instructions: count(name, &toolchain.host, &profiles)? });
    let counts = names.lines().map(count).collect::<Result<_, Error>>()?;
    Ok(Record { toolchain, counts })
}

/// Counts one benchmark. The profile stays in a file for `callgrind_annotate`.
fn count(name: &str, host: &str, profiles: &Path) -> Result<u64, Error> {
    let profile = profiles.join(name);
    let callgrind = ["valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=%q{TRILL_PROFILE}"];
    let runner = format!("{} --toggle-collect={COUNTED}", callgrind.join(" "));
    let mut bench = bench()?;
    bench.args(["--", name]).env(runner_variable(host), runner);
    // Not in the runner variable: cargo splits it at spaces.
    bench.env("TRILL_PROFILE", &profile).env("GLIBC_TUNABLES", SAME_COPIES);
    process::run(&mut bench)?;
    let profile = fs::read_to_string(&profile).map_err(Error::io(name))?;
    let why = || format!("Callgrind did not see {COUNTED} in `{name}`");
    total(&profile).ok_or_else(|| Error::NoCounting { why: why() })
}

/// The number of instructions in a profile; `None` if there are none.
fn total(profile: &str) -> Option<u64> {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals:"))?;
    total.trim().parse().ok().filter(|total| *total > 0)
}

/// The program with all benchmarks, in a release build.
fn bench() -> Result<Command, Error> {
    let mut cargo = process::cargo()?;
    cargo.args(["bench", "--quiet", "--package", "trill-tests", "--bench", "instructions"]);
    Ok(cargo)
}

/// cargo's variable for the runner of this target's programs.
fn runner_variable(host: &str) -> String {
    format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace(['-', '.'], "_"))
}

/// Describes the compilers, libraries and processor.
fn toolchain() -> Result<Toolchain, Error> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let about = process::output(Command::new(rustc).arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let ask = |program: &str, argument: &str| {
        process::ask(Command::new(program).arg(argument)).unwrap_or_default().trim().to_owned()
    };
    let rustc = about.lines().next().unwrap_or_default();
    let (cc, libc) = (ask("cc", "-dumpversion"), ask("getconf", "GNU_LIBC_VERSION"));
    let versions = format!("{rustc}, cc {cc}, {libc}, {}", processor());
    Ok(Toolchain { host, versions })
}

/// The processor's name. Libraries choose routines by its features.
fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("another processor", |(_, name)| name.trim()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_profile_has_no_count() {
        assert_eq!(total("events: Ir\nfn=(1) main\n1 20\n\ntotals: 20\n"), Some(20));
        assert_eq!(total("events: Ir\n\ntotals: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn the_runner_variable_has_cargos_name() {
        assert_eq!(runner_variable("x86_64-unknown-linux-gnu"), "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER");
    }

    #[test]
    fn the_stored_record_is_valid() {
        let text = fs::read_to_string(process::workspace_dir().join(RECORD)).unwrap();
        let record: Record = text.parse().unwrap();
        assert!(!record.counts.is_empty());
        assert_eq!(record.to_string(), text);
    }
}
