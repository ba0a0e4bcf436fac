//! The music: the songs in the buffer, the requests for other songs, and the searches for them.
//!
//! ```text
//!   play 3-7       found              STARTED             heard           last byte        STARTED        heard to its end
//!   ───────▶ search ────▶ requested ─────────▶ buffer [ 3 ] ───▶ search ───▶ requested ─────────▶ [ 3 | 4 ] ─────────▶ [ 4 ]
//! ```
//!
//! A song that was requested changes nothing before it starts, so a wrong number leaves music and queue alone. Beside each song
//! or search stands the request that was sent for it. A lost connection clears only the requests.
//!
//! - `music/search.rs`: the search for a song, and what comes of it.
//! - `music/albums.rs`: the way from album to album, while albums are shuffled.
//! - `music/queueing.rs`: changes of the queue, and what follows because of them.
//! - `music/streams.rs`: what the server sends.

mod albums;
mod queueing;
mod search;
mod streams;

use core::time::Duration;

use heapless::{Deque, String, Vec};
use trill_proto::ids::{SongId, StreamId};
use trill_proto::limits::MAX_QUERY_BYTES;
use trill_proto::message::Start;
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, PlayRequest};
use trill_proto::time::Instant;

use crate::buffer::Buffer;
use crate::command::{Seek, Selection, millis};
use crate::item::{ItemId, QueueItem, Transition};
use crate::lookup::Lookup;
use crate::pending::Pending;
use crate::queue::{Entry, Place, Queue, Source};
use crate::{Direction, NotPossible, Refused, Wakeups};
use queueing::Addition;
use search::{Goal, Neighbour, Search, SeekTarget};

/// Songs that were requested and have not started. The session machine has room for one more: the song that goes on after a
/// lost connection. Without such a song, the machine may start a song that was given up here. It is not heard then.
const REQUESTED: usize = 3;

/// Additions to the queue that wait for answers.
const ADDITIONS: usize = 4;

#[derive(Debug)]
pub(crate) struct Music<'m> {
    pub(crate) buffer: Buffer<'m>,
    pub(crate) queue: Queue<'m>,
    pub(crate) wakeups: Wakeups,
    /// Songs that wait for STARTED, in order, with their streams if they were requested.
    requested: Vec<(QueueItem, Option<StreamId>), REQUESTED>,
    /// The stream of the last song in the buffer: it sends the song, or was requested to go on with it.
    arriving: Option<StreamId>,
    search: Option<Pending<Search>>,
    /// The song that follows, if it was found. It is requested when all of the song heard has arrived.
    next: Option<QueueItem>,
    /// What to add to the queue, in order. The first is looked for, unless a switch is pending: it decides which queue.
    additions: Deque<Pending<Addition>, ADDITIONS>,
    /// The words of the search or of the addition that looks for words.
    words: String<MAX_QUERY_BYTES>,
    /// The song that was heard last, with its place, while the buffer is empty. If no switch starts, the song after it follows.
    finished: Option<(SongId, Place)>,
    /// Songs in a row that did not start. After as many as the queue has, no other is tried.
    failures: u32,
    /// STOP is to be sent, before any later request.
    is_stopping: bool,
    is_paused: bool,
    last_id: u32,
}

impl<'m> Music<'m> {
    pub(crate) const fn new(storage: &'m mut [u8], queue: Queue<'m>) -> Self {
        Self {
            buffer: Buffer::new(storage),
            queue,
            wakeups: Wakeups::NONE,
            requested: Vec::new(),
            arriving: None,
            search: None,
            next: None,
            additions: Deque::new(),
            words: String::new(),
            finished: None,
            failures: 0,
            is_stopping: false,
            is_paused: false,
            last_id: 0,
        }
    }

