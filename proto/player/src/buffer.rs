//! Compressed bytes on their way from the network to the decoder: the jitter buffer.
//!
//! ```text
//!   ┌────────┬───────────────────────┬─────────────────┬──────┐
//!   │decoded │ the song that is heard│ one that follows│ free │   storage
//!   └────────┴───────────────────────┴─────────────────┴──────┘
//!            begin                                     end
//! ```
//!
//! The bytes lie in one piece, so a decoder reads them in place. When there is no room behind them, they move to the front.
//! An eighth of the storage is never granted to the server, so at worst seven bytes move for each byte received.
//!
//! The buffer has no check of its size: the session machine ends a connection that sends more than was granted.

use heapless::Deque;
use trill_proto::ids::SongId;
use trill_proto::message::Started;

use crate::item::{ItemId, QueueItem};

/// A song whose bytes are in the buffer, or will be.
#[derive(Clone, Debug)]
pub struct Track {
    /// What the player requested.
    pub item: QueueItem,
    /// The server's description.
    pub started: Started,
    /// Bytes received, over all connections.
    pub received: u64,
    /// Bytes of it in the buffer.
    pub buffered: usize,
    /// No more bytes will arrive.
    pub is_over: bool,
    /// No song follows it by itself.
    pub(crate) is_final: bool,
    /// The song's number comes from the present connection. After a restart of the server it may be another song's.
    pub(crate) is_number_current: bool,
}

impl Track {
    /// Whether all of the song has arrived, and some of it should be heard.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let Started { position, size_bytes, end_sample, .. } = self.started;
        position < size_bytes && self.received >= size_bytes - position && self.started.first_heard() < end_sample
    }
}

/// Songs in the buffer at once: the song heard, and one that follows it.
const TRACKS: usize = 2;

/// The songs in memory. The first is the song heard.
#[derive(Debug)]
pub struct Buffer<'m> {
    storage: &'m mut [u8],
    begin: usize,
    end: usize,
    tracks: Deque<Track, TRACKS>,
}

impl<'m> Buffer<'m> {
    /// An empty buffer in this memory.
    pub const fn new(storage: &'m mut [u8]) -> Self {
        Self { storage, begin: 0, end: 0, tracks: Deque::new() }
    }

    /// The most bytes that it holds.
    pub const fn capacity_bytes(&self) -> usize {
        self.storage.len() - self.storage.len() / 8
    }

    /// Bytes in it.
    pub const fn buffered_bytes(&self) -> usize {
        self.end - self.begin
    }

    // ── network side ──

    /// A song begins to arrive, in place of all others.
    pub fn switch_to(&mut self, item: QueueItem, started: Started) {
        self.clear();
        self.follow_with(item, started);
    }

    /// A song begins to arrive, after the song heard. Only one can wait.
    pub fn follow_with(&mut self, item: QueueItem, started: Started) {
        let is_over = started.position >= started.size_bytes;
        let track =
            Track { item, started, received: 0, buffered: 0, is_over, is_final: false, is_number_current: true };
        // There is room: the player requests a song that follows only if none is here.
        let _ = self.tracks.push_back(track);
    }

