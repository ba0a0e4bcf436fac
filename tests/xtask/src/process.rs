//! Runs other programs: prints the command first, and treats failure as an error.

use std::ffi::OsStr;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::{env, io, iter};

use crate::error::Error;

/// The folder of the workspace's manifest.
pub(crate) fn workspace_dir() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package lies two folders down in the workspace")
}

/// The folder of the workspace's programs: cargo put this program there too.
pub(crate) fn programs_dir() -> Result<PathBuf, Error> {
    let mut path = env::current_exe().map_err(Error::io("looking for the target directory"))?;
    path.pop();
    Ok(path)
}

/// The target directory: [`programs_dir`] without the profile.
pub(crate) fn target_dir() -> Result<PathBuf, Error> {
    let mut path = programs_dir()?;
    path.pop();
    Ok(path)
}

/// The path of a program in `dir`.
pub(crate) fn executable(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// The cargo that runs this program, in the workspace's folder.
pub(crate) fn cargo() -> Result<Command, Error> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace_dir());
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR") {
        // A relative path is relative to the user's folder, not to the workspace's.
        cargo.env("CARGO_TARGET_DIR", std::path::absolute(dir).map_err(Error::io("CARGO_TARGET_DIR"))?);
    }
    Ok(cargo)
}

/// Prints `command`, runs it and waits for its end.
///
/// # Errors
/// [`Error::Start`] and [`Error::Failed`].
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let shown = describe(command);
    eprintln!("\n$ {shown}");
    let status = command.status().map_err(|source| start_error(command, source))?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: shown, status }) }
}

/// Prints `command` and replaces this program with it on Unix, so that signals reach the command alone. On other
/// systems waits for its end and returns its exit code.
///
/// # Errors
/// [`Error::Start`].
pub(crate) fn run_instead(command: &mut Command) -> Result<ExitCode, Error> {
    eprintln!("\n$ {}", describe(command));
    #[cfg(unix)]
    {
        let source = std::os::unix::process::CommandExt::exec(command);
        Err(start_error(command, source))
    }
    #[cfg(not(unix))]
    match command.status() {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ok(_) => Ok(ExitCode::FAILURE),
        Err(source) => Err(start_error(command, source)),
    }
}

/// Prints `command`, runs it, and returns its standard output.
///
/// # Errors
/// [`Error::Start`] and [`Error::Failed`].
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let shown = describe(command);
    eprintln!("\n$ {shown}");
    let output = command.stderr(Stdio::inherit()).output().map_err(|source| start_error(command, source))?;
    match output.status {
        status if status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        status => Err(Error::Failed { command: shown, status }),
    }
}

/// Does `work` for each of `items`, one for each of `processors` at a time. Returns the results in the order of `items`.
pub(crate) fn run_in_parallel<T: Sync, R: Send>(
    items: &[T],
    processors: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work_on_next = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        items.get(at).map(|item| (at, work(item)))
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..processors).map(|_| scope.spawn(|| iter::from_fn(work_on_next).collect::<Vec<_>>())).collect();
        let join = |worker: ScopedJoinHandle<'_, _>| worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        let mut results: Vec<_> = workers.into_iter().flat_map(join).collect();
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result).collect()
    })
}

/// Number of processors.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Installs a tool from the registry, unoptimised, into the folder `tools`. Does nothing if that version is installed.
///
/// # Errors
/// Those of [`run`].
pub(crate) fn install(tools: &Path, name: &str, version: &str) -> Result<(), Error> {
    let mut cargo = cargo()?;
    cargo.args(["install", "--quiet", "--locked", "--debug", "--version", version, name, "--root"]).arg(tools);
    run(cargo.env("CARGO_PROFILE_DEV_DEBUG", "0"))
}

/// The standard output of `command`, or `None` if it does not start or fails. For queries of programs that may not be
/// installed. Standard error is dropped.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// The error for a `command` that did not start.
pub(crate) fn start_error(command: &Command, source: io::Error) -> Error {
    Error::Start { program: command.get_program().display().to_string(), source }
}

/// The command as a shell line, without the program's folder.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args()).map(quote);
    words.collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let word = word.display().to_string();
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c)) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn a_command_is_shown_so_that_it_can_be_typed() {
        let mut command = Command::new("/opt/toolchain/bin/cargo");
        command.args(["clippy", "--", "-D", "warnings", "two words", "don't", ""]);
        assert_eq!(describe(&command), r"cargo clippy -- -D warnings 'two words' 'don'\''t' ''");
    }

    #[test]
    #[cfg(unix)]
    fn failure_and_absence_are_told_apart() {
        assert!(matches!(run(&mut Command::new("true")), Ok(())));
        let Err(Error::Failed { command, status }) = run(Command::new("sh").args(["-c", "exit 3"])) else {
            panic!("a command that fails must be an error");
        };
        assert_eq!((command.as_str(), status.code()), ("sh -c 'exit 3'", Some(3)));
        assert!(matches!(run(&mut Command::new("/no/such/program")), Err(Error::Start { .. })));
        assert!(matches!(output(&mut Command::new("false")), Err(Error::Failed { .. })));
        assert_eq!(output(Command::new("echo").arg("yes")).unwrap(), "yes\n");
        assert_eq!(ask(&mut Command::new("false")), None);
        assert_eq!(ask(Command::new("echo").arg("yes")).as_deref(), Some("yes\n"));
    }

    #[test]
    fn parallel_work_keeps_the_order() {
        let both_at_work = Barrier::new(2);
        let work = |number: &u32| {
            both_at_work.wait();
            number * 10
        };
        assert_eq!(run_in_parallel(&[1, 2, 3, 4], 2, work), [10, 20, 30, 40]);
        assert_eq!(run_in_parallel(&[1, 2, 3], 1, |number| number * 10), [10, 20, 30]);
        assert_eq!(run_in_parallel(&[0; 0], 2, |number| number * 10), [0; 0]);
    }

    #[test]
    fn the_workspace_is_found() {
        assert!(workspace_dir().join("Cargo.lock").is_file());
    }
}
