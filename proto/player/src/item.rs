//! A song that is wanted.

use trill_proto::ids::SongId;
use trill_proto::time::Instant;

use crate::queue::{Entry, Place};

/// Identifies one request for a song, over all connections. Never reused; the default identifies none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId(pub(crate) u32);

impl ItemId {
    /// Identifies no request.
    pub(crate) const NONE: Self = Self(0);
}

/// How a song comes after the song before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It replaces the song before it, at once.
    Switch,
    /// It begins after the last sample of the song before it, without a gap.
    Follow,
}

/// A song that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct QueueItem {
    /// Its id in the player.
    pub id: ItemId,
    /// Its number on the server.
    pub song: SongId,
    /// Its place in the queue.
    pub place: Place,
    /// When the song starts, the queue begins anew with this entry.
    pub replaces: Option<Entry>,
    /// How many songs of the server precede it, if it was found beside another.
    pub(crate) library_rank: Option<u32>,
    /// Where it begins, in milliseconds.
    pub at_ms: u64,
    /// The content tag that the song must have; 0 for any. A seek stays in the same music.
    pub content_tag: u64,
    /// How it comes after the song before it.
    pub transition: Transition,
    /// A pause lasts when the song begins.
    pub keeps_pause: bool,
    /// The listener knows its title, because it goes on at another position.
    pub is_announced: bool,
    /// When the listener asked for it; `None` if it follows by itself.
    pub asked: Option<Instant>,
}

impl QueueItem {
    /// A song from its beginning, in place of everything else.
    pub const fn new(id: ItemId, song: SongId, place: Place) -> Self {
        Self {
            id,
            song,
            place,
            replaces: None,
            library_rank: None,
            at_ms: 0,
            content_tag: 0,
            transition: Transition::Switch,
            keeps_pause: false,
            is_announced: false,
            asked: None,
        }
    }
}
