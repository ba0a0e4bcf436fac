//! Lists of the server, page by page, and the queue.

use trill_player::{ListRequest, PageEnd, Question, Refused, Start};
use trill_proto::ids::SongId;
use trill_proto::message::SongGroup;

use super::{App, Event};
use crate::network::Song;
use crate::remote::Reply;
use crate::shared::PAGE_SONGS;
use crate::ui::json;
use crate::ui::table::{Headings, Row, Table};
use crate::ui::text::clean;

/// A list that was requested.
#[derive(Clone, Debug)]
pub(super) enum List {
    /// Of all songs, or of those that match.
    Songs {
        is_all: bool,
    },
    Albums,
    Artists,
    /// The present song alone: its rank tells which part of the list is shown.
    Present {
        words: String,
        rows: u32,
    },
    /// A part of a list that is longer than the screen.
    Part {
        words: String,
        /// The rank of its first song, if that has come.
        first: Option<u32>,
    },
    /// A part of the queue.
    Queue(QueueRows),
}

/// The part of the queue that is shown. The server knows the titles.
#[derive(Clone, Debug)]
pub(super) struct QueueRows {
    /// The place of the next song.
    place: u32,
    /// The last place to show.
    last: u32,
    /// The songs so far and their places.
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
    /// Asks for a list.
    pub(super) fn list(&mut self, list: List, request: ListRequest) {
        match self.shared.with(|player, _| player.ask(Question::List(request))) {
            Ok(()) => {
                self.lists.push_back(list);
                self.on_asked();
            }
            Err(reason) => self.fail(&reason.to_string()),
        }
    }

