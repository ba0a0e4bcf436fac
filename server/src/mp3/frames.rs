//! Finds MP3 frames the way the decoder does, without decoding them.
//!
//! Positions, durations and seek points are exact only if this module finds the same frames as minimp3 (and its port
//! nanomp3). So it follows the rules of `mp3dec_decode_frame` and `mp3d_find_frame`:
//!
//! - In sync: a frame counts if a matching header follows directly, or if the frame ends exactly where the data end.
//! - Otherwise the decoder resets itself and searches for the next position at which ten more headers follow, each at the end
//!   of the frame before; fewer if the data end before that. Everything between is junk: tags, cut frames.
//! - A damaged frame with invalid side information counts, but the decoder loses its sync.
//! - In free format, the distance between the first two headers of three is the length of each frame.
//!
//! So the decoder loses the last frame before junk. There is one deliberate exception: the audio ends before junk that no
//! frame follows, such as a trailing tag. Clients do not get that junk, so for them the last frame ends where the data end.

use std::io;
use std::ops::Range;

use trill_proto::decoder::{LOOKAHEAD_BYTES, mixes_blocks_at_8_khz};

use super::header::{FrameHeader, HEADER_BYTES, MAX_FIXED_FRAME_BYTES};
use super::source::{ReadAt, read_full_at};

/// Headers that must follow before the decoder accepts a frame: `MAX_FRAME_SYNC_MATCHES`.
const SYNC_MATCHES: usize = 10;

/// Longest frame of free format: minimp3 finds it only if its input holds two of them, and a client need not provide more than
/// [`LOOKAHEAD_BYTES`].
const MAX_FREE_FRAME_BYTES: usize = (LOOKAHEAD_BYTES - HEADER_BYTES - 1) / 2;

/// Length of the longest frame: padding can make one of free format 4 bytes longer than the first.
const MAX_FRAME_BYTES: usize = MAX_FREE_FRAME_BYTES + 4;
const _: () = assert!(MAX_FRAME_BYTES >= MAX_FIXED_FRAME_BYTES);

/// Bytes read from the file at a time.
const WINDOW_BYTES: usize = 128 * 1024;

/// The same if only a few frames are needed.
const SMALL_READ_BYTES: usize = 16 * 1024;

/// A frame that the decoder accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its position in the file.
    pub(super) offset: u64,
    /// Its header.
    pub(super) header: FrameHeader,
    /// Its length in bytes.
    pub(super) length: usize,
    /// Bytes of the bit reservoir that it needs.
    pub(super) main_data_begin: usize,
    /// Bytes that it adds to the bit reservoir.
    pub(super) main_data_bytes: usize,
}

impl Frame {
    /// Position of the next frame, if there is no junk between.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.length as u64
    }
}

/// The frames within a range of a file, in order.
pub(super) struct Frames<'a> {
    window: Window<'a>,
    at: u64,
    /// The header at `at`, if it is known to be a frame's.
    in_step: Option<FrameHeader>,
    /// Length of the frames in free format, without padding.
    free_bytes: usize,
    /// Where the decoder starts without any state: at the start of the data, or behind a damaged frame.
    origin: Option<u64>,
}

impl<'a> Frames<'a> {
    /// Finds the frames that a decoder finds that gets the bytes in `range`, or those from its first frame on.
    pub(super) fn new(source: &'a dyn ReadAt, range: Range<u64>) -> Self {
        Self::through(Window::new(source, range.end.max(range.start), WINDOW_BYTES), range)
    }

    /// The same, with small reads for a few frames.
    pub(super) fn with_small_reads(source: &'a dyn ReadAt, range: Range<u64>) -> Self {
        Self::through(Window::new(source, range.end.max(range.start), SMALL_READ_BYTES), range)
    }

    fn through(window: Window<'a>, range: Range<u64>) -> Self {
        Self { window, at: range.start, in_step: None, free_bytes: 0, origin: Some(range.start) }
    }

