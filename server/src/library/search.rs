//! Finds songs by words.

use std::path::Path;
use std::sync::Arc;

use memchr::memmem::Finder;
use trill_proto::ids::SongId;

use super::fold::fold_into;
use super::index::{Listed, Page};
use super::song::{Album, Song};

/// The words that a song must have to be found. Without words every song is found.
#[derive(Clone, Debug)]
pub struct Query {
    /// Without case and accents.
    words: Vec<Finder<'static>>,
}

/// Where a page of songs begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageStart {
    /// The first song of the page. 0 if the rank counts.
    pub song: SongId,
    /// How many of the songs that are found precede the page, if the song is 0 or no longer in the library.
    pub rank: u32,
}

/// A set of words of a query, a bit each. A query is too short for more than 64.
type Words = u64;

impl Query {
    /// A query for the words between white space in `text`.
    pub fn new(text: &str) -> Self {
        let mut folded = String::new();
        fold_into(text, &mut folded);
        let words = folded.split_whitespace().take(Words::BITS as usize);
        Self { words: words.map(|word| Finder::new(word).into_owned()).collect() }
    }

    fn all(&self) -> Words {
        Words::MAX.checked_shr(Words::BITS - self.words.len() as u32).unwrap_or(0)
    }
}

/// Compares songs with a query. Remembers what it found in the texts that neighbours share.
struct Matcher<'a> {
    query: &'a Query,
    folded: String,
    directory: Option<(Arc<Path>, Words)>,
    album: Option<(Arc<Album>, Words)>,
}

impl Matcher<'_> {
    /// The words that occur in a text.
    fn words_in(&mut self, text: &str) -> Words {
        self.folded.clear();
        fold_into(text, &mut self.folded);
        let found = |word: &Finder<'_>| word.find(self.folded.as_bytes()).is_some();
        let words = self.query.words.iter().enumerate();
        words.filter(|(_, word)| found(word)).fold(0, |found, (place, _)| found | 1 << place)
    }

    fn matches(&mut self, song: &Song) -> bool {
        let all = self.query.all();
        if all == 0 {
            return true;
        }
        let known = song.known();
        let mut found = self.words_in_directory(&song.path.directory);
        if let Some(album) = known.album() {
            found |= self.words_in_album(album);
        }
        found == all
            || {
                found |= self.words_in(known.title());
                found == all
            }
            || found | self.words_in(&song.path.stem()) == all
    }

    fn words_in_directory(&mut self, directory: &Arc<Path>) -> Words {
        match &self.directory {
            Some((last, words)) if Arc::ptr_eq(last, directory) => *words,
            _ => {
                let words = self.words_in(&directory.to_string_lossy());
                self.directory = Some((directory.clone(), words));
                words
            }
        }
    }

    fn words_in_album(&mut self, album: &Arc<Album>) -> Words {
        match &self.album {
            Some((last, words)) if Arc::ptr_eq(last, album) => *words,
            _ => {
                let words = album.texts().iter().fold(0, |words, text| words | self.words_in(text));
                let words = if album.year > 0 { words | self.words_in(&album.year.to_string()) } else { words };
                self.album = Some((album.clone(), words));
                words
            }
        }
    }
}

impl Listed {
    /// A page of the songs that a query finds, in library order.
    pub(super) fn search(&self, query: &Query, start: PageStart, at_most: usize) -> Page {
        let mut matcher = Matcher { query, folded: String::new(), directory: None, album: None };
        let begin = self.place_of(start.song);
        let (mut songs, mut next, mut total) = (Vec::new(), None, 0_u32);
        for (place, song) in self.in_library_order().iter().enumerate() {
            if query.words.is_empty() || matcher.matches(song) {
                let is_before = begin.map_or(total < start.rank, |begin| place < begin);
                match (is_before, songs.len() < at_most) {
                    (true, _) => {}
                    (false, true) => songs.push(song.clone()),
                    (false, false) => next = next.or(Some(song.id)),
                }
                total += 1;
            }
        }
        Page { songs, next, total, generation: self.generation }
    }
}
