//! What is known about each song, packed: about 120 bytes, texts included. In a `PathBuf` and three `String`s of its own it
//! would be three times as much, and there may be 100,000.
//!
//! ```text
//!  records   64 bytes for each song: its stamp, what was measured, the numbers of its five texts
//!  shelves   the texts of 51 songs that follow each other, mostly those of a few directories and albums, of one artist or
//!            two; each text once, however many of these songs share it
//! ```

use std::mem;
use std::sync::Arc;

use super::file::Stamp;
use super::path::FilePath;
use super::texts::{self, Texts};
use crate::mp3::duration::{Audio, Counted, Measure};
use crate::mp3::tags::Tags;

/// All songs, by their indices.
#[derive(Default)]
pub(super) struct Songs {
    records: Vec<Record>,
    /// Also with texts that no song has any more.
    shelves: Vec<Texts>,
}

/// A song as it is kept.
#[derive(Clone, Copy)]
pub(super) struct Song<'a> {
    pub(super) record: &'a Record,
    texts: &'a Texts,
}

/// A file that is or was a song, but for its texts.
pub(super) struct Record {
    /// Of the file when it was last looked at, or read.
    pub(super) stamp: Stamp,
    contents: Contents,
    texts: [Number; TEXTS],
    /// It was there at the last look.
    pub(super) is_present: bool,
    /// It should be read: it never was, or has changed since, or may have.
    pub(super) is_due: bool,
    /// It was read so shortly after a change that a later one might not show, or could not be read for now.
    pub(super) is_uncertain: bool,
}

/// Which of a shelf's texts.
type Number = u8;

/// The empty one.
const NO_TEXT: Number = 0;

/// The texts of a song, in the order of its record.
#[derive(Clone, Copy)]
enum Text {
    Directory,
    Name,
    Title,
    Artist,
    Album,
}

const TEXTS: usize = Text::Album as usize + 1;

/// Songs that share a shelf. So few that a byte numbers all texts that they may have, and [`NO_TEXT`].
const SHELF_SONGS: usize = Number::MAX as usize / TEXTS;

/// What is known from reading a file, but for its texts. The fields of [`Audio`] are here one by one so that there is room
/// between them for all else: with one in it, each song would take 8 bytes more.
enum Contents {
    Unread,
    Believed { content_tag: u64, size_bytes: u64, duration_ms: u32, bitrate: u32, rate: u32, channels: u8, track: u16 },
    Counted { audio: Arc<Counted>, track: u16 },
}

/// What a song's file says.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub(super) tags: Tags,
    pub(super) measure: Measure,
}

impl Songs {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn song(&self, index: usize) -> Option<Song<'_>> {
        Some(Song { record: self.records.get(index)?, texts: self.shelves.get(index / SHELF_SONGS)? })
    }

    /// All from this index on, with their indices.
    pub(super) fn iter_from(&self, start: usize) -> impl Iterator<Item = (usize, Song<'_>)> {
        (start..self.len()).filter_map(|index| Some((index, self.song(index)?)))
    }

    pub(super) fn record_mut(&mut self, index: usize) -> Option<&mut Record> {
        self.records.get_mut(index)
    }

    pub(super) fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.records.iter_mut()
    }

    /// Adds a song that is there and should be read.
    pub(super) fn push(&mut self, path: &FilePath<'_>, stamp: Stamp) {
        let index = self.len();
        if index.is_multiple_of(SHELF_SONGS) {
            self.shelves.push(empty_shelf());
        }
        let (contents, texts) = (Contents::Unread, [NO_TEXT; TEXTS]);
        let (is_present, is_due, is_uncertain) = (true, true, false);
        self.records.push(Record { stamp, contents, texts, is_present, is_due, is_uncertain });
        self.put(index, Text::Directory, &texts::to_bytes(path.directory.as_os_str()));
        self.put(index, Text::Name, &texts::to_bytes(&path.name));
    }

    /// Takes note of what a song's file says.
    ///
    /// # Panics
    /// If there is no such song.
    pub(super) fn learn(&mut self, index: usize, Details { tags, measure }: Details) {
        let track = tags.track;
        self.records[index].contents = match measure {
            Measure::Believed(Audio { content_tag, size_bytes, duration_ms, bitrate, rate, channels }) => {
                Contents::Believed { content_tag, size_bytes, duration_ms, bitrate, rate, channels, track }
            }
            Measure::Counted(audio) => Contents::Counted { audio, track },
        };
        for (which, text) in [(Text::Title, tags.title), (Text::Artist, tags.artist), (Text::Album, tags.album)] {
            self.put(index, which, text.as_bytes());
        }
    }

    /// Gives a song this text, which is put on its shelf if it is not there.
    fn put(&mut self, index: usize, which: Text, text: &[u8]) {
        let shelf = &mut self.shelves[index / SHELF_SONGS];
        if shelf.len() > Number::MAX.into() && shelf.find(text).is_none() {
            let first = index - index % SHELF_SONGS;
            let end = self.records.len().min(first + SHELF_SONGS);
            self.records[index].texts[which as usize] = NO_TEXT;
            sweep(shelf, &mut self.records[first..end]);
        }
        self.records[index].texts[which as usize] = number_on(shelf, text);
    }
}