    /// Restarts at `offset`, as a decoder that gets the bytes from there on.
    pub(super) fn restart_at(&mut self, offset: u64) {
        (self.at, self.in_step, self.origin) = (offset, None, Some(offset));
    }

    /// Continues at `offset`, where a frame starts, as a decoder that is in sync.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn continue_at(&mut self, offset: u64) -> io::Result<()> {
        self.restart_at(offset);
        self.origin = None;
        self.in_step = FrameHeader::parse(self.window.ahead(offset, HEADER_BYTES)?);
        if self.in_step.is_some_and(|header| header.is_free_format()) {
            self.in_step = None;
            if let Some(found) = self.synchronises(offset, Place::Later)? {
                (self.in_step, self.free_bytes) = (Some(found.header), found.free_bytes);
            }
        }
        Ok(())
    }

    /// The next frame; `None` after the last.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if self.in_step.is_none() && !self.synchronise()? {
                return Ok(None);
            }
            let Some(header) = self.in_step else { return Ok(None) };
            let ahead = self.window.ahead(self.at, MAX_FRAME_BYTES + HEADER_BYTES)?;
            let (length, offset) = (frame_bytes(&header, self.free_bytes), self.at);
            if length > ahead.len() {
                self.lose_step();
                continue;
            }
            let bytes = &ahead[..length];
            let frame = Frame {
                offset,
                header,
                length,
                main_data_begin: header.main_data_begin(bytes).unwrap_or(0),
                main_data_bytes: header.main_data_bytes(bytes),
            };
            let is_forgotten = !header.has_valid_side_info(bytes) || mixes_blocks_at_8_khz(bytes);
            let next = FrameHeader::parse(&ahead[length..]).filter(|next| header.is_continued_by(next));
            if next.is_some() || length == ahead.len() {
                self.at = frame.end();
                (self.in_step, self.origin) = if is_forgotten { (None, Some(self.at)) } else { (next, None) };
            } else {
                self.lose_step();
                if self.synchronise()? {
                    continue;
                }
            }
            return Ok(Some(frame));
        }
    }

    /// Whether a decoder that gets the bytes from `offset` on accepts a frame there.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn can_start_at(&mut self, offset: u64) -> io::Result<bool> {
        Ok(self.synchronises(offset, Place::Origin)?.is_some())
    }

    /// The bytes of a frame that was just found.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn bytes(&mut self, frame: &Frame) -> io::Result<&[u8]> {
        let ahead = self.window.ahead(frame.offset, frame.length)?;
        Ok(&ahead[..frame.length.min(ahead.len())])
    }

    /// Rejects the frame at `at`: the search continues behind its first byte.
    fn lose_step(&mut self) {
        self.in_step = None;
        self.at += 1;
    }

    /// Moves to the next position at which the decoder finds a frame. Returns `false` if there is none.
    fn synchronise(&mut self) -> io::Result<bool> {
        loop {
            let place = if self.origin == Some(self.at) { Place::Origin } else { Place::Later };
            if let Some(found) = self.synchronises(self.at, place)? {
                (self.in_step, self.free_bytes, self.origin) = (Some(found.header), found.free_bytes, None);
                return Ok(true);
            }
            let ahead = self.window.ahead(self.at, HEADER_BYTES)?;
            if ahead.len() < HEADER_BYTES {
                self.at += ahead.len() as u64;
                return Ok(false);
            }
            // A header starts with 0xff; skip to the next at once.
            let skip = ahead[1..].iter().position(|&byte| byte == 0xff).map_or(ahead.len(), |found| found + 1);
            self.at += skip as u64;
        }
    }

    /// The frame at `offset` if the decoder starts there: `mp3d_match_frame`.
    fn synchronises(&mut self, offset: u64, place: Place) -> io::Result<Option<Found>> {
        let Some(header) = FrameHeader::parse(self.window.ahead(offset, HEADER_BYTES)?) else { return Ok(None) };
        let longest = if header.is_free_format() { MAX_FRAME_BYTES } else { *header.stream_bytes(false).end() };
        let ahead = self.window.ahead(offset, SYNC_MATCHES * longest + HEADER_BYTES)?;
        let free_bytes = if header.is_free_format() { free_format_bytes(ahead, &header) } else { Some(0) };
        Ok(free_bytes.map(|free_bytes| Found { header, free_bytes }).filter(|found| is_followed(ahead, found, place)))
    }
}

