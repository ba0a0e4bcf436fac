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
    List {
        first: SongId,
        is_by_id: bool,
        /// The last song that has come.
        last: Option<SongId>,
        songs_left: u32,
        bytes_left: u32,
    },
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
        let List { request, first, at_most: songs_left, search } = *list;
        let (is_by_id, bytes_left) = (search.is_none(), MAX_LIST_PAGE_BYTES);
        let question = Question::List { first, is_by_id, last: None, songs_left, bytes_left };
        self.waiting.push((request, question)).map_err(|_| OutboxFull)
    }

    /// Takes a SONG with a payload of this length: the whole answer to an INFO, or a part of the answer to a LIST.
    pub(super) fn on_song(&mut self, song: &Song<'_>, payload_bytes: usize) -> Result<(), SessionError> {
        const MALFORMED: SessionError = SessionError::Malformed(MessageType::Song);
        const UNEXPECTED: SessionError = SessionError::Unexpected(MessageType::Song);
        let place = self.place(song.request.0).ok_or(UNEXPECTED)?;
        let Some((_, question)) = self.waiting.get_mut(place) else { return Err(UNEXPECTED) };
        match question {
            Question::Info(asked) if *asked != song.song => return Err(MALFORMED),
            Question::Info(_) => drop(self.waiting.remove(place)),
            Question::List { first, is_by_id, last, songs_left, bytes_left } => {
                let bytes = (HEADER_BYTES + payload_bytes) as u32;
                let (Some(songs), Some(bytes)) = (songs_left.checked_sub(1), bytes_left.checked_sub(bytes)) else {
                    return Err(UNEXPECTED);
                };
                if *is_by_id && (song.song < *first || last.is_some_and(|last| song.song <= last)) {
                    return Err(MALFORMED);
                }
                (*last, *songs_left, *bytes_left) = (Some(song.song), songs, bytes);
            }
        }
        Ok(())
    }

    /// Takes a LIST-END. A list whose pages bring no songs, or do not advance, would never end.
    pub(super) fn on_list_end(&mut self, end: &ListEnd) -> Result<(), SessionError> {
        const UNEXPECTED: SessionError = SessionError::Unexpected(MessageType::ListEnd);
        let place = self.place(end.request.0).ok_or(UNEXPECTED)?;
        let (_, Question::List { first, is_by_id, last, songs_left, .. }) = self.waiting.remove(place) else {
            return Err(UNEXPECTED);
        };
        let advances = |next: SongId| match last {
            Some(last) => {
                if is_by_id {
                    next > last
                } else {
                    next != first && next != last
                }
            }
            None => songs_left == 0 && (next >= first || !is_by_id),
        };
        if end.next.is_none_or(advances) { Ok(()) } else { Err(SessionError::Malformed(MessageType::ListEnd)) }
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
