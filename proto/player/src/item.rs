//! A song that is wanted.

use trill_proto::ids::SongId;
use trill_proto::time::Instant;

use crate::playlist::Playlist;

/// Names one song that was wanted, on whatever connection it arrives. Never reused; the default names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u32);

impl Ticket {
    /// Names no song.
    pub(crate) const NONE: Self = Self(0);
}

/// How a song comes after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// In its place, at once.
    Switch,
    /// After its last sample, without a gap.
    Follow,
}

/// A song that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct QueueItem {
    /// Its name in the player.
    pub ticket: Ticket,
    /// Its number on the server.
    pub song: SongId,
    /// The songs to which it belongs.
    pub playlist: Playlist,
    /// Where it begins, in milliseconds.
    pub at_ms: u64,
    /// The content tag that the song must have, 0 for any: a seek must stay in the same music.
    pub content_tag: u64,
    /// How it comes after the song before it.
    pub transition: Transition,
    /// A pause goes on when the song begins.
    pub keeps_pause: bool,
    /// The listener knows its title: it goes on from another place.
    pub is_announced: bool,
    /// When the listener asked for it; `None` if it follows by itself.
    pub asked: Option<Instant>,
}

impl QueueItem {
    /// A song from its beginning, in place of everything else.
    pub const fn new(ticket: Ticket, song: SongId, playlist: Playlist) -> Self {
        Self {
            ticket,
            song,
            playlist,
            at_ms: 0,
            content_tag: 0,
            transition: Transition::Switch,
            keeps_pause: false,
            is_announced: false,
            asked: None,
        }
    }
}
