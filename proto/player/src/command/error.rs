//! The errors of the parser. Each message tells the user what to type instead.

use core::fmt::{self, Write};

use super::table::{CommandInfo, completions};
use super::{Clock, MAX_POSITION, MAX_VOLUME};
use trill_proto::limits::MAX_QUERY_BYTES;
use trill_proto::text::is_visible;

/// Why a line is not a command. `Display` gives one line that is safe to show on a terminal, whatever was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError<'a> {
    /// No command begins with this word.
    UnknownCommand(&'a str),
    /// More than one command begins with this word.
    AmbiguousCommand(&'a str),
    /// The command lacks an argument.
    MissingArgument(&'static CommandInfo),
    /// The command takes no such argument here.
    ExtraWord {
        /// The command that does not take it.
        command: &'static CommandInfo,
        /// The first such word.
        word: &'a str,
    },
    /// The word is not a song number.
    NotASongNumber(&'a str),
    /// The text is numbers, but does not select songs.
    NotASelection(&'a str),
    /// Song numbers start at 1.
    SongZero,
    /// The number does not fit a [`SongId`](trill_proto::ids::SongId).
    SongNumberTooLarge(&'a str),
    /// The range ends before it starts.
    ReversedRange {
        /// The number it starts with.
        first: u32,
        /// The smaller number it ends with.
        last: u32,
    },
    /// The words to search for have more than [`MAX_QUERY_BYTES`].
    QueryTooLong,
    /// The word is not a place in the queue.
    NotAPlace(&'a str),
    /// The word is not a time.
    NotATime(&'a str),
    /// The time is beyond [`MAX_POSITION`].
    TimeTooLong(&'a str),
    /// The word is not a number of percent up to [`MAX_VOLUME`].
    NotAVolume(&'a str),
    /// The word is not a length of time with a unit.
    NotATimer(&'a str),
}

impl core::error::Error for ParseError<'_> {}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownCommand(word) => write!(f, "no command {}; help lists them", Quoted(word)),
            Self::AmbiguousCommand(word) => {
                write!(f, "{} could be {}", Quoted(word), Alternatives(word))
            }
            Self::MissingArgument(CommandInfo { name, synopsis, example, .. }) => {
                write!(f, "{name} needs more: {name} {synopsis}, for example: {example}")
            }
            Self::ExtraWord { command: CommandInfo { name, synopsis: "", .. }, .. } => {
                write!(f, "{name} takes no arguments")
            }
            Self::ExtraWord { command: CommandInfo { name, synopsis, .. }, word } => {
                write!(f, "{} is out of place here; the command is: {name} {synopsis}", Quoted(word))
            }
            Self::NotASongNumber(word) => {
                write!(f, "{} is not a song number; list shows them", Quoted(word))
            }
            Self::NotASelection(text) => {
                write!(f, "{} is not a song number; in quotes it is searched for", Quoted(text))
            }
            Self::SongZero => f.write_str("there is no song 0: song numbers start at 1"),
            Self::SongNumberTooLarge(word) => write!(f, "there is no song {}; list shows the numbers", Quoted(word)),
            Self::ReversedRange { first, last } => {
                write!(f, "a range goes from the smaller number to the larger: {last}-{first}")
            }
            Self::QueryTooLong => write!(f, "a search has at most {MAX_QUERY_BYTES} bytes; fewer words are enough"),
            Self::NotAPlace(word) => {
                write!(f, "{} is not a place in the queue; queue shows them", Quoted(word))
            }
            Self::NotATime(word) => {
                write!(f, "{} is not a time; times are 90 (seconds), 1:30 or 1:02:03", Quoted(word))
            }
            Self::TimeTooLong(word) => {
                write!(f, "{} is too long; times go up to {}", Quoted(word), Clock(MAX_POSITION))
            }
            Self::NotAVolume(word) => write!(f, "{} is not a volume; it goes from 0 to {MAX_VOLUME}", Quoted(word)),
            Self::NotATimer(word) => {
                write!(f, "{} is not a length of time; they are 90s, 30m or 1h", Quoted(word))
            }
        }
    }
}

/// The names that a word could be the beginning of: `stop, seek or status`.
struct Alternatives<'a>(&'a str);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = completions(self.0).count();
        for (index, name) in completions(self.0).enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == count => " or ",
                _ => ", ",
            };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

/// Longest word that an error quotes whole, in characters.
const QUOTED_CHARS: usize = 32;

/// Shows what the user typed, in quotes, cut when long, with everything escaped that a terminal might obey or hide.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars().take(QUOTED_CHARS) {
            match char {
                '\'' => f.write_char(char)?,
                _ if !char.is_ascii() && !char.is_whitespace() && is_visible(char) => f.write_char(char)?,
                // Keeps the rest of what can be printed. Not `escape_debug`, which brings 1 KB of tables to a board.
                _ => write!(f, "{}", char.escape_default())?,
            }
        }
        f.write_str(if self.0.chars().nth(QUOTED_CHARS).is_some() { "...\"" } else { "\"" })
    }
}