    pub(crate) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether no song plays, was requested or is searched for.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_idle() && self.additions.is_empty()
    }

    /// The same, apart from additions to the queue.
    fn is_idle(&self) -> bool {
        self.buffer.first().is_none() && self.requested.is_empty() && self.search.is_none()
    }

    /// Whether every change of the queue was made.
    pub(crate) fn is_settled(&self) -> bool {
        self.additions.is_empty()
    }

    /// Whether a song that will replace the song heard was requested, or is searched for.
    pub(crate) fn is_switching(&self) -> bool {
        let requested = self.requested.iter().map(|(item, _)| item.transition);
        let searched = self.search.iter().map(|search| search.what.transition);
        requested.chain(searched).any(|transition| transition == Transition::Switch)
    }

    /// Whether music is wanted from the server.
    pub(crate) fn needs_server(&self) -> bool {
        let is_cut = self.buffer.last().is_some_and(|track| !track.is_over);
        is_cut || !self.requested.is_empty() || self.search.is_some() || !self.additions.is_empty()
    }

    /// The song that was requested last and has not started.
    pub(crate) fn asked_for(&self) -> Option<SongId> {
        self.requested.last().map(|(item, _)| item.song)
    }

    /// The song that follows the song heard by itself, if it was found.
    pub(crate) fn following(&self) -> Option<SongId> {
        let buffered = self.buffer.follower().map(|track| &track.item);
        let requested = self.requested.iter().map(|(item, _)| item).find(|item| item.transition == Transition::Follow);
        buffered.or(requested).or(self.next.as_ref()).map(|item| item.song)
    }

    /// The song that commands act on: the one requested last, or the song heard.
    pub(crate) fn target(&self) -> Option<&QueueItem> {
        let requested = |transition| {
            self.requested.iter().rev().map(|(item, _)| item).find(move |item| item.transition == transition)
        };
        let heard = self.buffer.first().map(|track| &track.item);
        requested(Transition::Switch).or(heard).or_else(|| requested(Transition::Follow))
    }

    /// Whether commands have a song to act on, or will have one after the search.
    fn has_target(&self) -> bool {
        self.target().is_some() || self.search.is_some()
    }

    /// The number of this song on the present connection, if the song is in the buffer and its number is known.
    pub(crate) fn number_of(&self, id: ItemId) -> Option<SongId> {
        self.buffer.find(id).filter(|track| track.is_number_current).map(|track| track.item.song)
    }

    // ── commands ──

    /// Plays a selection in place of the queue.
    pub(crate) fn play(&mut self, now: Instant, selection: &Selection<'_>) {
        self.additions.clear();
        if let Selection::Song { song, at } = *selection {
            return self.play_song(now, song, at);
        }
        let lookup = Lookup::first(selection);
        self.keep_words(selection);
        self.look(Search { asked: Some(now), ..Search::new(lookup, Goal::NewQueue, Transition::Switch) });
    }

    fn play_song(&mut self, now: Instant, song: SongId, at: Duration) {
        self.search = None;
        let entry = self.queue.new_entry(Source::Song(song), 1);
        let id = self.next_id();
        let item = QueueItem::new(id, song, entry.at(0));
        self.want(QueueItem { at_ms: millis(at), replaces: Some(entry), asked: Some(now), ..item });
    }

    /// Keeps the words of a selection, if it has any.
    fn keep_words(&mut self, selection: &Selection<'_>) {
        if let Some(words) = selection.words() {
            self.words = crate::ListRequest::of_words(words).words;
        }
    }

    /// Ends the music, and its transmission. The queue stays.
    pub(crate) fn stop(&mut self) -> Result<(), NotPossible> {
        let result = if self.has_target() { Ok(()) } else { Err(NotPossible::NothingPlays) };
        self.buffer.clear();
        self.requested.clear();
        self.arriving = None;
        (self.search, self.next, self.finished) = (None, None, None);
        self.additions.clear();
        self.is_stopping = true;
        self.is_paused = false;
        self.queue.stops_after = false;
        self.wakeups = Wakeups::ALL;
        result
    }

    pub(crate) fn set_paused(&mut self, is_paused: bool) -> Result<(), NotPossible> {
        if !self.has_target() {
            return Err(NotPossible::NothingPlays);
        }
        // A song that was requested or is searched for begins in this state.
        let requested = self.requested.iter_mut().map(|(item, _)| &mut item.keeps_pause);
        let searched = self.search.iter_mut().map(|search| &mut search.what.keeps_pause);
        requested.chain(searched).for_each(|keeps_pause| *keeps_pause = true);
        self.is_paused = is_paused;
        self.wakeups.sound = true;
        Ok(())
    }

    /// Ends a pause. If nothing plays, goes on with the queue: with the current song, or with the next one if it was heard to its
    /// end.
    pub(crate) fn resume(&mut self, now: Instant) -> Result<(), NotPossible> {
        if self.has_target() {
            return self.set_paused(false);
        }
        let current = self.queue.current();
        let is_here = !self.queue.is_over && self.queue.contains(current);
        if !is_here && self.queue.depends_on_albums(current, Direction::Next) {
            let goes_on = self.go_by_album(now, current, None, Direction::Next);
            return if goes_on { Ok(()) } else { Err(NotPossible::NothingPlays) };
        }
        let place = if is_here { Some(current) } else { self.queue.next(current) };
        let place = place.ok_or(NotPossible::NothingPlays)?;
        self.go_to(now, place, Direction::Next);
        Ok(())
    }

    /// Goes to the song before or after the target. During a search, it goes on from the song that is found.
    pub(crate) fn step(&mut self, now: Instant, direction: Direction) -> Result<(), NotPossible> {
        let mut from = None;
        if let Some(search) = self.search.as_mut().filter(|search| search.what.transition == Transition::Switch) {
            search.what.seek = None;
            match search.what.goal {
                Goal::Place { place, replaces } => from = Some((place, replaces)),
                Goal::NewQueue | Goal::Beside { .. } | Goal::Album(_) => {
                    search.what.add_step(direction);
                    return Ok(());
                }
            }
        }
        let (place, replaces) = from.or_else(|| self.origin()).ok_or(NotPossible::NothingPlays)?;
        let song = self.target().map(|item| item.song);
        let edge = NotPossible::Edge(song, direction);
        match self.neighbour(place, replaces, direction).ok_or(edge)? {
            Neighbour::InLibrary => {
                let song = self.target().map(|item| item.song).or(self.queue.only_song());
                let song = song.ok_or(NotPossible::NothingPlays)?;
                let rank = self.target().and_then(|item| item.library_rank);
                self.look_beside(now, song, rank, direction);
            }
            Neighbour::Album => {
                let song = self.target().filter(|item| item.place == place).map(|item| item.song);
                return if self.go_by_album(now, place, song, direction) { Ok(()) } else { Err(edge) };
            }
            Neighbour::Place { place, replaces: None } => self.go_to(now, place, direction),
            Neighbour::Place { place, replaces } => self.go_to_in(now, place, replaces, direction),
        }
        Ok(())
    }

    /// Whether there may be a song in this direction.
    pub(crate) fn can_step(&self, direction: Direction) -> bool {
        self.origin().is_some_and(|(place, replaces)| self.neighbour(place, replaces, direction).is_some())
    }

    /// The place from which a step leads: that of the target, or of the song heard last.
    fn origin(&self) -> Option<(Place, Option<Entry>)> {
        let target = self.target().map(|item| (item.place, item.replaces));
        target.or_else(|| Some((self.queue.current(), None)).filter(|_| self.queue.songs() > 0))
    }

    /// Goes to the song at a position of the queue, from 1; to its beginning if it is the target.
    pub(crate) fn jump(&mut self, now: Instant, position: u32) -> Result<(), NotPossible> {
        let place = self.queue.at_position(position)?;
        if self.target().is_some_and(|item| item.replaces.is_none() && item.place == place) {
            self.seek_to(now, 0)?;
        } else {
            self.go_to(now, place, Direction::Next);
        }
        Ok(())
    }

    /// Goes to another position in the target. During a search, the song that is found begins there. `position_ms` is the position
    /// of the song heard. Returns the song, `None` during a search, and its new position in milliseconds.
    pub(crate) fn seek(
        &mut self,
        now: Instant,
        seek: Seek,
        position_ms: u64,
    ) -> Result<(Option<SongId>, u64), NotPossible> {
        let heard = self.buffer.first().map(|track| track.item.id);
        let from_ms = |item: &QueueItem| if heard == Some(item.id) { position_ms } else { item.at_ms };
        let from_ms = self.target().map(from_ms);
        if let Some(search) = self.search.as_mut().filter(|search| search.what.transition == Transition::Switch) {
            let target = SeekTarget::moved(search.what.seek, from_ms.unwrap_or(0), seek);
            search.what.seek = Some(target);
            return Ok((None, target.found_ms.into()));
        }
        let at_ms = seek.from_ms(from_ms.ok_or(NotPossible::NothingPlays)?);
        self.seek_to(now, at_ms).map(|song| (Some(song), at_ms))
    }

    fn seek_to(&mut self, now: Instant, at_ms: u64) -> Result<SongId, NotPossible> {
        let item = self.target().copied().ok_or(NotPossible::NothingPlays)?;
        let heard = self.buffer.first().filter(|track| track.item.id == item.id);
        if let Some(length_ms) = heard.map(|track| track.started.duration_ms()).filter(|length| at_ms >= *length) {
            return Err(NotPossible::TooShort { song: item.song, length_ms });
        }
        let content_tag = heard.map_or(item.content_tag, |track| track.started.content_tag);
        let is_heard = heard.is_some();
        self.search = None;
        let id = self.next_id();
        self.want(QueueItem {
            id,
            at_ms,
            content_tag,
            transition: Transition::Switch,
            // A song that was requested to begin with sound still does.
            keeps_pause: is_heard || item.keeps_pause,
            is_announced: is_heard || item.is_announced,
            asked: Some(now),
            ..item
        });
        Ok(item.song)
    }

    fn next_id(&mut self) -> ItemId {
        self.last_id += 1;
        ItemId(self.last_id)
    }

    /// Requests a song. If too many wait, the oldest is given up.
    fn want(&mut self, item: QueueItem) {
        if self.requested.is_full() {
            self.requested.remove(0);
        }
        let _ = self.requested.push((item, None));
        self.wakeups.network = true;
    }

    // ── asking ──

    /// Requests what was not requested on this connection.
    pub(crate) fn ask<const CONTROL: usize>(
        &mut self,
        now: Instant,
        client: &mut Client<CONTROL>,
    ) -> Result<(), OutboxFull> {
        if self.is_stopping {
            client.stop()?;
            self.is_stopping = false;
        }
        let capacity = self.buffer.capacity_bytes() as u32;
        let occupied = self.buffer.buffered_bytes() as u32;

        // Before all others, because its PLAY would replace theirs.
        let is_first = self.requested.iter().all(|(_, stream)| stream.is_none());
        if self.arriving.is_none()
            && is_first
            && let Some(track) = self.buffer.last().filter(|track| !track.is_over)
        {
            let start = Start::Resume(track.started.position + track.received);
            let content_tag = track.started.content_tag;
            let wanted = PlayRequest { song: track.started.song, start, content_tag, capacity, occupied };
            self.arriving = Some(client.play(now, &wanted)?);
        }
        for (item, stream) in self.requested.iter_mut().filter(|(_, stream)| stream.is_none()) {
            let occupied = if item.transition == Transition::Switch { 0 } else { occupied };
            let QueueItem { song, at_ms, content_tag, .. } = *item;
            let wanted = PlayRequest { song, start: Start::Time(at_ms), content_tag, capacity, occupied };
            *stream = Some(client.play(now, &wanted)?);
        }
        if let Some(search) = self.search.as_mut().filter(|search| search.request.is_none()) {
            search.request = Some(search.what.lookup.ask(client, &self.words)?);
        }
        let is_switching = self.is_switching();
        if let Some(addition) =
            self.additions.front_mut().filter(|addition| addition.request.is_none() && !is_switching)
        {
            addition.request = Some(addition.what.lookup.ask(client, &self.words)?);
        }
        Ok(())
    }

    /// The connection is over. The next requests everything again.
    pub(crate) fn on_disconnected(&mut self) {
        self.buffer.on_disconnected();
        self.arriving = None;
        self.is_stopping = false;
        // The listener wants only the last of several songs.
        while self.requested.len() > 1 {
            self.requested.remove(0);
        }
        self.requested.iter_mut().for_each(|(_, stream)| *stream = None);
        self.search.iter_mut().for_each(|search| search.request = None);
        self.additions.iter_mut().for_each(|addition| addition.request = None);
        // The server of the next connection may number its songs in another way.
        self.next = None;
    }

    /// Gives up a song that would replace the song heard, a search for one, or an addition to the queue.
    pub(crate) fn give_up_switch(&mut self) -> Option<Refused> {
        if let Some(place) = self.requested.iter().position(|(item, _)| item.transition == Transition::Switch) {
            let (item, _) = self.requested.remove(place);
            self.look_for_next();
            return Some(Refused::Play(item.song));
        }
        if let Some(search) = self.search.take_if(|search| search.what.transition == Transition::Switch) {
            self.look_for_next();
            return Some(search.what.refused());
        }
        self.additions.pop_front().map(|addition| addition.what.refused())
    }

    /// Gives up the music that has not arrived. What has arrived is played to its end.
    pub(crate) fn give_up_rest(&mut self) {
        self.requested.clear();
        (self.search, self.next) = (None, None);
        self.additions.clear();
        self.arriving = None;
        self.is_stopping = true;
        self.buffer.end();
        self.end_queue();
        self.wakeups = Wakeups { network: true, decoder: true, ..self.wakeups };
    }

    /// The streams that fill the buffer, now and next.
    pub(crate) fn filling(&self) -> [Option<StreamId>; 2] {
        let mut followers = self.requested.iter().rev().filter(|(item, _)| item.transition == Transition::Follow);
        [self.arriving, followers.find_map(|requested| requested.1)]
    }
}
