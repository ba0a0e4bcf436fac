//! The text commands, for keyboards and serial consoles alike.
//!
//! A line is a command name and its arguments, separated by spaces, in any case: `play 3 at 1:30`. A name may be
//! shortened if no other begins in the same way: `pl 3`. A number alone plays that song. Words to search for are the rest of
//! the line: `play so what`. In quotes they are words even if they read like a number or a keyword: `play "99"`.
//!
//! One table, [`COMMANDS`], holds the names, the synopsis, the help text and the parser of each command, so that help,
//! completion and parser cannot disagree.
//!
//! ```
//! use trill_player::command::{Command, Selection, parse};
//! use trill_proto::ids::SongId;
//!
//! let song = Selection::Song { song: SongId(3), at: core::time::Duration::ZERO };
//! assert_eq!(parse("PL 3"), Ok(Some(Command::Play(song))));
//! assert_eq!(parse("play So What "), Ok(Some(Command::Play(Selection::Best("So What")))));
//! assert_eq!(parse("  "), Ok(None));
//! assert_eq!(parse("play 0").unwrap_err().to_string(), "there is no song 0: song numbers start at 1");
//! ```

mod error;
mod parse;
mod setting;
mod table;
#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;

use trill_proto::ids::SongId;

pub use error::ParseError;
pub use parse::parse;
pub use setting::{GainMode, Repeat, Setting, Shuffle};
pub use table::{COMMANDS, CommandInfo, completions, find, help_lines, is_name, write_help, write_help_on};

/// Latest position a command can name: about 49 days, the most that 32 bits of milliseconds hold.
pub const MAX_POSITION: Duration = Duration::from_millis(u32::MAX as u64);

/// Full volume, in percent.
pub const MAX_VOLUME: u8 = 100;

