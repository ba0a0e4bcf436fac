//! What is drawn above the prompt.

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustyline::ExternalPrinter;

use super::terminal::Modes;
use crate::ui::text::width;

/// How long the last words may take to appear.
const FLUSH: Duration = Duration::from_millis(200);

/// Up one row, to its beginning, and clear it.
pub(super) const CLEAR_ROW_ABOVE: &str = "\x1b[A\x1b[2K\r";

/// Draws above the prompt. Dropping it ends the prompt: the terminal is as it was before.
pub struct Screen {
    draw: Sender<Drawing>,
    status: Arc<PendingStatus>,
    modes: Arc<Modes>,
}

/// Called when a text has been drawn.
type OnDrawn = Box<dyn FnOnce() + Send>;

pub(super) enum Drawing {
    /// Lines, without an end of the last.
    Text(String, OnDrawn),
    /// There is a new status line waiting.
    Status,
    /// The user pressed Enter: the status line scrolled away with the prompt.
    Entered,
    /// The process was stopped, and others have drawn meanwhile.
    Continued,
    /// Say when everything before this is drawn.
    Flush(Sender<()>),
}

/// A status line that is to be drawn. A later one takes its place, so a terminal that shows nothing for a long time
/// is not sent all that it missed.
#[derive(Debug, Default)]
pub(super) struct PendingStatus(Mutex<Option<String>>);

impl PendingStatus {
    /// Returns whether it was empty.
    pub(super) fn put(&self, line: String) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(line).is_none()
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Screen {
    pub(super) fn new(draw: Sender<Drawing>, status: Arc<PendingStatus>, modes: Arc<Modes>) -> Self {
        Self { draw, status, modes }
    }

    /// Shows lines, then calls `on_drawn`. This may take as long as the user likes: a terminal can be halted.
    pub fn print(&self, text: &str, on_drawn: impl FnOnce() + Send + 'static) {
        let _ = self.draw.send(Drawing::Text(text.to_owned(), Box::new(on_drawn)));
    }

    /// Shows a status line, if it is another than before.
    pub fn show_status(&self, line: String) {
        if self.status.put(line) {
            let _ = self.draw.send(Drawing::Status);
        }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let (done, drawn) = mpsc::channel();
        let _ = self.draw.send(Drawing::Flush(done));
        // Not for ever: the user may be searching the history.
        let _ = drawn.recv_timeout(FLUSH);
        // rustyline's thread cannot be told to stop reading.
        let is_editing = self.modes.is_editing();
        self.modes.restore();
        if is_editing {
            // Bracketed paste off, and the shell's prompt on a line of its own.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
            let _ = io::stdout().flush();
        }
    }
}

/// From the prompt to where the status line begins, clearing it. A terminal that has become narrower wraps it; one that
/// cuts it off instead loses a row of what is above.
pub(super) fn clear_status(status: &str, columns: usize) -> String {
    CLEAR_ROW_ABOVE.repeat(width(status).div_ceil(columns.max(1)).max(1))
}

/// Draws until nobody can send a drawing any more.
pub(super) fn draw_all(
    drawings: &Receiver<Drawing>,
    pending_status: &PendingStatus,
    mut printer: impl ExternalPrinter,
    columns: impl Fn() -> usize,
) {
    let mut status = String::new();
    let mut is_shown = false;
    for drawing in drawings {
        let mut output = String::new();
        if is_shown {
            output.push_str(&clear_status(&status, columns()));
        }
        let mut on_drawn: OnDrawn = Box::new(|| {});
        match drawing {
            Drawing::Text(text, then) => {
                output.push_str(&text);
                output.push('\n');
                on_drawn = then;
            }
            Drawing::Status => match pending_status.take() {
                Some(line) if !is_shown || line != status => status = line,
                _ => continue,
            },
            Drawing::Entered => {
                is_shown = false;
                continue;
            }
            Drawing::Continued => output.clear(),
            Drawing::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        }
        output.push_str(&status);
        output.push('\n');
        is_shown = true;
        // A terminal that is gone shows nothing; the prompt's thread notices that it is.
        let _ = printer.print(output);
        on_drawn();
    }
}
