//! The music: the songs in the buffer, the requests for other songs, and the search for the next song.
//!
//! ```text
//!   play 3-7       found          STARTED             last byte        found, STARTED       heard to its end
//!   ───────▶ lookup ────▶ queue ─────────▶ buffer [ 3 ] ──────▶ lookup ──────────▶ [ 3 | 4 ] ─────────────▶ [ 4 ]
//! ```
//!
//! A song in the queue changes nothing before it starts, so a wrong number leaves the music alone. Beside each song or search
//! stands the request that was sent for it. A lost connection clears only the requests.

use core::time::Duration;

use heapless::Vec;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{EndReason, ListEnd, Start, Started};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, PlayRequest};
use trill_proto::time::Instant;

use crate::buffer::{Buffer, Track};
use crate::command::{Seek, millis};
use crate::item::{ItemId, QueueItem, Transition};
use crate::pending::Pending;
use crate::playlist::{Direction, Playlist, Progress, Search};
use crate::{Event, NotPossible, Refused, Wakeups};

/// Songs that were requested and have not started. The session machine has room for one more: the song that goes on after a
/// lost connection. Without such a song, the machine may start a song that was given up here. It is not heard then.
const QUEUE: usize = 3;

/// A search for a song that is to be heard.
#[derive(Clone, Copy, Debug)]
struct Lookup {
    search: Search,
    transition: Transition,
    /// A pause lasts when the song begins.
    keeps_pause: bool,
    /// Started because a song was refused. If it finds nothing, the music continues.
    is_detour: bool,
    /// A seek during the search.
    seek: Option<SeekTarget>,
    asked: Option<Instant>,
}

/// The target of a seek during a search, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct SeekTarget {
    /// In the song that is found.
    found_ms: u32,
    /// In the present song, if none is found.
    else_ms: u32,
}

impl SeekTarget {
    fn moved_by(self, seek: Seek) -> Self {
        let [found_ms, else_ms] = [self.found_ms, self.else_ms].map(|ms| short(seek.from_ms(ms.into())));
        Self { found_ms, else_ms }
    }
}

impl Lookup {
    const fn new(search: Search, transition: Transition) -> Self {
        Self { search, transition, keeps_pause: false, is_detour: false, seek: None, asked: None }
    }

