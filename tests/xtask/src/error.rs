//! The error of a task.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::{error, fmt};

/// Why a task failed. The message is for the user.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line is invalid: see the help.
    Usage(String),
    /// System packages are missing and cannot be installed automatically: install them.
    Missing {
        /// Debian's names of the packages.
        packages: Vec<&'static str>,
        /// The command to type.
        remedy: String,
    },
    /// A program did not start.
    Start {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A command failed. Its own output says why.
    Failed {
        /// The command, as one would type it.
        command: String,
        /// Its exit status.
        status: ExitStatus,
    },
    /// These test programs failed. Their output names the tests.
    FailedTests(Vec<String>),
    /// Debian's packages for a bare-metal target could not be installed.
    NoBareMetal {
        /// The target.
        target: &'static str,
        /// Why the installation failed.
        debian: Box<Self>,
    },
    /// The demo's server failed.
    Server {
        /// What happened, as a predicate of "the server".
        what: String,
        /// The last lines of its output.
        words: Vec<String>,
    },
    /// Programs for another architecture behave differently from this machine's.
    Differs {
        /// What differs.
        what: &'static str,
        /// The other architecture.
        target: &'static str,
    },
    /// A board's program exceeds its budget.
    OverBudget {
        /// The board.
        board: &'static str,
        /// The file of budgets.
        budgets: &'static str,
    },
    /// Instruction counts are not possible or not comparable on this machine.
    NoCounting {
        /// The reason.
        why: String,
    },
    /// Instruction counts exceed the stored ones: fix the code, or accept the new counts.
    NotAsStored {
        /// One line per benchmark that differs.
        what: Vec<String>,
        /// The file of the stored counts.
        record: &'static str,
    },
    /// No board is mounted as a USB drive: plug it in with its button held, or flash it another way.
    NoDrive {
        /// The volume label of the drive.
        label: &'static str,
        /// The program to copy.
        image: PathBuf,
    },
    /// Fuzzing is not possible on this machine: use another one.
    NoFuzzing {
        /// The reason.
        why: &'static str,
    },
    /// The sanitizer missed a planted overflow in C: the C code was not instrumented.
    MissedOverflow {
        /// The log of the program with the overflow.
        log: PathBuf,
    },
    /// Fuzzing found faults: fix the code, and keep each input as a test.
    Findings(Vec<Finding>),
    /// An operation of this tool on a file or stream failed.
    Io {
        /// The operation.
        what: String,
        /// The system's error.
        source: io::Error,
    },
}

/// A fault found by fuzzing.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    /// The fuzz target.
    pub(crate) target: &'static str,
    /// The error message of the target.
    pub(crate) what: String,
    /// The input, unless the target ended before it was written.
    pub(crate) input: Option<PathBuf>,
    /// The target's program. It takes an input file as argument.
    pub(crate) program: PathBuf,
    /// The whole output of the target.
    pub(crate) log: PathBuf,
}

impl Error {
    /// The exit code: 2 for an invalid command line, otherwise 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }

    /// [`FailedTests`](Self::FailedTests), if any failed.
    pub(crate) fn of_tests(failed: Vec<String>) -> Result<(), Self> {
        if failed.is_empty() { Ok(()) } else { Err(Self::FailedTests(failed)) }
    }

    /// Wraps a system error with the operation, for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => write!(f, "{what}; see `cargo xtask help`"),
            Self::Missing { packages, remedy } => {
                write!(f, "missing on this system: {}\n{remedy}", packages.join(" "))
            }
            Self::Start { program, source } => write!(f, "cannot start {program}: {source}"),
            Self::Failed { command, status } => write!(f, "failed ({status}): {command}"),
            Self::FailedTests(programs) => write!(f, "failed: {}", programs.join(", ")),
            Self::NoBareMetal { target, debian } => write!(
                f,
                "{debian}\nThe Rust packages are for {target}; with rustup this does as well:\n  rustup target add {target}"
            ),
            Self::Server { what, words } => {
                write!(f, "the server {what}")?;
                words.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
            Self::Differs { what, target } => write!(f, "{what} on {target} differs from this machine's"),
            Self::OverBudget { board, budgets } => write!(f, "the program of {board} exceeds its budget in {budgets}"),
            Self::NoCounting { why } => write!(f, "instructions cannot be compared on this machine: {why}"),
            Self::NotAsStored { what, record } => write!(
                f,
                "changed since {record}:\n  {}\nTo accept the new counts: cargo xtask instructions --accept",
                what.join("\n  ")
            ),
            Self::NoDrive { label, image } => write!(
                f,
                "no drive {label} is mounted: hold the board's BOOTSEL button while you plug it in, mount the drive if \
                 the system does not, and try again. Or copy this file to the drive:\n  {}",
                image.display()
            ),
            Self::NoFuzzing { why } => write!(f, "cannot fuzz on this machine: {why}"),
            Self::MissedOverflow { log } => {
                write!(
                    f,
                    "the sanitizer missed a planted overflow in C, so it would miss others; see {}",
                    log.display()
                )
            }
            Self::Findings(findings) => {
                write!(f, "fuzzing found faults")?;
                findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
            }
            Self::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, what, input, program, log } = self;
        write!(f, "\n{target}: {what}\n  log: {}", log.display())?;
        match input {
            Some(input) => {
                write!(f, "\n  input: {}\n  reproduce: {} {}", input.display(), program.display(), input.display())
            }
            None => Ok(()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Start { source, .. } | Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
