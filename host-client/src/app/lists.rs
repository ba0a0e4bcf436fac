//! Lists of the server, page by page, and the queue.

use std::mem;

use trill_player::command::Selection;
use trill_player::{ListRequest, PageEnd, Question, Source, Start};
use trill_proto::ids::SongId;
use trill_proto::message::{Group, SongGroup};

use super::questions::Purpose;
use super::{App, Event};
use crate::network::{Song, nothing_found};
use crate::shared::PAGE_SONGS;
use crate::ui::json;
use crate::ui::table::{Headings, Row, Table};
use crate::ui::text::{clean, count_songs};

/// A list that was requested.
#[derive(Debug)]
pub(super) enum List {
    /// Songs or groups.
    Rows(Rows),
    /// The present song alone: its rank tells which part of the list is shown.
    Present { words: String, rows: u32 },
    /// A part of the queue.
    Queue(QueueRows),
}

/// Songs or groups that are shown page by page.
#[derive(Debug)]
pub(super) struct Rows {
    group: Option<Group>,
    words: String,
    /// The list is longer than the screen and this is a part of it.
    is_part: bool,
    /// The rank of the first song, if it has come.
    first: Option<u32>,
    /// The layout, measured on the first page.
    table: Option<Table>,
}

/// The part of the queue that is shown. The server knows the titles.
#[derive(Debug, Default)]
pub(super) struct QueueRows {
    /// The place of the next song.
    place: u32,
    /// The place behind those that were asked for. A song that is gone has no row.
    behind: u32,
    /// The last place to show.
    last: u32,
    /// The place and title of the song that follows by itself, if it has come.
    next: Option<(u32, String)>,
    /// The songs that have come and were not printed, and their places.
    songs: Vec<(u32, Song)>,
}

/// Where a list that is longer than the screen goes on.
#[derive(Debug)]
pub(super) struct Continuation {
    words: String,
    rank: u32,
    /// The song that played then. If another plays, its part of the list is shown.
    present: Option<SongId>,
}

/// The most places of the queue that are shown at once.
const QUEUE_ROWS: u32 = 20;

impl App {
    /// Asks for a whole list.
    pub(super) fn list_all(&mut self, group: Option<Group>, words: &str) {
        let rows = Rows { group, words: words.to_owned(), is_part: false, first: None, table: None };
        self.ask_for_list(List::Rows(rows), ListRequest { group, ..ListRequest::of_words(words) });
    }

    fn ask_for_list(&mut self, list: List, request: ListRequest) {
        self.ask_or_fail(Question::List(request), Purpose::List(list));
    }

    /// Lists songs: all, or on a screen the part around the present song, or what follows the part that was shown last.
    pub(super) fn list_songs(&mut self, words: &str) {
        let Some(rows) = self.console.list_rows() else { return self.list_all(None, words) };
        let words = words.to_owned();
        let present = self.present();
        let continuation = self.continuation.take();
        match (continuation.filter(|last| last.words == words && last.present == present), present) {
            (Some(Continuation { rank, .. }), _) => self.list_part(words, rank, rows),
            (None, Some(song)) => {
                let start = Start::Song(song);
                let request = ListRequest { start, at_most: Some(1), ..ListRequest::of_words(&words) };
                self.ask_for_list(List::Present { words, rows }, request);
            }
            (None, None) => self.list_part(words, 0, rows),
        }
    }

    /// The song heard.
    fn present(&self) -> Option<SongId> {
        self.shared.with(|player, _| player.heard().map(|track| track.started.song))
    }

    fn list_part(&mut self, words: String, rank: u32, rows: u32) {
        let request = ListRequest { start: Start::Rank(rank), at_most: Some(rows), ..ListRequest::of_words(&words) };
        let rows = Rows { group: None, words, is_part: true, first: None, table: None };
        self.ask_for_list(List::Rows(rows), request);
    }

    /// Asks for the part of the list around the present song, or for its beginning if it does not match.
    fn list_around(&mut self, words: String, rows: u32, song: Option<&Song>, total: u32) {
        let present = self.present();
        let rank = song.filter(|song| present == Some(song.id)).and_then(|song| song.rank).unwrap_or(0);
        let begin = rank.saturating_sub(rows / 2).min(total.saturating_sub(rows));
        self.list_part(words, begin, rows);
    }

