//! Why a task was not done.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::{error, fmt};

/// Why a task was not done, in words for the person who asked for it.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line makes no sense: see the help.
    Usage(String),
    /// System packages are missing and cannot be installed without asking somebody.
    Missing {
        /// The packages, by Debian's names.
        packages: Vec<&'static str>,
        /// What to type, for whoever may.
        remedy: String,
    },
    /// A program could not be started.
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command ran and reported failure. It has said why itself.
    Failed {
        /// The command, as one would type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// These test programs failed. Their output says which tests and why.
    FailedTests(Vec<String>),
    /// Debian's packages were to bring a compiler for another target, and did not.
    NoBareMetal {
        /// What it would have to compile for.
        target: &'static str,
        /// Why they did not.
        debian: Box<Self>,
    },
    /// The demo's server ended, or did not come up.
    Server {
        /// What happened to it.
        what: String,
        /// The last lines it wrote.
        words: Vec<String>,
    },
    /// Programs that were built for another machine do not do what this machine's do.
    Differs {
        /// What they do otherwise.
        what: &'static str,
        /// The machine.
        target: &'static str,
    },
    /// A board's program takes more than it may.
    OverBudget {
        /// The board.
        board: &'static str,
        /// The file that says what it may take.
        budgets: &'static str,
    },
    /// Instructions cannot be counted here, or not be compared, and why.
    NoCounting {
        /// What is amiss.
        why: String,
    },
    /// The benches do not take what is stored: mend the code, or store it if that is as it should be.
    NotAsStored {
        /// What is otherwise, a bench each.
        what: Vec<String>,
        /// The file with what is stored.
        record: &'static str,
    },
    /// No board shows itself as a drive: plug it in with its button held, or flash it another way.
    NoDrive {
        /// What the drive is called.
        label: &'static str,
        /// The program that it would have got.
        image: PathBuf,
    },
    /// There is no fuzzing here, and why: do it on another machine.
    NoFuzzing {
        /// What is amiss.
        why: &'static str,
    },
    /// An overflow that was planted in C was not caught, so none is: the C compiler was not told to instrument.
    UnseenOverflow {
        /// What the program with the overflow wrote.
        log: PathBuf,
    },
    /// Hostile input broke a promise: mend the code, and keep the input as a test.
    Findings(Vec<Finding>),
    /// A file or stream of this tool's own failed.
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// An input, and what it did.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    /// The fuzz target.
    pub(crate) target: &'static str,
    /// What went wrong, in the target's own words.
    pub(crate) what: String,
    /// The input, unless the target ended before it was written.
    pub(crate) input: Option<PathBuf>,
    /// The target's program, which reads an input that it is given.
    pub(crate) program: PathBuf,
    /// Everything that the program wrote.
    pub(crate) log: PathBuf,
}

impl Error {
    /// 2 for a command line that makes no sense, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }

    /// For `map_err`: the system's error, and what was being done.
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
                "{debian}\nThe rust packages are for {target}; with rustup this does as well:\n  rustup target add {target}"
            ),
            Self::Server { what, words } => {
                write!(f, "the server {what}")?;
                words.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
            Self::Differs { what, target } => write!(f, "{what} is another on {target} than on this machine"),
            Self::OverBudget { board, budgets } => write!(f, "the program of {board} takes more than {budgets} allows"),
            Self::NoCounting { why } => write!(f, "instructions cannot be compared on this machine: {why}"),
            Self::NotAsStored { what, record } => write!(
                f,
                "not as in {record}:\n  {}\nIf that is as it should be: cargo xtask instructions --accept",
                what.join("\n  ")
            ),
            Self::NoDrive { label, image } => write!(
                f,
                "no drive {label} is mounted: hold the board's BOOTSEL button while you plug it in, mount the drive if \
                 the system does not, and try again; or copy this there yourself:\n  {}",
                image.display()
            ),
            Self::NoFuzzing { why } => write!(f, "there is no fuzzing on this machine: {why}"),
            Self::UnseenOverflow { log } => {
                write!(f, "an overflow that was planted in C was not caught, so none would be; see {}", log.display())
            }
            Self::Findings(findings) => {
                write!(f, "hostile input did harm")?;
                findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
            }
            Self::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, what, input, program, log } = self;
        write!(f, "\n{target}: {what}\n  all of it: {}", log.display())?;
        match input {
            Some(input) => write!(
                f,
                "\n  the input: {}\n  to see it again: {} {}",
                input.display(),
                program.display(),
                input.display()
            ),
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
