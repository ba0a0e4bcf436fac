//! A song that is being played.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use trill_proto::ids::SongId;

use super::error::SongError;
use super::open::OpenSongs;
use super::stamp::Stamp;
use super::storage::SongFile;
use crate::mp3::cancellable::CancellableReader;
use crate::mp3::duration::{self, Counted, Measured};
use crate::mp3::seek::{Location, locate};

/// One open file, shared by all clients that play the song. It stays readable when the file is removed or replaced.
pub struct OpenSong {
    id: SongId,
    file: Box<dyn SongFile>,
    counted: Arc<Counted>,
    place: Mutex<Place>,
    open_songs: Weak<OpenSongs>,
}

/// The position of the audio in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The file's stamp when the audio was found there.
    stamp: Stamp,
    audio_offset: u64,
    /// `Some` while the file has another stamp and the audio was not found again.
    change: Option<Change>,
}

/// A change of the file in progress.
#[derive(Clone, Copy, Debug)]
struct Change {
    begun: Instant,
    /// The file's last known stamp.
    stamp: Stamp,
    /// When this stamp was first seen.
    seen: Instant,
}

/// A file that was not written to for this time is complete.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// A file must be rewritten within this time. Otherwise the music of its listeners ends.
const REWRITE_TIMEOUT: Duration = Duration::from_secs(10);

impl fmt::Debug for OpenSong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSong").field("id", &self.id).field("measured", self.measured()).finish_non_exhaustive()
    }
}

impl Drop for OpenSong {
    fn drop(&mut self) {
        if let Some(open_songs) = self.open_songs.upgrade() {
            open_songs.forget_if_unused(self.id);
        }
    }
}

impl OpenSong {
    pub(super) fn new(
        id: SongId,
        (file, stamp): (Box<dyn SongFile>, Stamp),
        counted: Arc<Counted>,
        open_songs: Weak<OpenSongs>,
    ) -> Self {
        let place = Place { stamp, audio_offset: counted.measured.audio_offset, change: None };
        Self { id, file, counted, place: Mutex::new(place), open_songs }
    }

    /// The song's id.
    pub const fn id(&self) -> SongId {
        self.id
    }

    /// Its audio; every frame was counted. The offset in the file is that of the time of opening.
    pub fn measured(&self) -> &Measured {
        &self.counted.measured
    }

    /// Reads audio from `position` on, in bytes from the first audio frame. Blocks on the disk only. Returns the number of bytes
    /// read, which may be fewer than fit. 0 means the end, or an empty `buffer`.
    ///
    /// # Errors
    /// [`SongError::Changing`], [`SongError::Changed`] and [`SongError::Unreadable`].
    pub fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize, SongError> {
        let rest = self.measured().size_bytes.saturating_sub(position);
        let length = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        loop {
            let place = *self.place();
            let filled = match self.file.read_at(place.audio_offset + position, &mut buffer[..length]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            // Checked after reading, so that the bytes are valid.
            let stamp = self.file.stamp()?;
            if !place.stamp.is_same_content(&stamp) {
                self.find_again(stamp)?;
            } else if filled == 0 {
                return Err(SongError::Changed);
            } else {
                return Ok(filled);
            }
        }
    }

    /// Finds the audio again in a file that was written to and now has this stamp.
    fn find_again(&self, stamp: Stamp) -> Result<(), SongError> {
        let found = duration::find_again(&*self.file, self.measured())?;
        let (after, now) = (self.file.stamp()?, Instant::now());
        let mut place = self.place();
        match found {
            Some(audio_offset) if after == stamp => {
                *place = Place { stamp, audio_offset, change: None };
                Ok(())
            }
            _ => {
                let change = place.change.get_or_insert(Change { begun: now, stamp: after, seen: now });
                Err(if change.is_over(after, now) { SongError::Changed } else { SongError::Changing })
            }
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to start sending so that the music starts `ms` milliseconds after its beginning, exact to the sample. Reads up to
    /// about a thousand frames.
    ///
    /// # Errors
    /// [`SongError::BeyondEnd`], [`SongError::Changing`] and [`SongError::Unreadable`].
    pub fn locate(&self, ms: u32) -> Result<Location, SongError> {
        self.locate_while(ms, &|| true)
    }

    /// The same, cancelled with an error once it is no longer wanted: it may read gigabytes without frames.
    pub(super) fn locate_while(&self, ms: u32, is_wanted: &(dyn Fn() -> bool + Sync)) -> Result<Location, SongError> {
        let reader = CancellableReader::new(&*self.file, is_wanted);
        loop {
            let place = *self.place();
            let measured = Measured { audio_offset: place.audio_offset, ..*self.measured() };
            let location = locate(&reader, &measured, &self.counted.index, ms)?.ok_or(SongError::BeyondEnd)?;
            let stamp = self.file.stamp()?;
            if place.stamp.is_same_content(&stamp) {
                return Ok(location);
            }
            self.find_again(stamp).map_err(|_| SongError::Changing)?;
        }
    }

    /// Whether the audio was found in the open file with this stamp.
    pub(super) fn is_of(&self, stamp: &Stamp) -> bool {
        self.place().stamp.is_same_content(stamp)
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

impl Change {
    /// Whether the change is over, so that audio that was not found in a file with this stamp is gone.
    fn is_over(&mut self, stamp: Stamp, now: Instant) -> bool {
        if self.stamp != stamp {
            (self.stamp, self.seen) = (stamp, now);
        }
        now - self.seen >= SETTLING_TIME || now - self.begun >= REWRITE_TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_over_when_writing_stops_or_takes_too_long() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let stamps = [b"".as_slice(), b"1"].map(Stamp::of_built_in);
        let mut change = Change { begun, stamp: stamps[0], seen: begun };
        assert!(!change.is_over(stamps[0], at(999)));
        assert!(!change.is_over(stamps[1], at(1_000)), "the file is still written to");
        assert!(!change.is_over(stamps[1], at(1_999)));
        assert!(change.is_over(stamps[1], at(2_000)));
        for (stamp, second) in stamps.iter().cycle().zip(0..20) {
            assert_eq!(change.is_over(*stamp, at(second * 500 + 500)), second >= 19);
        }
    }
}
