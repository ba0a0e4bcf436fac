//! The text commands, for keyboards and serial consoles alike.
//!
//! A line is a command name and its arguments, separated by spaces, in any case: `play 3 at 1:30`. A name may be
//! shortened if no other begins in the same way: `pl 3`. One table, [`COMMANDS`], holds the names, the synopsis, the help
//! text and the parser of each command, so that help, completion and parser cannot disagree.
//!
//! ```
//! use trill_player::command::{Command, Play, parse};
//! use trill_proto::ids::SongId;
//!
//! assert_eq!(parse("PL 3"), Ok(Some(Command::Play(Play::Song { song: SongId(3), at: core::time::Duration::ZERO }))));
//! assert_eq!(parse("  "), Ok(None));
//! assert_eq!(parse("play 0").unwrap_err().to_string(), "there is no song 0: song numbers start at 1");
//! ```

mod error;
mod parse;
mod table;
#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;

use trill_proto::ids::SongId;

pub use error::ParseError;
pub use parse::parse;
pub use table::{COMMANDS, CommandInfo, completions, find, write_help, write_help_on};

/// Latest position a command can name: about 49 days, the most that 32 bits of milliseconds hold.
pub const MAX_POSITION: Duration = Duration::from_millis(u32::MAX as u64);

/// Full volume, in percent.
pub const MAX_VOLUME: u8 = 100;

/// A parsed line. `Display` writes it as a line that parses to the same command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show the songs.
    List,
    /// Show the details of one song.
    Info(SongId),
    /// Play at once, in place of the present song.
    Play(Play),
    /// Stop the song and its transmission.
    Stop,
    /// Pause the song and keep its position.
    Pause,
    /// Continue after [`Command::Pause`].
    Resume,
    /// Skip to the song after this one.
    Next,
    /// Go back to the song before this one.
    Previous,
    /// Go to another place in the song.
    Seek(Seek),
    /// Set the volume; with `None` show it.
    Volume(Option<Volume>),
    /// Show the state of the player.
    Status,
    /// Explain one command; with `None` all of them.
    Help(Option<&'static CommandInfo>),
    /// End the program.
    Quit,
}

/// What [`Command::Play`] plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// One song, from the position `at`, in whole milliseconds up to [`MAX_POSITION`].
    Song {
        /// Which song.
        song: SongId,
        /// Where to begin; zero for its beginning.
        at: Duration,
    },
    /// The songs from `first` to `last`, both included, in the order of their numbers; `first <= last`.
    Range {
        /// Number of the first song.
        first: SongId,
        /// Number of the last song.
        last: SongId,
    },
    /// Every song of the server.
    All,
}

/// Where [`Command::Seek`] goes; in whole milliseconds up to [`MAX_POSITION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// To this position in the song.
    To(Duration),
    /// Towards the end by this much.
    Forward(Duration),
    /// Towards the beginning by this much.
    Back(Duration),
}

impl Seek {
    /// The position to go to from `position_ms`, in milliseconds: never before the beginning, possibly after the end.
    #[must_use]
    pub fn from_ms(self, position_ms: u64) -> u64 {
        match self {
            Self::To(target) => millis(target),
            Self::Forward(distance) => position_ms.saturating_add(millis(distance)),
            Self::Back(distance) => position_ms.saturating_sub(millis(distance)),
        }
    }
}

/// This time in milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000).saturating_add(span.subsec_millis().into())
}

/// What [`Command::Volume`] does, in percent, 0 to [`MAX_VOLUME`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// Set it to this.
    To(u8),
    /// Raise it by this much.
    Up(u8),
    /// Lower it by this much.
    Down(u8),
}

impl Volume {
    /// The volume that follows from `percent`: 0 to [`MAX_VOLUME`].
    #[must_use]
    pub fn from(self, percent: u8) -> u8 {
        let wanted = match self {
            Self::To(level) => level,
            Self::Up(step) => percent.saturating_add(step),
            Self::Down(step) => percent.saturating_sub(step),
        };
        wanted.min(MAX_VOLUME)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::Info(song) => write!(f, "info {song}"),
            Self::Play(play) => write!(f, "play {play}"),
            Self::Stop => f.write_str("stop"),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Next => f.write_str("next"),
            Self::Previous => f.write_str("previous"),
            Self::Seek(seek) => write!(f, "seek {seek}"),
            Self::Volume(None) => f.write_str("volume"),
            Self::Volume(Some(volume)) => write!(f, "volume {volume}"),
            Self::Status => f.write_str("status"),
            Self::Help(None) => f.write_str("help"),
            Self::Help(Some(command)) => write!(f, "help {}", command.name),
            Self::Quit => f.write_str("quit"),
        }
    }
}

impl fmt::Display for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Song { song, at: Duration::ZERO } => write!(f, "{song}"),
            Self::Song { song, at } => write!(f, "{song} at {}", Clock(*at)),
            Self::Range { first, last } => write!(f, "{first}-{last}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl fmt::Display for Seek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(position) => write!(f, "{}", Clock(*position)),
            Self::Forward(distance) => write!(f, "+{}", Clock(*distance)),
            Self::Back(distance) => write!(f, "-{}", Clock(*distance)),
        }
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(percent) => write!(f, "{percent}"),
            Self::Up(percent) => write!(f, "+{percent}"),
            Self::Down(percent) => write!(f, "-{percent}"),
        }
    }
}

/// Shows a time as the commands read it: `1:30`, `1:02:03`; with `.250` when it is not whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock(pub Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if hours > 0 {
            write!(f, "{hours}:{minutes:02}:{seconds:02}")?;
        } else {
            write!(f, "{minutes}:{seconds:02}")?;
        }
        match self.0.subsec_millis() {
            0 => Ok(()),
            millis => write!(f, ".{millis:03}"),
        }
    }
}
