//! The words of a query, and which songs have them.

use std::path::Path;
use std::sync::Arc;

use memchr::memmem::{self, Finder};

use super::fold::{fold_into, folded};
use super::song::{Album, Song};

/// The words that a song must have to be found. Without words every song is found.
pub(super) struct Query {
    /// The words without case and accents, with one space between two of them.
    text: String,
    words: Vec<Finder<'static>>,
}

/// How well a title, or the name of a group, fits a query. The best is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Equal,
    ContainsAll,
    ContainsWords,
    Other,
}

/// A set of words of a query, a bit each. Only ligatures can make more than 64 of the longest query; further ones are ignored.
type Words = u64;

impl Query {
    /// A query for the words between white space in `text`.
    pub(super) fn new(text: &str) -> Self {
        let folded = folded(text);
        let words: Vec<_> = folded.split_whitespace().take(Words::BITS as usize).collect();
        Self { text: words.join(" "), words: words.iter().map(|word| Finder::new(word).into_owned()).collect() }
    }

    /// Whether it has no words.
    pub(super) const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How well a text without case and accents fits.
    pub(super) fn fit(&self, folded: &str) -> Fit {
        if folded == self.text {
            Fit::Equal
        } else if memmem::find(folded.as_bytes(), self.text.as_bytes()).is_some() {
            Fit::ContainsAll
        } else if self.words_in(folded, self.all()) == self.all() {
            Fit::ContainsWords
        } else {
            Fit::Other
        }
    }

    fn all(&self) -> Words {
        Words::MAX.checked_shr(Words::BITS - self.words.len() as u32).unwrap_or(0)
    }

    /// Those of some words that occur in a text without case and accents.
    fn words_in(&self, folded: &str, wanted: Words) -> Words {
        let words = self.words.iter().enumerate().filter(|(place, _)| wanted & 1 << place != 0);
        let found = words.filter(|(_, word)| word.find(folded.as_bytes()).is_some());
        found.fold(0, |found, (place, _)| found | 1 << place)
    }
}

/// Compares songs with a query. Remembers what it found in the texts that neighbours share.
pub(super) struct Matcher<'a> {
    query: &'a Query,
    folded: String,
    directory: Option<(Arc<Path>, Words)>,
    album: Option<(Arc<Album>, Words)>,
}

impl<'a> Matcher<'a> {
    pub(super) const fn new(query: &'a Query) -> Self {
        Self { query, folded: String::new(), directory: None, album: None }
    }

    pub(super) fn matches(&mut self, song: &Song) -> bool {
        let all = self.query.all();
        if all == 0 {
            return true;
        }
        let known = song.known();
        let mut missing = all & !self.words_in_directory(&song.path.directory);
        if let Some(album) = known.album() {
            missing &= !self.words_in_album(album);
        }
        if missing != 0 {
            missing &= !self.words_in(song.stated_title(&known), missing);
        }
        missing == 0 || self.words_in(&song.path.stem(), missing) == missing
    }

    /// Those of some words that occur in a text.
    fn words_in(&mut self, text: &str, wanted: Words) -> Words {
        self.folded.clear();
        fold_into(text, &mut self.folded);
        self.query.words_in(&self.folded, wanted)
    }

    fn words_in_directory(&mut self, directory: &Arc<Path>) -> Words {
        match &self.directory {
            Some((last, words)) if Arc::ptr_eq(last, directory) => *words,
            _ => {
                let words = self.words_in(&directory.to_string_lossy(), self.query.all());
                self.directory = Some((directory.clone(), words));
                words
            }
        }
    }

    fn words_in_album(&mut self, album: &Arc<Album>) -> Words {
        match &self.album {
            Some((last, words)) if Arc::ptr_eq(last, album) => *words,
            _ => {
                let all = self.query.all();
                let words = album.texts().iter().fold(0, |words, text| words | self.words_in(text, all));
                let words = if album.year > 0 { words | self.words_in(&album.year.to_string(), all) } else { words };
                self.album = Some((album.clone(), words));
                words
            }
        }
    }
}