    /// Lists songs: all, or on a screen the part around the present song, or what follows the part that was shown last.
    pub(super) fn list_songs(&mut self, words: &str) {
        let whole = List::Songs { is_all: words.is_empty() };
        let request = ListRequest::of_words(words);
        let Some(rows) = self.console.list_rows() else { return self.list(whole, request) };
        let words = words.to_owned();
        let present = self.present();
        let continuation = self.continuation.take();
        match (continuation.filter(|last| last.words == words && last.present == present), present) {
            (Some(Continuation { rank, .. }), _) => self.list_part(words, rank, rows),
            (None, Some(song)) => {
                let request = ListRequest { start: Start::Song(song), at_most: Some(1), ..request };
                self.list(List::Present { words, rows }, request);
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
        self.list(List::Part { words, first: None }, request);
    }

    /// Asks for the part of the list around the present song, or for its beginning if it does not match.
    fn list_around(&mut self, words: String, rows: u32, song: Option<&Song>, total: u32) {
        let present = self.present();
        let rank = song.filter(|song| present == Some(song.id)).and_then(|song| song.rank).unwrap_or(0);
        let begin = rank.saturating_sub(rows / 2).min(total.saturating_sub(rows));
        self.list_part(words, begin, rows);
    }

    /// Says which part of a list was shown, the ranks from `first` to before `end`, if it was not all of it.
    fn tell_part(&mut self, words: String, first: u32, end: u32, total: u32) {
        if first == 0 && end >= total {
            return;
        }
        let mut hint = String::new();
        if end < total {
            let line = if words.is_empty() { "list".to_owned() } else { format!("list {words}") };
            hint = format!("; {line} again shows more, browse shows all");
            self.continuation = Some(Continuation { words, rank: end, present: self.present() });
        }
        self.console.notice(&format!("{} to {end} of {}{hint}", first + 1, count_songs(total)));
    }

    /// Shows a page. The next page is requested when this one is on the screen.
    pub(super) fn show_page(&mut self, songs: &[Song], end: PageEnd, total: u32) {
        let headings = match self.lists.front() {
            Some(List::Queue(_)) => return self.on_queue_page(songs, end),
            Some(List::Present { .. }) => {
                if end == PageEnd::Complete
                    && let Some(List::Present { words, rows }) = self.lists.pop_front()
                {
                    self.make_room();
                    self.on_answered();
                    self.list_around(words, rows, songs.first(), total);
                }
                return;
            }
            Some(List::Albums) => Headings::ALBUMS,
            Some(List::Artists) => Headings::ARTISTS,
            Some(List::Songs { .. } | List::Part { .. }) | None => Headings::SONGS,
        };
        if let Some(List::Part { first, .. }) = self.lists.front_mut() {
            *first = first.or_else(|| songs.first().and_then(|song| song.rank));
        }
        let present = self.present();
        let rows: Vec<_> = songs.iter().map(|song| row(song, headings, present == Some(song.id))).collect();
        let (table, header) = match self.table.take() {
            Some(table) => (table, None),
            None if rows.is_empty() && end == PageEnd::Complete => {
                let is_all = match self.lists.pop_front() {
                    Some(List::Songs { is_all }) => is_all,
                    Some(List::Part { words, .. }) => words.is_empty(),
                    _ => false,
                };
                self.make_room();
                self.on_answered();
                let nothing =
                    if is_all { "the server has no songs" } else { "nothing matches; list shows what there is" };
                return self.console.notice(nothing);
            }
            None => {
                let table = match self.console.columns() {
                    Some(columns) => Table::fitted(columns, &rows, total as usize, headings, self.console.look()),
                    None => Table::Plain,
                };
                (table, table.header())
            }
        };
        let lines: Vec<_> = match self.is_json {
            true => songs.iter().map(|song| json_line(song, headings)).collect(),
            false => header.into_iter().chain(rows.iter().map(|row| table.row(row))).collect(),
        };
        let sender = self.sender.clone();
        let on_drawn = move || drop(sender.send(Event::Drawn));
        if lines.is_empty() {
            on_drawn();
        } else {
            self.console.print_rows(&lines.join("\n"), on_drawn);
        }
        match end {
            PageEnd::More if self.console.is_output_gone() => self.give_up_list(),
            PageEnd::More => self.table = Some(table),
            PageEnd::Complete => {
                let list = self.lists.pop_front();
                self.on_answered();
                if let (Some(List::Part { words, first }), Some(last)) = (list, songs.last().and_then(|song| song.rank))
                {
                    self.tell_part(words, first.unwrap_or(last), last + 1, total);
                }
            }
        }
    }

    /// If a list breaks off, the next one gets a header and columns of its own. Returns the client that has asked, if any.
    pub(super) fn end_question(&mut self, refused: Refused) -> Option<Reply> {
        match refused {
            Refused::List => {
                self.table = None;
                self.lists.pop_front();
                self.on_answered()
            }
            Refused::Info(_) => self.on_answered(),
            _ => None,
        }
    }

    /// Lets the player request another page.
    pub(super) fn make_room(&self) {
        self.shared.with(|player, _| {
            player.set_page_songs(PAGE_SONGS);
            player.wake_network();
        });
    }

    /// Gives up the rest of the list, because standard output is closed.
    fn give_up_list(&mut self) {
        self.lists.pop_front();
        self.shared.with(|player, _| player.give_up_question());
        self.on_answered();
    }

    // ── the queue ──

    /// Shows the queue from the present song on.
    pub(super) fn show_queue(&mut self) {
        let (present, songs) = self.shared.with(|player, _| (player.queue().present(), player.queue().songs()));
        let place = present.unwrap_or(1);
        let last = songs.min(place.saturating_add(QUEUE_ROWS - 1));
        self.ask_for_queue(QueueRows { place, last, songs: Vec::new() });
    }

    /// Asks for the next songs, or shows all.
    fn ask_for_queue(&mut self, rows: QueueRows) {
        let count = (rows.last + 1).saturating_sub(rows.place);
        let request = self.shared.with(|player, _| player.queue().list(rows.place, count));
        match request.filter(|_| count > 0) {
            Some(request) => self.list(List::Queue(rows), request),
            None => self.print_queue(&rows),
        }
    }

    fn on_queue_page(&mut self, songs: &[Song], end: PageEnd) {
        self.make_room();
        let Some(List::Queue(rows)) = self.lists.front_mut() else { return };
        rows.songs.extend((rows.place..).zip(songs.iter().cloned()));
        rows.place += songs.len() as u32;
        if end == PageEnd::Complete
            && let Some(List::Queue(mut rows)) = self.lists.pop_front()
        {
            // A song that is gone has no row.
            rows.place += u32::from(songs.is_empty());
            self.ask_for_queue(rows);
            self.on_answered();
        }
    }

    fn print_queue(&mut self, QueueRows { last, songs, .. }: &QueueRows) {
        let (present, total) = self.shared.with(|player, _| (player.queue().present(), player.queue().songs()));
        let rows: Vec<_> = songs
            .iter()
            .map(|(place, song)| Row { number: *place, ..row(song, Headings::SONGS, present == Some(*place)) })
            .collect();
        let look = self.console.look();
        let table = match self.console.columns() {
            Some(columns) => Table::fitted(columns, &rows, rows.len(), Headings::SONGS, look),
            None => Table::Plain,
        };
        let header = table.header().filter(|_| !rows.is_empty());
        let lines: Vec<_> = header.into_iter().chain(rows.iter().map(|row| table.row(row))).collect();
        if !lines.is_empty() {
            self.console.print_rows(&lines.join("\n"), || {});
        }
        let more = total.saturating_sub(*last);
        let more = if more > 0 { format!("; {more} more follow") } else { String::new() };
        self.console.notice(&format!("{}{more}{}", count_songs(total), self.settings()));
    }

    /// The settings of the queue that are not the usual ones, each after a comma.
    fn settings(&self) -> String {
        use trill_player::command::{Repeat, Shuffle};
        let (shuffle, repeat, stops) =
            self.shared.with(|player, _| (player.shuffle(), player.repeat(), player.stops_after()));
        let shuffle = (shuffle != Shuffle::Off).then(|| format!(", shuffle {shuffle}"));
        let repeat = (repeat != Repeat::Off).then(|| format!(", repeat {repeat}"));
        let stops = stops.then(|| ", stop after this song".to_owned());
        [shuffle, repeat, stops].into_iter().flatten().collect()
    }

    /// Says in one line what a command has done to the queue.
    pub(super) fn tell_queue(&self, what: &str) {
        let songs = self.shared.with(|player, _| player.queue().songs());
        self.console.notice(&format!("{what}; {} in the queue", count_songs(songs)));
    }

    pub(super) fn on_added(&mut self, songs: u32, others: u32) {
        let what = match self.found.take() {
            Some(song) if songs == 1 => clean(&song.title),
            Some(song) if !song.album.is_empty() => format!("{} of {}", count_songs(songs), clean(&song.album)),
            _ => count_songs(songs),
        };
        let others = if others > 0 { format!(", {others} more match") } else { String::new() };
        self.tell_queue(&format!("added {what}{others}"));
    }
}

fn count_songs(count: u32) -> String {
    if count == 1 { "1 song".to_owned() } else { format!("{count} songs") }
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
