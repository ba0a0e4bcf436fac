//! Compressed bytes on their way from the network to the decoder: the jitter buffer.
//!
//! ```text
//!   reader thread ── start, push, end ──▶ [ heard now | follows it ] ──▶ peek, consume ── player thread
//!   anybody ──────── clear ─────────────▶
//! ```
//!
//! The buffer is a short queue of songs, each known by its [`Ticket`]. The first is the one being heard. A song that
//! takes its place ([`Join::Switch`]) drops everything before it in the same step, and bytes are taken only for songs
//! that are here: bytes of an old song can neither follow nor mix with those of a new one. The player asks for its
//! song by ticket, and learns from `None` that it is over.
//!
//! Bounded without a check of its own: the session machine ends a connection that sends more than was granted, and
//! grants no more than fits into [`CAPACITY_BYTES`] a song, however many connections it takes to bring it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use trill_proto::message::Started;

use crate::output::Controls;

/// Most compressed bytes of one song: a minute at 128 kbit/s, 26 seconds at 320. Enough to sit out a change of
/// networks, and no more than a server is asked to send in vain when the listener changes their mind.
pub const CAPACITY_BYTES: u32 = 1 << 20;

/// Names one wish to hear a song, on whatever connection it is fulfilled. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How a song comes into the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// In place of everything that is there.
    Switch,
    /// After what is there, without a gap.
    Follow,
}

/// A song as it starts to arrive.
#[derive(Clone)]
pub struct Arrival {
    /// Which wish this answers.
    pub ticket: Ticket,
    /// What the server said of it.
    pub started: Started,
    /// When the user asked for it; `None` if it follows by itself.
    pub asked: Option<Instant>,
    /// How it comes after what is there.
    pub join: Join,
    /// Who delivers the bytes.
    pub supplier: Arc<dyn Supplier>,
}

/// Who delivers the bytes of a song: one stream of one connection.
pub trait Supplier: Send + Sync {
    /// So many bytes left the buffer: there is room for as many more.
    fn release(&self, bytes: usize);

    /// How the path has done so far.
    fn delivery(&self) -> Delivery;
}

/// What is known of the path to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How fast the song arrives.
    pub bytes_per_second: u64,
    /// The smallest round-trip seen.
    pub round_trip: Duration,
}

/// The front of a song, as [`Buffer::peek`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Bytes copied out.
    pub copied: usize,
    /// Bytes in the buffer, those included.
    pub buffered: usize,
    /// Bytes received since the song was asked for.
    pub received: u64,
    /// No more will come.
    pub is_over: bool,
}

/// What [`Buffer::wait_for_song`] came back with.
pub enum Turn {
    /// A song to play: the same as last time if that was not [finished](Buffer::finish).
    Play(Arrival),
    /// Nothing for the time given.
    Idle,
    /// The program ends.
    Closed,
}

/// The songs of the buffer, shared by the threads.
#[derive(Default)]
pub struct Buffer {
    state: Mutex<State>,
    changed: Condvar,
    /// Where the player may be waiting instead of here.
    output: OnceLock<Controls>,
}

#[derive(Default)]
struct State {
    songs: VecDeque<Song>,
    /// The memory of songs that are over, for those to come: given back to the system piece by piece, by other threads than
    /// asked for it, it would not come back, and a program that plays for days would grow.
    spare: Vec<VecDeque<u8>>,
    is_closed: bool,
}

struct Song {
    arrival: Arrival,
    bytes: VecDeque<u8>,
    /// Bytes pushed since the song began, over all connections.
    received: u64,
    is_over: bool,
}

impl Buffer {
    /// An empty buffer.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Names the output that the player writes to, so that news reach it there. Once for a buffer.
    pub fn connect_output(&self, output: Controls) {
        // A second output would be a second player: there is none.
        let _ = self.output.set(output);
    }

    // ── network side ──

    /// A song begins to arrive.
    pub fn start(&self, arrival: Arrival) {
        let mut state = self.lock();
        if arrival.join == Join::Switch {
            state.drop_songs();
        }
        let is_over = arrival.started.position >= arrival.started.size_bytes;
        let bytes = state.spare.pop().unwrap_or_else(|| VecDeque::with_capacity(CAPACITY_BYTES as usize));
        state.songs.push_back(Song { arrival, bytes, received: 0, is_over });
        self.announce(state);
    }

    /// The rest of a song that was cut off is asked for: by `ask`, which is told how many bytes of it wait here, and
    /// returns whom to tell when those and all that follow leave the buffer. Nothing is asked if the song is not here.
    pub fn entrust(&self, ticket: Ticket, ask: impl FnOnce(usize) -> Option<Arc<dyn Supplier>>) {
        // Under the lock, so that every byte is either counted now or told of later.
        let mut state = self.lock();
        if let Some(song) = state.song(ticket)
            && let Some(supplier) = ask(song.bytes.len())
        {
            song.arrival.supplier = supplier;
        }
    }

    /// Whether what begins to arrive is the rest of a song that was cut off: the next byte of the same audio. Of a song
    /// that is not here any more, anything is.
    #[must_use]
    pub fn is_rest(&self, ticket: Ticket, started: &Started) -> bool {
        let mut state = self.lock();
        let Some(song) = state.song(ticket) else { return true };
        let first = &song.arrival.started;
        (started.content_tag, started.size_bytes) == (first.content_tag, first.size_bytes)
            && started.position == first.position + song.received
    }

