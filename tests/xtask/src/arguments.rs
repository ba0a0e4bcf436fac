//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::boards::{self, BOARDS, Board};
use crate::error::Error;
use crate::fuzz;

/// What `cargo xtask help` prints.
pub(crate) const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo [DIR] [-- CLIENT-ARGS]  Start a server for DIR, or for the built-in demo songs, and a client that plays from it.
                               CLIENT-ARGS go to the client: `-- --output null`, `-- list`.
  test [-- CARGO-ARGS]         Run every test, and check the size and cost of the boards' programs.
                               With CARGO-ARGS, run only `cargo test CARGO-ARGS`: `-- seek`, `-- -p trill-proto`.
  qemu [--board BOARD] [--server HOST:PORT] [--wav PATH]
                               Run a board's program in QEMU with its console on this terminal, and record the sound
                               as a WAV file. Without --server, start a server with the demo songs.
  flash BOARD                  Copy a program to a board. Hold BOOTSEL while you plug the board in.
  cross                        Test the shared parts, the server and the client for 32-bit and 64-bit Arm Linux, in an
                               emulator.
  fuzz [TARGET...] [--seconds N]
                               Fuzz these targets, or all, for N seconds each (10), and print the findings.
  soak [--minutes M] [--seed N] [--svg PATH]
                               Run 50 clients against a server for M minutes (10); fail on growth, hangs, crashes or
                               wrong sound. The seed determines what each client does. Charts of the measurements
                               go to PATH (soak/soak.svg in the target directory).
  bench [SECTION...] [--rounds N]
                               Run these benchmarks, or all, N times each (5), next to nginx, Icecast, MPD, mpg123 and
                               ffmpeg. Write the medians to tests/benches/RESULTS.md.
  size                         Print the size of each board's program next to its budget.
  instructions [--accept]      Count the instructions of each microbenchmark and compare them with the stored counts.
                               With --accept, store the new counts.
  build [BOARD...]             Build the programs of these boards, or of all, and print their paths.
  lint                         Check formatting, lints, documentation and the dependency policy.
  help                         Print this help.

On Linux, missing system packages are installed with apt-get if it needs no password. Otherwise the command to
type is printed.
";

/// A task from the command line.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Print [`HELP`].
    Help,
    /// Start a server and a client on this machine.
    Demo {
        /// The directory to serve; `None` for the built-in songs.
        dir: Option<PathBuf>,
        /// Arguments of the client after its HOST.
        client_args: Vec<OsString>,
    },
    /// Run the tests.
    Test {
        /// Arguments of `cargo test`; empty for the whole suite.
        cargo_args: Vec<OsString>,
    },
    /// Run the tests for other Linux architectures.
    Cross,
    /// Run many clients against a server for a long time.
    Soak {
        /// Duration in minutes.
        minutes: u32,
        /// Seed of the random numbers; `None` for a random seed.
        seed: Option<u64>,
        /// File of the charts; `None` for the default in the target directory.
        svg: Option<PathBuf>,
    },
    /// Measure Trill next to comparable programs.
    Bench {
        /// Names of the sections; empty for all. The benchmark program checks them.
        sections: Vec<String>,
        /// Measurements per figure.
        rounds: u32,
    },
    /// Run every check that is not a test.
    Lint,
    /// Run fuzz targets.
    Fuzz {
        /// Names of the targets; empty for all.
        targets: Vec<&'static str>,
        /// Duration of each target.
        span: Duration,
    },
    /// Count instructions.
    Instructions {
        /// Whether to store the counts.
        accept: bool,
    },
    /// Measure the size of the boards' programs.
    Size,
    /// Build the boards' programs.
    Build {
        /// The boards; empty for all.
        boards: Vec<&'static Board>,
    },
    /// Copy a program to a board.
    Flash {
        /// The board.
        board: &'static Board,
    },
    /// Run a board's program in QEMU.
    Qemu {
        /// The board.
        board: &'static Board,
        /// Address of the server; `None` to start one with the demo songs.
        server: Option<String>,
        /// File of the recorded sound; `None` for one next to the program.
        wav: Option<PathBuf>,
    },
}

