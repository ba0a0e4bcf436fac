//! LISTs and INFOs that wait for an answer, and what an answer must be.

use crate::error::SessionError;
use crate::ids::{RequestId, SongId};
use crate::limits::{HEADER_BYTES, MAX_LIST_PAGE_BYTES};
use crate::message::{List, ListEnd, MessageType, Song};
use crate::session::OutboxFull;
use heapless::Vec;

/// LISTs and INFOs that may wait for an answer at once.
pub const MAX_REQUESTS: usize = 4;

/// What was asked.
#[derive(Debug)]
enum Question {
    Info(SongId),
    List(Page),
}

/// A page of a list, as far as it has come.
#[derive(Debug)]
struct Page {
    first: SongId,
    order: Order,
    /// The last song that has come.
    last: Option<SongId>,
    songs_left: u32,
    bytes_left: u32,
}

/// The order of the songs of a list.
#[derive(Debug)]
enum Order {
    ById,
    /// Library order, in which each song has the rank after the one before it.
    ByRank {
        /// The rank of the next song; `None` if it may be any.
        next: Option<u32>,
    },
    /// The page is the only one, and has one song.
    Best,
}

impl Page {
    fn new(list: &List<'_>) -> Self {
        let (order, songs_left) = match list.search {
            None => (Order::ById, list.at_most),
            Some(search) if search.is_best => (Order::Best, list.at_most.min(1)),
            Some(search) => (Order::ByRank { next: (list.first.0 == 0).then_some(search.rank) }, list.at_most),
        };
        Self { first: list.first, order, last: None, songs_left, bytes_left: MAX_LIST_PAGE_BYTES }
    }

    /// Takes a SONG with a payload of this length.
    fn on_song(&mut self, song: &Song<'_>, payload_bytes: usize) -> Result<(), SessionError> {
        let bytes = (HEADER_BYTES + payload_bytes) as u32;
        let (Some(songs), Some(bytes)) = (self.songs_left.checked_sub(1), self.bytes_left.checked_sub(bytes)) else {
            return Err(SessionError::Unexpected(MessageType::Song));
        };
        let is_in_order = match &mut self.order {
            Order::ById => song.song >= self.first && self.last.is_none_or(|last| song.song > last),
            Order::ByRank { next } => {
                let is_next = song.rank.is_some() && next.is_none_or(|next| song.rank == Some(next));
                *next = song.rank.and_then(|rank| rank.checked_add(1));
                is_next && next.is_some()
            }
            Order::Best => song.rank.is_some(),
        };
        if !is_in_order || song.song.0 == 0 {
            return Err(SessionError::Malformed(MessageType::Song));
        }
        (self.last, self.songs_left, self.bytes_left) = (Some(song.song), songs, bytes);
        Ok(())
    }

    /// Whether the list may go on with `next`. A list whose pages bring no songs, or do not advance, would never end.
    fn may_go_on_with(&self, next: SongId) -> bool {
        match (&self.order, self.last) {
            (Order::Best, _) => false,
            (Order::ById, Some(last)) => next > last,
            (Order::ById, None) => self.songs_left == 0 && next >= self.first,
            (Order::ByRank { .. }, Some(last)) => next != self.first && next != last,
            (Order::ByRank { .. }, None) => self.songs_left == 0,
        }
    }
}

/// The requests without an answer, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: Vec<(RequestId, Question), MAX_REQUESTS>,
}

impl Requests {
    pub(super) fn is_full(&self) -> bool {
        self.waiting.is_full()
    }

    /// The request that has waited longest.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.waiting.first().map(|(request, _)| request.0)
    }

    pub(super) fn push_info(&mut self, request: RequestId, song: SongId) -> Result<(), OutboxFull> {
        self.waiting.push((request, Question::Info(song))).map_err(|_| OutboxFull)
    }

    pub(super) fn push_list(&mut self, list: &List<'_>) -> Result<(), OutboxFull> {
        self.waiting.push((list.request, Question::List(Page::new(list)))).map_err(|_| OutboxFull)
    }

    /// Takes a SONG with a payload of this length: the whole answer to an INFO, or a part of the answer to a LIST.
    pub(super) fn on_song(&mut self, song: &Song<'_>, payload_bytes: usize) -> Result<(), SessionError> {
        const UNEXPECTED: SessionError = SessionError::Unexpected(MessageType::Song);
        let place = self.place(song.request.0).ok_or(UNEXPECTED)?;
        let Some((_, question)) = self.waiting.get_mut(place) else { return Err(UNEXPECTED) };
        match question {
            Question::Info(asked) if *asked != song.song => Err(SessionError::Malformed(MessageType::Song)),
            Question::Info(_) => {
                self.waiting.remove(place);
                Ok(())
            }
            Question::List(page) => page.on_song(song, payload_bytes),
        }
    }

    /// Takes a LIST-END.
    pub(super) fn on_list_end(&mut self, end: &ListEnd) -> Result<(), SessionError> {
        const UNEXPECTED: SessionError = SessionError::Unexpected(MessageType::ListEnd);
        let place = self.place(end.request.0).ok_or(UNEXPECTED)?;
        let (_, Question::List(page)) = self.waiting.remove(place) else { return Err(UNEXPECTED) };
        let is_good = end.next.is_none_or(|next| page.may_go_on_with(next));
        if is_good { Ok(()) } else { Err(SessionError::Malformed(MessageType::ListEnd)) }
    }

    /// Takes an ERROR about a request.
    pub(super) fn on_error(&mut self, id: u32) {
        if let Some(place) = self.place(id) {
            self.waiting.remove(place);
        }
    }

    /// Whether this is the id of a request that waits for its answer.
    pub(super) fn is_waiting(&self, id: u32) -> bool {
        self.place(id).is_some()
    }

    fn place(&self, id: u32) -> Option<usize> {
        self.waiting.iter().position(|(request, _)| request.0 == id)
    }
}
