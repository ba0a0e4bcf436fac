//! A song of the library, and what is known about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use trill_proto::ids::SongId;
use trill_proto::limits::MAX_SONG_BYTES;

use super::listing::Listing;
use super::path::{FilePath, title_of};
use super::stamp::Stamp;
use crate::mp3::duration::{Audio, Counted, Measure};

/// A file that is a song, or was one. Shared by all who use it; nobody holds its lock while a disk is read.
///
/// A large library has 100,000 of them, so texts have no spare capacity, and those that songs have in common are shared.
pub(super) struct Song {
    pub(super) id: SongId,
    pub(super) path: FilePath,
    known: Mutex<Known>,
}

/// What changes while the library is served.
pub(super) struct Known {
    /// The file's when it was last scanned or read.
    pub(super) stamp: Stamp,
    pub(super) presence: Presence,
    /// The file waits to be read.
    pub(super) is_due: bool,
    /// The file was read so shortly after a change that a later one may not show, or could not be read for now. The next
    /// scan has it read again.
    pub(super) is_uncertain: bool,
    title: Box<str>,
    album: Option<Arc<Album>>,
    track: u16,
    audio: KnownAudio,
}

/// Whether a song is in the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Listed,
    /// The file has vanished. If it comes back as it was, it is this song again.
    Vanished,
    /// The file has vanished, and no other will be this song.
    Forgotten,
}

/// Texts that the songs of an album have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Album {
    pub(super) artist: Box<str>,
    pub(super) album: Box<str>,
}

/// What was read of the audio. The fields of [`Audio`] stand here one by one, so that the variant's number fits between
/// them.
enum KnownAudio {
    Unread,
    Stated { content_tag: u64, size_bytes: u64, duration_ms: u32, bitrate: u32, rate: u32, channels: u8 },
    Counted(Arc<Counted>),
}

/// What was read from a song's file.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub(super) title: Box<str>,
    pub(super) album: Arc<Album>,
    pub(super) track: u16,
    /// `None` if the file was too long to find that out.
    pub(super) measure: Option<Measure>,
}

impl Song {
    /// A song that is listed and was never read.
    pub(super) fn new(id: SongId, path: FilePath, stamp: Stamp) -> Self {
        let known = Known {
            stamp,
            presence: Presence::Listed,
            is_due: true,
            is_uncertain: false,
            track: 0,
            title: "".into(),
            album: None,
            audio: KnownAudio::Unread,
        };
        Self { id, path, known: Mutex::new(known) }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn presence(&self) -> Presence {
        self.known().presence
    }

    pub(super) fn listing(&self) -> Listing {
        let known = self.known();
        let (artist, album) = known.album.as_ref().map_or(("", ""), |album| (&album.artist, &album.album));
        let unmeasured = Listing {
            id: self.id,
            title: if known.title.is_empty() { title_of(&self.path.name) } else { known.title.to_string() },
            artist: artist.into(),
            album: album.into(),
            track: known.track,
            duration_ms: None,
            size_bytes: known.stamp.size_bytes.min(MAX_SONG_BYTES),
            bitrate: 0,
            rate: 0,
            channels: 0,
        };
        match known.audio() {
            Some(audio) => unmeasured.with_audio(audio),
            None => unmeasured,
        }
    }
}

impl Known {
    /// What was read from the file. `None` if it was not read, or has changed since and is no longer like `stamp`.
    pub(super) fn details(&self, stamp: &Stamp) -> Option<Details> {
        let counted = self.counted().cloned().map(Measure::Counted);
        let measure = counted.or_else(|| self.audio().map(Measure::Believed))?;
        let album = self.album.clone().filter(|_| self.is_certain(stamp))?;
        Some(Details { title: self.title.clone(), album, track: self.track, measure: Some(measure) })
    }

    fn is_certain(&self, stamp: &Stamp) -> bool {
        self.presence == Presence::Listed && self.stamp == *stamp && !self.is_uncertain
    }

    pub(super) const fn counted(&self) -> Option<&Arc<Counted>> {
        match &self.audio {
            KnownAudio::Counted(counted) => Some(counted),
            _ => None,
        }
    }

    fn audio(&self) -> Option<Audio> {
        match self.audio {
            KnownAudio::Unread => None,
            KnownAudio::Stated { content_tag, size_bytes, duration_ms, bitrate, rate, channels } => {
                Some(Audio { content_tag, size_bytes, duration_ms, bitrate, rate, channels })
            }
            KnownAudio::Counted(ref counted) => Some(Audio::from(&counted.measured)),
        }
    }

    pub(super) fn content_tag(&self) -> Option<u64> {
        self.audio().map(|audio| audio.content_tag)
    }

    /// Records what was read from the file, which had this stamp right before it was read, at `now`. Returns whether the
    /// content is another than was known.
    ///
    /// Exact knowledge is not replaced by less exact knowledge of the same file: frames may have been counted while
    /// somebody else just read the tags. Nothing is recorded for a song that has vanished, for the file may be another.
    pub(super) fn learn(&mut self, details: Details, stamp: Stamp, now: SystemTime) -> bool {
        let is_counted = matches!(details.measure, Some(Measure::Counted(_)));
        if self.presence != Presence::Listed || !is_counted && self.counted().is_some() && self.is_certain(&stamp) {
            return false;
        }
        let is_changed = !self.stamp.is_same_content(&stamp);
        self.is_uncertain = stamp.is_fresh(now);
        self.stamp = stamp;
        let Details { title, album, track, measure } = details;
        (self.title, self.album, self.track) = (title, Some(album), track);
        self.audio = match measure {
            None => KnownAudio::Unread,
            Some(Measure::Believed(Audio { content_tag, size_bytes, duration_ms, bitrate, rate, channels })) => {
                KnownAudio::Stated { content_tag, size_bytes, duration_ms, bitrate, rate, channels }
            }
            Some(Measure::Counted(counted)) => KnownAudio::Counted(counted),
        };
        is_changed
    }

    /// Forgets what was read from the file. Returns its content tag.
    pub(super) fn forget(&mut self) -> Option<u64> {
        let tag = self.content_tag();
        (self.title, self.album, self.track, self.audio) = ("".into(), None, 0, KnownAudio::Unread);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_song_is_small() {
        assert!(size_of::<Song>() <= 136, "{} bytes", size_of::<Song>());
    }
}