/// The data before a position at which the decoder could start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// None: the position is the start of the data, or behind a damaged frame.
    Origin,
    /// Junk.
    Later,
}

/// A frame that the decoder starts with.
struct Found {
    header: FrameHeader,
    /// Length of frames in free format, without padding.
    free_bytes: usize,
}

fn frame_bytes(header: &FrameHeader, free_bytes: usize) -> usize {
    header.fixed_bytes().unwrap_or(free_bytes + header.padding_bytes())
}

/// Length of the frames without padding in a stream of free format that starts with `header`: `mp3d_find_frame`. The next two
/// headers must have the same distance.
fn free_format_bytes(ahead: &[u8], header: &FrameHeader) -> Option<usize> {
    let follows = |at: usize| FrameHeader::parse(ahead.get(at..)?).filter(|next| header.is_continued_by(next));
    (HEADER_BYTES..=MAX_FREE_FRAME_BYTES).find_map(|length| {
        let next = follows(length)?;
        let free_bytes = length.checked_sub(header.padding_bytes()).filter(|&bytes| bytes > 0)?;
        follows(length + frame_bytes(&next, free_bytes)).map(|_| free_bytes)
    })
}

/// Whether enough headers follow the frame at the start of `ahead`, which must hold [`SYNC_MATCHES`] of the longest frames and
/// a header, or end where the data end.
fn is_followed(ahead: &[u8], first: &Found, place: Place) -> bool {
    let (mut at, mut header) = (0, first.header);
    for matches in 0..SYNC_MATCHES {
        at += frame_bytes(&header, first.free_bytes);
        let Some(bytes) = ahead.get(at..).filter(|bytes| bytes.len() >= HEADER_BYTES) else {
            // A single frame suffices only if nothing is before and behind it.
            return matches > 0 || (place == Place::Origin && at == ahead.len());
        };
        match FrameHeader::parse(bytes).filter(|next| first.header.is_continued_by(next)) {
            Some(next) => header = next,
            None => return false,
        }
    }
    true
}

/// A window of the file in memory, moved forward in large steps.
struct Window<'a> {
    source: &'a dyn ReadAt,
    /// The end of the data.
    limit: u64,
    /// Bytes read at a time.
    size: usize,
    start: u64,
    filled: usize,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(source: &'a dyn ReadAt, limit: u64, size: usize) -> Self {
        Self { source, limit, size, start: 0, filled: 0, buffer: Vec::new() }
    }

    /// At least `wanted` bytes from `at` on, or all up to the end.
    fn ahead(&mut self, at: u64, wanted: usize) -> io::Result<&[u8]> {
        let wanted = self.limit.saturating_sub(at).min(wanted as u64);
        if at < self.start || at + wanted > self.start + self.filled as u64 {
            self.move_to(at, wanted)?;
        }
        let skip = usize::try_from(at - self.start).unwrap_or(usize::MAX).min(self.filled);
        Ok(&self.buffer[skip..self.filled])
    }

    fn move_to(&mut self, at: u64, wanted: u64) -> io::Result<()> {
        let end = self.start + self.filled as u64;
        let kept = if (self.start..end).contains(&at) { (end - at) as usize } else { 0 };
        self.buffer.copy_within(self.filled - kept..self.filled, 0);
        (self.start, self.filled) = (at, kept);

        let size = self.limit.saturating_sub(at).min(wanted.max(self.size as u64)) as usize;
        self.buffer.resize(size.max(kept), 0);
        self.filled += read_full_at(self.source, at + kept as u64, &mut self.buffer[kept..])?;
        if self.filled < size {
            // The file was cut while it was read.
            self.limit = at + self.filled as u64;
        }
        Ok(())
    }
}
