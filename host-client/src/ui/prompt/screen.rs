//! Draws text and the status line above the prompt, or a picture on the full screen.

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustyline::ExternalPrinter;

use super::full_screen::{FullScreen, PendingPicture, Picture};
use super::terminal::Modes;
use crate::ui::text::width;

/// How long to wait for the last text to appear.
pub(super) const FLUSH: Duration = Duration::from_millis(200);

/// Moves to the row above and clears it.
pub(super) const CLEAR_ROW_ABOVE: &str = "\x1b[A\x1b[2K\r";

/// Draws above the prompt. Dropping it ends the prompt and restores the terminal.
pub struct Screen {
    draw: Sender<Drawing>,
    status: Arc<PendingStatus>,
    picture: Arc<PendingPicture>,
    modes: Arc<Modes>,
}

/// Called when a text has been drawn.
type OnDrawn = Box<dyn FnOnce() + Send>;

pub(super) enum Drawing {
    /// Lines, without a line end after the last.
    Text(String, OnDrawn),
    /// A new status line is waiting.
    Status,
    /// A new picture for the full screen is waiting.
    Picture,
    /// The full screen is no longer needed.
    Leave(OnDrawn),
    /// The process is about to stop. Sends a message when the terminal is as it was before the full screen.
    Stopping(Sender<()>),
    /// The user pressed Enter, so the status line scrolled away with the prompt.
    Entered,
    /// The process was stopped and continued. Other programs may have drawn meanwhile.
    Continued,
    /// Sends a message when everything before this is drawn.
    Flush(Sender<()>),
}

/// The status line to draw next. A later one replaces it, so that a halted terminal does not receive all the lines that it
/// missed.
#[derive(Debug, Default)]
pub(super) struct PendingStatus(Mutex<Option<String>>);

impl PendingStatus {
    /// Replaces the line. Returns whether there was none.
    pub(super) fn put(&self, line: String) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(line).is_none()
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Screen {
    pub(super) fn new(
        draw: Sender<Drawing>,
        status: Arc<PendingStatus>,
        picture: Arc<PendingPicture>,
        modes: Arc<Modes>,
    ) -> Self {
        Self { draw, status, picture, modes }
    }

    /// Shows lines, then calls `on_drawn`. The call may come much later, because a user can halt the terminal.
    pub fn print(&self, text: &str, on_drawn: impl FnOnce() + Send + 'static) {
        let _ = self.draw.send(Drawing::Text(text.to_owned(), Box::new(on_drawn)));
    }

    /// Shows a status line if it differs from the last one.
    pub fn show_status(&self, line: String) {
        if self.status.put(line) {
            let _ = self.draw.send(Drawing::Status);
        }
    }

    /// Shows a picture on the full screen, in place of the prompt. No line must be requested meanwhile.
    pub fn show_picture(&self, picture: Picture) {
        if self.picture.put(picture) {
            let _ = self.draw.send(Drawing::Picture);
        }
    }

    /// Shows again what was on the terminal before the first picture, then calls `on_left`.
    pub fn leave_full_screen(&self, on_left: impl FnOnce() + Send + 'static) {
        let _ = self.draw.send(Drawing::Leave(Box::new(on_left)));
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
        self.leave_full_screen(|| {});
        let _ = self.draw.send(Drawing::Flush(done));
        // With a time-out, because drawing blocks while the user searches the history.
        let _ = drawn.recv_timeout(FLUSH);
        // rustyline's thread cannot be stopped while it reads.
        let is_editing = self.modes.is_editing();
        self.modes.restore();
        if is_editing {
            // Turn bracketed paste off and put the shell's prompt on a new line.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
            let _ = io::stdout().flush();
        }
    }
}

/// The sequence that moves from the prompt to the start of the status line and clears it. A terminal that became narrower
/// wraps the status line. If it cuts the line instead, a row above is lost.
pub(super) fn clear_status(status: &str, columns: usize) -> String {
    CLEAR_ROW_ABOVE.repeat(width(status).div_ceil(columns.max(1)).max(1))
}

/// Draws until all senders are gone.
pub(super) fn draw_all(
    drawings: &Receiver<Drawing>,
    pending_status: &PendingStatus,
    mut full_screen: FullScreen,
    mut printer: impl ExternalPrinter,
    columns: impl Fn() -> usize,
) {
    let mut status = String::new();
    let mut is_shown = false;
    for drawing in drawings {
        let Some(drawing) = full_screen.handle(drawing) else { continue };
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
            Drawing::Picture | Drawing::Leave(_) | Drawing::Stopping(_) => continue,
            Drawing::Continued => output.clear(),
            Drawing::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        }
        output.push_str(&status);
        output.push('\n');
        is_shown = true;
        // If the terminal is gone, the prompt's thread finds out.
        let _ = printer.print(output);
        on_drawn();
    }
}
