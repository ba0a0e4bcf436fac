//! What the user wants to hear.

use trill_proto::ids::SongId;
use trill_proto::playlist::Playlist;
use trill_proto::time::Instant;

/// Names one wish, on whatever connection it is fulfilled. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u32);

/// How a song comes after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// In its place, at once.
    Switch,
    /// After its last sample, without a gap.
    Follow,
}

/// A song to be heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) ticket: Ticket,
    pub(crate) song: SongId,
    /// The songs to which it belongs.
    pub(crate) playlist: Playlist,
    pub(crate) at_ms: u64,
    /// The content tag that the song must have, 0 for any: to seek is to hear more of the same.
    pub(crate) content_tag: u64,
    pub(crate) join: Join,
    /// A pause goes on when it begins.
    pub(crate) keeps_pause: bool,
    /// It need not be said that it is playing.
    pub(crate) is_announced: bool,
    /// When the user asked for it, until its first sample went out.
    pub(crate) asked: Option<Instant>,
}

impl Wish {
    /// A song from its beginning, in place of all there is.
    pub(crate) const fn new(ticket: Ticket, song: SongId, playlist: Playlist) -> Self {
        Self {
            ticket,
            song,
            playlist,
            at_ms: 0,
            content_tag: 0,
            join: Join::Switch,
            keeps_pause: false,
            is_announced: false,
            asked: None,
        }
    }
}
