//! What a listener wants to be shown: lists, one song, the title of the song that is heard.

use heapless::Deque;
use trill_proto::ids::{RequestId, SongId};
use trill_proto::message::{ListEnd, Song};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::Client;

use crate::item::Ticket;
use crate::pager::{PageEnd, Pager};
use crate::wanted::Wanted;
use crate::{Event, Refused};

/// Questions that wait for their answers at once.
pub const MAX_QUESTIONS: usize = 4;

/// Something to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// All songs.
    List,
    /// One song.
    Info(SongId),
}

impl Question {
    /// What does not come when it is not answered.
    #[must_use]
    pub const fn refused(self) -> Refused {
        match self {
            Self::List => Refused::List,
            Self::Info(song) => Refused::Info(song),
        }
    }
}

/// A list that has not begun.
const BEGIN: Pager = Pager::new(SongId(1));

/// The questions, in order. Only the first is asked.
#[derive(Debug)]
pub(crate) struct Questions {
    waiting: Deque<Wanted<Question>, MAX_QUESTIONS>,
    /// How far the list has come, if that is the first question.
    pager: Pager,
    /// The song that came last.
    last: SongId,
    /// Songs of an answer for which the screen has room.
    room: u32,
    title: Option<Wanted<Ticket>>,
    /// The song whose title was wanted last.
    titled: Ticket,
}

impl Questions {
    pub(crate) const fn new() -> Self {
        Self { waiting: Deque::new(), pager: BEGIN, last: SongId(0), room: 0, title: None, titled: Ticket::NONE }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no answer is missing, titles included. `number_of` is as for [`ask`](Self::ask): a title that cannot be asked for
    /// may never be.
    pub(crate) fn is_settled(&self, number_of: impl Fn(Ticket) -> Option<SongId>) -> bool {
        let is_due = |title: &Wanted<Ticket>| title.request.is_some() || number_of(title.what).is_some();
        self.waiting.is_empty() && !self.title.as_ref().is_some_and(is_due)
    }

    /// Whether the first question has not been asked on this connection.
    pub(crate) fn is_unasked(&self) -> bool {
        self.waiting.front().is_some_and(|question| question.request.is_none())
    }

    /// # Errors
    /// The question comes back if too many wait.
    pub(crate) fn push(&mut self, question: Question) -> Result<(), Question> {
        self.waiting.push_back(Wanted::new(question)).map_err(|question| question.what)
    }

    pub(crate) const fn set_room(&mut self, songs: u32) {
        self.room = songs;
    }

    /// Takes the first question off the queue.
    pub(crate) fn pop(&mut self) -> Option<Question> {
        self.pager = BEGIN;
        self.waiting.pop_front().map(|question| question.what)
    }

    /// There was no room to show the song that came last: it is asked for again.
    pub(crate) fn ask_again(&mut self) {
        match self.waiting.front_mut() {
            Some(Wanted { what: Question::List, request: request @ Some(_) }) => {
                *request = None;
                self.pager.take_back(self.last);
            }
            // There is room: the answer to an INFO takes the question off the queue.
            _ => drop(self.waiting.push_front(Wanted::new(Question::Info(self.last)))),
        }
    }

    /// The title of this song is wanted, once.
    pub(crate) fn want_title(&mut self, ticket: Ticket) {
        if self.titled != ticket {
            (self.titled, self.title) = (ticket, Some(Wanted::new(ticket)));
        }
    }

    pub(crate) const fn forget_title(&mut self) {
        self.title = None;
    }

    /// The song is over. Its title is only of interest if it is on its way.
    pub(crate) fn on_finished(&mut self, ticket: Ticket) {
        self.title.take_if(|title| title.what == ticket && title.request.is_none());
    }

    /// Asks for what has not been asked for on this connection. `number_of` says which number the song of a title has on
    /// this connection's server, if that is known.
    pub(crate) fn ask<const CONTROL: usize>(
        &mut self,
        client: &mut Client<CONTROL>,
        number_of: impl Fn(Ticket) -> Option<SongId>,
    ) -> Result<(), OutboxFull> {
        if let Some(title) = self.title.as_mut().filter(|title| title.request.is_none())
            && let Some(song) = number_of(title.what)
        {
            title.request = Some(client.info(song)?);
        }
        let (room, pager) = (self.room, self.pager);
        if let Some(question) = self.waiting.front_mut().filter(|question| question.request.is_none() && room > 0) {
            question.request = Some(match question.what {
                Question::List => client.list(pager.next(), room)?,
                Question::Info(song) => client.info(song)?,
            });
        }
        Ok(())
    }

    /// The connection is over: what was asked on it has to be asked again, but for the title of a song that is over.
    pub(crate) fn on_disconnected(&mut self, is_here: impl Fn(Ticket) -> bool) {
        self.waiting.iter_mut().for_each(|question| question.request = None);
        self.title = self.title.take().map(|title| Wanted::new(title.what)).filter(|title| is_here(title.what));
    }

    /// The title is not asked for again, if it was: the server did not answer.
    pub(crate) fn give_up_title(&mut self) {
        self.title.take_if(|title| title.request.is_some());
    }

    pub(crate) fn on_song<'a>(&mut self, song: Song<'a>) -> Option<Event<'a>> {
        if self.title.take_if(|title| title.is_answered_by(song.request)).is_some() {
            return Some(Event::Title(song));
        }
        let question = self.answered(song.request)?.what;
        self.last = song.song;
        Some(match question {
            Question::List => {
                self.pager.on_song(song.song);
                Event::Listed(song)
            }
            Question::Info(_) => {
                self.pop();
                Event::Info(song)
            }
        })
    }

    pub(crate) fn on_list_end<'a>(&mut self, end: ListEnd) -> Option<Event<'a>> {
        self.answered(end.request)?.request = None;
        let page_end = self.pager.on_page(end.total, end.next);
        if page_end != PageEnd::More {
            self.pop();
        }
        Some(Event::PageEnd(page_end, end.total))
    }

    /// Takes an ERROR. Returns the question that will not be answered.
    pub(crate) fn on_failed(&mut self, request: RequestId) -> Option<Question> {
        self.title.take_if(|title| title.is_answered_by(request));
        self.answered(request)?;
        self.pop()
    }

    fn answered(&mut self, request: RequestId) -> Option<&mut Wanted<Question>> {
        self.waiting.front_mut().filter(|question| question.is_answered_by(request))
    }
}
