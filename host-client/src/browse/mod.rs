//! The full screen: artists, albums, songs and the queue side by side, searched as one types.
//!
//! ```text
//!   keys ──▶ handle_key ──▶ Action: a command, or back to the prompt
//!            ┌─────────┐
//!            │ Browser │ ──▶ next_request: rows of a pane that are not here
//!            └─────────┘ ◀── answer, on_unanswered, refresh
//!                 │
//!                 ▼ View: draws into a buffer
//! ```
//!
//! It holds the rows that the screen shows and no others. Scrolling and typing ask the server for rows by their ranks. At most
//! one request is out, and the next one asks for what the screen needs when the answer has come. So neither a held key nor fast
//! typing queues requests, and no key waits for the server. Rows that are out of date stay, dimmed, until others replace them.
//!
//! What it deliberately is not: it knows no terminal, no socket and no clock.

mod input;
mod keys;
mod layout;
mod now_playing;
mod rows;
mod view;

#[cfg(test)]
mod tests;

use ratatui::layout::Size;
use trill_player::PageEnd;
use trill_proto::ids::SongId;
use trill_proto::message::Group;

use crate::network::Song;
use crate::ui::text::{self, clean};

use input::Input;
use layout::Layout;
use rows::{Page, Rows};

pub use keys::Action;
pub use now_playing::NowPlaying;
pub use view::View;

/// The most lines of a command's output that are kept for the screen.
const MAX_OUTPUT_LINES: usize = 500;

/// A pane of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The artists.
    Artists,
    /// The albums of the artist that is chosen.
    Albums,
    /// The songs of the album or artist that is chosen.
    Songs,
    /// What plays, and what follows.
    Queue,
}

impl Pane {
    /// All panes, from left to right.
    pub const ALL: [Self; 4] = [Self::Artists, Self::Albums, Self::Songs, Self::Queue];

    const fn name(self) -> &'static str {
        match self {
            Self::Artists => "Artists",
            Self::Albums => "Albums",
            Self::Songs => "Songs",
            Self::Queue => "Queue",
        }
    }
}

/// Where the rows of a pane come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The songs, or groups, that a query finds.
    Library {
        /// Words; empty for all songs.
        query: String,
        /// What the rows stand for; `None` for songs.
        group: Option<Group>,
        /// Only songs of the same album, or by the same artist, as this song.
        within: Option<(Group, SongId)>,
    },
    /// The queue.
    Queue,
}

/// Rows that the screen needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The list.
    pub source: Source,
    /// How many of its rows precede the first one that is needed.
    pub start: u32,
    /// How many rows are needed, at least one.
    pub at_most: u32,
}

/// The state of the screen.
#[derive(Debug)]
pub struct Browser {
    size: Size,
    focus: Pane,
    panes: [Rows; Pane::ALL.len()],
    query: String,
    /// What is being typed.
    input: Option<Input>,
    /// One line for the user.
    message: Option<String>,
    /// Lines that cover the panes: the help, or what a command printed.
    output: Option<Output>,
    /// The request that is out.
    asked: Option<Asked>,
    /// No request is made: the server did not answer the last one.
    is_unanswered: bool,
}

/// A request that is out, and what has come of the answer.
#[derive(Debug)]
struct Asked {
    pane: Pane,
    request: Request,
    songs: Vec<Song>,
}

/// Text that covers the panes.
#[derive(Debug, Default)]
struct Output {
    text: String,
    /// How many rows are above the screen.
    top: usize,
}