impl<'a> Song<'a> {
    pub(super) fn path(self) -> FilePath<'a> {
        FilePath::from_bytes(self.text(Text::Directory), self.text(Text::Name))
    }

    /// Nothing, if it has not been read.
    pub(super) fn tags(self) -> Tags {
        // It was a `String` when it was put there.
        let text = |which| std::str::from_utf8(self.text(which)).unwrap_or_default().to_owned();
        let track = match self.record.contents {
            Contents::Unread => 0,
            Contents::Believed { track, .. } | Contents::Counted { track, .. } => track,
        };
        Tags { title: text(Text::Title), artist: text(Text::Artist), album: text(Text::Album), track }
    }

    /// `None` if it has not been read.
    pub(super) fn audio(self) -> Option<Audio> {
        match self.record.contents {
            Contents::Unread => None,
            Contents::Believed { content_tag, size_bytes, duration_ms, bitrate, rate, channels, .. } => {
                Some(Audio { content_tag, size_bytes, duration_ms, bitrate, rate, channels })
            }
            Contents::Counted { ref audio, .. } => Some(Audio::from(&audio.measured)),
        }
    }

    /// `None` if it has not been read.
    pub(super) fn content_tag(self) -> Option<u64> {
        match self.record.contents {
            Contents::Unread => None,
            Contents::Believed { content_tag, .. } => Some(content_tag),
            Contents::Counted { ref audio, .. } => Some(audio.measured.content_tag),
        }
    }

    /// `None` if its frames have not been counted.
    pub(super) const fn counted(self) -> Option<&'a Arc<Counted>> {
        match &self.record.contents {
            Contents::Counted { audio, .. } => Some(audio),
            _ => None,
        }
    }

    /// What was read from its file; `None` if it has not been read.
    pub(super) fn details(self) -> Option<Details> {
        let counted = self.counted().cloned().map(Measure::Counted);
        let measure = counted.or_else(|| self.audio().map(Measure::Believed))?;
        Some(Details { tags: self.tags(), measure })
    }

    fn text(self, which: Text) -> &'a [u8] {
        self.texts.at(self.record.texts[which as usize].into())
    }
}

impl Record {
    /// What was read from its file is of no use any more.
    pub(super) fn forget(&mut self) {
        self.contents = Contents::Unread;
        for which in [Text::Title, Text::Artist, Text::Album] {
            self.texts[which as usize] = NO_TEXT;
        }
    }
}

/// With [`NO_TEXT`] only.
fn empty_shelf() -> Texts {
    let mut shelf = Texts::default();
    shelf.push(b"");
    shelf
}

/// The number of this text, which is put on the shelf if it is not there.
fn number_on(shelf: &mut Texts, text: &[u8]) -> Number {
    let number = shelf.find(text).unwrap_or_else(|| {
        shelf.push(text);
        shelf.len() - 1
    });
    number.try_into().expect("a shelf is swept before it has more texts than there are numbers")
}

