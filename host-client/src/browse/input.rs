//! A line that is typed at the bottom of the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Words to search for.
    Search,
    /// A command of the prompt.
    Command,
}

/// The line so far. The cursor is at its end.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) purpose: Purpose,
    pub(super) text: String,
}

/// What a key did to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// The text has changed.
    Changed,
    /// The line is complete.
    Entered,
    /// The line is given up.
    Cancelled,
    /// The key is not for the line.
    None,
}

impl Input {
    pub(super) fn handle_key(&mut self, key: KeyEvent, max_bytes: usize) -> Edit {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Edit::Entered,
            KeyCode::Esc => return Edit::Cancelled,
            KeyCode::Char('c') if is_control => return Edit::Cancelled,
            KeyCode::Backspace if self.text.pop().is_none() => return Edit::Cancelled,
            KeyCode::Backspace => {}
            KeyCode::Char('u') if is_control => self.text.clear(),
            KeyCode::Char('w') if is_control => self.delete_word(),
            KeyCode::Char(char) if !is_control && self.text.len() + char.len_utf8() <= max_bytes => {
                self.text.push(char)
            }
            _ => return Edit::None,
        }
        Edit::Changed
    }

    fn delete_word(&mut self) {
        let kept = self.text.trim_end().rfind(char::is_whitespace).map_or(0, |space| space + 1);
        self.text.truncate(kept);
    }
}
