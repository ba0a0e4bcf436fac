//! `cargo xtask instructions`: what the processor executes for a piece of work, beside what it did when that was last
//! accepted.
//!
//! Time drifts with the machine and with what else runs on it; a count of instructions does not. Callgrind counts what is
//! executed while one function of `tests/benches/instructions` is on the stack, that of the standard library and of libc
//! included: a copy too many is to show. What libc would choose by the processor is fixed for that, see [`SAME_COPIES`].

mod record;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::system::{self, Need};
use record::{Count, Record, Toolchain};

/// The record, in the workspace.
const RECORD: &str = "tests/benches/instructions.txt";

/// The function that does what is to be counted. Behind it comes a hash.
const COUNTED: &str = "instructions::count::counted_by_callgrind*";

/// glibc has a copy for each kind of processor, one byte an instruction or 32; this leaves it the one that is on all of
/// x86-64. Callgrind has no AVX-512 to offer it. Elsewhere, and in other libraries, it says nothing.
const SAME_COPIES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-SSSE3";

/// Counts, prints a table, and with `accept` stores what was counted.
///
/// # Errors
/// [`Error::NotAsStored`] after the table if something takes more than it did, and `accept` is not given; and whatever
/// keeps it from counting.
pub(crate) fn run(accept: bool) -> Result<(), Error> {
    if !cfg!(target_os = "linux") {
        return Err(Error::NoCounting { why: "it takes Linux".into() });
    }
    system::ensure(&[Need::Build, Need::Counting])?;
    let path = process::workspace_dir().join(RECORD);
    if accept {
        let counted = count_all()?;
        print!("\n{counted}");
        return fs::write(&path, counted.to_string()).map_err(Error::io(RECORD));
    }
    // First: counting takes minutes.
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

/// Runs one bench. All that callgrind saw stays in a file, for `callgrind_annotate`.
fn count(name: &str, host: &str, profiles: &Path) -> Result<u64, Error> {
    let profile = profiles.join(name);
    let callgrind = ["valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=%q{TRILL_PROFILE}"];
    let runner = format!("{} --toggle-collect={COUNTED}", callgrind.join(" "));
    let mut bench = bench()?;
    bench.args(["--", name]).env(runner_variable(host), runner);
    // Here and not among the words of the runner, which cargo takes apart at every space.
    bench.env("TRILL_PROFILE", &profile).env("GLIBC_TUNABLES", SAME_COPIES);
    process::run(&mut bench)?;
    let profile = fs::read_to_string(&profile).map_err(Error::io(name))?;
    let why = || format!("callgrind has not seen {COUNTED} in `{name}`");
    total(&profile).ok_or_else(|| Error::NoCounting { why: why() })
}

/// The instructions in a profile; `None` if there are none.
fn total(profile: &str) -> Option<u64> {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals:"))?;
    total.trim().parse().ok().filter(|total| *total > 0)
}

/// The program with all benches, run as released programs are built.
fn bench() -> Result<Command, Error> {
    let mut cargo = process::cargo()?;
    cargo.args(["bench", "--quiet", "--package", "trill-tests", "--bench", "instructions"]);
    Ok(cargo)
}

/// The variable that tells cargo with what to run programs for this target; its documentation of its configuration has
/// the rule.
fn runner_variable(host: &str) -> String {
    format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace(['-', '.'], "_"))
}

/// What it is that turns the sources into instructions.
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

/// What it is called. Libraries choose among their routines by what a processor can do.
fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("another processor", |(_, name)| name.trim()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_that_saw_nothing_is_no_count_of_nothing() {
        assert_eq!(total("events: Ir\nfn=(1) main\n1 20\n\ntotals: 20\n"), Some(20));
        assert_eq!(total("events: Ir\n\ntotals: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn cargo_is_told_by_the_name_it_knows() {
        assert_eq!(runner_variable("x86_64-unknown-linux-gnu"), "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER");
    }

    #[test]
    fn the_record_in_the_repository_is_one() {
        let text = fs::read_to_string(process::workspace_dir().join(RECORD)).unwrap();
        let record: Record = text.parse().unwrap();
        assert!(!record.counts.is_empty());
        assert_eq!(record.to_string(), text);
    }
}
