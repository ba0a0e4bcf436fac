//! A song: what is known about it, how it is listed, and why it cannot be had.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use trill_proto::ids::SongId;
use trill_proto::limits::MAX_SONG_BYTES;
use trill_proto::message::{Gain, Group, SongGroup};

use super::file_path::FilePath;
use super::fold::folded;
use super::storage::Stamp;
use crate::mp3::duration::{Audio, Counted, Measure};

/// A file that is a song, or was one. Its lock is never held while a disk is read.
///
/// A large library has 100,000 of them, so texts have no spare capacity, and songs share the texts of their album.
pub(super) struct Song {
    pub(super) id: SongId,
    pub(super) path: FilePath,
    known: Mutex<Known>,
}

/// What changes while the library is served.
pub(super) struct Known {
    /// The file's stamp when it was last scanned or read.
    pub(super) stamp: Stamp,
    pub(super) presence: Presence,
    /// The file waits to be read.
    pub(super) is_due: bool,
    /// The file was read so shortly after a change that a later change may not show, or it could not be read. It is read again
    /// after the next scan.
    pub(super) is_uncertain: bool,
    title: Title,
    album: Option<Arc<Album>>,
    track: u16,
    /// Gain and peak of the song.
    gain: [Option<i16>; 2],
    audio: KnownAudio,
}

/// Whether a song is in the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Listed,
    /// The file has vanished. If it comes back unchanged, it is this song again.
    Vanished,
    /// The file has vanished, and its id is not used again.
    Forgotten,
}

/// What the songs of an album share.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Album {
    pub(super) artist: Box<str>,
    pub(super) album: Box<str>,
    pub(super) album_artist: Box<str>,
    pub(super) genre: Box<str>,
    pub(super) year: u16,
    pub(super) disc: u16,
    /// Gain and peak of the album.
    pub(super) gain: [Option<i16>; 2],
}

impl Album {
    /// What a search looks through.
    pub(super) fn texts(&self) -> [&str; 4] {
        [&self.artist, &self.album, &self.album_artist, &self.genre]
    }
}

/// The name of a group, and the artist of an album, without case and accents.
pub(super) type GroupKey = [String; 2];

/// A title as in the file's tags. Most files are named after their song: such a title takes no memory of its own.
#[derive(Clone, Debug)]
pub(super) enum Title {
    /// It begins at this byte of the file's name.
    InName {
        start: u8,
        bytes: u8,
    },
    Own(Box<str>),
}

impl Title {
    /// The title of a file with this name.
    pub(super) fn new(title: &str, name: &OsStr) -> Self {
        let start = name.to_str().and_then(|name| name.find(title)).and_then(|start| u8::try_from(start).ok());
        match (start, title.len().try_into()) {
            (Some(start), Ok(bytes)) => Self::InName { start, bytes },
            _ => Self::Own(title.into()),
        }
    }

    fn get<'a>(&'a self, name: &'a OsStr) -> &'a str {
        match self {
            Self::InName { start, bytes } => {
                let start = usize::from(*start);
                name.to_str().and_then(|name| name.get(start..start + usize::from(*bytes))).unwrap_or_default()
            }
            Self::Own(title) => title,
        }
    }
}

impl Default for Title {
    fn default() -> Self {
        Self::InName { start: 0, bytes: 0 }
    }
}

/// What is known about the audio. The fields of [`Audio`] are repeated here so that the discriminant fits between them.
enum KnownAudio {
    Unread,
    Stated { content_tag: u64, size_bytes: u64, duration_ms: u32, bitrate: u32, rate: u32, channels: u8 },
    Counted(Arc<Counted>),
}

/// What was read from a song's file.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub(super) title: Title,
    pub(super) album: Arc<Album>,
    pub(super) track: u16,
    /// Gain and peak of the song.
    pub(super) gain: [Option<i16>; 2],
    /// `None` if the file was too long to measure.
    pub(super) measure: Option<Measure>,
}

