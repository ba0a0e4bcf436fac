//! The rows of a pane, as far as they are on the screen.

use trill_proto::message::Group;

use super::{Request, Source};
use crate::network::Song;

/// An answer of the server.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) request: Request,
    pub(super) songs: Vec<Song>,
    /// The number of rows in the list.
    pub(super) total: u32,
}

/// The rows of a pane. Those of its list may come after one that stands for all of them.
#[derive(Debug)]
pub(super) struct Rows {
    /// How many rows precede those of the list: 1 if a row stands for all, else 0.
    lead: u32,
    page: Option<Page>,
    /// The page must be asked for again.
    is_expired: bool,
    /// The row that is chosen, from 0.
    cursor: u32,
    /// The first row on the screen.
    top: u32,
}

impl Rows {
    pub(super) const fn new(has_row_for_all: bool) -> Self {
        Self { lead: has_row_for_all as u32, page: None, is_expired: false, cursor: 0, top: 0 }
    }

    pub(super) const fn cursor(&self) -> u32 {
        self.cursor
    }

    pub(super) const fn top(&self) -> u32 {
        self.top
    }

    /// Whether this row stands for all.
    pub(super) const fn is_for_all(&self, row: u32) -> bool {
        row < self.lead
    }

    /// The number of rows in the list, if it is known.
    pub(super) fn total(&self) -> Option<u32> {
        self.page.as_ref().map(|page| page.total)
    }

    /// Whether the rows are those of this list, and up to date.
    pub(super) fn is_from(&self, source: &Source) -> bool {
        !self.is_expired && self.page.as_ref().is_some_and(|page| page.request.source == *source)
    }

    /// The song in this row, if it is here.
    pub(super) fn song_at(&self, row: u32) -> Option<&Song> {
        let page = self.page.as_ref()?;
        let place = row.checked_sub(self.lead)?.checked_sub(page.request.start)?;
        page.songs.get(place as usize)
    }

    /// Whether the rows are those of one album, or of one artist.
    pub(super) fn within(&self) -> Option<Group> {
        match &self.page.as_ref()?.request.source {
            Source::Library { within, .. } => within.map(|(group, _)| group),
            Source::Queue => None,
        }
    }

    /// The part of the list that a screen of `height` rows shows: its start, and how many rows.
    pub(super) fn window(&self, height: u32) -> (u32, u32) {
        let lead = self.lead.saturating_sub(self.top);
        (self.top.saturating_sub(self.lead), height.saturating_sub(lead).max(1))
    }

    /// Whether the rows of this part were answered. A server may send fewer than it was asked for.
    pub(super) fn holds(&self, (start, rows): (u32, u32)) -> bool {
        self.page.as_ref().is_some_and(|Page { request, total, .. }| {
            let end = start.saturating_add(rows).min(*total);
            request.start <= start && end <= request.start.saturating_add(request.at_most)
        })
    }

    /// Takes an answer.
    pub(super) fn fill(&mut self, page: Page, height: u32) {
        self.page = Some(page);
        self.is_expired = false;
        self.move_cursor(0, height);
    }

    /// The rows may have changed on the server.
    pub(super) const fn expire(&mut self) {
        self.is_expired = true;
    }

    /// Another list begins. The rows on the screen stay there until its rows come.
    pub(super) fn go_to_top(&mut self) {
        (self.cursor, self.top) = (0, 0);
        if let Some(page) = self.page.as_mut().filter(|page| page.request.start > 0) {
            page.request.start = 0;
            self.is_expired = true;
        }
    }

    /// Moves the cursor to a row that is in the list, though it may not have come.
    pub(super) fn go_to(&mut self, row: u32, height: u32) {
        self.cursor = row;
        self.scroll_to_cursor(height);
    }

    /// Moves the cursor by so many rows, within the list. Returns whether it has moved.
    pub(super) fn move_cursor(&mut self, rows: i64, height: u32) -> bool {
        let last = self.total().unwrap_or(0).saturating_add(self.lead).saturating_sub(1);
        let before = self.cursor;
        let target = i64::from(before).saturating_add(rows).clamp(0, last.into());
        self.cursor = u32::try_from(target).unwrap_or(last);
        self.scroll_to_cursor(height);
        self.cursor != before
    }

    /// Scrolls so that the cursor is on a screen of `height` rows.
    pub(super) fn scroll_to_cursor(&mut self, height: u32) {
        let highest = self.cursor.saturating_sub(height.saturating_sub(1));
        self.top = self.top.clamp(highest, self.cursor);
    }
}