    /// Says which part of a list was shown, the ranks from `first` to before `end`, if it was not all of it.
    fn tell_part(&mut self, words: &str, first: u32, end: u32, total: u32) {
        if first == 0 && end >= total {
            return;
        }
        let line = if words.is_empty() { "list".to_owned() } else { format!("list {words}") };
        let (rank, what) = if end < total { (end, "what follows") } else { (0, "the beginning") };
        self.continuation = Some(Continuation { words: words.to_owned(), rank, present: self.present() });
        let part = format!("{} to {end} of {}", first + 1, count_songs(total));
        self.console.notice(&format!("{part}; {line} again shows {what}, browse shows all"));
    }

    /// Shows a page. The next page is requested when this one is on the screen.
    pub(super) fn on_list_page(&mut self, list: &mut List, songs: &[Song], end: PageEnd, total: u32) {
        match list {
            List::Rows(rows) => self.show_page(rows, songs, end, total),
            List::Queue(rows) => self.on_queue_page(rows, songs, end),
            List::Present { words, rows } => {
                self.make_room();
                if end == PageEnd::Complete {
                    self.list_around(mem::take(words), *rows, songs.first(), total);
                }
            }
        }
    }

    fn show_page(&mut self, list: &mut Rows, songs: &[Song], end: PageEnd, total: u32) {
        let headings = headings(list.group);
        let present = self.present();
        let rows: Vec<_> = songs.iter().map(|song| row(song, headings, present == Some(song.id))).collect();
        let is_first = list.table.is_none();
        if is_first && rows.is_empty() && end == PageEnd::Complete {
            self.make_room();
            return self.console.notice(&nothing_listed(list.group, &list.words));
        }
        let columns = self.console.columns();
        let look = self.console.look();
        let table = *list.table.get_or_insert_with(|| match columns {
            Some(columns) => Table::fitted(columns, &rows, total as usize, headings, look),
            None => Table::Plain,
        });
        let header = table.header().filter(|_| is_first);
        let lines: Vec<_> = match self.is_json() {
            true => songs.iter().map(|song| json_line(song, headings)).collect(),
            false => header.into_iter().chain(rows.iter().map(|row| table.row(row))).collect(),
        };
        self.print_page(&lines);
        list.first = list.first.or_else(|| songs.first().and_then(|song| song.rank));
        if list.is_part
            && end == PageEnd::Complete
            && let Some(last) = songs.last().and_then(|song| song.rank)
        {
            self.tell_part(&list.words, list.first.unwrap_or(last), last + 1, total);
        }
    }

