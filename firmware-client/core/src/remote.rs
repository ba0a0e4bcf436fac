//! The handle by which a board controls its player.

use core::time::Duration;

use trill_player::command::{GainMode, Repeat, Seek, Selection, Shuffle, Volume};
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
    /// The song that follows by itself, if it was found.
    pub following: Option<SongId>,
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
    /// The position in the queue of the song heard, from 1; 0 if it has none.
    pub place: u32,
    /// How many songs the queue has.
    pub songs: u32,
    /// The order of the queue.
    pub shuffle: Shuffle,
    /// What is repeated.
    pub repeat: Repeat,
    /// Whether the music stops after this song.
    pub stops_after: bool,
    /// What evens out the loudness of songs.
    pub gain: GainMode,
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

    /// Plays songs after everything else in the queue.
    ///
    /// # Errors
    /// [`NotPossible::QueueFull`] or [`NotPossible::TooManyQuestions`].
    pub fn add(&self, selection: Selection<'_>) -> Result<(), NotPossible> {
        self.with(|_, state| state.player.add(selection))
    }

    /// Plays songs after this one. Then the queue goes on.
    ///
    /// # Errors
    /// [`NotPossible::QueueFull`] or [`NotPossible::TooManyQuestions`].
    pub fn play_next(&self, selection: Selection<'_>) -> Result<(), NotPossible> {
        self.with(|_, state| state.player.play_next(selection))
    }

    /// Goes to the song at this position of the queue, counted from 1.
    ///
    /// # Errors
    /// [`NotPossible::NoSuchPlace`].
    pub fn jump(&self, position: u32) -> Result<(), NotPossible> {
        self.with(|now, state| state.player.jump(now, position))
    }

    /// Takes the songs at these positions out of the queue, both included, counted from 1.
    ///
    /// # Errors
    /// [`NotPossible::NoSuchPlace`] or [`NotPossible::QueueFull`].
    pub fn remove(&self, first: u32, last: u32) -> Result<(), NotPossible> {
        self.with(|now, state| state.player.remove(now, first, last))
    }

    /// Takes everything that follows this song out of the queue.
    pub fn clear(&self) {
        self.with(|_, state| state.player.clear());
    }

    /// Sets the order of the queue.
    pub fn set_shuffle(&self, shuffle: Shuffle) {
        self.with(|_, state| state.player.set_shuffle(shuffle));
    }

    /// Sets what is repeated.
    pub fn set_repeat(&self, repeat: Repeat) {
        self.with(|_, state| state.player.set_repeat(repeat));
    }

    /// Sets whether the music stops after this song. The queue is kept.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`].
    pub fn set_stop_after(&self, stops_after: bool) -> Result<(), NotPossible> {
        self.with(|_, state| state.player.set_stop_after(stops_after))
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

    /// Sets what evens out the loudness of songs.
    pub fn set_gain(&self, gain: GainMode) {
        self.with(|_, state| state.player.set_gain(gain));
    }

    /// Ends the music after this time, faded in its last ten seconds; with `None` it does not end.
    pub fn sleep(&self, after: Option<Duration>) {
        self.with(|now, state| state.player.sleep(now, after));
    }

    /// How long until the music ends, if [`sleep`](Self::sleep) was called.
    #[must_use]
    pub fn sleep_left(&self) -> Option<Duration> {
        self.with(|now, state| state.player.sleep_left(now))
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

    /// Asks for the particulars of a song, or of the one that commands act on.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`] or [`NotPossible::TooManyQuestions`].
    pub(crate) fn info(&self, song: Option<SongId>) -> Result<(), NotPossible> {
        self.with(|_, state| {
            let song = song.or_else(|| state.player.target().map(|item| item.song));
            state.player.ask(Question::Info(song.ok_or(NotPossible::NothingPlays)?))
        })
    }

    fn step(&self, direction: Direction) -> Result<(), NotPossible> {
        self.with(|now, state| state.player.step(now, direction))
    }

    fn with<T>(&self, work: impl FnOnce(Instant, &mut State<'static>) -> T) -> T {
        let now = self.clock.now();
        self.shared.with(|state| work(now, state))
    }
}
