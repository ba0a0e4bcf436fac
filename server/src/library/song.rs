//! A song that somebody plays.

use std::fmt;
use std::io;
use std::sync::Arc;

use trill_proto::ids::SongId;

use super::error::{ReadError, SeekError};
use super::file::Stamp;
use super::origin::Content;
use crate::mp3::duration::{Counted, Measured};
use crate::mp3::seek::{Location, locate};
use crate::mp3::source::ReadAt;

/// One open file, shared by all who play it. It stays readable when the file is removed, or another is put in its place.
pub struct OpenSong {
    id: SongId,
    content: Content,
    stamp: Stamp,
    counted: Arc<Counted>,
}

impl fmt::Debug for OpenSong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSong").field("id", &self.id).field("measured", self.measured()).finish_non_exhaustive()
    }
}

impl OpenSong {
    pub(super) fn new(id: SongId, content: Content, stamp: Stamp, counted: Arc<Counted>) -> Self {
        Self { id, content, stamp, counted }
    }

    /// Its number in the library.
    pub const fn id(&self) -> SongId {
        self.id
    }

    /// What is known about its audio; every frame was counted.
    pub fn measured(&self) -> &Measured {
        &self.counted.measured
    }

    /// Reads audio from `position` on, in bytes from the first audio frame. Blocks on the disk only. Gives as many bytes
    /// as fit, fewer right before the end or when the system likes, and 0 only at the end or for an empty `buffer`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let rest = self.measured().size_bytes.saturating_sub(position);
        let length = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        let offset = self.measured().audio_offset + position;
        let filled = loop {
            match self.content.read_at(offset, &mut buffer[..length]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        // Looked at after reading, so that what was read is right.
        if filled == 0 || !self.is_unchanged()? {
            return Err(ReadError::Changed);
        }
        Ok(filled)
    }

    /// Where to start sending so that the music is heard from `ms` milliseconds after its beginning, exact to the sample.
    /// Reads up to a thousand frames or so.
    ///
    /// # Errors
    /// [`SeekError`].
    pub fn locate(&self, ms: u32) -> Result<Location, SeekError> {
        let location = locate(&self.content, self.measured(), &self.counted.index, ms)?.ok_or(SeekError::BeyondEnd)?;
        if self.is_unchanged()? { Ok(location) } else { Err(SeekError::Changed) }
    }

    /// Whether the file is, or was, like this.
    pub(super) fn is_of(&self, stamp: &Stamp) -> bool {
        self.stamp.is_same_content(stamp)
    }

    #[cfg(test)]
    pub(super) fn counted(&self) -> &Arc<Counted> {
        &self.counted
    }

    /// Whether the file has not been written to since it was opened.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(super) fn is_unchanged(&self) -> io::Result<bool> {
        Ok(self.is_of(&self.content.stamp()?))
    }
}
