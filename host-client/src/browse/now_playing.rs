//! The bar below the panes: what plays.

use std::iter;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use trill_player::command::{Repeat, Shuffle};

use super::view::{ACCENT, DIM};
use crate::ui::keys::Music;
use crate::ui::status::{PlaybackState, Status};
use crate::ui::text::{self, Charset, clean, width};

/// The player's state, for the bar and for keys that change it.
#[derive(Clone, Debug)]
pub struct NowPlaying {
    /// What plays.
    pub status: Status,
    /// The order in which the queue plays.
    pub shuffle: Shuffle,
    /// What is repeated.
    pub repeat: Repeat,
    /// The music stops after the present song.
    pub stops_after: bool,
    /// The place of the present song in the queue, from 1.
    pub place: Option<u32>,
    /// There is a connection to the server.
    pub is_connected: bool,
}

impl NowPlaying {
    /// What keys may change.
    pub fn music(&self) -> Music {
        let is_playing = !matches!(self.status.state, PlaybackState::Paused | PlaybackState::Stopped);
        Music { is_playing, shuffle: self.shuffle, repeat: self.repeat }
    }

    /// Draws two rows: title and what follows; position and settings.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer, charset: Charset) {
        let mut rows = area.rows();
        if let Some(row) = rows.next() {
            let follows = clean(&self.status.next);
            let follows = if follows.is_empty() { follows } else { format!("next: {follows}") };
            let title = Style::new().add_modifier(Modifier::BOLD);
            draw_ends((&self.title(charset), title), (&follows, DIM), row, buffer, charset);
        }
        if let Some(row) = rows.next() {
            let settings = self.settings().join("  ");
            let columns = usize::from(row.width).saturating_sub(width(&settings) + 2);
            draw_ends((&self.time(columns, charset), ACCENT), (&settings, DIM), row, buffer, charset);
        }
    }

    fn title(&self, charset: Charset) -> String {
        let state = match self.is_connected {
            true => self.status.state.mark(charset),
            false => "reconnecting",
        };
        let Some(song) = &self.status.song else { return state.to_owned() };
        let names = [clean(&song.title), clean(&song.artist)];
        let names: Vec<_> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        format!("{state} {}", if names.is_empty() { song.number.to_string() } else { names.join(charset.dash()) })
    }

    /// Position, bar and length of the song.
    fn time(&self, columns: usize, charset: Charset) -> String {
        let Some(song) = &self.status.song else { return String::new() };
        let (position, length) = (text::time(Some(song.position)), text::time(song.duration));
        let rest = columns.saturating_sub(width(&position) + width(&length) + 2).min(MAX_BAR);
        match song.duration.filter(|length| !length.is_zero() && rest >= MIN_BAR) {
            Some(duration) => {
                let done = song.position.as_secs_f64() / duration.as_secs_f64();
                format!("{position} {} {length}", progress_bar(done, rest, charset))
            }
            None => format!("{position} / {length}"),
        }
    }

    fn settings(&self) -> Vec<String> {
        let shuffle = match self.shuffle {
            Shuffle::Off => None,
            Shuffle::Songs => Some("shuffle".to_owned()),
            Shuffle::Albums => Some("shuffle album".to_owned()),
        };
        let repeat = match self.repeat {
            Repeat::Off => None,
            Repeat::All => Some("repeat all".to_owned()),
            Repeat::One => Some("repeat one".to_owned()),
        };
        let stop = self.stops_after.then(|| "stop after".to_owned());
        let volume = format!("vol {}", self.status.volume_percent);
        shuffle.into_iter().chain(repeat).chain(stop).chain(iter::once(volume)).collect()
    }
}

/// The narrowest bar, and the widest.
const MIN_BAR: usize = 6;
const MAX_BAR: usize = 60;

/// A bar of so many columns whose part `done`, 0.0 to 1.0, is filled.
fn progress_bar(done: f64, columns: usize, charset: Charset) -> String {
    let (over, ahead) = match charset {
        Charset::Unicode => ("━", "─"),
        Charset::Ascii => ("=", "-"),
    };
    let filled = (done.clamp(0.0, 1.0) * columns as f64) as usize;
    over.repeat(filled) + &ahead.repeat(columns - filled)
}

/// Draws one text at the left of the row, and another at its right if there is room for both.
pub(super) fn draw_ends(left: (&str, Style), right: (&str, Style), row: Rect, buffer: &mut Buffer, charset: Charset) {
    let columns = usize::from(row.width);
    let (right_text, gap) = match width(right.0) {
        0 => ("", 0),
        needed if needed * 2 <= columns || needed + width(left.0) < columns => (right.0, 1),
        _ => ("", 0),
    };
    let used = width(right_text) + gap;
    buffer.set_string(row.x, row.y, text::cut(left.0, columns.saturating_sub(used), charset), left.1);
    if !right_text.is_empty() {
        let x = row.right().saturating_sub(width(right_text) as u16);
        buffer.set_string(x, row.y, right_text, right.1);
    }
}
