//! Songs as they are listed.

use trill_proto::ids::SongId;

use super::catalogue::Catalogue;
use super::file::title_of;
use super::songs::Song;
use crate::mp3::duration::Audio;
use crate::mp3::tags::Tags;

/// What is known about a song. Texts are as they are in the file, control characters and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its number.
    pub id: SongId,
    /// Never empty: a song without a title is called by its file's name.
    pub title: String,
    /// May be empty.
    pub artist: String,
    /// May be empty.
    pub album: String,
    /// Number of the track on its album; 0 if unknown.
    pub track: u16,
    /// How long the music is, in milliseconds; `None` until the file has been read.
    pub duration_ms: Option<u32>,
    /// Bytes of audio; of the file until it has been read.
    pub size_bytes: u64,
    /// Mean bit rate in bit/s; 0 if unknown, or if there is no audio.
    pub bitrate: u32,
    /// Sample rate in Hz; 0 if unknown, or if there is no audio.
    pub rate: u32,
    /// 1 or 2; 0 if unknown, or if there is no audio.
    pub channels: u8,
}

/// Part of the list of songs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their ids.
    pub songs: Vec<Listing>,
    /// The first song after these; `None` if there is none.
    pub next: Option<SongId>,
    /// Songs in the library.
    pub total: u32,
    /// Generation of the library.
    pub generation: u32,
}

impl Page {
    pub(super) fn of(catalogue: &Catalogue, first: SongId, at_most: usize) -> Self {
        let mut songs = catalogue.songs_from(first);
        Self {
            songs: songs.by_ref().take(at_most).map(|(id, song)| Listing::of(id, song)).collect(),
            next: songs.next().map(|(id, _)| id),
            total: catalogue.song_count(),
            generation: catalogue.generation(),
        }
    }
}

impl Listing {
    pub(super) fn of(id: SongId, song: Song<'_>) -> Self {
        let Tags { title, artist, album, track } = song.tags();
        let unmeasured = Self {
            id,
            title: if title.is_empty() { title_of(&song.path().name) } else { title },
            artist,
            album,
            track,
            duration_ms: None,
            size_bytes: song.record.stamp.size_bytes,
            bitrate: 0,
            rate: 0,
            channels: 0,
        };
        match song.audio() {
            Some(audio) => unmeasured.with_audio(audio),
            None => unmeasured,
        }
    }

    pub(super) fn with_audio(self, audio: Audio) -> Self {
        Self {
            duration_ms: Some(audio.duration_ms),
            size_bytes: audio.size_bytes,
            bitrate: audio.bitrate,
            rate: audio.rate,
            channels: audio.channels,
            ..self
        }
    }
}