/// A parsed line. It borrows the words to search for from the line. `Display` writes it as a line that parses to the same
/// command, except for the selections that have no text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Show the songs that match these words; all songs if there are none.
    List(&'a str),
    /// Show the albums that match these words, or all.
    Albums(&'a str),
    /// Show the artists that match these words, or all.
    Artists(&'a str),
    /// Show the details of one song; with `None` of the song that plays.
    Info(Option<SongId>),
    /// Play at once, in place of the queue.
    Play(Selection<'a>),
    /// Play after everything else in the queue.
    Add(Selection<'a>),
    /// Play after the present song; with `None` skip to the following song.
    Next(Option<Selection<'a>>),
    /// Go back to the song before this one.
    Previous,
    /// Show the queue.
    Queue,
    /// Go to the song at this place of the queue, as [`Command::Queue`] shows it, from 1.
    Jump(u32),
    /// Take the songs at these places out of the queue, both included; `1 <= first <= last`.
    Remove {
        /// The first place, as [`Command::Queue`] shows it.
        first: u32,
        /// The last place.
        last: u32,
    },
    /// Take everything that follows the present song out of the queue.
    Clear,
    /// Set the order of the queue; with `None` show it.
    Shuffle(Option<Shuffle>),
    /// Set what is repeated; with `None` show it.
    Repeat(Option<Repeat>),
    /// Stop the song and its transmission.
    Stop,
    /// Stop after the present song; the second time, go on after all.
    StopAfter,
    /// Pause the song and keep its position.
    Pause,
    /// Continue after [`Command::Pause`].
    Resume,
    /// Go to another place in the song.
    Seek(Seek),
    /// Set the volume; with `None` show it.
    Volume(Option<Volume>),
    /// Set which gain evens out the loudness; with `None` show it.
    Gain(Option<GainMode>),
    /// Set when the music ends; with `None` show how long is left.
    Sleep(Option<Sleep>),
    /// Show the state of the player.
    Status,
    /// Show the library on a full screen.
    Browse,
    /// Explain one command; with `None` all of them.
    Help(Option<&'static CommandInfo>),
    /// End the program.
    Quit,
}

/// Songs to play or to queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    /// One song, from the position `at`, in whole milliseconds up to [`MAX_POSITION`].
    Song {
        /// Which song.
        song: SongId,
        /// Where to begin; zero for its beginning.
        at: Duration,
    },
    /// The songs from `first` to `last`, both included; `first <= last`.
    Range {
        /// Number of the first song.
        first: SongId,
        /// Number of the last song.
        last: SongId,
    },
    /// Every song of the server.
    All,
    /// The song that matches these words best.
    Best(&'a str),
    /// The songs of the album that matches these words best, in order.
    Album(&'a str),
    /// The songs of the artist that matches these words best, in order.
    Artist(&'a str),
    /// The album of a song. It has no text form.
    AlbumOf {
        /// A song of the album.
        album: SongId,
        /// The song of the album to begin with; `None` for its first.
        from: Option<SongId>,
    },
    /// The songs by the artist of a song. They have no text form.
    ArtistOf {
        /// A song by the artist.
        artist: SongId,
        /// The song to begin with; `None` for the first.
        from: Option<SongId>,
    },
}

impl<'a> Selection<'a> {
    /// The words to search for, if it has any.
    pub(crate) const fn words(&self) -> Option<&'a str> {
        match self {
            Self::Best(words) | Self::Album(words) | Self::Artist(words) => Some(words),
            _ => None,
        }
    }

    /// The same songs from the first on.
    pub(crate) const fn whole(self) -> Self {
        match self {
            Self::Song { song, .. } => Self::Song { song, at: Duration::ZERO },
            Self::AlbumOf { album, .. } => Self::AlbumOf { album, from: None },
            Self::ArtistOf { artist, .. } => Self::ArtistOf { artist, from: None },
            other => other,
        }
    }
}

/// When [`Command::Sleep`] ends the music.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// It does not.
    Off,
    /// After this time: whole seconds, more than zero, up to [`MAX_POSITION`].
    After(Duration),
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

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(words) => WithArgument("list", Words::some(words)).fmt(f),
            Self::Albums(words) => WithArgument("albums", Words::some(words)).fmt(f),
            Self::Artists(words) => WithArgument("artists", Words::some(words)).fmt(f),
            Self::Info(song) => WithArgument("info", *song).fmt(f),
            Self::Play(selection) => write!(f, "play {selection}"),
            Self::Add(selection) => write!(f, "add {selection}"),
            Self::Next(selection) => WithArgument("next", *selection).fmt(f),
            Self::Previous => f.write_str("previous"),
            Self::Queue => f.write_str("queue"),
            Self::Jump(place) => write!(f, "jump {place}"),
            Self::Remove { first, last } if first == last => write!(f, "remove {first}"),
            Self::Remove { first, last } => write!(f, "remove {first}-{last}"),
            Self::Clear => f.write_str("clear"),
            Self::Shuffle(shuffle) => WithArgument("shuffle", *shuffle).fmt(f),
            Self::Repeat(repeat) => WithArgument("repeat", *repeat).fmt(f),
            Self::Stop => f.write_str("stop"),
            Self::StopAfter => f.write_str("stop after"),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Seek(seek) => write!(f, "seek {seek}"),
            Self::Volume(volume) => WithArgument("volume", *volume).fmt(f),
            Self::Gain(gain) => WithArgument("gain", *gain).fmt(f),
            Self::Sleep(sleep) => WithArgument("sleep", *sleep).fmt(f),
            Self::Status => f.write_str("status"),
            Self::Browse => f.write_str("browse"),
            Self::Help(command) => WithArgument("help", command.map(|command| command.name)).fmt(f),
            Self::Quit => f.write_str("quit"),
        }
    }
}

/// A command's name, and its argument if it has one.
struct WithArgument<T>(&'static str, Option<T>);

impl<T: fmt::Display> fmt::Display for WithArgument<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(name, None) => f.write_str(name),
            Self(name, Some(argument)) => write!(f, "{name} {argument}"),
        }
    }
}

impl fmt::Display for Selection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Song { song, at: Duration::ZERO } => write!(f, "{song}"),
            Self::Song { song, at } => write!(f, "{song} at {}", Clock(*at)),
            Self::Range { first, last } => write!(f, "{first}-{last}"),
            Self::All => f.write_str("all"),
            Self::Best(words) => Words(words).fmt(f),
            Self::Album(words) => write!(f, "album {}", Words(words)),
            Self::Artist(words) => write!(f, "artist {}", Words(words)),
            Self::AlbumOf { album, .. } => write!(f, "the album of song {album}"),
            Self::ArtistOf { artist, .. } => write!(f, "the songs by the artist of song {artist}"),
        }
    }
}

/// Words to search for, in quotes: they may read like a number or a keyword.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn some(words: &'a str) -> Option<Self> {
        (!words.is_empty()).then_some(Self(words))
    }
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The parser leaves words as they are if they hold a quote.
        if self.0.contains('"') { f.write_str(self.0) } else { write!(f, "\"{}\"", self.0) }
    }
}

impl fmt::Display for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::After(time) => {
                let seconds = time.as_secs();
                match (seconds % 60, seconds % 3_600) {
                    (_, 0) => write!(f, "{}h", seconds / 3_600),
                    (0, _) => write!(f, "{}m", seconds / 60),
                    _ => write!(f, "{seconds}s"),
                }
            }
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