    /// Adds bytes to the last song.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.end + bytes.len() > self.storage.len() {
            self.storage.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        let (Some(room), Some(track)) =
            (self.storage.get_mut(self.end..self.end + bytes.len()), self.tracks.back_mut())
        else {
            return;
        };
        room.copy_from_slice(bytes);
        self.end += bytes.len();
        track.buffered += bytes.len();
        track.received += bytes.len() as u64;
        track.is_over |= track.started.position + track.received >= track.started.size_bytes;
    }

    /// No more bytes of the last song will arrive.
    pub fn end(&mut self) {
        if let Some(track) = self.tracks.back_mut() {
            track.is_over = true;
        }
    }

    /// No song follows the last by itself.
    pub fn end_with_last(&mut self) {
        if let Some(track) = self.tracks.back_mut() {
            track.is_final = true;
        }
    }

    /// Drops the song that follows the song heard. Returns whether there was one.
    pub fn drop_follower(&mut self) -> bool {
        let follower = if self.is_followed() { self.tracks.pop_back() } else { None };
        self.end -= follower.as_ref().map_or(0, |track| track.buffered);
        follower.is_some()
    }

    /// A song may follow the last by itself after all.
    pub fn reopen(&mut self) {
        if let Some(track) = self.tracks.back_mut() {
            track.is_final = false;
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.tracks.clear();
        (self.begin, self.end) = (0, 0);
    }

    /// The last song goes on to arrive, perhaps under another number.
    pub fn go_on_with(&mut self, song: SongId) {
        if let Some(track) = self.tracks.back_mut() {
            (track.item.song, track.started.song) = (song, song);
            track.is_number_current = true;
        }
    }

    /// The connection is over. The server of the next may number its songs in another way.
    pub fn on_disconnected(&mut self) {
        self.tracks.iter_mut().for_each(|track| track.is_number_current = false);
    }

    /// The song that arrives, or arrived last.
    pub fn last(&self) -> Option<&Track> {
        self.tracks.back()
    }

    /// The song with this id, if it is here.
    pub fn find(&self, id: ItemId) -> Option<&Track> {
        self.tracks.iter().find(|track| track.item.id == id)
    }

    // ── decoder's side ──

    /// Marks the first song as announced. Returns whether it was not before.
    pub fn announce(&mut self) -> bool {
        self.tracks.front_mut().is_some_and(|track| !core::mem::replace(&mut track.item.is_announced, true))
    }

    /// The song heard.
    pub fn first(&self) -> Option<&Track> {
        self.tracks.front()
    }

    /// The song that follows the first, if it is here.
    pub fn follower(&self) -> Option<&Track> {
        self.tracks.iter().nth(1)
    }

    /// Whether another song is here that follows the first.
    pub fn is_followed(&self) -> bool {
        self.follower().is_some()
    }

    /// The bytes of the first song.
    pub fn front(&self) -> &[u8] {
        let buffered = self.tracks.front().map_or(0, |track| track.buffered);
        self.storage.get(self.begin..self.begin + buffered).unwrap_or_default()
    }

    /// Drops the first `count` bytes of the first song.
    pub fn consume(&mut self, count: usize) {
        if let Some(track) = self.tracks.front_mut() {
            let count = count.min(track.buffered);
            track.buffered -= count;
            self.begin += count;
        }
    }

    /// Drops the first song. Returns how many bytes of it were left.
    pub fn finish(&mut self) -> usize {
        let rest = self.tracks.pop_front().map_or(0, |track| track.buffered);
        self.begin += rest;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Place;

    fn item(id: u32) -> QueueItem {
        QueueItem::new(ItemId(id), SongId(1), Place::default())
    }

    fn started(size_bytes: u64) -> Started {
        Started { size_bytes, ..Started::default() }
    }

    #[test]
    fn what_goes_in_comes_out_however_often_it_is_moved() {
        let mut storage = [0xa5; 64];
        let mut buffer = Buffer::new(&mut storage);
        buffer.switch_to(item(1), started(10_000));
        let mut next_in = 0_u8;
        let mut next_out = 0_u8;
        for step in 0..1_000 {
            let bytes: heapless::Vec<u8, 64> = (0..(buffer.capacity_bytes() - buffer.buffered_bytes())
                .min(step % 13 + 1))
                .map(|i| next_in.wrapping_add(i as u8))
                .collect();
            next_in = next_in.wrapping_add(bytes.len() as u8);
            buffer.push(&bytes);
            let count = buffer.buffered_bytes().min(step % 11);
            for byte in &buffer.front()[..count] {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            buffer.consume(count);
        }
    }

    #[test]
    fn songs_that_join_are_kept_apart() {
        let mut storage = [0; 64];
        let mut buffer = Buffer::new(&mut storage);
        buffer.switch_to(item(1), started(5));
        buffer.push(&[1; 5]);
        assert!(buffer.last().unwrap().is_over && !buffer.is_followed());
        buffer.follow_with(item(2), started(100));
        buffer.push(&[2; 10]);
        assert_eq!((buffer.front(), buffer.buffered_bytes(), buffer.is_followed()), (&[1; 5][..], 15, true));
        assert!(buffer.drop_follower());
        assert_eq!((buffer.front(), buffer.buffered_bytes(), buffer.is_followed()), (&[1; 5][..], 5, false));
        buffer.follow_with(item(2), started(100));
        buffer.push(&[2; 10]);
        buffer.consume(3);
        assert_eq!(buffer.finish(), 2);
        assert_eq!((buffer.front(), buffer.first().unwrap().item.id), (&[2; 10][..], ItemId(2)));
        buffer.switch_to(item(3), started(0));
        assert_eq!((buffer.buffered_bytes(), buffer.front()), (0, &[][..]));
        assert!(!buffer.drop_follower());
        assert!(buffer.first().unwrap().is_over, "a song without audio is over at once");
    }

    #[test]
    fn bytes_of_no_song_are_dropped() {
        let mut storage = [0; 16];
        let mut buffer = Buffer::new(&mut storage);
        buffer.push(&[1; 4]);
        buffer.push(&[1; 400]);
        assert_eq!(buffer.buffered_bytes(), 0);
        buffer.consume(4);
        assert_eq!(buffer.finish(), 0);
    }
}
