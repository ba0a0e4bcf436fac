//! One stream, from its PLAY on.

use super::PlayRequest;
use super::deadline::Deadline;
use crate::error::SessionError;
use crate::ids::{SongId, StreamId};
use crate::limits::DATA_TIMEOUT;
use crate::message::{MessageType, Start, Started};
use crate::time::Instant;
use crate::window::{Path, Window};
use core::time::Duration;
use heapless::Vec;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) window: Window,
    song: SongId,
    start: Start,
    content_tag: u64,
    pub(super) asked: Instant,
    /// When data became due: credit was granted after all of it had been used up.
    pub(super) waiting_since: Instant,
    pub(super) deadline: Deadline,
    pub(super) received: u64,
    /// Bytes from the stream's first to the song's end; known from STARTED on.
    expected: u64,
}

impl Stream {
    pub(super) fn new(now: Instant, id: StreamId, wanted: &PlayRequest) -> Self {
        Self {
            id,
            window: Window::new(wanted.capacity, wanted.occupied),
            song: wanted.song,
            start: wanted.start,
            content_tag: wanted.content_tag,
            asked: now,
            waiting_since: now,
            deadline: Deadline::new(now, DATA_TIMEOUT),
            received: 0,
            expected: u64::MAX,
        }
    }

    /// Whether it resumes a stream that was cut.
    pub(super) const fn is_resumed(&self) -> bool {
        matches!(self.start, Start::Resume(_))
    }

    /// Bytes that have not come.
    pub(super) const fn remaining(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// Whether the server has credit for bytes that have not come.
    pub(super) const fn is_waiting(&self) -> bool {
        self.window.outstanding() > 0 && self.remaining() > 0
    }

    /// Takes STARTED, which must match the PLAY.
    pub(super) fn start(&mut self, now: Instant, started: &Started, path: &Path) -> Result<(), SessionError> {
        let is_wanted = match self.content_tag {
            0 => started.song == self.song,
            tag => started.content_tag == tag,
        };
        let is_in_place = match self.start {
            Start::Time(_) => started.first_heard() <= started.end_sample,
            // After a resume the first sample is an estimate.
            Start::Resume(position) => started.position == position,
        };
        if !is_wanted || !is_in_place {
            return Err(SessionError::Unexpected(MessageType::Started));
        }
        self.expected = started.size_bytes - started.position;
        self.wait_for_data(now, path);
        Ok(())
    }

    /// The server has credit again: from now on data is due.
    pub(super) fn wait_for_data(&mut self, now: Instant, path: &Path) {
        self.waiting_since = now;
        self.renew_deadline(now, path);
    }

    pub(super) fn renew_deadline(&mut self, now: Instant, path: &Path) {
        self.deadline = Deadline::new(now, patience(path));
    }

    /// Takes the arrival of `bytes`, for which there was credit.
    pub(super) fn on_data(&mut self, now: Instant, bytes: usize, path: &Path) {
        self.received += bytes as u64;
        self.deadline.on_bytes(now, bytes, patience(path));
    }
}

/// How long data may be due.
fn patience(path: &Path) -> Duration {
    DATA_TIMEOUT.max(path.round_trip() * 8)
}

/// PLAYs that may wait for an answer at once.
pub(super) const MAX_PENDING: usize = 4;

/// PLAYs that have not been answered, in the order in which they were asked for.
pub(super) type Pending = Vec<Stream, MAX_PENDING>;
