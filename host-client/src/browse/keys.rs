//! What keys do.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use trill_player::command::{Command, Selection};
use trill_proto::limits::MAX_QUERY_BYTES;

use super::input::{Edit, Input, Purpose};
use super::{Browser, NowPlaying, Pane};
use crate::network::Song;
use crate::ui::keys;

/// The longest command, in bytes.
const MAX_COMMAND_BYTES: usize = 1_000;

/// The keys, for people.
fn help() -> String {
    format!(
        "\
Up Down PgUp PgDn Home End   move (also j k g G)
Tab Shift-Tab 1 2 3 4        go to another pane (also h l)
/                            search: all panes show what matches
Enter                        play: all of the artist, the album in order,
                             the album from this song on; in the queue:
                             go to this place
a  A                         add to the queue; play next
d Del                        in the queue: remove
{}
:                            a command of the prompt
Ctrl-L                       ask the server for everything again
q Esc                        back to the prompt; the music goes on",
        keys::HELP
    )
}

/// What the program has to do because of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Execute this command.
    Execute(Command<'static>),
    /// Execute this line as if it was typed at the prompt.
    Line(String),
    /// Go back to the prompt.
    Leave,
}

impl Browser {
    /// Handles a key. Returns what the program has to do, if anything.
    pub fn handle_key(&mut self, key: KeyEvent, now: &NowPlaying) -> Option<Action> {
        self.message = None;
        self.ask_again();
        if let Some(input) = self.input.take() {
            return self.edit(input, key);
        }
        if self.output.is_some() {
            self.scroll_output(key);
            return None;
        }
        let page = i64::from(self.height());
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return Some(Action::Leave),
                KeyCode::Char('l') => self.refresh(),
                _ => {}
            }
            return None;
        }
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.move_cursor(-1),
            KeyCode::Down | KeyCode::Char('j') => self.move_cursor(1),
            KeyCode::PageUp => self.move_cursor(-page),
            KeyCode::PageDown => self.move_cursor(page),
            KeyCode::Home | KeyCode::Char('g') => self.move_cursor(i64::MIN),
            KeyCode::End | KeyCode::Char('G') => self.move_cursor(i64::MAX),
            KeyCode::Tab | KeyCode::Char('l') => self.move_focus(1),
            KeyCode::BackTab | KeyCode::Char('h') => self.move_focus(Pane::ALL.len() - 1),
            KeyCode::Char(number @ '1'..='4') => self.focus = Pane::ALL[number as usize - '1' as usize],
            KeyCode::Char('/') => self.input = Some(Input { purpose: Purpose::Search, text: self.query.clone() }),
            KeyCode::Char(':') => self.input = Some(Input { purpose: Purpose::Command, text: String::new() }),
            KeyCode::Char('?') => self.show(&help()),
            KeyCode::Esc if !self.query.is_empty() => self.search(String::new()),
            KeyCode::Esc | KeyCode::Char('q') => return Some(Action::Leave),
            _ => return self.command(key, now).map(Action::Execute),
        }
        None
    }

    /// The command of a key, if it has one.
    fn command(&mut self, key: KeyEvent, now: &NowPlaying) -> Option<Command<'static>> {
        let command = match key.code {
            KeyCode::Enter if self.focus == Pane::Queue => {
                self.under_cursor().map(|_| Command::Jump(self.rows(Pane::Queue).cursor() + 1))
            }
            KeyCode::Enter => self.selection(true).map(Command::Play),
            KeyCode::Char('a') => self.selection(false).map(Command::Add),
            KeyCode::Char('A') => self.selection(false).map(|selection| Command::Next(Some(selection))),
            KeyCode::Char('d') | KeyCode::Delete if self.focus == Pane::Queue => {
                let place = self.rows(Pane::Queue).cursor() + 1;
                Ok(Command::Remove { first: place, last: place })
            }
            _ => return keys::command(key, now.music()),
        };
        // The user sees why nothing happens.
        command.map_err(|reason| self.message = Some(reason.to_owned())).ok()
    }
}

impl Browser {
    /// The songs under the cursor. With `goes_on`, a song stands for its album from there on.
    fn selection(&self, goes_on: bool) -> Result<Selection<'static>, &'static str> {
        let by_artist = |song: &Song| Selection::ArtistOf { artist: song.id, from: None };
        Ok(match (self.focus, self.under_cursor()?) {
            (Pane::Artists, Some(song)) => by_artist(song),
            (Pane::Albums, Some(song)) => Selection::AlbumOf { album: song.id, from: None },
            (Pane::Songs, Some(song)) if goes_on && !song.album.is_empty() => {
                Selection::AlbumOf { album: song.id, from: Some(song.id) }
            }
            (Pane::Songs | Pane::Queue, Some(song)) => Selection::Song { song: song.id, at: Duration::ZERO },
            (_, None) => match self.chosen(Pane::Artists).flatten() {
                Some(song) => by_artist(song),
                None if self.query.is_empty() => Selection::All,
                None => return Err("choose an artist, an album or a song"),
            },
        })
    }

    /// The row under the cursor; `None` for all.
    fn under_cursor(&self) -> Result<Option<&Song>, &'static str> {
        self.chosen(self.focus).ok_or(match self.rows(self.focus).total() {
            Some(0) => "there is nothing to choose",
            _ => "this row is on its way; press the key again",
        })
    }

    fn move_focus(&mut self, panes: usize) {
        self.focus = Pane::ALL[(self.focus as usize + panes) % Pane::ALL.len()];
    }

    /// Handles a key while a line is typed.
    fn edit(&mut self, mut input: Input, key: KeyEvent) -> Option<Action> {
        let max_bytes = match input.purpose {
            Purpose::Search => MAX_QUERY_BYTES,
            Purpose::Command => MAX_COMMAND_BYTES,
        };
        match (input.handle_key(key, max_bytes), input.purpose) {
            (Edit::Entered, Purpose::Search) => self.focus = Pane::Songs,
            (Edit::Entered, Purpose::Command) => return Some(Action::Line(input.text)),
            (Edit::Cancelled, Purpose::Search) => self.search(String::new()),
            (Edit::Cancelled, Purpose::Command) => {}
            (Edit::Changed, Purpose::Search) => {
                self.search(input.text.clone());
                self.input = Some(input);
            }
            (Edit::Changed | Edit::None, _) => self.input = Some(input),
        }
        None
    }

    /// Handles a key while lines cover the panes: scrolls them, or takes them away.
    fn scroll_output(&mut self, key: KeyEvent) {
        let page = self.height() as usize;
        let below = self.output_rows().len().saturating_sub(page);
        let Some(output) = &mut self.output else { return };
        let last = output.top + below;
        output.top = match key.code {
            KeyCode::Up | KeyCode::Char('k') => output.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => output.top.saturating_add(1).min(last),
            KeyCode::PageUp => output.top.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => output.top.saturating_add(page).min(last),
            _ => return self.output = None,
        };
    }
}