impl Song {
    /// A listed song that was not read yet.
    pub(super) fn new(id: SongId, path: FilePath, stamp: Stamp) -> Self {
        let known = Known {
            stamp,
            presence: Presence::Listed,
            is_due: true,
            is_uncertain: false,
            track: 0,
            gain: [None; 2],
            title: Title::default(),
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
        let (artist, album) = self.artist_and_album(&known);
        let unmeasured = Listing {
            id: self.id,
            title: self.title(&known).into_owned(),
            artist: artist.into_owned(),
            album: album.into_owned(),
            track: known.track,
            duration_ms: None,
            size_bytes: known.stamp.size_bytes.min(MAX_SONG_BYTES),
            bitrate: 0,
            rate: 0,
            channels: 0,
            group: None,
            rank: None,
        };
        match known.audio() {
            Some(audio) => unmeasured.with_audio(audio),
            None => unmeasured,
        }
    }

    /// What INFO tells besides the listing.
    pub(super) fn details(&self) -> SongDetails {
        let known = self.known();
        let path = self.path.to_path_buf();
        let components: Vec<_> = path.components().map(|component| component.as_os_str().to_string_lossy()).collect();
        let details = SongDetails { path: components.join("/"), gain: known.all_gain(), ..SongDetails::default() };
        match &known.album {
            Some(album) => SongDetails {
                album_artist: (&*album.album_artist).into(),
                genre: (&*album.genre).into(),
                year: album.year,
                disc: album.disc,
                ..details
            },
            None => details,
        }
    }

    fn title<'a>(&'a self, known: &'a Known) -> Cow<'a, str> {
        match self.stated_title(known) {
            "" => self.path.stem(),
            title => title.into(),
        }
    }

    /// The title in the file's tags. Empty if it has none, or was not read.
    pub(super) fn stated_title<'a>(&'a self, known: &'a Known) -> &'a str {
        known.title.get(&self.path.name)
    }

    /// Its title, or the name of its group.
    pub(super) fn name(&self, group: Option<Group>) -> String {
        match group {
            None => self.title(&self.known()).into_owned(),
            Some(Group::Album) => self.artist_and_album(&self.known()).1.into_owned(),
            Some(Group::Artist) => self.artist_and_album(&self.known()).0.into_owned(),
        }
    }

    fn artist_and_album<'a>(&'a self, known: &'a Known) -> (Cow<'a, str>, Cow<'a, str>) {
        match &known.album {
            Some(album) if album.artist.is_empty() && album.album.is_empty() => self.path.artist_and_album(),
            Some(album) => ((&*album.artist).into(), (&*album.album).into()),
            None => Default::default(),
        }
    }

    /// What the songs of its group have in common. `None` if it is in no group of this kind.
    pub(super) fn group_key(&self, group: Group) -> Option<GroupKey> {
        let known = self.known();
        let (artist, album) = self.artist_and_album(&known);
        let (name, artist) = match group {
            Group::Artist => (artist, Cow::default()),
            Group::Album => (album, known.album_artist().map_or(artist, Cow::from)),
        };
        (!name.is_empty()).then(|| [folded(&name), folded(&artist)])
    }

    /// How loud it is.
    pub(super) fn gain(&self) -> Gain {
        self.known().all_gain()
    }
}

impl Known {
    fn all_gain(&self) -> Gain {
        let [track, track_peak] = self.gain;
        let [album, album_peak] = self.album.as_ref().map_or([None; 2], |album| album.gain);
        Gain { track, track_peak, album, album_peak }
    }

    /// What was read from the file. `None` if it was not read, or if `stamp` shows a change since.
    pub(super) fn details(&self, stamp: &Stamp) -> Option<Details> {
        let counted = self.counted().cloned().map(Measure::Counted);
        let measure = counted.or_else(|| self.audio().map(Measure::Stated))?;
        let album = self.album.clone().filter(|_| self.is_certain(stamp))?;
        Some(Details { title: self.title.clone(), album, track: self.track, gain: self.gain, measure: Some(measure) })
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

    fn album_artist(&self) -> Option<&str> {
        self.album.as_ref().map(|album| &*album.album_artist).filter(|artist| !artist.is_empty())
    }

    pub(super) const fn album(&self) -> Option<&Arc<Album>> {
        self.album.as_ref()
    }

    /// Records what was read from the file. `stamp` is the file's right before reading, and `now` the time of that. Returns
    /// whether the content has changed.
    ///
    /// Keeps a counted duration of the same file: another thread may have counted the frames meanwhile. Records nothing for a
    /// vanished song, since another file may be at its path.
    pub(super) fn learn(&mut self, details: Details, stamp: Stamp, now: SystemTime) -> bool {
        let is_counted = matches!(details.measure, Some(Measure::Counted(_)));
        if self.presence != Presence::Listed || !is_counted && self.counted().is_some() && self.is_certain(&stamp) {
            return false;
        }
        let is_changed = !self.stamp.is_same_content(&stamp);
        self.is_uncertain = stamp.is_fresh(now);
        self.stamp = stamp;
        let Details { title, album, track, gain, measure } = details;
        (self.title, self.album, self.track, self.gain) = (title, Some(album), track, gain);
        self.audio = match measure {
            None => KnownAudio::Unread,
            Some(Measure::Stated(Audio { content_tag, size_bytes, duration_ms, bitrate, rate, channels })) => {
                KnownAudio::Stated { content_tag, size_bytes, duration_ms, bitrate, rate, channels }
            }
            Some(Measure::Counted(counted)) => KnownAudio::Counted(counted),
        };
        is_changed
    }

    /// Forgets what was read from the file.
    pub(super) fn forget(&mut self) {
        (self.title, self.album, self.track, self.gain) = (Title::default(), None, 0, [None; 2]);
        self.audio = KnownAudio::Unread;
    }
}

/// A song in a list. Texts are as in the file and may contain control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The song's id.
    pub id: SongId,
    /// Never empty: a song without a title has its file name.
    pub title: String,
    /// May be empty. A song with neither artist nor album in its tags has those of its folders.
    pub artist: String,
    /// May be empty.
    pub album: String,
    /// Track number; 0 if unknown.
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
    /// The group that the song stands for, in a list of groups.
    pub group: Option<SongGroup>,
    /// In a search, how many of the songs or groups that it finds precede this one.
    pub rank: Option<u32>,
}

