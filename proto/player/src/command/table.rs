//! The table of commands, and what follows from it alone: names, completion, help.

use core::fmt;

use super::parse::{Arguments, parse_place, parse_places, parse_seek, parse_sleep, parse_song, parse_volume};
use super::{Command, GainMode, ParseError, Repeat, Setting, Shuffle};

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
    pub(super) parse: for<'a> fn(&mut Arguments<'a>) -> Result<Command<'a>, ParseError<'a>>,
}

impl CommandInfo {
    /// The keywords among its arguments, in lower case: what a Tab offers after its name.
    pub fn keywords(&self) -> impl Iterator<Item = &'static str> {
        let arguments = if self.takes_selection() { SELECTIONS } else { self.synopsis };
        let is_keyword = |word: &&str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
        words(arguments).filter(is_keyword).filter(|word| !matches!(*word, "at" | "or"))
    }

    /// Whether its arguments are words to search for, or may be.
    pub fn takes_words(&self) -> bool {
        self.takes_selection() || words(self.synopsis).any(|word| word == "WORDS")
    }

    fn takes_selection(&self) -> bool {
        words(self.synopsis).any(|word| word == "WHAT")
    }
}

impl PartialEq for CommandInfo {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CommandInfo {}

// Not `str::contains`, whose search takes a board 1 KB.
fn words(arguments: &'static str) -> impl Iterator<Item = &'static str> {
    arguments.split(|char: char| !char.is_ascii_alphanumeric())
}

/// What `WHAT` stands for in a synopsis.
const SELECTIONS: &str = "N, N-N, N at M:SS, all, WORDS, album WORDS or artist WORDS";

/// Every command, in the order in which help lists them.
pub static COMMANDS: &[CommandInfo] = &[
    CommandInfo {
        name: "list",
        aliases: &["find"],
        synopsis: "[WORDS]",
        help: "show the songs, or those that match",
        example: "list miles davis",
        parse: |arguments| arguments.words().map(Command::List),
    },
    CommandInfo {
        name: "albums",
        aliases: &[],
        synopsis: "[WORDS]",
        help: "show the albums",
        example: "albums miles davis",
        parse: |arguments| arguments.words().map(Command::Albums),
    },
    CommandInfo {
        name: "artists",
        aliases: &[],
        synopsis: "[WORDS]",
        help: "show the artists",
        example: "artists davis",
        parse: |arguments| arguments.words().map(Command::Artists),
    },
    CommandInfo {
        name: "info",
        aliases: &[],
        synopsis: "[N]",
        help: "show the details of a song",
        example: "info 3",
        parse: |arguments| Ok(Command::Info(arguments.next().map(parse_song).transpose()?)),
    },
    CommandInfo {
        name: "play",
        aliases: &[],
        synopsis: "WHAT",
        help: "play at once, in place of the queue",
        example: "play album kind of blue",
        parse: |arguments| arguments.required_selection().map(Command::Play),
    },
    CommandInfo {
        name: "add",
        aliases: &[],
        synopsis: "WHAT",
        help: "play at the end of the queue",
        example: "add 3-7",
        parse: |arguments| arguments.required_selection().map(Command::Add),
    },
    CommandInfo {
        name: "next",
        aliases: &[],
        synopsis: "[WHAT]",
        help: "skip this song; play WHAT after it",
        example: "next so what",
        parse: |arguments| arguments.selection().map(Command::Next),
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
        name: "queue",
        aliases: &[],
        synopsis: "",
        help: "show the queue",
        example: "queue",
        parse: |_| Ok(Command::Queue),
    },
    CommandInfo {
        name: "jump",
        aliases: &[],
        synopsis: "N",
        help: "go to a place in the queue",
        example: "jump 3",
        parse: |arguments| Ok(Command::Jump(parse_place(arguments.required()?)?)),
    },
    CommandInfo {
        name: "remove",
        aliases: &[],
        synopsis: "N | N-N",
        help: "take songs out of the queue",
        example: "remove 2-4",
        parse: |arguments| {
            let (first, last) = parse_places(arguments.required()?)?;
            Ok(Command::Remove { first, last })
        },
    },
    CommandInfo {
        name: "clear",
        aliases: &[],
        synopsis: "",
        help: "take out all that follows this song",
        example: "clear",
        parse: |_| Ok(Command::Clear),
    },
    CommandInfo {
        name: "shuffle",
        aliases: &[],
        synopsis: "[on | album | off]",
        help: "play songs or albums in random order",
        example: "shuffle on",
        parse: |arguments| arguments.keyword(Shuffle::KEYWORDS).map(Command::Shuffle),
    },
    CommandInfo {
        name: "repeat",
        aliases: &[],
        synopsis: "[off | all | one]",
        help: "play the queue or this song again",
        example: "repeat all",
        parse: |arguments| arguments.keyword(Repeat::KEYWORDS).map(Command::Repeat),
    },
    CommandInfo {
        name: "stop",
        aliases: &[],
        synopsis: "[after]",
        help: "stop now, or after this song",
        example: "stop after",
        parse: |arguments| {
            let after = arguments.keyword(&[("after", Command::StopAfter)])?;
            Ok(after.unwrap_or(Command::Stop))
        },
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
        name: "gain",
        aliases: &[],
        synopsis: "[off | track | album | auto]",
        help: "even out the loudness",
        example: "gain auto",
        parse: |arguments| arguments.keyword(GainMode::KEYWORDS).map(Command::Gain),
    },
    CommandInfo {
        name: "sleep",
        aliases: &[],
        synopsis: "[30m | 1h | 90s | off]",
        help: "fade out and stop after a time",
        example: "sleep 30m",
        parse: |arguments| Ok(Command::Sleep(arguments.next().map(parse_sleep).transpose()?)),
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
        name: "browse",
        aliases: &[],
        synopsis: "",
        help: "show the library on the full screen",
        example: "browse",
        parse: |_| Ok(Command::Browse),
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
        aliases: &["exit", "q"],
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

/// Whether `word` is the whole name or alias of a command, in any case.
pub fn is_name(word: &str) -> bool {
    names().any(|(name, _)| name.eq_ignore_ascii_case(word))
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
    help_lines().try_for_each(|line| writeln!(out, "{line}"))
}

/// The lines of [`write_help`], for a screen that has no room for all of them at once.
pub fn help_lines() -> impl Iterator<Item = impl fmt::Display> {
    let lines = COMMANDS.iter().map(HelpLine::Command);
    lines.chain([HelpLine::Selections, HelpLine::Names])
}

/// Writes the usage, the aliases and an example of one command.
///
/// # Errors
///
/// Only those of `out`.
pub fn write_help_on(out: &mut impl fmt::Write, command: &'static CommandInfo) -> fmt::Result {
    writeln!(out, "{}", HelpLine::Command(command))?;
    if command.takes_selection() {
        writeln!(out, "WHAT is {SELECTIONS}.")?;
    }
    for alias in command.aliases {
        writeln!(out, "also: {alias}")?;
    }
    writeln!(out, "for example: {}", command.example)
}

/// Columns of the first column of help: the longest name and synopsis.
const USAGE_COLUMNS: usize = "gain [off | track | album | auto]".len();

enum HelpLine {
    Command(&'static CommandInfo),
    Selections,
    Names,
}

impl fmt::Display for HelpLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(CommandInfo { name, synopsis, help, .. }) => {
                let synopsis_columns = USAGE_COLUMNS.saturating_sub(name.len() + 1);
                write!(f, "{name} {synopsis:synopsis_columns$}  {help}")
            }
            Self::Selections => write!(f, "WHAT is {SELECTIONS}."),
            Self::Names => f.write_str("Names may be shortened: vol 50. A number alone plays that song."),
        }
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
