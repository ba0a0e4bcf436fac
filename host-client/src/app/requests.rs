//! Questions to the server that are not about sending music: lists, particulars, and which song comes next.

use trill_proto::ids::{RequestId, SongId};

use super::App;
use super::stage::{Playlist, Upcoming};
use crate::buffer::Ticket;
use crate::network::{Connection, Refusal, Song};
use crate::ui::{details, table};

/// Songs to ask for at once: a screen of them is there after the first round-trip, whatever the library's size.
const PAGE_SONGS: u32 = 500;

/// Most song numbers to look through at once for the song before another; as many songs fit into one page.
const MOST_NUMBERS_BACK: u32 = 64;

/// A question, and what its answer is for.
pub(super) enum Request {
    /// The next page of a list; the table is laid out when the first has come.
    List { from: SongId, table: Option<table::Table> },
    /// A song's particulars, to show them.
    Info(SongId),
    /// A song's title, for the song that was asked for with this ticket.
    Details(Ticket, SongId),
    /// The first song from `from` on, to play it now.
    First { from: SongId, playlist: Playlist, otherwise: Otherwise },
    /// The last song with a number from `from` up to but not including `before`, to play it now.
    Before { from: SongId, before: SongId, playlist: Playlist, origin: SongId },
    /// The song that comes next, to play it after this one.
    Next(Upcoming),
}

/// What it means that there is no such song.
#[derive(Clone, Copy)]
pub(super) enum Otherwise {
    /// The playlist is empty.
    Empty,
    /// This song was the last.
    Last(SongId),
}

/// From one song to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    Previous,
}

impl Request {
    /// The song before `origin`; `None` if that is the first already.
    pub(super) fn before(origin: SongId, playlist: Playlist) -> Option<Self> {
        Self::further_back(origin, 1, playlist, origin)
    }

    fn further_back(before: SongId, numbers: u32, playlist: Playlist, origin: SongId) -> Option<Self> {
        let from = SongId(before.0.saturating_sub(numbers).max(playlist.first.0));
        (from < before).then_some(Self::Before { from, before, playlist, origin })
    }

    /// What the user typed for it.
    fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::Info(_) | Self::Details(..) => "info",
            Self::First { otherwise: Otherwise::Empty, .. } => "play",
            Self::First { otherwise: Otherwise::Last(_), .. } | Self::Next(_) => "next",
            Self::Before { .. } => "previous",
        }
    }

    /// Whether the answer starts a song in place of what is heard.
    fn is_lookup(&self) -> bool {
        matches!(self, Self::First { .. } | Self::Before { .. })
    }

    /// Whether the user waits for the answer.
    fn is_of_user(&self) -> bool {
        !matches!(self, Self::Details(..) | Self::Next(_))
    }
}

impl App {
    /// Asks the server, as soon as there is a connection.
    pub(super) fn request(&mut self, request: Request) {
        match self.link.connection().map(|connection| ask(connection, &request)) {
            Some(Some(id)) => drop(self.requests.insert(id, request)),
            // The connection has just broken: whether another is built is decided when that is told.
            Some(None) => self.held.push(request),
            None => {
                self.link.connect();
                self.held.push(request);
            }
        }
    }

    /// Asks what was held back for want of a connection.
    pub(super) fn request_held(&mut self) {
        for request in std::mem::take(&mut self.held) {
            self.request(request);
        }
    }

    /// The user wants something else than the song that is being looked for: no answer shall start it.
    pub(super) fn cancel_lookups(&mut self) {
        self.requests.retain(|_, request| !request.is_lookup());
        self.held.retain(|request| !request.is_lookup());
        self.steps.clear();
    }

    /// Whether a song is being looked for, to play it now.
    pub(super) fn is_looking_up(&self) -> bool {
        self.requests.values().chain(&self.held).any(Request::is_lookup)
    }

    /// Looks for the song before or after this one.
    pub(super) fn step_from(&mut self, song: SongId, playlist: Playlist, step: Step) {
        let request = match step {
            Step::Next => song
                .0
                .checked_add(1)
                .map(SongId)
                .filter(|from| *from <= playlist.last)
                .map(|from| Request::First { from, playlist, otherwise: Otherwise::Last(song) }),
            Step::Previous => Request::before(song, playlist),
        };
        match (request, step) {
            (Some(request), _) => self.request(request),
            (None, Step::Next) => self.stay_at(song, playlist, "last"),
            (None, Step::Previous) => self.stay_at(song, playlist, "first"),
        }
    }

    /// There is no song beyond this one. It may be one that was only to be passed.
    fn stay_at(&mut self, song: SongId, playlist: Playlist, place: &str) {
        self.fail(&format!("song {song} is the {place}"));
        self.arrive_at(song, None, playlist);
    }

    /// A song was found: takes the steps that were typed meanwhile, or plays it.
    fn arrive_at(&mut self, song: SongId, details: Option<Song>, playlist: Playlist) {
        if let Some(step) = self.steps.pop_front() {
            return self.step_from(song, playlist, step);
        }
        // After next and previous the listener is where they were.
        let is_there = details.is_none() && self.stage.meant().is_some_and(|wish| wish.song == song);
        if !is_there {
            self.switch_to(song, details, playlist);
        }
    }