impl Browser {
    /// A screen of this size that shows nothing yet.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            focus: Pane::Artists,
            panes: Pane::ALL.map(|pane| Rows::new(matches!(pane, Pane::Artists | Pane::Albums))),
            query: String::new(),
            input: None,
            message: None,
            output: None,
            asked: None,
            is_unanswered: false,
        }
    }

    // ── what the screen needs ──

    /// The next rows to ask the server for, if any. The caller must then call [`answer`](Self::answer) or
    /// [`on_unanswered`](Self::on_unanswered); until then this returns `None`.
    pub fn next_request(&mut self) -> Option<Request> {
        if self.asked.is_some() || self.is_unanswered {
            return None;
        }
        let visible = self.layout().panes;
        let visible = visible.iter().map(|(pane, _)| *pane);
        // A pane may depend on a row of another that is not on the screen.
        let hidden = visible.clone().any(|pane| self.source(pane).is_none()).then_some([Pane::Artists, Pane::Albums]);
        let in_order = [self.focus].into_iter().chain(visible).chain(hidden.into_iter().flatten());
        let (pane, request) = in_order.into_iter().find_map(|pane| Some((pane, self.missing(pane)?)))?;
        self.asked = Some(Asked { pane, request: request.clone(), songs: Vec::new() });
        Some(request)
    }

    /// Takes a page of the answer to the last request. `total` is the number of rows in the list.
    pub fn answer(&mut self, page: Vec<Song>, total: u32, end: PageEnd) {
        let Some(asked) = &mut self.asked else { return };
        asked.songs.extend(page);
        if end == PageEnd::More {
            return;
        }
        let Some(Asked { pane, request, songs }) = self.asked.take() else { return };
        let height = self.height();
        self.panes[pane as usize].fill(Page { request, songs, total }, height);
    }

    /// The last request gets no answer. Nothing is asked until [`refresh`](Self::refresh) or [`ask_again`](Self::ask_again).
    pub fn on_unanswered(&mut self) {
        self.asked = None;
        self.is_unanswered = true;
    }

    /// Tries again after [`on_unanswered`](Self::on_unanswered).
    pub fn ask_again(&mut self) {
        self.is_unanswered = false;
    }

    /// Asks for all rows again, because they may have changed. The present ones stay until the answers come.
    pub fn refresh(&mut self) {
        self.panes.iter_mut().for_each(Rows::expire);
        self.is_unanswered = false;
    }

    /// The queue has changed.
    pub fn refresh_queue(&mut self) {
        self.panes[Pane::Queue as usize].expire();
    }

    /// The song at this place of the queue, from 1, is the present one. The queue's cursor stays with it, unless the user moves it.
    pub fn follow(&mut self, place: u32) {
        if self.focus != Pane::Queue {
            let height = self.height();
            self.panes[Pane::Queue as usize].go_to(place.saturating_sub(1), height);
        }
    }

    /// The screen has another size.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        let height = self.height();
        self.panes.iter_mut().for_each(|rows| rows.scroll_to_cursor(height));
    }

    /// The message is no longer true, for example that the server is away.
    pub fn clear_message(&mut self) {
        self.message = None;
    }

    /// Shows text that a command printed: a line of it in place of the hint, more of it over the panes.
    pub fn show(&mut self, text: &str) {
        if self.output.is_none() && text.lines().count() <= 1 {
            self.message = Some(clean(text));
            return;
        }
        let Output { text: shown, .. } = self.output.get_or_insert_default();
        for line in text.lines().take(MAX_OUTPUT_LINES.saturating_sub(shown.lines().count())) {
            shown.push_str(&clean(line));
            shown.push('\n');
        }
    }

    fn layout(&self) -> Layout {
        Layout::new(self.size, self.focus)
    }

    fn height(&self) -> u32 {
        self.layout().height()
    }

    /// The rows of the output that are on the screen or below it.
    fn output_rows(&self) -> Vec<String> {
        let Some(output) = &self.output else { return Vec::new() };
        let text = text::wrapped(&output.text, self.size.width.into());
        text.lines().skip(output.top).map(str::to_owned).collect()
    }

    fn rows(&self, pane: Pane) -> &Rows {
        &self.panes[pane as usize]
    }

    /// The list that a pane has to show. `None` while it depends on a row that is not here.
    fn source(&self, pane: Pane) -> Option<Source> {
        let (group, within) = match pane {
            Pane::Artists => (Some(Group::Artist), None),
            Pane::Albums => (Some(Group::Album), self.chosen(Pane::Artists)?.map(|song| (Group::Artist, song.id))),
            Pane::Songs => {
                let album = self.chosen(Pane::Albums)?.map(|song| (Group::Album, song.id));
                let artist = || Some(self.chosen(Pane::Artists)?.map(|song| (Group::Artist, song.id)));
                (None, if album.is_some() { album } else { artist()? })
            }
            Pane::Queue => return Some(Source::Queue),
        };
        Some(Source::Library { query: self.query.clone(), group, within })
    }

    /// The row under the cursor: `Some(None)` for all, `None` while the row is not here.
    fn chosen(&self, pane: Pane) -> Option<Option<&Song>> {
        let rows = self.rows(pane);
        if rows.is_for_all(rows.cursor()) {
            return Some(None);
        }
        let is_here = rows.is_from(&self.source(pane)?);
        rows.song_at(rows.cursor()).filter(|_| is_here).map(Some)
    }

    /// The rows that a pane has to show and has not.
    fn missing(&self, pane: Pane) -> Option<Request> {
        let source = self.source(pane)?;
        let rows = self.rows(pane);
        let window @ (start, at_most) = rows.window(self.height());
        let is_here = rows.is_from(&source) && rows.holds(window);
        (!is_here).then_some(Request { source, start, at_most })
    }

    /// Moves the cursor of the pane in use by so many rows. Panes that depend on it begin anew.
    fn move_cursor(&mut self, rows: i64) {
        let height = self.height();
        let pane = self.focus;
        let has_moved = self.panes[pane as usize].move_cursor(rows, height);
        if has_moved {
            let dependent = match pane {
                Pane::Artists => &mut self.panes[Pane::Albums as usize..=Pane::Songs as usize],
                Pane::Albums => &mut self.panes[Pane::Songs as usize..=Pane::Songs as usize],
                Pane::Songs | Pane::Queue => &mut [],
            };
            dependent.iter_mut().for_each(Rows::go_to_top);
        }
    }

    /// Searches for other words. All panes begin anew.
    fn search(&mut self, query: String) {
        self.query = query;
        self.panes[..Pane::Queue as usize].iter_mut().for_each(Rows::go_to_top);
    }
}
