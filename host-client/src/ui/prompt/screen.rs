//! Draws text above the prompt, and the status line as the prompt's first row; or a picture on the full screen.

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustyline::ExternalPrinter;

use super::full_screen::{FullScreen, PendingPicture, Picture};
use super::terminal::{self, Modes};

/// How long to wait for the last text to appear. It does not appear while the user searches the history or halts the terminal.
pub(super) const FLUSH: Duration = Duration::from_secs(1);

/// The line editor takes a text when it has drawn the one before, and another may wait. So the first of these is drawn when the
/// last was passed on.
const TEXTS_UNTIL_DRAWN: usize = 3;

/// A text that changes nothing. The line editor draws its prompt again after each text, and adds a line end to a text without.
/// The row above the prompt always exists: see [`super::ClearScreen`].
pub(super) const REDRAW: &str = "\x1b[A\n";

/// Draws above the status row and the prompt, if there is one. Dropping it takes the row away and restores the terminal.
pub struct Screen {
    draw: Sender<Drawing>,
    status: Arc<StatusRow>,
    picture: Arc<PendingPicture>,
    modes: Arc<Modes>,
    surface: Surface,
}

/// What is below the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// The status row and the prompt.
    Prompt,
    /// The status row alone.
    Row,
}

/// Called when a text has been drawn.
type OnDrawn = Box<dyn FnOnce() + Send>;

/// Draws the status in so many columns.
pub type StatusLine = Box<dyn Fn(usize) -> String + Send>;

pub(super) enum Drawing {
    /// Lines, without a line end after the last.
    Text(String, OnDrawn),
    /// The prompt, because the status has changed.
    Prompt,
    /// A new picture for the full screen is waiting.
    Picture,
    /// The full screen is no longer needed.
    Leave(OnDrawn),
    /// The process is about to stop. Sends a message when the terminal is as it was before the full screen, or without the
    /// status row.
    Stopping(Sender<()>),
    /// The process was stopped and continued. Other programs may have drawn meanwhile.
    Continued,
    /// Sends a message when everything before this is drawn.
    Flush(Sender<()>),
}

/// The row above what is typed. The line editor draws it as a part of its prompt, so both always stand together.
#[derive(Default)]
pub(super) struct StatusRow(Mutex<Row>);

#[derive(Default)]
struct Row {
    status: Option<StatusLine>,
    /// The line that was drawn last.
    drawn: String,
    /// A drawing of the prompt is queued. A halted terminal must not receive one for each change that it missed.
    is_queued: bool,
    /// The line is entered, or the program stops or ends: the row goes, so that none stays behind in the terminal's history.
    is_hidden: bool,
}

impl StatusRow {
    /// Replaces the status. Returns whether to queue a drawing of the prompt.
    pub(super) fn put(&self, status: StatusLine) -> bool {
        let mut row = self.row();
        let is_due = status(columns()) != row.drawn && !row.is_queued;
        row.status = Some(status);
        row.is_queued |= is_due;
        is_due
    }

    /// The row, with the line end that separates it from the prompt. Draws it in the terminal's present width.
    pub(super) fn draw(&self) -> String {
        let mut row = self.row();
        if row.is_hidden {
            return String::new();
        }
        row.is_queued = false;
        row.drawn = row.status.as_ref().map_or_else(String::new, |status| status(columns()));
        format!("{}\n", row.drawn)
    }

    pub(super) fn hide(&self, is_hidden: bool) {
        self.row().is_hidden = is_hidden;
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The columns of the status row. After a line that fills the last column, terminals disagree about the position of the cursor.
fn columns() -> usize {
    super::columns().saturating_sub(1)
}

impl Screen {
    /// Starts the thread that draws.
    pub(super) fn start(
        printer: impl ExternalPrinter + Send + 'static,
        surface: Surface,
        status: &Arc<StatusRow>,
        modes: &Arc<Modes>,
    ) -> io::Result<Self> {
        let (draw, drawings) = mpsc::channel();
        let picture = Arc::new(PendingPicture::default());
        let (print, prints) = mpsc::channel();
        let full_screen = FullScreen::new(picture.clone(), print);
        thread::Builder::new().name("screen".into()).spawn(move || full_screen.draw_all(&drawings))?;
        thread::Builder::new().name("printer".into()).spawn(move || print_all(&prints, printer))?;
        let redraw = draw.clone();
        terminal::watch_continuations(modes.clone(), move || drop(redraw.send(Drawing::Continued)))?;
        Ok(Self { draw, status: status.clone(), picture, modes: modes.clone(), surface })
    }

    /// Draws on this screen.
    pub(super) fn sender(&self) -> Sender<Drawing> {
        self.draw.clone()
    }

    /// Whether commands are typed below the status.
    pub fn has_prompt(&self) -> bool {
        self.surface == Surface::Prompt
    }

    /// Shows lines, then calls `on_drawn`. The call may come much later, because a user can halt the terminal.
    pub fn print(&self, text: &str, on_drawn: impl FnOnce() + Send + 'static) {
        let _ = self.draw.send(Drawing::Text(text.to_owned(), Box::new(on_drawn)));
    }

    /// Shows the status.
    pub fn show_status(&self, status: StatusLine) {
        if self.status.put(status) {
            let _ = self.draw.send(Drawing::Prompt);
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
        self.status.hide(true);
        (0..TEXTS_UNTIL_DRAWN).for_each(|_| drop(self.draw.send(Drawing::Prompt)));
        let _ = self.draw.send(Drawing::Flush(done));
        let _ = drawn.recv_timeout(FLUSH);
        // rustyline's thread cannot be stopped while it reads.
        let is_editing = self.modes.is_editing();
        self.modes.restore();
        if is_editing && self.has_prompt() {
            // Turn bracketed paste off and put the shell's prompt on a new line.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
            let _ = io::stdout().flush();
        }
    }
}

/// Draws what is for the prompt, until all senders are gone. It has a thread of its own, because the line editor takes text only
/// while a line is edited: what comes at the end of the last line before the full screen waits until the prompt is back.
pub(super) fn print_all(drawings: &Receiver<Drawing>, mut printer: impl ExternalPrinter) {
    for drawing in drawings {
        // If the terminal is gone, the prompt's thread finds out.
        match drawing {
            Drawing::Text(text, on_drawn) => {
                let _ = printer.print(text + "\n");
                on_drawn();
            }
            Drawing::Prompt | Drawing::Continued => drop(printer.print(REDRAW.to_owned())),
            Drawing::Picture | Drawing::Leave(_) => {}
            Drawing::Stopping(done) => {
                let _ = printer.print(REDRAW.to_owned());
                let _ = done.send(());
            }
            Drawing::Flush(done) => drop(done.send(())),
        }
    }
}
