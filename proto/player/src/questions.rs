//! What the listener asks the server: lists, particulars of a song, and the title of the song heard.

use heapless::Deque;
use trill_proto::ids::{RequestId, SongId};
use trill_proto::message::{ListEnd, Song};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::Client;

use crate::item::ItemId;
use crate::pager::{ListRequest, PageEnd, Pager};
use crate::pending::Pending;
use crate::{Event, NotPossible, Refused};

/// The most questions that wait for answers.
pub const MAX_QUESTIONS: usize = 4;

/// A question to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which songs, albums or artists are there?
    List(ListRequest),
    /// What is known about this song?
    Info(SongId),
}

impl Question {
    /// The request that a missing answer leaves refused.
    #[must_use]
    pub const fn refused(&self) -> Refused {
        match self {
            Self::List(_) => Refused::List,
            Self::Info(song) => Refused::Info(*song),
        }
    }
}

/// The questions, in order. Only the first is sent.
#[derive(Debug)]
pub(crate) struct Questions {
    waiting: Deque<Pending<Question>, MAX_QUESTIONS>,
    /// How far the list has come, if the first question is a list that has begun.
    pager: Option<Pager>,
    /// The song that arrived last.
    last: SongId,
    /// How many songs of a list the screen has room for.
    room: u32,
    title: Option<Pending<ItemId>>,
    /// The song whose title was wanted last.
    titled: ItemId,
}

impl Questions {
    pub(crate) const fn new() -> Self {
        Self { waiting: Deque::new(), pager: None, last: SongId(0), room: 0, title: None, titled: ItemId::NONE }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no answer is missing, titles included. `number_of` is as for [`ask`](Self::ask). A title that cannot be requested
    /// does not count, because it may never be.
    pub(crate) fn is_settled(&self, number_of: impl Fn(ItemId) -> Option<SongId>) -> bool {
        let is_due = |title: &Pending<ItemId>| title.request.is_some() || number_of(title.what).is_some();
        self.waiting.is_empty() && !self.title.as_ref().is_some_and(is_due)
    }

    pub(crate) fn first(&self) -> Option<&Question> {
        self.waiting.front().map(|question| &question.what)
    }

    /// Whether the first question was not sent on this connection.
    pub(crate) fn is_unasked(&self) -> bool {
        self.waiting.front().is_some_and(|question| question.request.is_none())
    }

    /// # Errors
    /// Too many questions wait.
    pub(crate) fn push(&mut self, question: Question) -> Result<(), NotPossible> {
        self.waiting.push_back(Pending::new(question)).map_err(|_| NotPossible::TooManyQuestions)
    }

    pub(crate) const fn set_page_songs(&mut self, songs: u32) {
        self.room = songs;
    }

    /// Takes the first question off the queue.
    pub(crate) fn pop(&mut self) -> Option<Question> {
        self.pager = None;
        self.waiting.pop_front().map(|question| question.what)
    }

    /// The screen had no room for the song that arrived last: asks for it again.
    pub(crate) fn ask_again(&mut self) {
        match self.waiting.front_mut() {
            Some(Pending { what: Question::List(_), request: request @ Some(_) }) => {
                *request = None;
                self.pager.iter_mut().for_each(|pager| pager.take_back(self.last));
            }
            // There is room: the answer has just taken the question off the queue.
            _ => drop(self.waiting.push_front(Pending::new(Question::Info(self.last)))),
        }
    }

    /// Asks for the title of this song, once.
    pub(crate) fn want_title(&mut self, id: ItemId) {
        if self.titled != id {
            (self.titled, self.title) = (id, Some(Pending::new(id)));
        }
    }

    pub(crate) const fn forget_title(&mut self) {
        self.title = None;
    }

    /// The song is over. Its title is no longer requested, but an answer on its way still counts.
    pub(crate) fn on_finished(&mut self, id: ItemId) {
        self.title.take_if(|title| title.what == id && title.request.is_none());
    }

    /// Requests what was not requested on this connection. `number_of` returns the number of a song on the present connection,
    /// if it is known.
    pub(crate) fn ask<const CONTROL: usize>(
        &mut self,
        client: &mut Client<CONTROL>,
        number_of: impl Fn(ItemId) -> Option<SongId>,
    ) -> Result<(), OutboxFull> {
        if let Some(title) = self.title.as_mut().filter(|title| title.request.is_none())
            && let Some(song) = number_of(title.what)
        {
            title.request = Some(client.info(song)?);
        }
        let room = self.room;
        if let Some(question) = self.waiting.front_mut().filter(|question| question.request.is_none() && room > 0) {
            question.request = Some(match &question.what {
                Question::List(list) => {
                    let (next, rank, left) = self.pager.get_or_insert_with(|| Pager::new(list)).next();
                    client.search(list.search(rank), next, room.min(left))?
                }
                Question::Info(song) => client.info(*song)?,
            });
        }
        Ok(())
    }

    /// The connection is over. The next requests everything again, except the title of a song that is over.
    pub(crate) fn on_disconnected(&mut self, is_here: impl Fn(ItemId) -> bool) {
        self.waiting.iter_mut().for_each(|question| question.request = None);
        self.title = self.title.take().map(|title| Pending::new(title.what)).filter(|title| is_here(title.what));
    }

    /// The server did not answer: the title is not requested again, if it was.
    pub(crate) fn give_up_title(&mut self) {
        self.title.take_if(|title| title.request.is_some());
    }

    pub(crate) fn on_song<'a>(&mut self, song: Song<'a>) -> Option<Event<'a>> {
        if self.title.take_if(|title| title.is_answered_by(song.request)).is_some() {
            return Some(Event::Title(song));
        }
        let is_list = matches!(self.answered(song.request)?.what, Question::List(_));
        self.last = song.song;
        Some(if is_list {
            self.pager.iter_mut().for_each(|pager| pager.on_song(&song));
            Event::Listed(song)
        } else {
            self.pop();
            Event::Info(song)
        })
    }

    pub(crate) fn on_list_end<'a>(&mut self, end: ListEnd) -> Option<Event<'a>> {
        self.answered(end.request)?.request = None;
        let page_end = self.pager.as_mut()?.on_page(&end);
        if page_end != PageEnd::More {
            self.pop();
        }
        Some(Event::PageEnd(page_end, end.total))
    }

    /// Takes an ERROR. Returns the question that gets no answer.
    pub(crate) fn on_failed(&mut self, request: RequestId) -> Option<Question> {
        self.title.take_if(|title| title.is_answered_by(request));
        self.answered(request)?;
        self.pop()
    }

    fn answered(&mut self, request: RequestId) -> Option<&mut Pending<Question>> {
        self.waiting.front_mut().filter(|question| question.is_answered_by(request))
    }
}
