//! Answers a search: which songs or groups it finds, and which of them are on the page.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

use trill_proto::ids::SongId;
use trill_proto::message::{Group, Search, SongGroup};

use super::fold::folded;
use super::index::{Listed, Page};
use super::query::{Matcher, Query};
use super::song::{Album, GroupKey, Song};

impl Listed {
    /// A page of the songs or groups that a search finds, or the best of them. The page begins at the song `first` if it is
    /// listed, else at the rank.
    pub(super) fn search(&self, search: &Search<'_>, first: SongId, at_most: usize) -> Page {
        let query = Query::new(search.query);
        let mut begin = self.place_of(first);
        if let Search { rank, group: None, within: None, numbers: None, is_best: false, .. } = *search
            && query.is_empty()
        {
            return Page::by_rank(self, begin.unwrap_or(rank as usize), at_most);
        }
        let Some(mut filter) = Filter::new(self, search, &query) else { return Page::empty(self) };
        let songs = self.in_library_order().iter().enumerate().filter(|(_, song)| filter.finds(song));
        let found: Box<dyn Iterator<Item = Found<'_>>> = match search.group {
            None => Box::new(songs.map(|(place, song)| Found { place, song, group: None })),
            Some(group) => {
                let first = begin.and_then(|place| self.in_library_order().get(place));
                let groups = groups(songs, group, first);
                // A page begins with the group of its first song, even if another song is the first of that group now.
                begin = groups.begin.map(|index| groups.found[index].place).or(begin);
                Box::new(groups.found.into_iter())
            }
        };
        if search.is_best {
            self.best(found, |song| query.fit(&folded(&song.name(search.group))), at_most)
        } else {
            self.page(found, begin, search.rank, at_most)
        }
    }

    fn page<'a>(
        &self,
        found: impl Iterator<Item = Found<'a>>,
        begin: Option<usize>,
        rank: u32,
        at_most: usize,
    ) -> Page {
        let mut page = Page::empty(self);
        for found in found {
            let is_before = begin.map_or(page.total < rank, |begin| found.place < begin);
            let rank = page.total;
            page.total += 1;
            if is_before {
                continue;
            }
            if page.songs.len() < at_most {
                page.push(found.song, found.group, rank);
            } else {
                page.next = page.next.or(Some(found.song.id));
            }
        }
        page
    }

    /// A page with what fits best, the first of several.
    fn best<'a, F: Ord>(
        &self,
        found: impl Iterator<Item = Found<'a>>,
        fit: impl Fn(&Song) -> F,
        at_most: usize,
    ) -> Page {
        let mut page = Page::empty(self);
        let ranked = (0..).zip(found).inspect(|_| page.total += 1);
        let best = ranked.min_by_key(|(_, found)| fit(found.song));
        if let Some((rank, found)) = best.filter(|_| at_most > 0) {
            page.push(found.song, found.group, rank);
        }
        page
    }
}

/// A song that is found, or the first song of a group.
struct Found<'a> {
    /// Its place in library order.
    place: usize,
    song: &'a Arc<Song>,
    group: Option<SongGroup>,
}

/// What a song must satisfy to be found.
struct Filter<'a> {
    numbers: Option<(SongId, SongId)>,
    within: Option<Within>,
    matcher: Matcher<'a>,
}

impl<'a> Filter<'a> {
    /// `None` if nothing can be found.
    fn new(listed: &Listed, search: &Search<'_>, query: &'a Query) -> Option<Self> {
        let within = match search.within {
            Some((group, song)) => Some(Within::new(listed.song(song).ok()?, group)?),
            None => None,
        };
        Some(Self { numbers: search.numbers, within, matcher: Matcher::new(query) })
    }

    /// The cheapest condition comes first.
    fn finds(&mut self, song: &Song) -> bool {
        self.numbers.is_none_or(|(first, last)| (first..=last).contains(&song.id))
            && self.within.as_mut().is_none_or(|within| within.contains(song))
            && self.matcher.matches(song)
    }
}

/// The songs in the same group as a song.
struct Within {
    group: Group,
    key: GroupKey,
    last: Remembered<bool>,
}

impl Within {
    /// `None` if the song is in no group of this kind.
    fn new(song: &Song, group: Group) -> Option<Self> {
        Some(Self { group, key: song.group_key(group)?, last: Remembered(None) })
    }

    fn contains(&mut self, song: &Song) -> bool {
        self.last.get_or(song, || song.group_key(self.group).as_ref() == Some(&self.key))
    }
}

/// The groups of songs, in the order of their first songs.
struct Groups<'a> {
    found: Vec<Found<'a>>,
    /// The index of the group of the song at which the page begins.
    begin: Option<usize>,
}

/// Collects the groups of songs, which come with their places in library order, and finds that of the song `first`.
///
/// A table of 100,000 groups takes 8 MB: of the names, it holds only hash values. Their keys are random, so that nobody can make
/// file names that collide.
fn groups<'a>(
    songs: impl Iterator<Item = (usize, &'a Arc<Song>)>,
    group: Group,
    first: Option<&Arc<Song>>,
) -> Groups<'a> {
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut by_name: HashMap<u64, usize> = HashMap::new();
    let hasher = by_name.hasher().clone();
    let name_of = |song: &Song| Some(hasher.hash_one(song.group_key(group)?));
    let mut last = Remembered(None);
    for (rank, (place, song)) in (0..).zip(songs) {
        let index = last.get_or(song, || {
            let index = *by_name.entry(name_of(song)?).or_insert(found.len());
            if index == found.len() {
                found.push(Found { place, song, group: Some(SongGroup { songs: 0, rank }) });
            }
            Some(index)
        });
        if let Some(group) = index.and_then(|index| found[index].group.as_mut()) {
            group.songs += 1;
        }
    }
    let begin = first.and_then(|song| by_name.get(&name_of(song)?).copied());
    Groups { found, begin }
}

/// What was found out about the group of the last song. It holds for the next song, too, if both are in one directory and share
/// the texts of their album, as neighbours usually do.
struct Remembered<T>(Option<(Arc<Path>, Option<Arc<Album>>, T)>);

impl<T: Copy> Remembered<T> {
    /// What holds for this song. Paths and albums are compared by their addresses.
    fn get_or(&mut self, song: &Song, find_out: impl FnOnce() -> T) -> T {
        let known = song.known();
        let address = |album: Option<&Arc<Album>>| album.map(Arc::as_ptr);
        match &self.0 {
            Some((directory, album, value))
                if Arc::ptr_eq(directory, &song.path.directory)
                    && address(album.as_ref()) == address(known.album()) =>
            {
                *value
            }
            _ => {
                let album = known.album().cloned();
                drop(known);
                let value = find_out();
                self.0 = Some((song.path.directory.clone(), album, value));
                value
            }
        }
    }
}