    /// Prints the lines of a page. The player may request another when they are on the screen.
    fn print_page(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return self.make_room();
        }
        let sender = self.sender.clone();
        self.console.print_rows(&lines.join("\n"), move || drop(sender.send(Event::Drawn)));
    }

    /// Lets the player request another page.
    pub(super) fn make_room(&self) {
        self.shared.with(|player, _| {
            player.set_page_songs(PAGE_SONGS);
            player.wake_network();
        });
    }

    // ── the queue ──

    /// Shows the queue: all, or on a screen the part from the present song on.
    pub(super) fn show_queue(&mut self) {
        let (present, songs) = self.shared.with(|player, _| (player.queue().present(), player.queue().songs()));
        let (place, last) = match self.console.columns() {
            Some(_) => (present.unwrap_or(1), present.unwrap_or(1).saturating_add(QUEUE_ROWS - 1).min(songs)),
            None => (1, songs),
        };
        self.ask_for_queue(QueueRows { place, behind: place, last, ..QueueRows::default() });
    }

    /// Asks for the next songs, or tells how many there are.
    fn ask_for_queue(&mut self, mut rows: QueueRows) {
        rows.place = rows.behind;
        let count = (rows.last + 1).saturating_sub(rows.place);
        let request = self.shared.with(|player, _| player.queue().list(rows.place, count));
        match request.filter(|_| count > 0 && !self.console.is_output_gone()) {
            Some(request) => {
                rows.behind = rows.place + request.at_most.unwrap_or(count);
                self.ask_for_list(List::Queue(rows), request);
            }
            None => {
                self.print_queue_rows(&mut rows);
                self.tell_queue_end(&rows);
            }
        }
    }

    fn on_queue_page(&mut self, rows: &mut QueueRows, songs: &[Song], end: PageEnd) {
        rows.songs.extend((rows.place..).zip(songs.iter().cloned()));
        rows.place += songs.len() as u32;
        let next = self.shared.with(|player, _| player.following_position());
        let is_next = |(place, _): &&(u32, Song)| Some(*place) == next;
        rows.next =
            rows.songs.iter().find(is_next).map(|(place, song)| (*place, clean(&song.title))).or(rows.next.take());
        // For a terminal, the columns are measured on all rows.
        if self.console.columns().is_some() {
            self.make_room();
        } else {
            self.print_queue_rows(rows);
        }
        if end == PageEnd::Complete {
            self.ask_for_queue(mem::take(rows));
        }
    }

    /// Prints the rows that have come.
    fn print_queue_rows(&mut self, rows: &mut QueueRows) {
        let songs = mem::take(&mut rows.songs);
        if self.is_json() {
            return self.print_page(&songs.iter().map(|(place, song)| json::queued(*place, song)).collect::<Vec<_>>());
        }
        let present = self.shared.with(|player, _| player.queue().present());
        let rows: Vec<_> = songs
            .iter()
            .map(|(place, song)| Row { number: *place, ..row(song, Headings::SONGS, present == Some(*place)) })
            .collect();
        let table = match self.console.columns() {
            Some(columns) => Table::fitted(columns, &rows, rows.len(), Headings::SONGS, self.console.look()),
            None => Table::Plain,
        };
        let header = table.header().filter(|_| !rows.is_empty());
        self.print_page(&header.into_iter().chain(rows.iter().map(|row| table.row(row))).collect::<Vec<_>>());
    }

    /// Says how long the queue is and how it plays.
    fn tell_queue_end(&self, rows: &QueueRows) {
        let (present, next, total) = self.shared.with(|player, _| {
            let queue = player.queue();
            (queue.present(), player.following_position(), queue.songs())
        });
        let present = present.map_or_else(String::new, |place| format!(", at place {place}"));
        let more = total.saturating_sub(rows.last);
        let more = if more > 0 { format!("; {more} more follow, browse shows all") } else { String::new() };
        let next = match (next, &rows.next) {
            (Some(next), Some((place, title))) if next == *place => format!("; next: {place} {title}"),
            (Some(next), _) => format!("; next: place {next}"),
            (None, _) => String::new(),
        };
        let settings = self.status().queue.settings();
        self.console.notice(&format!("{}{settings}{present}{more}{next}", count_songs(total)));
    }

    /// Says in one line what a command has done to the queue.
    pub(super) fn tell_queue(&self, what: &str) {
        let songs = self.shared.with(|player, _| player.queue().songs());
        self.console.notice(&format!("{what}; {} in the queue", count_songs(songs)));
    }

    pub(super) fn on_added(&mut self, source: Source, songs: u32, others: u32) {
        let what = match (self.found.take(), source) {
            (Some(song), _) if songs == 1 => clean(&song.title),
            (Some(song), Source::Group(Group::Album, _)) => format!("{} of {}", count_songs(songs), clean(&song.album)),
            (Some(song), Source::Group(Group::Artist, _)) => {
                format!("{} by {}", count_songs(songs), clean(&song.artist))
            }
            _ => count_songs(songs),
        };
        let others = if others > 0 { format!(", {others} more match") } else { String::new() };
        self.tell_queue(&format!("added {what}{others}"));
    }
}

fn headings(group: Option<Group>) -> Headings {
    match group {
        None => Headings::SONGS,
        Some(Group::Album) => Headings::ALBUMS,
        Some(Group::Artist) => Headings::ARTISTS,
    }
}

/// Why a list is empty.
fn nothing_listed(group: Option<Group>, words: &str) -> String {
    match (group, words) {
        (None, "") => "the server has no songs".to_owned(),
        (Some(Group::Album), "") => "the server has no albums".to_owned(),
        (Some(Group::Artist), "") => "the server has no artists".to_owned(),
        (None, words) => nothing_found(&Selection::Best(words)),
        (Some(Group::Album), words) => nothing_found(&Selection::Album(words)),
        (Some(Group::Artist), words) => nothing_found(&Selection::Artist(words)),
    }
}

fn json_line(song: &Song, headings: Headings) -> String {
    match headings {
        Headings::ALBUMS => json::album(song),
        Headings::ARTISTS => json::artist(song),
        _ => json::listed(song),
    }
}

fn row<'a>(song: &'a Song, headings: Headings, is_present: bool) -> Row<'a> {
    let songs = song.group.map(|SongGroup { songs, .. }| songs);
    let [title, artist, album] = match headings {
        Headings::ALBUMS => [&song.album, &song.artist, ""],
        Headings::ARTISTS => [&song.artist, "", ""],
        _ => [song.title.as_str(), &song.artist, &song.album],
    };
    Row { number: song.id.0, title, artist, album, duration: song.duration, songs, is_present }
}