/// Parses the arguments after the program's name.
///
/// # Errors
/// [`Error::Usage`] for anything that is not in [`HELP`].
pub(crate) fn parse(args: &[OsString]) -> Result<Task, Error> {
    let (own, passed_on) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    if own.iter().any(|arg| arg == "--help" || arg == "-h") {
        return Ok(Task::Help);
    }
    let Some((command, operands)) = own.split_first() else {
        return Err(Error::Usage("missing command".into()));
    };
    match (command.to_str(), operands, passed_on) {
        (Some("help"), [], []) => Ok(Task::Help),
        (Some("lint"), [], []) => Ok(Task::Lint),
        (Some("size"), [], []) => Ok(Task::Size),
        (Some("instructions"), [], []) => Ok(Task::Instructions { accept: false }),
        (Some("instructions"), [option], []) if option == "--accept" => Ok(Task::Instructions { accept: true }),
        (Some("cross"), [], []) => Ok(Task::Cross),
        (Some("test"), [], _) => Ok(Task::Test { cargo_args: passed_on.to_vec() }),
        (Some("demo"), [], _) => Ok(Task::Demo { dir: None, client_args: passed_on.to_vec() }),
        (Some("demo"), [dir], _) if !is_option(dir) => {
            Ok(Task::Demo { dir: Some(dir.into()), client_args: passed_on.to_vec() })
        }
        (Some("build"), names, []) => {
            let boards = names.iter().map(|name| boards::find(&name.to_string_lossy()));
            Ok(Task::Build { boards: boards.collect::<Result<_, _>>()? })
        }
        (Some("flash"), [name], []) => Ok(Task::Flash { board: boards::find(&name.to_string_lossy())? }),
        (Some("flash"), [], []) => Err(Error::Usage("`flash` needs a board name".into())),
        (Some("qemu"), options, []) => qemu(options),
        (Some("fuzz"), operands, []) => fuzz(operands),
        (Some("soak"), options, []) => soak(options),
        (Some("bench"), operands, []) => bench(operands),
        (
            Some(
                command @ ("help" | "cross" | "lint" | "fuzz" | "test" | "demo" | "build" | "qemu" | "flash" | "size"
                | "soak" | "bench" | "instructions"),
            ),
            _,
            _,
        ) => {
            // A misspelt argument must not be dropped silently: the intended check would not run.
            let all = args[1..].join(OsStr::new(" "));
            Err(Error::Usage(format!("`{command}` does not take `{}`", all.display())))
        }
        _ => Err(Error::Usage(format!("unknown command `{}`", command.display()))),
    }
}

fn qemu(options: &[OsString]) -> Result<Task, Error> {
    let (mut board, mut server, mut wav) = (None, None, None);
    for_each_option("qemu", options, |name, value| {
        Ok(match name.to_str() {
            Some("--board") => Some(board.replace(boards::find(&value.to_string_lossy())?).is_some()),
            Some("--server") => Some(server.replace(value.to_string_lossy().into_owned()).is_some()),
            Some("--wav") => Some(wav.replace(PathBuf::from(value)).is_some()),
            _ => None,
        })
    })?;
    Ok(Task::Qemu { board: board.unwrap_or(&BOARDS[0]), server, wav })
}

fn fuzz(operands: &[OsString]) -> Result<Task, Error> {
    let (names, seconds) = names_and_number("fuzz", operands, "--seconds")?;
    let targets = names.iter().map(|name| fuzz::find(name)).collect::<Result<_, _>>()?;
    Ok(Task::Fuzz { targets, span: seconds.map_or(fuzz::SMOKE, |seconds| Duration::from_secs(seconds.into())) })
}

fn bench(operands: &[OsString]) -> Result<Task, Error> {
    let (sections, rounds) = names_and_number("bench", operands, "--rounds")?;
    Ok(Task::Bench { sections, rounds: rounds.unwrap_or(BENCH_ROUNDS) })
}

/// Parses names and one option with a positive number, in any order.
fn names_and_number(command: &str, operands: &[OsString], option: &str) -> Result<(Vec<String>, Option<u32>), Error> {
    let (mut names, mut number) = (Vec::new(), None);
    let mut operands = operands.iter();
    while let Some(operand) = operands.next() {
        if operand == option {
            let value = operands.next().and_then(|value| value.to_str()?.parse().ok()).filter(|value| *value > 0);
            let value = value.ok_or_else(|| Error::Usage(format!("`{option}` needs a positive number")))?;
            if number.replace(value).is_some() {
                return Err(Error::Usage(format!("`{option}` is given twice")));
            }
        } else if is_option(operand) {
            return Err(Error::Usage(format!("`{command}` does not take `{}`", operand.display())));
        } else {
            names.push(operand.to_string_lossy().into_owned());
        }
    }
    Ok((names, number))
}

fn soak(options: &[OsString]) -> Result<Task, Error> {
    let (mut minutes, mut seed, mut svg) = (None, None, None);
    for_each_option("soak", options, |name, value| {
        Ok(match name.to_str() {
            Some("--minutes") => Some(minutes.replace(number(name, value)?).is_some()),
            Some("--seed") => Some(seed.replace(number(name, value)?).is_some()),
            Some("--svg") => Some(svg.replace(PathBuf::from(value)).is_some()),
            _ => None,
        })
    })?;
    if minutes == Some(0) {
        return Err(Error::Usage("`--minutes` needs a positive number".into()));
    }
    Ok(Task::Soak { minutes: minutes.unwrap_or(SOAK_MINUTES), seed, svg })
}

/// Parses options with one value each, in any order. `take` stores a value and returns whether the option was already
/// given, or `None` for an unknown option.
fn for_each_option(
    command: &str,
    options: &[OsString],
    mut take: impl FnMut(&OsStr, &OsStr) -> Result<Option<bool>, Error>,
) -> Result<(), Error> {
    for option in options.chunks(2) {
        let [name, value] = option else {
            return Err(Error::Usage(format!("`{}` needs a value", option[0].display())));
        };
        match take(name, value)? {
            Some(false) => {}
            Some(true) => return Err(Error::Usage(format!("`{}` is given twice", name.display()))),
            None => return Err(Error::Usage(format!("`{command}` does not take `{}`", name.display()))),
        }
    }
    Ok(())
}

