//! The status row without a prompt below it.

use std::io;
use std::sync::Arc;

use ratatui::crossterm::cursor::MoveToColumn;
use ratatui::crossterm::execute;
use ratatui::crossterm::style::Print;
use ratatui::crossterm::terminal::{Clear, ClearType};
use rustyline::ExternalPrinter;

use super::screen::{REDRAW, StatusRow};

/// Draws texts, and the status row below the last one. The cursor stays at the end of the row.
pub(super) struct LastRow {
    pub(super) status: Arc<StatusRow>,
}

impl ExternalPrinter for LastRow {
    fn print(&mut self, text: String) -> rustyline::Result<()> {
        let text = if text == REDRAW { "" } else { &text };
        let row = self.status.draw();
        let row = row.trim_end_matches('\n');
        Ok(execute!(io::stdout(), MoveToColumn(0), Clear(ClearType::FromCursorDown), Print(text), Print(row))?)
    }
}
