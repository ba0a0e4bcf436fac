//! Draws the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Widget;
use trill_proto::message::Group;

use super::input::Purpose;
use super::layout::Layout;
use super::now_playing::draw_ends;
use super::{Browser, NowPlaying, Pane};
use crate::network::Song;
use crate::ui::status::PlaybackState;
use crate::ui::text::{self, Charset, clean, width};

pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
/// crossterm leaves colours away if `NO_COLOR` is set.
pub(super) const ACCENT: Style = Style::new().fg(Color::Cyan);

/// The last row if there is nothing else to say.
const HINT: &str = "? help  / search  : command  q prompt";

/// The last row while lines cover the panes.
const OUTPUT_HINT: &str = "Up Down PgUp PgDn scroll  other keys: back";

/// The screen to draw.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is on it.
    pub browser: &'a Browser,
    /// What plays.
    pub now: &'a NowPlaying,
    /// The characters to draw with.
    pub charset: Charset,
}

impl Widget for View<'_> {
    fn render(self, _: Rect, buffer: &mut Buffer) {
        let layout = self.browser.layout();
        if buffer.area.is_empty() {
            return;
        }
        layout.names.rows().for_each(|row| self.draw_names(row, &layout, buffer));
        match &self.browser.output {
            Some(_) => self.draw_output(&layout, buffer),
            None => self.draw_panes(&layout, buffer),
        }
        self.now.draw(layout.bar, buffer, self.charset);
        layout.line.rows().for_each(|row| self.draw_line(row, buffer));
    }
}

