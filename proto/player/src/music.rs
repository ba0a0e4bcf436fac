//! What is to be heard: the songs in the buffer, those asked for in their place, and the search for the next one.
//!
//! ```text
//!   play 3-7       found          STARTED             last byte        found, STARTED       heard to its end
//!   ───────▶ lookup ────▶ queue ─────────▶ buffer [ 3 ] ──────▶ lookup ──────────▶ [ 3 | 4 ] ─────────────▶ [ 4 ]
//! ```
//!
//! A song in the queue changes nothing before it starts, so a wrong number leaves the music alone. Whatever waits for the
//! server stands beside the request under which it was asked for; a lost connection clears only the requests.

use core::time::Duration;

use heapless::Vec;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{EndReason, ListEnd, Start, Started};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, PlayRequest};
use trill_proto::time::Instant;

use crate::buffer::{Buffer, Track};
use crate::command::Seek;
use crate::item::{QueueItem, Ticket, Transition};
use crate::playlist::{Direction, Playlist, Progress, Search};
use crate::wanted::Wanted;
use crate::{Event, NotPossible, Refused, Wakeups};

/// Songs that were asked for and have not started. The session machine takes one more, for the song that goes on after a
/// cut; where there is none, it may still start one that was given up here, which is then not heard.
const QUEUE: usize = 3;

/// A search for a song that is to be heard.
#[derive(Clone, Copy, Debug)]
struct Lookup {
    search: Search,
    transition: Transition,
    /// A pause goes on when the song begins.
    keeps_pause: bool,
    /// It passes over a song that was refused: where no other comes, the music goes on.
    is_detour: bool,
    /// The listener sought meanwhile.
    seek: Option<SeekTarget>,
    asked: Option<Instant>,
}

/// Where a seek during a search goes to, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct SeekTarget {
    /// In the song that is found.
    found_ms: u32,
    /// In the song before it, if none is found.
    else_ms: u32,
}

impl SeekTarget {
    fn moved_by(self, seek: Seek) -> Self {
        let [found_ms, else_ms] = [self.found_ms, self.else_ms].map(|ms| short(seek_from(seek, ms.into())));
        Self { found_ms, else_ms }
    }
}

impl Lookup {
    const fn new(search: Search, transition: Transition) -> Self {
        Self { search, transition, keeps_pause: false, is_detour: false, seek: None, asked: None }
    }

    /// What does not come when it fails.
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
    /// Songs that were asked for, in that order, and the streams under which.
    queue: Vec<(QueueItem, Option<StreamId>), QUEUE>,
    /// The stream that brings the last song of the buffer, or is to go on with it.
    bringing: Option<StreamId>,
    lookup: Option<Wanted<Lookup>>,
    /// The song that was heard last, with its playlist, while nothing is in the buffer: if no switch starts, the song after it is
    /// wanted.
    finished: Option<(SongId, Playlist)>,
    /// The server is to be told that nothing is wanted any more, before it is told of what is wanted after that.
    is_stopping: bool,
    is_paused: bool,
    tickets: u32,
}

impl<'m> Music<'m> {
    pub(crate) const fn new(storage: &'m mut [u8]) -> Self {
        Self {
            buffer: Buffer::new(storage),
            wakeups: Wakeups::NONE,
            queue: Vec::new(),
            bringing: None,
            lookup: None,
            finished: None,
            is_stopping: false,
            is_paused: false,
            tickets: 0,
        }
    }

