//! A song that somebody plays.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use trill_proto::ids::SongId;

use super::error::{ReadError, SeekError};
use super::open_task::Openers;
use super::stamp::Stamp;
use super::storage::SongFile;
use crate::mp3::cancellable::CancellableReader;
use crate::mp3::duration::{Counted, Measured};
use crate::mp3::seek::{Location, locate};

/// One open file, shared by all who play the song. It stays readable when the file is removed, or another is put in its
/// place.
pub struct OpenSong {
    id: SongId,
    file: Box<dyn SongFile>,
    stamp: Stamp,
    counted: Arc<Counted>,
    openers: Weak<Openers>,
}

impl fmt::Debug for OpenSong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSong").field("id", &self.id).field("measured", self.measured()).finish_non_exhaustive()
    }
}

impl Drop for OpenSong {
    fn drop(&mut self) {
        if let Some(openers) = self.openers.upgrade() {
            openers.forget_if_unused(self.id);
        }
    }
}

impl OpenSong {
    pub(super) fn new(
        id: SongId,
        (file, stamp): (Box<dyn SongFile>, Stamp),
        counted: Arc<Counted>,
        openers: Weak<Openers>,
    ) -> Self {
        Self { id, file, stamp, counted, openers }
    }

    /// The song's id.
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
            match self.file.read_at(offset, &mut buffer[..length]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        // Checked after reading, so that what was read is right.
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
        self.locate_while(ms, &|| true)
    }

    /// The same, given up with an error once it is no longer wanted: in a file of gigabytes that hold no frames, this reads
    /// all of it.
    pub(super) fn locate_while(&self, ms: u32, is_wanted: &(dyn Fn() -> bool + Sync)) -> Result<Location, SeekError> {
        let reader = CancellableReader::new(&*self.file, is_wanted);
        let location = locate(&reader, self.measured(), &self.counted.index, ms)?.ok_or(SeekError::BeyondEnd)?;
        if self.is_unchanged()? { Ok(location) } else { Err(SeekError::Changed) }
    }

    /// Whether the open file has or had this stamp.
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
    /// The file system's.
    pub(super) fn is_unchanged(&self) -> io::Result<bool> {
        Ok(self.is_of(&self.file.stamp()?))
    }
}
