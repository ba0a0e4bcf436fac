//! Answers to the prompt, which completes words of titles.

use trill_player::{ListRequest, PageEnd, Question};
use trill_proto::message::Group;

use super::App;
use super::questions::Purpose;
use crate::network::Song;
use crate::ui::prompt::{FoundTitles, TitleSearch};
use crate::ui::text::clean;

/// The most songs, albums or artists to look at.
const AT_MOST: u32 = 64;

/// A search of the prompt, and what has come.
#[derive(Debug)]
pub(super) struct OpenTitleSearch {
    search: TitleSearch,
    songs: u32,
    found: FoundTitles,
}

impl App {
    /// Asks for what matches. Without an answer the search is dropped, which tells the prompt.
    pub(super) fn on_title_search(&mut self, search: TitleSearch) {
        let request =
            ListRequest { group: search.group, at_most: Some(AT_MOST), ..ListRequest::of_words(&search.words) };
        let open = OpenTitleSearch { search, songs: 0, found: FoundTitles::default() };
        let _ = self.ask(Question::List(request), Purpose::Titles(open));
    }

    pub(super) fn on_titles_page(&mut self, open: &mut OpenTitleSearch, songs: &[Song], end: PageEnd, total: u32) {
        let OpenTitleSearch { search, songs: come, found } = open;
        *come += songs.len() as u32;
        found.texts.extend(songs.iter().flat_map(|song| match search.group {
            Some(Group::Album) => vec![clean(&song.album)],
            Some(Group::Artist) => vec![clean(&song.artist)],
            _ => vec![clean(&song.title), clean(&song.artist), clean(&song.album)],
        }));
        if end == PageEnd::Complete {
            found.is_all = *come >= total;
            // The user may have typed on.
            let _ = search.reply.send(std::mem::take(found));
        }
        self.make_room();
    }
}