    pub(crate) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether nothing is to be heard, now or later.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.first().is_none() && self.queue.is_empty() && self.lookup.is_none()
    }

    /// Whether a song was asked for, or is looked for, that will take the place of what is heard.
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

    /// The song that a listener asked for last and that has not started.
    pub(crate) fn asked_for(&self) -> Option<SongId> {
        let queued = self.queue.last().map(|(item, _)| item.song);
        queued.or(self.lookup.as_ref().map(|lookup| lookup.what.search.ask().0))
    }

    /// What a listener means by "the song": the one asked for last, or the one that is heard.
    pub(crate) fn meant(&self) -> Option<&QueueItem> {
        let queued =
            |transition| self.queue.iter().rev().map(|(item, _)| item).find(move |item| item.transition == transition);
        let heard = self.buffer.first().map(|track| &track.item);
        queued(Transition::Switch).or(heard).or_else(|| queued(Transition::Follow))
    }

    /// Whether there is a song that a listener means, or will be.
    fn is_anything_meant(&self) -> bool {
        self.meant().is_some() || self.lookup.is_some()
    }

    /// The number of this song on the present server, if the song is here and the number is known.
    pub(crate) fn number_of(&self, ticket: Ticket) -> Option<SongId> {
        self.buffer.find(ticket).filter(|track| track.is_number_current).map(|track| track.item.song)
    }

    // ── commands ──

    /// Wants this song in place of all others.
    pub(crate) fn play_song(&mut self, now: Instant, song: SongId, at: Duration) {
        self.lookup = None;
        let at_ms = millis(at);
        let ticket = self.next_ticket();
        self.want(QueueItem { at_ms, asked: Some(now), ..QueueItem::new(ticket, song, Playlist::SINGLE) });
    }

    /// Searches for a song to be heard in place of all others.
    pub(crate) fn look_for(&mut self, now: Instant, search: Search) {
        self.look(Lookup { asked: Some(now), ..Lookup::new(search, Transition::Switch) });
    }

    /// Ends the music, and its transmission.
    pub(crate) fn stop(&mut self) -> Result<(), NotPossible> {
        let result = if self.is_anything_meant() { Ok(()) } else { Err(NotPossible::NothingPlays) };
        self.buffer.clear();
        self.queue.clear();
        self.bringing = None;
        self.lookup = None;
        self.finished = None;
        self.is_stopping = true;
        self.is_paused = false;
        self.wakeups = Wakeups::ALL;
        result
    }

    pub(crate) fn set_paused(&mut self, is_paused: bool) -> Result<(), NotPossible> {
        if !self.is_anything_meant() {
            return Err(NotPossible::NothingPlays);
        }
        // A song that is on its way, or looked for, begins as the listener says now.
        let queued = self.queue.iter_mut().map(|(item, _)| &mut item.keeps_pause);
        let looked_for = self.lookup.iter_mut().map(|lookup| &mut lookup.what.keeps_pause);
        queued.chain(looked_for).for_each(|keeps_pause| *keeps_pause = true);
        self.is_paused = is_paused;
        self.wakeups.sound = true;
        Ok(())
    }

    /// To the song before or after the one that is meant: if that is still being looked for, once it is found.
    pub(crate) fn step(&mut self, now: Instant, direction: Direction) -> Result<(), NotPossible> {
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.what.transition == Transition::Switch) {
            lookup.what.search.add(direction);
            lookup.what.seek = None;
            return Ok(());
        }
        let Some(&QueueItem { song, playlist, .. }) = self.meant() else { return Err(NotPossible::NothingPlays) };
        let search = Search::step(playlist, song, direction).ok_or(NotPossible::Edge(song, direction))?;
        self.look_for(now, search);
        Ok(())
    }

    /// The song that is meant, from another place on: if that is still being looked for, once it is found. `position_ms` is
    /// where the song that is heard is. Returns the song, if it is known, and where it goes to, in milliseconds.
    pub(crate) fn seek(
        &mut self,
        now: Instant,
        seek: Seek,
        position_ms: u64,
    ) -> Result<(Option<SongId>, u64), NotPossible> {
        let heard = self.buffer.first().map(|track| track.item.ticket);
        let from_ms = |item: &QueueItem| if heard == Some(item.ticket) { position_ms } else { item.at_ms };
        let from_ms = self.meant().map(from_ms);
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.what.transition == Transition::Switch) {
            let begin = SeekTarget { found_ms: 0, else_ms: short(from_ms.unwrap_or(0)) };
            let target = lookup.what.seek.unwrap_or(begin).moved_by(seek);
            lookup.what.seek = Some(target);
            return Ok((None, target.found_ms.into()));
        }
        let at_ms = seek_from(seek, from_ms.ok_or(NotPossible::NothingPlays)?);
        self.seek_to(now, at_ms).map(|song| (Some(song), at_ms))
    }

    fn seek_to(&mut self, now: Instant, at_ms: u64) -> Result<SongId, NotPossible> {
        let item = self.meant().copied().ok_or(NotPossible::NothingPlays)?;
        let heard = self.buffer.first().filter(|track| track.item.ticket == item.ticket);
        if let Some(length_ms) = heard.map(|track| track.started.duration_ms()).filter(|length| at_ms >= *length) {
            return Err(NotPossible::TooShort { song: item.song, length_ms });
        }
        let content_tag = heard.map_or(item.content_tag, |track| track.started.content_tag);
        let is_heard = heard.is_some();
        self.lookup = None;
        let ticket = self.next_ticket();
        self.want(QueueItem {
            ticket,
            at_ms,
            content_tag,
            transition: Transition::Switch,
            // A song that was asked for to begin with sound still does.
            keeps_pause: is_heard || item.keeps_pause,
            is_announced: is_heard || item.is_announced,
            asked: Some(now),
            ..item
        });
        Ok(item.song)
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Of too many songs that wait for their start the oldest is given up.
    fn want(&mut self, item: QueueItem) {
        if self.queue.is_full() {
            self.queue.remove(0);
        }
        let _ = self.queue.push((item, None));
        self.wakeups.network = true;
    }

    // ── asking ──

    /// Asks for what is wanted and was not asked for on this connection.
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

        // Not behind others: it would take the place of one that starts.
        let is_first = self.queue.iter().all(|(_, stream)| stream.is_none());
        if self.bringing.is_none()
            && is_first
            && let Some(track) = self.buffer.last().filter(|track| !track.is_over)
        {
            let start = Start::Resume(track.started.position + track.received);
            let content_tag = track.started.content_tag;
            let wanted = PlayRequest { song: track.started.song, start, content_tag, capacity, occupied };
            self.bringing = Some(client.play(now, &wanted)?);
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

    /// The connection is over. What was wanted still is; it has to be asked for again.
    pub(crate) fn on_disconnected(&mut self) {
        self.buffer.on_disconnected();
        self.bringing = None;
        self.is_stopping = false;
        // Of several songs in a row only the last can be meant now.
        while self.queue.len() > 1 {
            self.queue.remove(0);
        }
        self.queue.iter_mut().for_each(|(_, stream)| *stream = None);
        self.lookup.iter_mut().for_each(|lookup| lookup.request = None);
    }

    /// Gives up a song that was to take the place of what is heard, or the search for one.
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

    /// Wants nothing more of the server. What has come is played to its end.
    pub(crate) fn give_up_rest(&mut self) {
        self.queue.clear();
        self.lookup = None;
        self.bringing = None;
        self.is_stopping = true;
        self.buffer.end();
        self.end_playlist();
        self.wakeups = Wakeups { network: true, decoder: true, ..self.wakeups };
    }

    /// The streams that fill the buffer, or will: bytes that leave it make room for them.
    pub(crate) fn filling(&self) -> [Option<StreamId>; 2] {
        let mut followers = self.queue.iter().rev().filter(|(item, _)| item.transition == Transition::Follow);
        [self.bringing, followers.find_map(|queued| queued.1)]
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
                self.lookup = Some(Wanted::new(lookup));
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
        // After next and previous the listener is where they were, unless the step led to another playlist.
        let is_switch = lookup.transition == Transition::Switch;
        if is_step && is_switch && self.meant().is_some_and(|item| item.song == song && item.playlist == playlist) {
            self.stay(&lookup);
        } else {
            let Lookup { transition, keeps_pause, asked, seek, .. } = lookup;
            let at_ms = seek.map_or(0, |target| target.found_ms.into());
            let ticket = self.next_ticket();
            self.want(QueueItem { transition, keeps_pause, asked, at_ms, ..QueueItem::new(ticket, song, playlist) });
        }
        event
    }

    /// A search for another song ended without one: the music goes on.
    fn stay(&mut self, lookup: &Lookup) {
        if let (Some(target), Some(asked)) = (lookup.seek, lookup.asked) {
            // A place that the song does not have leaves it where it is.
            let _ = self.seek_to(asked, target.else_ms.into());
        }
        self.look_for_next();
    }

    /// Searches for the song after the last one, once all of that is here and there is a place for another.
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

    /// Searches for the song after this one. If there is to be none, the playlist ends.
    fn look_after(&mut self, song: SongId, playlist: Playlist) {
        match following(song, playlist) {
            Some(search) => {
                self.look(Lookup { keeps_pause: true, ..Lookup::new(search, Transition::Follow) });
            }
            None => self.end_playlist(),
        }
    }

    /// No song comes by itself after those that are here.
    fn end_playlist(&mut self) {
        self.buffer.end_with_last();
        self.finished = None;
    }

    /// Searches for the song after this one, which was refused, to be heard in its place.
    fn look_around(&mut self, item: &QueueItem) {
        if let Some(search) = following(item.song, item.playlist) {
            let QueueItem { transition, keeps_pause, asked, .. } = *item;
            self.look(Lookup { keeps_pause, is_detour: true, asked, ..Lookup::new(search, transition) });
        }
    }

    fn look(&mut self, lookup: Lookup) {
        self.lookup = Some(Wanted::new(lookup));
        self.wakeups.network = true;
    }

    // ── streams ──

    pub(crate) fn on_started(&mut self, started: Started) {
        if self.bringing == Some(started.stream) {
            // The machine has made sure that it does so at the right byte of the same song. Its title may be asked for now.
            self.wakeups.network = true;
            return self.buffer.go_on_with(started.song);
        }
        self.bringing = None;
        let Some(place) = self.place_of(started.stream) else { return };
        let (mut item, _) = self.queue.remove(place);
        // Other than the one that was asked for if that has other music by now: next and previous count from here.
        item.song = started.song;
        // What was asked for before it can only be answered by now with the end of it.
        for _ in 0..place {
            self.queue.remove(0);
        }
        self.bringing = Some(started.stream);
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
        if self.bringing == Some(stream) {
            self.buffer.push(bytes);
            self.wakeups.decoder = true;
        }
    }

    pub(crate) fn on_ended<'a>(&mut self, stream: StreamId, reason: EndReason) -> Option<Event<'a>> {
        // Another takes its place, if one was asked for.
        let is_replaced = reason == EndReason::Replaced && self.queue.iter().any(|(_, asked)| *asked != Some(stream));
        let is_early = reason != EndReason::Finished && !is_replaced;
        if self.bringing == Some(stream) {
            if is_replaced && self.buffer.last().is_some_and(|track| !track.is_over) {
                // Until then it is only cut off: its rest is asked for if none starts.
                self.bringing = None;
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

    /// Takes an ERROR about a stream, if it is about one. Returns what will not be heard.
    pub(crate) fn on_stream_failed(&mut self, stream: StreamId) -> Option<Refused> {
        if self.bringing == Some(stream) {
            return self.on_over().map(Refused::Rest);
        }
        let item = self.take_queued(stream)?;
        self.on_not_started(&item);
        Some(Refused::Play(item.song))
    }

    /// Takes an ERROR about a search, if it is about one.
    pub(crate) fn on_search_failed(&mut self, request: RequestId) -> Option<Refused> {
        let lookup = self.lookup.take_if(|lookup| lookup.is_answered_by(request))?.what;
        match lookup.transition {
            // It would be refused again.
            Transition::Follow => self.end_playlist(),
            Transition::Switch => self.stay(&lookup),
        }
        Some(lookup.refused())
    }

    /// No more of the last song comes. Returns its number.
    fn on_over(&mut self) -> Option<SongId> {
        self.bringing = None;
        self.buffer.end();
        self.wakeups.decoder = true;
        let song = self.buffer.last().map(|track| track.started.song);
        self.look_for_next();
        song
    }

    /// Goes on without this song.
    fn on_not_started(&mut self, item: &QueueItem) {
        let is_place_in_song = item.at_ms > 0 || item.content_tag != 0;
        if item.transition == Transition::Follow {
            self.look_after(item.song, item.playlist);
        } else if !self.is_switching() && !is_place_in_song {
            self.look_around(item);
        }
        self.look_for_next();
    }

    /// The song that was asked for under this stream and has not started; it is not waited for any more.
    fn take_queued(&mut self, stream: StreamId) -> Option<QueueItem> {
        let place = self.place_of(stream)?;
        Some(self.queue.remove(place).0)
    }

    fn place_of(&self, stream: StreamId) -> Option<usize> {
        self.queue.iter().position(|(_, asked)| *asked == Some(stream))
    }

    /// The first song was heard to its end. Returns how many bytes of it were left.
    pub(crate) fn on_finished(&mut self) -> usize {
        // Its END, at which that is done mostly, may be still to come, or lost.
        self.look_for_next();
        let finished = self.buffer.first().filter(|track| !track.is_final).map(in_playlist);
        let rest = self.buffer.finish();
        self.finished = finished.filter(|_| self.buffer.first().is_none());
        self.look_for_next();
        rest
    }
}

/// The number of a song, and the songs among which it is heard.
fn in_playlist(track: &Track) -> (SongId, Playlist) {
    (track.item.song, track.item.playlist)
}

/// The search for the song that follows this one by itself.
fn following(song: SongId, playlist: Playlist) -> Option<Search> {
    Search::step(playlist, song, Direction::Next).filter(|_| playlist.advances)
}

/// Where a seek goes to from this position, in milliseconds.
fn seek_from(seek: Seek, position_ms: u64) -> u64 {
    millis(seek.from(Duration::from_millis(position_ms)))
}

/// These milliseconds, up to 49 days.
fn short(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
