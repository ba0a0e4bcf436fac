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

  demo [DIR] [-- CLIENT-ARGS]  Serve DIR, or else the built-in demo songs, on this machine and play from it.
                               CLIENT-ARGS go to the client: `-- --output null`, `-- list`.
  test [-- CARGO-ARGS]         Run every test and the bare-metal builds, and hold the boards' programs against their
                               budget. With CARGO-ARGS only `cargo test CARGO-ARGS`: `-- seek`, `-- -p trill-proto`.
  qemu [--board BOARD] [--server HOST:PORT] [--wav PATH]
                               Run a board's program in an emulator, its console on this terminal, what is heard in
                               a WAV file. Without --server there is one with the demo songs.
  flash BOARD                  Put a board's program on the board, which is plugged in with its BOOTSEL button held.
  cross                        Test what 32-bit and 64-bit Arms run, under an emulator of their Linux: shared parts,
                               server and client.
  fuzz [TARGET...] [--seconds N]
                               Feed hostile input to these targets, or to all, for 10 seconds each or N, and print what
                               was found.
  soak [--minutes M] [--seed N] [--svg PATH]
                               Let 50 clients of all kinds loose on a server for M minutes (10), and look whether
                               anything grows, hangs, crashes or sounds wrong. Equal seeds give equal clients. The
                               figures are drawn into PATH (soak/soak.svg in the target directory).
  bench [SECTION...] [--rounds N]
                               Measure Trill beside nginx, Icecast, MPD, mpg123 and ffmpeg, or these sections of it, N
                               times each (5), and write the medians into tests/benches/RESULTS.md.
  size                         Print what each board's program takes, beside its budget.
  instructions [--accept]      Count what the processor executes for pieces of the work, and compare that with what is
                               stored; or store it.
  build [BOARD...]             Build the programs of these boards, or of all, and print where they are.
  lint                         Check format, lints, documentation and the policy for dependencies.
  help                         Print this.

System packages that are missing are installed through apt-get where that takes no password; elsewhere the
command to type is printed.
";

/// One thing to do, as asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Print [`HELP`].
    Help,
    /// Serve and play on this machine.
    Demo {
        /// The directory to serve; none means the server's built-in songs.
        dir: Option<PathBuf>,
        /// Passed on to the client after its HOST.
        client_args: Vec<OsString>,
    },
    /// Run the tests.
    Test {
        /// Passed on to `cargo test`; empty means everything.
        cargo_args: Vec<OsString>,
    },
    /// Run tests for other machines.
    Cross,
    /// Let many clients loose on a server for long.
    Soak {
        /// How long.
        minutes: u32,
        /// Of their random numbers; none means any.
        seed: Option<u64>,
        /// Where to draw the figures; none means in the target directory.
        svg: Option<PathBuf>,
    },
    /// Measure beside others.
    Bench {
        /// Which; none means all. The program that measures knows them.
        sections: Vec<String>,
        /// How often each figure is taken.
        rounds: u32,
    },
    /// Run every check that is not a test.
    Lint,
    /// Feed hostile input to fuzz targets.
    Fuzz {
        /// Which; none means all.
        targets: Vec<&'static str>,
        /// For how long each.
        span: Duration,
    },
    /// Count instructions.
    Instructions {
        /// Store what was counted.
        accept: bool,
    },
    /// Measure the boards' programs.
    Size,
    /// Build boards' programs.
    Build {
        /// Which; none means all.
        boards: Vec<&'static Board>,
    },
    /// Put a program on a board.
    Flash {
        /// Which.
        board: &'static Board,
    },
    /// Run a board in an emulator.
    Qemu {
        /// Which.
        board: &'static Board,
        /// The server it connects to; none means one with the demo songs.
        server: Option<String>,
        /// Where to put what is heard; none means beside the program.
        wav: Option<PathBuf>,
    },
}

/// Understands the arguments that follow the program's name.
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
        return Err(Error::Usage("which command?".into()));
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
        (Some("flash"), [], []) => Err(Error::Usage("`flash` needs the name of a board".into())),
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
            // A misspelt argument that is silently dropped is a check that did not run.
            let all = args[1..].join(OsStr::new(" "));
            Err(Error::Usage(format!("`{command}` does not take `{}`", all.display())))
        }
        _ => Err(Error::Usage(format!("there is no command `{}`", command.display()))),
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

/// Takes names, and an option with a number from 1 on, in any order.
fn names_and_number(command: &str, operands: &[OsString], option: &str) -> Result<(Vec<String>, Option<u32>), Error> {
    let (mut names, mut number) = (Vec::new(), None);
    let mut operands = operands.iter();
    while let Some(operand) = operands.next() {
        if operand == option {
            let value = operands.next().and_then(|value| value.to_str()?.parse().ok()).filter(|value| *value > 0);
            let value = value.ok_or_else(|| Error::Usage(format!("`{option}` needs a number")))?;
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
        return Err(Error::Usage("`--minutes` takes a number from 1 on".into()));
    }
    Ok(Task::Soak { minutes: minutes.unwrap_or(SOAK_MINUTES), seed, svg })
}

/// Takes options with a value each, in any order. `take` keeps a value and returns whether there was one already; `None` if
/// the command has no such option.
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

/// How often the benchmarks take each figure unless told otherwise.
const BENCH_ROUNDS: u32 = 5;

/// How long a soak takes unless told otherwise.
const SOAK_MINUTES: u32 = 10;

fn number<T: FromStr>(option: &OsStr, value: &OsStr) -> Result<T, Error> {
    let number = value.to_str().and_then(|value| value.parse().ok());
    number.ok_or_else(|| Error::Usage(format!("`{}` takes a number, not `{}`", option.display(), value.display())))
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
    fn what_the_help_offers_is_understood() {
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
    fn help_is_given_wherever_it_is_asked_for() {
        check("--help", Task::Help);
        check("demo -h", Task::Help);
        check("demo -- --help", Task::Demo { dir: None, client_args: words("--help") });
    }

    #[test]
    fn everything_else_is_refused_by_name() {
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
