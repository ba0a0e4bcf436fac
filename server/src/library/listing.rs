//! Songs as they are listed.

use trill_proto::ids::SongId;

use super::index::Listed;
use crate::mp3::duration::Audio;

/// What is known about a song. Texts are as in the file, control characters included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The song's id.
    pub id: SongId,
    /// Never empty: a song without a title has its file's name.
    pub title: String,
    /// May be empty.
    pub artist: String,
    /// May be empty.
    pub album: String,
    /// Number of the track on its album; 0 if unknown.
    pub track: u16,
    /// Duration of the music in milliseconds; `None` until the file has been read.
    pub duration_ms: Option<u32>,
    /// Bytes of audio; the file's size until it has been read.
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
    pub(super) fn of(listed: &Listed, first: SongId, at_most: usize) -> Self {
        let songs = listed.from(first);
        let (songs, rest) = songs.split_at(songs.len().min(at_most));
        Self {
            songs: songs.iter().map(|song| song.listing()).collect(),
            next: rest.first().map(|song| song.id),
            total: listed.len() as u32,
            generation: listed.generation,
        }
    }
}

impl Listing {
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
