//! Questions to the server that are not about sending music: lists, particulars, and which song comes next.

use trill_player::playlist::{Direction, Playlist, Progress, Search};
use trill_player::{PageEnd, Pager};
use trill_proto::ids::{RequestId, SongId};

use super::{App, Event};
use crate::buffer::Ticket;
use crate::network::{Connection, Refusal, Song};
use crate::ui::{details, table};

/// Songs to ask for at once: a screen of them is there after the first round-trip, whatever the library's size.
const PAGE_SONGS: u32 = 500;

/// A question, and what its answer is for.
pub(super) enum Request {
    /// The next page of a list; the table is laid out when the first has come.
    List { pager: Pager, table: Option<table::Table> },
    /// A song's particulars, to show them.
    Info(SongId),
    /// A song's title, for the song that was asked for with this ticket.
    Details(Ticket, SongId),
    /// A song to play now; a pause goes on when it begins. A detour passes over a song that was refused: where no other
    /// comes, the music goes on.
    Find { search: Search, keeps_pause: bool, is_detour: bool },
    /// The song that comes next, to play it after this one.
    Next(Search),
}

impl Request {
    /// What the user typed for it.
    fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::Info(_) | Self::Details(..) => "info",
            Self::Next(_) => "next",
            Self::Find { search, .. } => match search.origin() {
                None => "play",
                Some((_, Direction::Next)) => "next",
                Some((_, Direction::Previous)) => "previous",
            },
        }
    }

    /// Whether the answer starts a song in place of what is heard.
    fn is_lookup(&self) -> bool {
        matches!(self, Self::Find { .. })
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
            // Too many wait for their answers; or the connection has just broken, and whether another is built is decided when
            // that is told.
            Some(None) => self.held.push(request),
            None => {
                self.link.connect();
                self.held.push(request);
            }
        }
    }

    /// Asks what was held back for want of a connection, or behind too many others.
    pub(super) fn request_held(&mut self) {
        for request in std::mem::take(&mut self.held) {
            self.request(request);
        }
    }

    /// Asks for the pages of lists whose last page is on the screen.
    pub(super) fn request_undrawn(&mut self) {
        for request in std::mem::take(&mut self.undrawn) {
            self.request(request);
        }
    }

    /// The user wants something else than the song that is being looked for: no answer shall start it.
    pub(super) fn cancel_lookups(&mut self) {
        self.requests.retain(|_, request| !request.is_lookup());
        self.held.retain(|request| !request.is_lookup());
    }

    /// Looks for a song to play now.
    pub(super) fn find(&mut self, search: Search) {
        self.request(Request::Find { search, keeps_pause: false, is_detour: false });
    }

    /// Whether a song to play now is being looked for.
    pub(super) fn is_looking_up(&self) -> bool {
        self.requests.values().chain(&self.held).any(Request::is_lookup)
    }

    /// The look for a song to play now, and whether a pause goes on when that begins.
    pub(super) fn lookup_mut(&mut self) -> Option<(&mut Search, &mut bool)> {
        self.requests.values_mut().chain(&mut self.held).find_map(|request| match request {
            Request::Find { search, keeps_pause, .. } => Some((search, keeps_pause)),
            _ => None,
        })
    }

    /// There is no song beyond this one. It may be one that was only to be passed.
    pub(super) fn stay_at(&mut self, song: SongId, direction: Direction, playlist: Playlist, keeps_pause: bool) {
        let place = match direction {
            Direction::Next => "last",
            Direction::Previous => "first",
        };
        self.fail(&format!("song {song} is the {place}"));
        if self.stage.meant().is_none_or(|wish| wish.song != song) {
            self.switch_to(song, None, playlist, keeps_pause);
        }
    }

    /// Says of everything that the user waits for that it will not come. Returns whether there was any.
    pub(super) fn fail_requests(&mut self, reason: &str) -> bool {
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
            other => self.fail(&format!("{}: {refusal}", other.name())),
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
            Request::List { pager, table } => self.show_page(pager, table, &songs, total, next),
            Request::Find { search, keeps_pause, is_detour } => {
                self.on_searched(search, keeps_pause, is_detour, songs, next);
            }
            Request::Next(search) => self.on_upcoming(search, songs, next),
            // Answered by one song, not by a page: the connection does not mix them up.
            Request::Info(_) | Request::Details(..) => {}
        }
    }

    fn on_searched(
        &mut self,
        mut search: Search,
        keeps_pause: bool,
        is_detour: bool,
        songs: Vec<Song>,
        next: Option<SongId>,
    ) {
        let playlist = search.playlist();
        match progress(&mut search, &songs, next) {
            Progress::Asks => self.request(Request::Find { search, keeps_pause, is_detour }),
            Progress::Found(id) => {
                let song = songs.into_iter().find(|song| song.id == id);
                // After next and previous the listener is where they were.
                let is_there = search.origin().is_some() && self.stage.meant().is_some_and(|wish| wish.song == id);
                if !is_there {
                    self.switch_to(id, song, playlist, keeps_pause);
                }
            }
            Progress::Edge(..) if is_detour => {}
            Progress::Edge(song, direction) => self.stay_at(song, direction, playlist, keeps_pause),
            Progress::Nothing if playlist == Playlist::ALL => self.fail("the server has no songs"),
            Progress::Nothing => {
                let Playlist { first, last, .. } = playlist;
                self.fail(&format!("no songs from {first} to {last}; list shows what there is"));
            }
        }
    }

    fn on_upcoming(&mut self, mut search: Search, songs: Vec<Song>, next: Option<SongId>) {
        let is_meant =
            |upcoming: Search| (upcoming.playlist(), upcoming.origin()) == (search.playlist(), search.origin());
        if !self.stage.upcoming().is_some_and(is_meant) {
            return; // The user wants something else by now.
        }
        let playlist = search.playlist();
        match progress(&mut search, &songs, next) {
            Progress::Asks => self.request(Request::Next(search)),
            Progress::Found(id) => {
                if let Some(song) = songs.into_iter().find(|song| song.id == id) {
                    let ask = self.stage.follow_with(song, playlist);
                    self.send_play(&ask);
                }
            }
            Progress::Edge(..) | Progress::Nothing => self.stage.nothing_upcoming(),
        }
    }

    fn show_page(
        &mut self,
        mut pager: Pager,
        table: Option<table::Table>,
        songs: &[Song],
        total: u32,
        next: Option<SongId>,
    ) {
        songs.iter().for_each(|song| pager.on_song(song.id));
        let page_end = pager.on_page(total, next);
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
        // Asked for when this page is on the screen, so that pages cannot pile up here.
        if page_end == PageEnd::More {
            self.undrawn.push(Request::List { pager, table: Some(table) });
        }
        let sender = self.sender.clone();
        let on_drawn = move || drop(sender.send(Event::Drawn));
        if lines.is_empty() {
            on_drawn();
        } else {
            self.console.print_then(&lines.join("\n"), on_drawn);
        }
        if self.console.is_output_gone() {
            self.undrawn.clear();
        }
        if let PageEnd::Overlong(why) = page_end {
            self.fail(&format!("list: {why}"));
        }
    }
}

/// What a page of songs means for a search.
fn progress(search: &mut Search, songs: &[Song], next: Option<SongId>) -> Progress {
    songs.iter().for_each(|song| search.on_song(song.id));
    search.on_page(next)
}

fn ask(connection: &Connection, request: &Request) -> Option<RequestId> {
    match *request {
        Request::List { pager, .. } => connection.list(pager.next(), PAGE_SONGS),
        Request::Info(song) | Request::Details(_, song) => connection.info(song),
        Request::Find { search, .. } | Request::Next(search) => {
            let (first, at_most) = search.ask();
            connection.list(first, at_most)
        }
    }
}

/// Why the server does not show or send a song.
pub(super) fn refused(song: SongId, refusal: &Refusal) -> String {
    use trill_proto::error::ErrorCode;
    match refusal.code {
        ErrorCode::NO_SUCH_SONG => format!("there is no song {song}; list shows what there is"),
        ErrorCode::SONG_GONE => format!("song {song} is gone; list shows what there is"),
        ErrorCode::SONG_CHANGED => format!("song {song} has changed on the server; play it anew"),
        ErrorCode::NO_AUDIO => format!("song {song} contains no MP3 audio"),
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