/// What is known about a song besides its [`Listing`]. Texts are as in the file and may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SongDetails {
    /// Artist of the album.
    pub album_artist: String,
    /// Genre.
    pub genre: String,
    /// Path below the served directory, with `/` between its components.
    pub path: String,
    /// 0 if unknown.
    pub year: u16,
    /// Number of the disc in its album; 0 if unknown.
    pub disc: u16,
    /// How loud it is.
    pub gain: Gain,
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

/// Why a song cannot be had. `Display` is for the client's user and the log.
#[derive(Clone, Debug)]
pub enum SongError {
    /// No song ever had this id: list the songs.
    NoSuchSong,
    /// The song was removed and may come back: list the songs again.
    Gone,
    /// The file now has other audio, which does not continue what was read before: open the song again.
    Changed,
    /// The file is being written to: try again after a tenth of a second or so. In the end the song is readable or
    /// [`Self::Changed`].
    Changing,
    /// The song is shorter than the position: ask for an earlier one.
    BeyondEnd,
    /// The file contains no decodable MP3 audio: give up on it.
    NoAudio,
    /// The file cannot be opened or read, or is outside the directory: give up on it.
    Unreadable(Arc<io::Error>),
}

impl fmt::Display for SongError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchSong => "there is no such song",
            Self::Gone => "the song has been removed",
            Self::Changed => "the song has changed",
            Self::Changing => "the song is being changed",
            Self::BeyondEnd => "the song is not that long",
            Self::NoAudio => "there is no MP3 audio in this file",
            Self::Unreadable(error) => return write!(f, "the song cannot be read: {error}"),
        })
    }
}

impl std::error::Error for SongError {}

impl From<io::Error> for SongError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Gone,
            _ => Self::Unreadable(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_title_that_is_in_the_name_of_the_file_takes_no_memory() {
        let check = |title: &str, name: &OsStr, is_in_name: bool| {
            let stored = Title::new(title, name);
            assert_eq!((stored.get(name), matches!(stored, Title::InName { .. })), (title, is_in_name), "{name:?}");
        };
        check("Kites", "01 Kites.mp3".as_ref(), true);
        check("Ärger", "01 Ärger.mp3".as_ref(), true);
        check("Kites?", "01 Kites_.mp3".as_ref(), false);
        check("", "01.mp3".as_ref(), true);
        let long = "ä".repeat(127);
        check(&long, format!("{long}.mp3").as_ref(), true);
        check(&long, format!("{long}{long}ä{long}.mp3")[2..].as_ref(), true);
        let longer = "ä".repeat(128);
        check(&longer, format!("{longer}.mp3").as_ref(), false);
        check("Kites", format!("{longer}Kites.mp3").as_ref(), false);
        #[cfg(unix)]
        check("Kites", std::os::unix::ffi::OsStrExt::from_bytes(b"\xffKites.mp3"), false);
    }

    #[test]
    fn an_unread_song_has_the_size_of_its_file_up_to_the_limit() {
        let path = FilePath::new(&Path::new("").into(), OsStr::new("a.mp3"));
        let song = Song::new(SongId(1), path, Stamp::of_built_in(b"12345"));
        assert_eq!(song.listing().size_bytes, 5);
        // The client would reject a larger size.
        song.known().stamp.size_bytes = MAX_SONG_BYTES + 1;
        assert_eq!(song.listing().size_bytes, MAX_SONG_BYTES);
    }

    #[test]
    fn a_song_is_small() {
        assert!(size_of::<Song>() <= 144, "{} bytes", size_of::<Song>());
    }
}
