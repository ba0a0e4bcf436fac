//! What the server sends: songs and lists that the music waits for.

use trill_proto::ids::{SongId, StreamId};
use trill_proto::message::{EndReason, ListEnd, Song, Started};

use super::Music;
use crate::item::{QueueItem, Transition};
use crate::{Event, Refused, Wakeups};

impl Music<'_> {
    /// Takes a SONG of a search or an addition.
    pub(crate) fn on_song<'a>(&mut self, song: Song<'a>) -> Option<Event<'a>> {
        if self.search.as_ref().is_some_and(|search| search.is_answered_by(song.request)) {
            return self.on_searched_song(song);
        }
        let addition = self.additions.front_mut()?;
        addition.what.lookup.on_song(&song).then_some(Event::Found(song))
    }

    /// Takes the LIST-END of a search or an addition.
    pub(crate) fn on_list_end<'a>(&'a mut self, end: &ListEnd) -> Option<Event<'a>> {
        if let Some(search) = self.search.take_if(|search| search.is_answered_by(end.request)) {
            return self.on_searched(search.what, end);
        }
        let addition = self.additions.pop_front()?;
        self.on_addition_found(addition.what, end)
    }

    pub(crate) fn on_started(&mut self, started: Started) {
        self.failures = 0;
        if self.arriving == Some(started.stream) {
            // The machine has checked that it is the same song from the right byte on. Its title can be requested now.
            self.wakeups.network = true;
            return self.buffer.go_on_with(started.song);
        }
        self.arriving = None;
        let Some(place) = self.place_of(started.stream) else { return };
        let (mut item, _) = self.requested.remove(place);
        // The server may have found the content under another number: next and previous count from there.
        item.song = started.song;
        // Songs requested before it can only end from now on.
        for _ in 0..place {
            self.requested.remove(0);
        }
        self.arriving = Some(started.stream);
        self.finished = None;
        self.wakeups.decoder = true;
        if item.transition == Transition::Follow && !self.buffer.is_followed() {
            self.buffer.follow_with(item, started);
        } else {
            self.is_paused &= item.keeps_pause;
            self.wakeups = Wakeups { network: self.wakeups.network, ..Wakeups::ALL };
            self.buffer.switch_to(item, started);
            self.next = None;
        }
        if self.buffer.first().is_some_and(|track| track.item.id == item.id) {
            self.on_heard(&item);
        }
    }

    /// A song becomes the song heard: its place is the present one, and the next is looked for.
    fn on_heard(&mut self, item: &QueueItem) {
        if let Some(entry) = item.replaces {
            self.queue.replace(entry, item.place);
        }
        self.queue.go_to(item.place);
        self.look_for_next();
    }

    pub(crate) fn on_data(&mut self, stream: StreamId, bytes: &[u8]) {
        if self.arriving == Some(stream) {
            self.buffer.push(bytes);
            self.wakeups.decoder = true;
        }
    }

    pub(crate) fn on_ended<'a>(&mut self, stream: StreamId, reason: EndReason) -> Option<Event<'a>> {
        // Only a song that was requested can replace it.
        let is_replaced =
            reason == EndReason::Replaced && self.requested.iter().any(|(_, asked)| *asked != Some(stream));
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
            let item = self.take_requested(stream).filter(|_| is_early)?;
            self.on_not_started(&item);
            Some(Event::EndedEarly(item.song))
        }
    }

    /// Takes an ERROR, if it is about a stream. Returns what will not be heard.
    pub(crate) fn on_stream_failed(&mut self, stream: StreamId) -> Option<Refused> {
        if self.arriving == Some(stream) {
            return self.on_over().map(Refused::Rest);
        }
        let item = self.take_requested(stream)?;
        self.on_not_started(&item);
        Some(Refused::Play(item.song))
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
        if !self.is_switching() && (item.transition == Transition::Follow || !is_place_in_song) {
            self.look_past_item(item);
        }
        self.look_for_next();
    }

    /// Takes the song with this stream off the requests.
    fn take_requested(&mut self, stream: StreamId) -> Option<QueueItem> {
        let place = self.place_of(stream)?;
        Some(self.requested.remove(place).0)
    }

    fn place_of(&self, stream: StreamId) -> Option<usize> {
        self.requested.iter().position(|(_, asked)| *asked == Some(stream))
    }

    /// The song heard was played to its end. Returns how many bytes of it were left.
    pub(crate) fn on_finished(&mut self) -> usize {
        // Usually its END did this before. It may be late, or lost.
        self.look_for_next();
        let finished = self.buffer.first().filter(|track| !track.is_final);
        let finished = finished.map(|track| (track.item.song, track.item.place));
        let rest = self.buffer.finish();
        match self.buffer.first().map(|track| track.item) {
            Some(item) => self.on_heard(&item),
            None => {
                self.finished = finished;
                self.queue.on_over();
                self.look_for_next();
            }
        }
        rest
    }
}
