//! The handle by which a board controls its player.

use trill_player::command::{Seek, Selection, Volume};
use trill_player::{Direction, NotPossible, Question};
use trill_proto::ids::SongId;
use trill_proto::time::Instant;

use crate::ServerAddress;
use crate::board::Clock;
use crate::shared::Shared;
use crate::state::State;

/// Controls the player: for buttons, a touch screen, an infrared receiver, the console.
///
/// It is as cheap to copy as the clock and a pointer. It stays on the executor that runs the [`Runner`](crate::Runner). Every
/// call returns at once; what needs the server happens as soon as the runner has a connection.
#[derive(Clone, Copy)]
pub struct Remote<C> {
    pub(crate) shared: &'static Shared,
    pub(crate) clock: C,
}

/// What the player does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether there is a connection to the server.
    pub is_connected: bool,
    /// What is heard.
    pub now_playing: NowPlaying,
    /// Compressed music in the buffer, in bytes.
    pub buffered_bytes: usize,
    /// The size of the buffer, in bytes.
    pub capacity_bytes: usize,
    /// The volume in percent.
    pub volume_percent: u8,
    /// How often the sound broke off because frames came too late.
    pub underruns: u32,
    /// Milliseconds from the last `play` to its first sample.
    pub first_sample_ms: u32,
}

/// What is heard, or about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NowPlaying {
    /// Nothing.
    Nothing,
    /// Nothing yet: the server was asked for this song.
    Requested(SongId),
    /// A song is searched for.
    Searching,
    /// This song.
    Song {
        /// Its number.
        song: SongId,
        /// Whether it sounds.
        state: SongState,
        /// Milliseconds from its beginning.
        position_ms: u64,
        /// Its length in milliseconds.
        length_ms: u64,
    },
}

/// Whether a song sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SongState {
    /// It sounds.
    Playing,
    /// It waits for [`Remote::resume`].
    Paused,
    /// It waits for more music from the server.
    Buffering,
}

impl<C: Clock> Remote<C> {
    /// Plays a song, some songs or all songs. The song before sounds until the first of them arrives.
    pub fn play(&self, selection: Selection<'_>) {
        self.with(|now, state| state.player.play(now, selection));
    }

    /// Ends the music and its transmission.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`]
    pub fn stop(&self) -> Result<(), NotPossible> {
        self.with(|_, state| state.player.stop())
    }

    /// Falls silent and keeps the place.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`]
    pub fn pause(&self) -> Result<(), NotPossible> {
        self.with(|_, state| state.player.set_paused(true))
    }

    /// Goes on after a [`pause`](Self::pause).
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`]
    pub fn resume(&self) -> Result<(), NotPossible> {
        self.with(|now, state| state.player.resume(now))
    }

    /// Plays the song after this one.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`], or [`NotPossible::Edge`] where this song is known to be the last.
    pub fn next(&self) -> Result<(), NotPossible> {
        self.step(Direction::Next)
    }

    /// Plays the song before this one.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`], or [`NotPossible::Edge`] where this song is known to be the first.
    pub fn previous(&self) -> Result<(), NotPossible> {
        self.step(Direction::Previous)
    }

    /// Goes to another place in the song. Returns the song, if it is known yet, and the place in milliseconds.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`] or [`NotPossible::TooShort`].
    pub fn seek(&self, seek: Seek) -> Result<(Option<SongId>, u64), NotPossible> {
        self.with(|now, state| state.seek(now, seek))
    }

    /// Changes the volume. Returns the new volume in percent.
    pub fn set_volume(&self, volume: Volume) -> u8 {
        self.with(|_, state| state.set_volume(volume))
    }

    /// Connects to another server. What was asked of the server before is dropped.
    pub fn change_server(&self, server: ServerAddress) {
        self.with(|_, state| state.change_server(server));
    }

    /// What the player does now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.with(|_, state| state.status())
    }

    /// Asks the server. The answer goes to the screen.
    ///
    /// # Errors
    /// [`NotPossible::TooManyQuestions`]
    pub(crate) fn ask(&self, question: Question) -> Result<(), NotPossible> {
        self.with(|_, state| state.player.ask(question))
    }

    fn step(&self, direction: Direction) -> Result<(), NotPossible> {
        self.with(|now, state| state.player.step(now, direction))
    }

    fn with<T>(&self, work: impl FnOnce(Instant, &mut State<'static>) -> T) -> T {
        let now = self.clock.now();
        self.shared.with(|state| work(now, state))
    }
}
