//! The table of commands, and what follows from it alone: names, completion, help.

use core::fmt;

use super::parse::{Arguments, parse_play, parse_seek, parse_song, parse_volume};
use super::{Command, ParseError};

/// One command: a row of [`COMMANDS`].
#[derive(Debug)]
pub struct CommandInfo {
    /// What to type.
    pub name: &'static str,
    /// What may be typed instead.
    pub aliases: &'static [&'static str],
    /// Its arguments: `[…]` may be left out, `|` separates alternatives, capitals stand for something else.
    pub synopsis: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    /// A line that shows it in use.
    pub example: &'static str,
    pub(super) parse: for<'a> fn(&mut Arguments<'a>) -> Result<Command, ParseError<'a>>,
}

impl PartialEq for CommandInfo {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CommandInfo {}

/// Every command, in the order in which help lists them.
pub static COMMANDS: &[CommandInfo] = &[
    CommandInfo {
        name: "list",
        aliases: &[],
        synopsis: "",
        help: "show the songs and their numbers",
        example: "list",
        parse: |_| Ok(Command::List),
    },
    CommandInfo {
        name: "info",
        aliases: &[],
        synopsis: "N",
        help: "show the details of song N",
        example: "info 3",
        parse: |arguments| Ok(Command::Info(parse_song(arguments.required()?)?)),
    },
    CommandInfo {
        name: "play",
        aliases: &[],
        synopsis: "N [at M:SS] | N-N | all",
        help: "play a song, some songs, or all",
        example: "play 3 at 1:30",
        parse: |arguments| parse_play(arguments).map(Command::Play),
    },
    CommandInfo {
        name: "stop",
        aliases: &[],
        synopsis: "",
        help: "stop the song",
        example: "stop",
        parse: |_| Ok(Command::Stop),
    },
    CommandInfo {
        name: "pause",
        aliases: &[],
        synopsis: "",
        help: "pause the song",
        example: "pause",
        parse: |_| Ok(Command::Pause),
    },
    CommandInfo {
        name: "resume",
        aliases: &[],
        synopsis: "",
        help: "continue after a pause",
        example: "resume",
        parse: |_| Ok(Command::Resume),
    },
    CommandInfo {
        name: "next",
        aliases: &[],
        synopsis: "",
        help: "skip to the next song",
        example: "next",
        parse: |_| Ok(Command::Next),
    },
    CommandInfo {
        name: "previous",
        aliases: &[],
        synopsis: "",
        help: "go back to the previous song",
        example: "previous",
        parse: |_| Ok(Command::Previous),
    },
    CommandInfo {
        name: "seek",
        aliases: &[],
        synopsis: "M:SS | +S | -S",
        help: "go to a position, forward or back",
        example: "seek 1:30",
        parse: |arguments| Ok(Command::Seek(parse_seek(arguments.required()?)?)),
    },
    CommandInfo {
        name: "volume",
        aliases: &[],
        synopsis: "[0-100 | +N | -N]",
        help: "show or set the volume in percent",
        example: "volume 80",
        parse: |arguments| Ok(Command::Volume(arguments.next().map(parse_volume).transpose()?)),
    },
    CommandInfo {
        name: "status",
        aliases: &[],
        synopsis: "",
        help: "show what is playing",
        example: "status",
        parse: |_| Ok(Command::Status),
    },
    CommandInfo {
        name: "help",
        aliases: &["?"],
        synopsis: "[COMMAND]",
        help: "explain one command, or list all",
        example: "help play",
        parse: |arguments| Ok(Command::Help(arguments.next().map(find).transpose()?)),
    },
    CommandInfo {
        name: "quit",
        aliases: &["exit"],
        synopsis: "",
        help: "leave",
        example: "quit",
        parse: |_| Ok(Command::Quit),
    },
];

/// The command that `word` names: by its whole name, or by a beginning that only one command has.
///
/// # Errors
///
/// [`ParseError::UnknownCommand`] or [`ParseError::AmbiguousCommand`].
pub fn find(word: &str) -> Result<&'static CommandInfo, ParseError<'_>> {
    let mut result = Err(ParseError::UnknownCommand(word));
    for (name, command) in names_beginning(word) {
        if name.len() == word.len() {
            return Ok(command);
        }
        result = match result {
            Err(ParseError::UnknownCommand(_)) => Ok(command),
            Ok(other) if other == command => Ok(command),
            _ => Err(ParseError::AmbiguousCommand(word)),
        };
    }
    result
}

/// The names and aliases that begin with `prefix`, in any case, in the order of [`COMMANDS`]: what a Tab offers.
pub fn completions(prefix: &str) -> impl Iterator<Item = &'static str> {
    names_beginning(prefix).map(|(name, _)| name)
}

/// Writes a line for each command: its usage and what it does.
///
/// # Errors
///
/// Only those of `out`.
pub fn write_help(out: &mut impl fmt::Write) -> fmt::Result {
    for command in COMMANDS {
        writeln!(out, "{}", HelpLine(command))?;
    }
    writeln!(out, "Names may be shortened: vol 50")
}

/// Writes the usage, the aliases and an example of one command.
///
/// # Errors
///
/// Only those of `out`.
pub fn write_help_on(out: &mut impl fmt::Write, command: &CommandInfo) -> fmt::Result {
    writeln!(out, "{}", HelpLine(command))?;
    for alias in command.aliases {
        writeln!(out, "also: {alias}")?;
    }
    writeln!(out, "for example: {}", command.example)
}

/// Columns of the first column of help: the longest name and synopsis.
const USAGE_COLUMNS: usize = "play N [at M:SS] | N-N | all".len();

struct HelpLine<'a>(&'a CommandInfo);

impl fmt::Display for HelpLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CommandInfo { name, synopsis, help, .. } = self.0;
        let synopsis_columns = USAGE_COLUMNS.saturating_sub(name.len() + 1);
        write!(f, "{name} {synopsis:synopsis_columns$}  {help}")
    }
}

fn names() -> impl Iterator<Item = (&'static str, &'static CommandInfo)> {
    COMMANDS.iter().flat_map(|command| {
        let aliases = command.aliases.iter().copied();
        core::iter::once(command.name).chain(aliases).map(move |name| (name, command))
    })
}

fn names_beginning(prefix: &str) -> impl Iterator<Item = (&'static str, &'static CommandInfo)> {
    names().filter(move |(name, _)| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)))
}