    /// The request that a failure of the search leaves without an answer.
    fn refused(&self) -> Refused {
        match (self.transition, self.search.origin()) {
            (Transition::Follow, _) => Refused::Following,
            (Transition::Switch, Some((_, direction))) => Refused::Step(direction),
            (Transition::Switch, None) => Refused::Playlist,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Music<'m> {
    pub(crate) buffer: Buffer<'m>,
    pub(crate) wakeups: Wakeups,
    /// Songs that wait for STARTED, in order, with their streams if they were requested.
    queue: Vec<(QueueItem, Option<StreamId>), QUEUE>,
    /// The stream of the last song in the buffer: it sends the song, or was requested to go on with it.
    arriving: Option<StreamId>,
    lookup: Option<Pending<Lookup>>,
    /// The song that was heard last, with its playlist, while the buffer is empty. If no switch starts, the song after it
    /// follows.
    finished: Option<(SongId, Playlist)>,
    /// STOP is to be sent, before any later request.
    is_stopping: bool,
    is_paused: bool,
    last_id: u32,
}

impl<'m> Music<'m> {
    pub(crate) const fn new(storage: &'m mut [u8]) -> Self {
        Self {
            buffer: Buffer::new(storage),
            wakeups: Wakeups::NONE,
            queue: Vec::new(),
            arriving: None,
            lookup: None,
            finished: None,
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
        self.buffer.first().is_none() && self.queue.is_empty() && self.lookup.is_none()
    }

    /// Whether a song that will replace the song heard was requested, or is searched for.
    pub(crate) fn is_switching(&self) -> bool {
        let queued = self.queue.iter().map(|(item, _)| item.transition);
        let looked_for = self.lookup.iter().map(|lookup| lookup.what.transition);
        queued.chain(looked_for).any(|transition| transition == Transition::Switch)
    }

    /// Whether music is wanted from the server.
    pub(crate) fn needs_server(&self) -> bool {
        let is_cut = self.buffer.last().is_some_and(|track| !track.is_over);
        is_cut || !self.queue.is_empty() || self.lookup.is_some()
    }

    /// The song that was requested last and has not started. During a search, the number where it looks.
    pub(crate) fn asked_for(&self) -> Option<SongId> {
        let queued = self.queue.last().map(|(item, _)| item.song);
        queued.or(self.lookup.as_ref().map(|lookup| lookup.what.search.ask().0))
    }

    /// The song that commands act on: the one requested last, or the song heard.
    pub(crate) fn target(&self) -> Option<&QueueItem> {
        let queued =
            |transition| self.queue.iter().rev().map(|(item, _)| item).find(move |item| item.transition == transition);
        let heard = self.buffer.first().map(|track| &track.item);
        queued(Transition::Switch).or(heard).or_else(|| queued(Transition::Follow))
    }

    /// Whether commands have a song to act on, or will have one after the search.
    fn has_target(&self) -> bool {
        self.target().is_some() || self.lookup.is_some()
    }

    /// The number of this song on the present connection, if the song is in the buffer and its number is known.
    pub(crate) fn number_of(&self, id: ItemId) -> Option<SongId> {
        self.buffer.find(id).filter(|track| track.is_number_current).map(|track| track.item.song)
    }

    // ── commands ──

    /// Plays this song in place of all others.
    pub(crate) fn play_song(&mut self, now: Instant, song: SongId, at: Duration) {
        self.lookup = None;
        let at_ms = millis(at);
        let id = self.next_id();
        self.want(QueueItem { at_ms, asked: Some(now), ..QueueItem::new(id, song, Playlist::SINGLE) });
    }

    /// Searches for a song that replaces all others.
    pub(crate) fn look_for(&mut self, now: Instant, search: Search) {
        self.look(Lookup { asked: Some(now), ..Lookup::new(search, Transition::Switch) });
    }

    /// Ends the music, and its transmission.
    pub(crate) fn stop(&mut self) -> Result<(), NotPossible> {
        let result = if self.has_target() { Ok(()) } else { Err(NotPossible::NothingPlays) };
        self.buffer.clear();
        self.queue.clear();
        self.arriving = None;
        self.lookup = None;
        self.finished = None;
        self.is_stopping = true;
        self.is_paused = false;
        self.wakeups = Wakeups::ALL;
        result
    }

    pub(crate) fn set_paused(&mut self, is_paused: bool) -> Result<(), NotPossible> {
        if !self.has_target() {
            return Err(NotPossible::NothingPlays);
        }
        // A song that was requested or is searched for begins in this state.
        let queued = self.queue.iter_mut().map(|(item, _)| &mut item.keeps_pause);
        let looked_for = self.lookup.iter_mut().map(|lookup| &mut lookup.what.keeps_pause);
        queued.chain(looked_for).for_each(|keeps_pause| *keeps_pause = true);
        self.is_paused = is_paused;
        self.wakeups.sound = true;
        Ok(())
    }

    /// Goes to the song before or after the target. During a search, it goes on from the song that is found.
    pub(crate) fn step(&mut self, now: Instant, direction: Direction) -> Result<(), NotPossible> {
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.what.transition == Transition::Switch) {
            lookup.what.search.add(direction);
            lookup.what.seek = None;
            return Ok(());
        }
        let Some(&QueueItem { song, playlist, .. }) = self.target() else { return Err(NotPossible::NothingPlays) };
        let search = Search::step(playlist, song, direction).ok_or(NotPossible::Edge(song, direction))?;
        self.look_for(now, search);
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
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.what.transition == Transition::Switch) {
            let begin = SeekTarget { found_ms: 0, else_ms: short(from_ms.unwrap_or(0)) };
            let target = lookup.what.seek.unwrap_or(begin).moved_by(seek);
            lookup.what.seek = Some(target);
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
        self.lookup = None;
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

    /// Adds a song to the queue. If the queue is full, the oldest is given up.
    fn want(&mut self, item: QueueItem) {
        if self.queue.is_full() {
            self.queue.remove(0);
        }
        let _ = self.queue.push((item, None));
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
        let is_first = self.queue.iter().all(|(_, stream)| stream.is_none());
        if self.arriving.is_none()
            && is_first
            && let Some(track) = self.buffer.last().filter(|track| !track.is_over)
        {
            let start = Start::Resume(track.started.position + track.received);
            let content_tag = track.started.content_tag;
            let wanted = PlayRequest { song: track.started.song, start, content_tag, capacity, occupied };
            self.arriving = Some(client.play(now, &wanted)?);
        }
        for (item, stream) in self.queue.iter_mut().filter(|(_, stream)| stream.is_none()) {
            let occupied = if item.transition == Transition::Switch { 0 } else { occupied };
            let QueueItem { song, at_ms, content_tag, .. } = *item;
            let wanted = PlayRequest { song, start: Start::Time(at_ms), content_tag, capacity, occupied };
            *stream = Some(client.play(now, &wanted)?);
        }
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.request.is_none()) {
            let (first, at_most) = lookup.what.search.ask();
            lookup.request = Some(client.list(first, at_most)?);
        }
        Ok(())
    }

    /// The connection is over. The next requests everything again.
    pub(crate) fn on_disconnected(&mut self) {
        self.buffer.on_disconnected();
        self.arriving = None;
        self.is_stopping = false;
        // The listener wants only the last of several songs.
        while self.queue.len() > 1 {
            self.queue.remove(0);
        }
        self.queue.iter_mut().for_each(|(_, stream)| *stream = None);
        self.lookup.iter_mut().for_each(|lookup| lookup.request = None);
    }

    /// Gives up a song that would replace the song heard, or the search for one.
    pub(crate) fn give_up_switch(&mut self) -> Option<Refused> {
        if let Some(place) = self.queue.iter().position(|(item, _)| item.transition == Transition::Switch) {
            let (item, _) = self.queue.remove(place);
            self.look_for_next();
            return Some(Refused::Play(item.song));
        }
        let lookup = self.lookup.take_if(|lookup| lookup.what.transition == Transition::Switch)?;
        self.look_for_next();
        Some(lookup.what.refused())
    }

    /// Gives up the music that has not arrived. What has arrived is played to its end.
    pub(crate) fn give_up_rest(&mut self) {
        self.queue.clear();
        self.lookup = None;
        self.arriving = None;
        self.is_stopping = true;
        self.buffer.end();
        self.end_playlist();
        self.wakeups = Wakeups { network: true, decoder: true, ..self.wakeups };
    }

    /// The streams that fill the buffer, now and next.
    pub(crate) fn filling(&self) -> [Option<StreamId>; 2] {
        let mut followers = self.queue.iter().rev().filter(|(item, _)| item.transition == Transition::Follow);
        [self.arriving, followers.find_map(|queued| queued.1)]
    }

    // ── searches ──

    /// Takes a SONG. Returns whether it belongs to a search.
    pub(crate) fn on_song(&mut self, request: RequestId, song: SongId) -> bool {
        let lookup = self.lookup.as_mut().filter(|lookup| lookup.is_answered_by(request));
        lookup.map(|lookup| lookup.what.search.on_song(song)).is_some()
    }

    /// Takes a LIST-END, if it belongs to a search.
    pub(crate) fn on_list_end<'a>(&mut self, end: ListEnd) -> Option<Option<Event<'a>>> {
        let lookup = self.lookup.take_if(|lookup| lookup.is_answered_by(end.request))?;
        Some(self.on_searched(lookup.what, end.next))
    }

    fn on_searched<'a>(&mut self, mut lookup: Lookup, next: Option<SongId>) -> Option<Event<'a>> {
        let playlist = lookup.search.playlist();
        let (song, is_step, event) = match lookup.search.on_page(next) {
            Progress::Asks => {
                self.lookup = Some(Pending::new(lookup));
                return None;
            }
            Progress::Found(song) => (song, lookup.search.origin().is_some(), None),
            Progress::Edge(..) if lookup.is_detour => {
                self.stay(&lookup);
                return None;
            }
            Progress::Edge(..) if lookup.transition == Transition::Follow => {
                self.end_playlist();
                return None;
            }
            Progress::Edge(song, direction) => (song, true, Some(Event::Edge(song, direction))),
            Progress::Nothing => {
                self.stay(&lookup);
                return Some(Event::NoSongs(playlist));
            }
        };
        // If a step finds the current song again, nothing changes, unless the playlist is another.
        let is_switch = lookup.transition == Transition::Switch;
        if is_step && is_switch && self.target().is_some_and(|item| item.song == song && item.playlist == playlist) {
            self.stay(&lookup);
        } else {
            let Lookup { transition, keeps_pause, asked, seek, .. } = lookup;
            let at_ms = seek.map_or(0, |target| target.found_ms.into());
            let id = self.next_id();
            self.want(QueueItem { transition, keeps_pause, asked, at_ms, ..QueueItem::new(id, song, playlist) });
        }
        event
    }

    /// A search for another song found none: the music goes on.
    fn stay(&mut self, lookup: &Lookup) {
        if let (Some(target), Some(asked)) = (lookup.seek, lookup.asked) {
            // If the song is too short, it goes on where it is.
            let _ = self.seek_to(asked, target.else_ms.into());
        }
        self.look_for_next();
    }

    /// Searches for the song after the last one, if all of that has arrived and the buffer has room for another song.
    pub(crate) fn look_for_next(&mut self) {
        if !self.queue.is_empty() || self.lookup.is_some() || self.buffer.is_followed() {
            return;
        }
        let last = match self.buffer.last() {
            Some(track) => Some(track).filter(|track| track.is_over && !track.is_final).map(in_playlist),
            None => self.finished,
        };
        if let Some((song, playlist)) = last {
            self.look_after(song, playlist);
        }
    }

    /// Searches for the song after this one. If none can follow, the playlist ends.
    fn look_after(&mut self, song: SongId, playlist: Playlist) {
        match following(song, playlist) {
            Some(search) => {
                self.look(Lookup { keeps_pause: true, ..Lookup::new(search, Transition::Follow) });
            }
            None => self.end_playlist(),
        }
    }

    /// No song follows by itself those that are in the buffer.
    fn end_playlist(&mut self) {
        self.buffer.end_with_last();
        self.finished = None;
    }

    /// Searches for the song after this one, which was refused, to play it instead.
    fn look_past(&mut self, item: &QueueItem) {
        if let Some(search) = following(item.song, item.playlist) {
            let QueueItem { transition, keeps_pause, asked, .. } = *item;
            self.look(Lookup { keeps_pause, is_detour: true, asked, ..Lookup::new(search, transition) });
        }
    }

    fn look(&mut self, lookup: Lookup) {
        self.lookup = Some(Pending::new(lookup));
        self.wakeups.network = true;
    }

    // ── streams ──

    pub(crate) fn on_started(&mut self, started: Started) {
        if self.arriving == Some(started.stream) {
            // The machine has checked that it is the same song from the right byte on. Its title can be requested now.
            self.wakeups.network = true;
            return self.buffer.go_on_with(started.song);
        }
        self.arriving = None;
        let Some(place) = self.place_of(started.stream) else { return };
        let (mut item, _) = self.queue.remove(place);
        // The server may have found the content under another number: next and previous count from there.
        item.song = started.song;
        // Songs requested before it can only end from now on.
        for _ in 0..place {
            self.queue.remove(0);
        }
        self.arriving = Some(started.stream);
        self.finished = None;
        self.wakeups.decoder = true;
        if item.transition == Transition::Follow && !self.buffer.is_followed() {
            return self.buffer.follow_with(item, started);
        }
        self.is_paused &= item.keeps_pause;
        self.wakeups = Wakeups { network: self.wakeups.network, ..Wakeups::ALL };
        self.buffer.switch_to(item, started);
    }

    pub(crate) fn on_data(&mut self, stream: StreamId, bytes: &[u8]) {
        if self.arriving == Some(stream) {
            self.buffer.push(bytes);
            self.wakeups.decoder = true;
        }
    }

    pub(crate) fn on_ended<'a>(&mut self, stream: StreamId, reason: EndReason) -> Option<Event<'a>> {
        // Only a song that was requested can replace it.
        let is_replaced = reason == EndReason::Replaced && self.queue.iter().any(|(_, asked)| *asked != Some(stream));
        let is_early = reason != EndReason::Finished && !is_replaced;
        if self.arriving == Some(stream) {
            if is_replaced && self.buffer.last().is_some_and(|track| !track.is_over) {
                // If no song starts in its place, the rest of it is requested.
                self.arriving = None;
                return None;
            }
            let ended = self.on_over();
            ended.filter(|_| is_early).map(Event::EndedEarly)
        } else {
            let item = self.take_queued(stream).filter(|_| is_early)?;
            self.on_not_started(&item);
            Some(Event::EndedEarly(item.song))
        }
    }

    /// Takes an ERROR, if it is about a stream. Returns what will not be heard.
    pub(crate) fn on_stream_failed(&mut self, stream: StreamId) -> Option<Refused> {
        if self.arriving == Some(stream) {
            return self.on_over().map(Refused::Rest);
        }
        let item = self.take_queued(stream)?;
        self.on_not_started(&item);
        Some(Refused::Play(item.song))
    }

    /// Takes an ERROR, if it is about a search.
    pub(crate) fn on_search_failed(&mut self, request: RequestId) -> Option<Refused> {
        let lookup = self.lookup.take_if(|lookup| lookup.is_answered_by(request))?.what;
        match lookup.transition {
            // The next attempt would be refused, too.
            Transition::Follow => self.end_playlist(),
            Transition::Switch => self.stay(&lookup),
        }
        Some(lookup.refused())
    }

    /// No more bytes of the last song will arrive. Returns its number.
    fn on_over(&mut self) -> Option<SongId> {
        self.arriving = None;
        self.buffer.end();
        self.wakeups.decoder = true;
        let song = self.buffer.last().map(|track| track.started.song);
        self.look_for_next();
        song
    }

    /// Goes on without this song, which did not start.
    fn on_not_started(&mut self, item: &QueueItem) {
        let is_place_in_song = item.at_ms > 0 || item.content_tag != 0;
        // The listener's last command decides what is heard next.
        if !self.is_switching() {
            match item.transition {
                Transition::Follow => self.look_after(item.song, item.playlist),
                Transition::Switch if is_place_in_song => {}
                Transition::Switch => self.look_past(item),
            }
        }
        self.look_for_next();
    }

    /// Takes the song with this stream off the queue.
    fn take_queued(&mut self, stream: StreamId) -> Option<QueueItem> {
        let place = self.place_of(stream)?;
        Some(self.queue.remove(place).0)
    }

    fn place_of(&self, stream: StreamId) -> Option<usize> {
        self.queue.iter().position(|(_, asked)| *asked == Some(stream))
    }

    /// The song heard was played to its end. Returns how many bytes of it were left.
    pub(crate) fn on_finished(&mut self) -> usize {
        // Usually its END did this before. It may be late, or lost.
        self.look_for_next();
        let finished = self.buffer.first().filter(|track| !track.is_final).map(in_playlist);
        let rest = self.buffer.finish();
        self.finished = finished.filter(|_| self.buffer.first().is_none());
        self.look_for_next();
        rest
    }
}

/// The number of a song, and its playlist.
fn in_playlist(track: &Track) -> (SongId, Playlist) {
    (track.item.song, track.item.playlist)
}

/// The search for the song that follows this one by itself.
fn following(song: SongId, playlist: Playlist) -> Option<Search> {
    Search::step(playlist, song, Direction::Next).filter(|_| playlist.advances)
}

/// `ms`, limited to 49 days.
fn short(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}