/// Throws out what none of a shelf's songs has any more.
fn sweep(shelf: &mut Texts, records: &mut [Record]) {
    let before = mem::replace(shelf, empty_shelf());
    for number in records.iter_mut().flat_map(|record| &mut record.texts) {
        *number = number_on(shelf, before.at((*number).into()));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::*;
    use crate::mp3::duration::Measured;
    use crate::mp3::seek::SeekIndex;

    const STAMP: Stamp = Stamp::of_built_in(b"");

    fn path<'a>(directory: &'a str, name: &'a str) -> FilePath<'a> {
        FilePath::new(Path::new(directory), OsStr::new(name))
    }

    fn tags(title: &str, artist: &str, album: &str) -> Tags {
        Tags { title: title.into(), artist: artist.into(), album: album.into(), track: 7 }
    }

    fn details(tags: Tags) -> Details {
        Details { tags, measure: Measure::Believed(Audio::from(&Measured { content_tag: 9, ..Measured::default() })) }
    }

    #[test]
    fn a_song_is_small() {
        assert!(size_of::<Record>() <= 64, "{} bytes", size_of::<Record>());
    }

    #[test]
    fn what_songs_share_is_there_once() {
        let mut songs = Songs::default();
        for index in 0..SHELF_SONGS {
            songs.push(&path("artist/album", &format!("{index}.mp3")), STAMP);
            songs.learn(index, details(tags(&index.to_string(), "artist", "album")));
        }
        assert_eq!(songs.shelves.len(), 1);
        assert_eq!(songs.shelves[0].len(), ["", "artist/album", "artist", "album"].len() + 2 * SHELF_SONGS);
    }

    #[test]
    fn songs_are_as_they_were_read_however_often_that_was() {
        const SONGS: usize = 2 * SHELF_SONGS + 10;
        let mut songs = Songs::default();
        let [directories, names] =
            ["folder", "file"].map(|part| (0..SONGS).map(|index| format!("{part} {index}")).collect::<Vec<_>>());
        for (directory, name) in directories.iter().zip(&names) {
            songs.push(&path(directory, name), STAMP);
        }
        let read =
            |index: usize, round: usize| tags(&format!("{index}/{round}"), &format!("by {index}"), &format!("{round}"));
        for round in 0..20 {
            for index in (0..SONGS).rev() {
                songs.learn(index, details(read(index, round)));
            }
            for (index, song) in songs.iter_from(0) {
                assert_eq!(song.path(), path(&directories[index], &names[index]));
                assert_eq!(song.tags(), read(index, round));
                assert_eq!(song.content_tag(), Some(9));
            }
        }
        assert!(songs.shelves.iter().all(|shelf| shelf.len() <= 256));
    }

    #[test]
    fn each_song_of_a_full_shelf_has_texts_of_its_own() {
        let mut songs = Songs::default();
        for round in ["a", "b"] {
            for index in 0..SHELF_SONGS {
                let text = |what: &str| format!("{what} {index} {round}");
                if round == "a" {
                    songs.push(&path(&text("folder"), &text("file")), STAMP);
                }
                songs.learn(index, details(tags(&text("title"), &text("artist"), &text("album"))));
            }
        }
        for (index, song) in songs.iter_from(0) {
            assert_eq!(song.path(), path(&format!("folder {index} a"), &format!("file {index} a")));
            let [title, artist, album] = ["title", "artist", "album"].map(|what| format!("{what} {index} b"));
            assert_eq!(song.tags(), tags(&title, &artist, &album));
        }
    }

    #[test]
    fn what_is_forgotten_is_not_known() {
        let mut songs = Songs::default();
        songs.push(&path("", "a.mp3"), STAMP);
        let index = SeekIndex::default();
        let counted = Measure::Counted(Arc::new(Counted { measured: Measured::default(), index }));
        songs.learn(0, Details { tags: tags("a", "b", "c"), measure: counted });
        assert!(songs.song(0).is_some_and(|song| song.counted().is_some() && song.details().is_some()));
        songs.record_mut(0).expect("there is one").forget();
        let song = songs.song(0).expect("there is one");
        assert_eq!((song.tags(), song.audio(), song.content_tag()), (Tags::default(), None, None));
        assert!(song.counted().is_none() && song.details().is_none());
        assert_eq!(song.path(), path("", "a.mp3"));
    }

    #[test]
    fn songs_are_found_by_their_indices() {
        let mut songs = Songs::default();
        for index in 0..3 * SHELF_SONGS {
            assert_eq!(songs.len(), index);
            assert!(songs.song(index).is_none() && songs.record_mut(index).is_none());
            songs.push(&path("", &index.to_string()), STAMP);
        }
        for start in
            [0, 1, SHELF_SONGS - 1, SHELF_SONGS, SHELF_SONGS + 1, songs.len() - 1, songs.len(), songs.len() + 1]
        {
            let names: Vec<_> =
                songs.iter_from(start).map(|(index, song)| (index, song.path().to_path_buf())).collect();
            let expected: Vec<_> = (start..songs.len()).map(|index| (index, index.to_string().into())).collect();
            assert_eq!(names, expected);
        }
    }
}