    /// Says of everything that the user waits for that it will not come. Returns whether there was any.
    pub(super) fn fail_requests(&mut self, reason: &str) -> bool {
        self.steps.clear();
        let answered = std::mem::take(&mut self.requests).into_values();
        let names: Vec<_> =
            answered.chain(self.held.drain(..)).filter(Request::is_of_user).map(|it| it.name()).collect();
        for name in &names {
            self.fail(&format!("{name}: {reason}"));
        }
        !names.is_empty()
    }

    pub(super) fn on_request_refused(&mut self, request: Request, refusal: &Refusal) {
        match request {
            Request::Info(song) => self.fail(&refused(song, refusal)),
            Request::Details(..) => {}
            Request::Next(_) => {
                self.stage.nothing_upcoming();
                self.fail(&format!("cannot go on: {refusal}"));
            }
            other => {
                self.steps.clear();
                self.fail(&format!("{}: {refusal}", other.name()));
            }
        }
    }

    pub(super) fn on_info(&mut self, request: Request, song: Song) {
        match request {
            Request::Details(ticket, _) => {
                if let Some(wish) = self.stage.find_mut(ticket) {
                    wish.details = Some(song);
                }
                self.announce();
            }
            _ => self.console.print(&details::report(&song)),
        }
    }

    pub(super) fn on_page(&mut self, request: Request, songs: Vec<Song>, total: u32, next: Option<SongId>) {
        match request {
            Request::List { table, .. } => self.show_page(table, &songs, total, next),
            Request::First { playlist, otherwise, .. } => match first_of(songs, playlist) {
                Some(song) => self.arrive_at(song.id, Some(song), playlist),
                None => match otherwise {
                    Otherwise::Last(song) => self.stay_at(song, playlist, "last"),
                    Otherwise::Empty => self.found_nothing(playlist),
                },
            },
            Request::Before { from, before, playlist, origin } => {
                match songs.into_iter().rfind(|song| (from..before).contains(&song.id)) {
                    Some(song) => self.arrive_at(song.id, Some(song), playlist),
                    None => self.look_further_back(from, before, playlist, origin),
                }
            }
            Request::Next(upcoming) if self.stage.upcoming() == Some(upcoming) => {
                match first_of(songs, upcoming.playlist) {
                    Some(song) => {
                        let ask = self.stage.follow_with(song, upcoming.playlist);
                        self.send_play(&ask);
                    }
                    None => self.stage.nothing_upcoming(),
                }
            }
            // The user wants something else by now.
            Request::Next(_) => {}
            // Answered by one song, not by a page: the connection does not mix them up.
            Request::Info(_) | Request::Details(..) => {}
        }
    }

    fn found_nothing(&mut self, playlist: Playlist) {
        self.steps.clear();
        match playlist {
            Playlist::ALL => self.fail("the server has no songs"),
            Playlist { first, last, .. } => {
                self.fail(&format!("no songs from {first} to {last}; list shows what there is"));
            }
        }
    }

    fn show_page(&mut self, table: Option<table::Table>, songs: &[Song], total: u32, next: Option<SongId>) {
        let rows: Vec<_> = songs.iter().map(row).collect();
        let is_first = table.is_none();
        if is_first && rows.is_empty() && next.is_none() {
            return self.console.notice("the server has no songs");
        }
        let table = table.unwrap_or_else(|| match self.console.columns() {
            Some(columns) => table::Table::fitted(columns, &rows, total as usize, self.console.charset()),
            None => table::Table::Plain,
        });
        let header = table.header().filter(|_| is_first);
        let lines: Vec<_> = header.into_iter().chain(rows.iter().map(|row| table.row(row))).collect();
        if !lines.is_empty() {
            self.console.print(&lines.join("\n"));
        }
        if let Some(from) = next.filter(|_| !self.console.is_output_gone()) {
            self.request(Request::List { from, table: Some(table) });
        }
    }

    fn look_further_back(&mut self, from: SongId, before: SongId, playlist: Playlist, origin: SongId) {
        let numbers = (before.0 - from.0).saturating_mul(8).min(MOST_NUMBERS_BACK);
        match Request::further_back(from, numbers, playlist, origin) {
            Some(request) => self.request(request),
            None => self.stay_at(origin, playlist, "first"),
        }
    }
}

fn ask(connection: &Connection, request: &Request) -> Option<RequestId> {
    match *request {
        Request::List { from, .. } => connection.list(from, PAGE_SONGS),
        Request::Info(song) | Request::Details(_, song) => connection.info(song),
        Request::First { from, .. } | Request::Next(Upcoming { from, .. }) => connection.list(from, 1),
        Request::Before { from, before, .. } => connection.list(from, before.0 - from.0),
    }
}

fn first_of(songs: Vec<Song>, playlist: Playlist) -> Option<Song> {
    songs.into_iter().next().filter(|song| song.id <= playlist.last)
}

/// Why the server does not show or send a song.
pub(super) fn refused(song: SongId, refusal: &Refusal) -> String {
    use trill_proto::error::ErrorCode;
    match refusal.code {
        ErrorCode::NO_SUCH_SONG => format!("there is no song {song}; list shows what there is"),
        ErrorCode::SONG_GONE => format!("song {song} is gone; list shows what there is"),
        ErrorCode::SONG_CHANGED => format!("song {song} has changed on the server; play it anew"),
        ErrorCode::BAD_POSITION => format!("song {song} is not that long"),
        _ => format!("song {song}: {refusal}"),
    }
}

fn row(song: &Song) -> table::Row<'_> {
    table::Row {
        number: song.id.0,
        title: &song.title,
        artist: &song.artist,
        album: &song.album,
        duration: song.duration,
    }
}