    /// Bytes of a song arrived; dropped if it is no longer here.
    pub fn push(&self, ticket: Ticket, bytes: &[u8]) {
        let mut state = self.lock();
        let Some(song) = state.song(ticket) else { return };
        song.bytes.extend(bytes);
        song.received += bytes.len() as u64;
        song.is_over |= song.arrival.started.position + song.received >= song.arrival.started.size_bytes;
        drop(state);
        self.changed.notify_all();
    }

    /// No more of a song will come, whatever is missing. What is here of it is played.
    pub fn end(&self, ticket: Ticket) {
        if let Some(song) = self.lock().song(ticket) {
            song.is_over = true;
        }
        self.changed.notify_all();
    }

    // ── everybody ──

    /// Drops everything: silence.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.drop_songs();
        self.announce(state);
    }

    /// Drops everything, for good: the player ends.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.drop_songs();
        self.announce(state);
    }

    /// Byte position in a song of the next byte that has not been received.
    pub fn position(&self, ticket: Ticket) -> Option<u64> {
        self.lock().song(ticket).map(|song| song.arrival.started.position + song.received)
    }

    /// Bytes of a song that wait to be decoded.
    pub fn level(&self, ticket: Ticket) -> usize {
        self.lock().song(ticket).map_or(0, |song| song.bytes.len())
    }

    // ── player side ──

    /// Waits for a song to play, at most so long.
    pub fn wait_for_song(&self, at_most: Duration) -> Turn {
        let waited =
            self.changed.wait_timeout_while(self.lock(), at_most, |state| state.songs.is_empty() && !state.is_closed);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        match state.songs.front() {
            _ if state.is_closed => Turn::Closed,
            Some(song) => Turn::Play(song.arrival.clone()),
            None => Turn::Idle,
        }
    }

    /// Copies the front of the first song; `None` if that is not `ticket` any more.
    pub fn peek(&self, ticket: Ticket, front: &mut [u8]) -> Option<View> {
        let mut state = self.lock();
        let song = state.first(ticket)?;
        let copied = copy_front(&song.bytes, front);
        Some(View { copied, buffered: song.bytes.len(), received: song.received, is_over: song.is_over })
    }

    /// Drops bytes from the front of a song: they are decoded.
    pub fn consume(&self, ticket: Ticket, bytes: usize) {
        let mut state = self.lock();
        let Some(song) = state.song(ticket) else { return };
        let bytes = bytes.min(song.bytes.len());
        song.bytes.drain(..bytes);
        let supplier = song.arrival.supplier.clone();
        // It has a lock of its own, which the network thread holds when it comes here.
        drop(state);
        supplier.release(bytes);
    }

    /// Waits until there is more of a song than `received`, or it is over or gone; at most so long.
    pub fn wait_for_more(&self, ticket: Ticket, received: u64, at_most: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, |state| {
            state.first(ticket).is_some_and(|song| song.received == received && !song.is_over)
        });
        drop(waited);
    }

    /// How a song has been delivered so far.
    pub fn delivery(&self, ticket: Ticket) -> Option<Delivery> {
        let supplier = self.lock().song(ticket)?.arrival.supplier.clone();
        Some(supplier.delivery())
    }

    /// Whether the song is first.
    pub fn is_first(&self, ticket: Ticket) -> bool {
        self.lock().first(ticket).is_some()
    }

    /// Whether another song follows it.
    pub fn is_followed(&self, ticket: Ticket) -> bool {
        let mut state = self.lock();
        state.first(ticket).is_some() && state.songs.len() > 1
    }

    /// The song was played to its end: the next is first.
    pub fn finish(&self, ticket: Ticket) {
        let mut state = self.lock();
        if state.first(ticket).is_some() {
            state.drop_first();
        }
    }

    /// Wakes the player, whether it waits here or in the output.
    fn announce(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.changed.notify_all();
        if let Some(output) = self.output.get() {
            output.interrupt();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change to the state is complete when it can panic, so it is sound whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn song(&mut self, ticket: Ticket) -> Option<&mut Song> {
        self.songs.iter_mut().find(|song| song.arrival.ticket == ticket)
    }

    fn first(&mut self, ticket: Ticket) -> Option<&mut Song> {
        self.songs.front_mut().filter(|song| song.arrival.ticket == ticket)
    }

    fn drop_songs(&mut self) {
        while !self.songs.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(Song { mut bytes, .. }) = self.songs.pop_front() {
            bytes.clear();
            self.spare.push(bytes);
        }
    }
}

/// Copies as much as fits, and returns how much that was.
fn copy_front(bytes: &VecDeque<u8>, front: &mut [u8]) -> usize {
    let copied = bytes.len().min(front.len());
    let (head, tail) = bytes.as_slices();
    let of_head = head.len().min(copied);
    front[..of_head].copy_from_slice(&head[..of_head]);
    front[of_head..copied].copy_from_slice(&tail[..copied - of_head]);
    copied
}

#[cfg(test)]
mod tests;