/// Default measurements per figure in a benchmark.
const BENCH_ROUNDS: u32 = 5;

/// Default duration of a soak, in minutes.
const SOAK_MINUTES: u32 = 10;

fn number<T: FromStr>(option: &OsStr, value: &OsStr) -> Result<T, Error> {
    let number = value.to_str().and_then(|value| value.parse().ok());
    number.ok_or_else(|| Error::Usage(format!("`{}` needs a number, not `{}`", option.display(), value.display())))
}

fn is_option(arg: &OsStr) -> bool {
    arg.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[track_caller]
    fn check(line: &str, expected: Task) {
        assert_eq!(parse(&words(line)).unwrap(), expected, "{line}");
    }

    #[test]
    fn the_documented_commands_are_accepted() {
        let demo = |dir: Option<&str>, client_args| Task::Demo {
            dir: dir.map(PathBuf::from),
            client_args: words(client_args),
        };
        check("help", Task::Help);
        check("lint", Task::Lint);
        check("test", Task::Test { cargo_args: vec![] });
        check("test -- seek -- --nocapture", Task::Test { cargo_args: words("seek -- --nocapture") });
        check("demo", demo(None, ""));
        check("demo music", demo(Some("music"), ""));
        check("demo -- --output null", demo(None, "--output null"));
        check("demo music -- play 1", demo(Some("music"), "play 1"));
        check("lint --", Task::Lint);
        check("size", Task::Size);
        check("cross", Task::Cross);
        check("instructions", Task::Instructions { accept: false });
        check("instructions --accept", Task::Instructions { accept: true });
        check("soak", Task::Soak { minutes: 10, seed: None, svg: None });
        check(
            "soak --svg a.svg --minutes 60 --seed 7",
            Task::Soak { minutes: 60, seed: Some(7), svg: Some("a.svg".into()) },
        );
        check("build", Task::Build { boards: vec![] });
        check("build vexpress-a9", Task::Build { boards: vec![&BOARDS[1]] });
        check("fuzz", Task::Fuzz { targets: vec![], span: Duration::from_secs(10) });
        check(
            "fuzz mp3 --seconds 1800 frame",
            Task::Fuzz { targets: vec!["mp3", "frame"], span: Duration::from_secs(1_800) },
        );
        check("bench", Task::Bench { sections: vec![], rounds: 5 });
        check("bench list --rounds 3", Task::Bench { sections: vec!["list".into()], rounds: 3 });
        check("flash pico2w", Task::Flash { board: &BOARDS[2] });
        check("qemu", Task::Qemu { board: &BOARDS[0], server: None, wav: None });
        check(
            "qemu --wav a.wav --board vexpress-a9 --server attic:80",
            Task::Qemu { board: &BOARDS[1], server: Some("attic:80".into()), wav: Some("a.wav".into()) },
        );
    }

    #[test]
    fn help_is_accepted_in_any_place() {
        check("--help", Task::Help);
        check("demo -h", Task::Help);
        check("demo -- --help", Task::Demo { dir: None, client_args: words("--help") });
    }

    #[test]
    fn invalid_arguments_are_refused_and_named() {
        for (line, offender) in [
            ("frobnicate", "frobnicate"),
            ("build teapot", "teapot"),
            ("flash", "flash"),
            ("flash teapot", "teapot"),
            ("flash pico2w now", "pico2w now"),
            ("size pico2w", "pico2w"),
            ("instructions encode", "encode"),
            ("instructions --accept --accept", "--accept --accept"),
            ("qemu --board", "--board"),
            ("qemu --board teapot", "teapot"),
            ("qemu --speed 2", "--speed"),
            ("qemu --wav a --wav b", "--wav"),
            ("soak 60", "60"),
            ("soak --minutes", "--minutes"),
            ("soak --minutes 0", "--minutes"),
            ("soak --minutes -1", "-1"),
            ("soak --minutes 1.5", "1.5"),
            ("soak --seed x", "x"),
            ("soak --seed 1 --seed 1", "--seed"),
            ("soak --clients 9", "--clients"),
            ("soak -- x", "x"),
            ("lint --fast", "--fast"),
            ("fuzz teapot", "teapot"),
            ("fuzz --minutes 1", "--minutes"),
            ("fuzz mp3 --seconds", "--seconds"),
            ("fuzz --seconds 0", "--seconds"),
            ("fuzz -- mp3", "mp3"),
            ("bench --rounds 0", "--rounds"),
            ("bench --rounds 1 --rounds 2", "given twice"),
            ("bench --fast", "--fast"),
            ("cross arm", "arm"),
            ("lint -- x", "x"),
            ("help demo", "demo"),
            ("test seek", "seek"),
            ("demo --output null", "--output null"),
            ("demo one two", "one two"),
        ] {
            let error = parse(&words(line)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(offender), "{line}: {error}");
        }
        assert_eq!(parse(&[]).unwrap_err().exit_code(), 2);
    }
}
