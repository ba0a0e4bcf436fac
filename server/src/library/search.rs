//! Finds songs by words.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use memchr::memmem::Finder;
use trill_proto::ids::SongId;
use trill_proto::message::{Group, SongGroup};

use super::fold::{fold_into, folded};
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
        let folded = folded(text);
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

/// The songs of a library that a query finds, with their places in library order.
struct Matches<'a> {
    listed: &'a Listed,
    matcher: Matcher<'a>,
    place: usize,
}

impl<'a> Iterator for Matches<'a> {
    type Item = (usize, &'a Arc<Song>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut songs = self.listed.in_library_order().iter().enumerate().skip(self.place);
        let found = songs.find(|(_, song)| self.matcher.matches(song))?;
        self.place = found.0 + 1;
        Some(found)
    }
}

/// Puts together a page of what is found.
struct PageBuilder {
    start: PageStart,
    /// Place in library order of the song at which the page begins, if it is listed.
    begin: Option<usize>,
    at_most: usize,
    page: Page,
}

impl PageBuilder {
    fn new(listed: &Listed, start: PageStart, at_most: usize) -> Self {
        let page = Page { songs: Vec::new(), groups: Vec::new(), next: None, total: 0, generation: listed.generation };
        Self { start, begin: listed.place_of(start.song), at_most, page }
    }

    /// Takes the next song that is found, or the next group with its first song.
    fn add(&mut self, place: usize, song: &Arc<Song>, group: Option<SongGroup>) {
        let page = &mut self.page;
        let is_before = self.begin.map_or(page.total < self.start.rank, |begin| place < begin);
        page.total += 1;
        if is_before {
            return;
        }
        if page.songs.len() < self.at_most {
            page.songs.push(song.clone());
            page.groups.extend(group);
        } else {
            page.next = page.next.or(Some(song.id));
        }
    }
}

impl Listed {
    fn matches<'a>(&'a self, query: &'a Query) -> Matches<'a> {
        let matcher = Matcher { query, folded: String::new(), directory: None, album: None };
        Matches { listed: self, matcher, place: 0 }
    }

    /// A page of the songs that a query finds, in library order.
    pub(super) fn search(&self, query: &Query, start: PageStart, at_most: usize) -> Page {
        let mut builder = PageBuilder::new(self, start, at_most);
        self.matches(query).for_each(|(place, song)| builder.add(place, song, None));
        builder.page
    }

    /// A page of the groups of the songs that a query finds, in the order of their first songs.
    pub(super) fn search_groups(&self, query: &Query, group: Group, start: PageStart, at_most: usize) -> Page {
        let mut groups: Vec<(usize, &Arc<Song>, SongGroup)> = Vec::new();
        let mut by_texts: HashMap<[String; 2], usize> = HashMap::new();
        let (mut last, mut last_index) = (None, None);
        for (rank, (place, song)) in self.matches(query).enumerate() {
            // Neighbours usually are in the same group, so most texts need not be folded.
            let shared = Some(SharedTexts::of(song));
            if last != shared {
                let texts = song.group_texts(group).map(|texts| texts.map(|text| folded(&text)));
                last_index = texts.map(|texts| *by_texts.entry(texts).or_insert(groups.len()));
                last = shared;
            }
            let Some(index) = last_index else { continue };
            if index == groups.len() {
                groups.push((place, song, SongGroup { songs: 0, rank: rank as u32 }));
            }
            groups[index].2.songs += 1;
        }
        let mut builder = PageBuilder::new(self, start, at_most);
        groups.into_iter().for_each(|(place, song, group)| builder.add(place, song, Some(group)));
        builder.page
    }
}

/// What two songs share that have the same group for certain. Compared by address.
struct SharedTexts {
    directory: Arc<Path>,
    album: Option<Arc<Album>>,
}

impl SharedTexts {
    fn of(song: &Song) -> Self {
        Self { directory: song.path.directory.clone(), album: song.known().album().cloned() }
    }
}

impl PartialEq for SharedTexts {
    fn eq(&self, other: &Self) -> bool {
        let address = |album: &Option<Arc<Album>>| album.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.directory, &other.directory) && address(&self.album) == address(&other.album)
    }
}