impl View<'_> {
    /// Where the terminal's cursor is, if a line is being typed.
    pub fn cursor(&self) -> Option<Position> {
        let line = self.browser.layout().line;
        let typed = self.typed()?;
        let x = width(&typed).min(usize::from(line.width).saturating_sub(1));
        Some(Position { x: line.x + x as u16, y: line.y })
    }

    /// The names of the panes, with the numbers of their rows. If there is room for one pane only, the names of all.
    fn draw_names(&self, row: Rect, layout: &Layout, buffer: &mut Buffer) {
        if let [_] = layout.panes[..] {
            let mut x = row.x;
            for pane in Pane::ALL {
                let name = format!("{} {}", pane as usize + 1, pane.name());
                let room = usize::from(row.right().saturating_sub(x));
                buffer.set_stringn(x, row.y, &name, room, self.name_style(pane));
                x = x.saturating_add(width(&name) as u16 + 1);
            }
            return;
        }
        for (pane, area) in &layout.panes {
            let name = format!("{} {}", *pane as usize + 1, pane.name());
            let total = self.browser.rows(*pane).total().map_or_else(String::new, |total| total.to_string());
            let area = Rect { x: area.x, width: area.width, ..row };
            draw_ends((&name, self.name_style(*pane)), (&total, DIM), area, buffer, self.charset);
            self.draw_divider(area, layout, buffer);
        }
    }

    fn name_style(&self, pane: Pane) -> Style {
        if pane == self.browser.focus { BOLD.add_modifier(Modifier::REVERSED) } else { BOLD }
    }

    fn draw_output(&self, layout: &Layout, buffer: &mut Buffer) {
        for (line, row) in self.browser.output_rows().iter().zip(layout.body.rows()) {
            buffer.set_string(row.x, row.y, text::cut(line, row.width.into(), self.charset), Style::new());
        }
    }

    fn draw_panes(&self, layout: &Layout, buffer: &mut Buffer) {
        for (pane, area) in &layout.panes {
            self.draw_pane(*pane, *area, buffer);
            area.rows().for_each(|row| self.draw_divider(row, layout, buffer));
        }
    }

    /// Draws the line at the right of a pane, unless it is the last.
    fn draw_divider(&self, row: Rect, layout: &Layout, buffer: &mut Buffer) {
        if row.right() < layout.body.right() {
            buffer.set_string(row.right(), row.y, self.charset.divider(), DIM);
        }
    }

    fn draw_pane(&self, pane: Pane, area: Rect, buffer: &mut Buffer) {
        let rows = self.browser.rows(pane);
        let source = self.browser.source(pane);
        let is_current = source.as_ref().is_some_and(|source| rows.is_from(source));
        if is_current && rows.total() == Some(0) {
            for row in area.rows().take(1) {
                draw_ends((self.nothing(pane), DIM), ("", DIM), row, buffer, self.charset);
            }
            return;
        }
        for (number, row) in (rows.top()..).zip(area.rows()) {
            let song = rows.song_at(number);
            let style = match song {
                Some(song) if is_current && self.is_heard(pane, number, song) => ACCENT,
                _ if is_current || rows.is_for_all(number) => Style::new(),
                _ => DIM,
            };
            let (left, right) = match song {
                Some(song) => self.cells(pane, number, song),
                None if rows.is_for_all(number) => ("All".to_owned(), String::new()),
                None => continue,
            };
            draw_ends((&left, style), (&right, style), row, buffer, self.charset);
            if number == rows.cursor() {
                buffer.set_style(row, self.cursor_style(pane));
            }
        }
    }

    fn cursor_style(&self, pane: Pane) -> Style {
        if pane == self.browser.focus { Style::new().add_modifier(Modifier::REVERSED) } else { BOLD }
    }

    fn is_heard(&self, pane: Pane, row: u32, song: &Song) -> bool {
        match pane {
            Pane::Artists | Pane::Albums => false,
            Pane::Songs => self.now.status.song.as_ref().is_some_and(|heard| heard.number == song.id.0),
            Pane::Queue => self.now.place == Some(row + 1),
        }
    }

    /// The texts at the left and at the right of a row.
    fn cells(&self, pane: Pane, row: u32, song: &Song) -> (String, String) {
        let count = || song.group.map_or_else(String::new, |group| group.songs.to_string());
        let with_artist = |text: &str| match clean(&song.artist) {
            artist if artist.is_empty() => clean(text),
            artist => format!("{}{}{artist}", clean(text), self.charset.dash()),
        };
        let mark = if self.is_heard(pane, row, song) {
            format!("{} ", PlaybackState::Playing.mark(self.charset))
        } else {
            String::new()
        };
        let time = || text::time(song.duration);
        let within = self.browser.rows(pane).within();
        match pane {
            Pane::Artists => (clean(&song.artist), count()),
            Pane::Albums if within.is_some() => (clean(&song.album), count()),
            Pane::Albums => (with_artist(&song.album), count()),
            Pane::Songs if within == Some(Group::Album) && song.track > 0 => {
                (format!("{mark}{} {}", song.track, clean(&song.title)), time())
            }
            Pane::Songs if within.is_some() => (format!("{mark}{}", clean(&song.title)), time()),
            Pane::Songs => (format!("{mark}{}", with_artist(&song.title)), time()),
            Pane::Queue => (format!("{mark}{} {}", row + 1, with_artist(&song.title)), time()),
        }
    }

    fn nothing(&self, pane: Pane) -> &'static str {
        match pane {
            Pane::Queue => "nothing is queued",
            _ if self.browser.query.is_empty() => "nothing here",
            _ => "nothing found",
        }
    }

    /// The last row: what is typed, a message, the words of the search, or a hint.
    fn draw_line(&self, row: Rect, buffer: &mut Buffer) {
        let (text, style) = match (self.typed(), &self.browser.message) {
            (Some(typed), _) => (typed, Style::new()),
            (None, Some(message)) => (message.clone(), BOLD),
            (None, None) if self.browser.output.is_some() => (OUTPUT_HINT.to_owned(), DIM),
            (None, None) if !self.browser.query.is_empty() => {
                (format!("/{}", clean(&self.browser.query)), Style::new())
            }
            (None, None) => (HINT.to_owned(), DIM),
        };
        let columns = usize::from(row.width);
        let shown = match self.browser.input {
            // The end of a long line, where the cursor is.
            Some(_) => text::end(&text, columns.saturating_sub(1)).to_owned(),
            None => text::cut(&text, columns, self.charset),
        };
        buffer.set_string(row.x, row.y, shown, style);
    }

    fn typed(&self) -> Option<String> {
        let input = self.browser.input.as_ref()?;
        let mark = match input.purpose {
            Purpose::Search => '/',
            Purpose::Command => ':',
        };
        Some(format!("{mark}{}", clean(&input.text)))
    }
}
