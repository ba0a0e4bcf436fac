//! The full screen of the terminal, in place of the prompt.

use std::io::{self, Stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Once, PoisonError};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Position;

use super::screen::{Drawing, FLUSH};

/// What to show.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The characters.
    pub buffer: Buffer,
    /// Where the cursor blinks, if it is shown.
    pub cursor: Option<Position>,
}

/// Whether the terminal shows pictures now.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);

/// The picture to draw next. A later one replaces it.
#[derive(Debug, Default)]
pub(super) struct PendingPicture(Mutex<Option<Picture>>);

impl PendingPicture {
    /// Replaces the picture. Returns whether there was none.
    pub(super) fn put(&self, picture: Picture) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(picture).is_none()
    }

    fn take(&self) -> Option<Picture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Draws pictures.
pub(super) struct FullScreen {
    pending: Arc<PendingPicture>,
    /// Draws what is for the prompt.
    prompt: Sender<Drawing>,
    state: State,
}

#[derive(Default)]
enum State {
    /// The prompt is shown.
    #[default]
    Left,
    /// Pictures are shown.
    Entered(AlternateScreen),
    /// Pictures were shown until the process stopped.
    Stopped,
}

impl FullScreen {
    /// Draws the pictures that are pending, and passes what is for the prompt to `prompt`.
    pub(super) fn new(pending: Arc<PendingPicture>, prompt: Sender<Drawing>) -> Self {
        Self { pending, prompt, state: State::Left }
    }

    /// Draws until all senders are gone.
    pub(super) fn draw_all(mut self, drawings: &Receiver<Drawing>) {
        for drawing in drawings {
            if let Some(drawing) = self.handle(drawing) {
                let _ = self.prompt.send(drawing);
            }
        }
    }

    /// Draws what is for the full screen. Returns what is for the prompt.
    fn handle(&mut self, drawing: Drawing) -> Option<Drawing> {
        match (drawing, &self.state) {
            (Drawing::Picture, State::Stopped) => {}
            (Drawing::Picture, _) => self.show_pending(),
            (Drawing::Leave(on_left), _) => {
                self.state = State::Left;
                on_left();
            }
            (drawing, State::Left) => return Some(drawing),
            (Drawing::Stopping(done), _) => {
                self.state = State::Stopped;
                let _ = done.send(());
            }
            (Drawing::Continued, _) => {
                // Other programs may have drawn meanwhile.
                self.state = State::Left;
                self.show_pending();
            }
            (Drawing::Text(_, on_drawn), _) => on_drawn(),
            (Drawing::Flush(done), _) => drop(done.send(())),
            (Drawing::Prompt, _) => {}
        }
        None
    }

    /// Lets the text for the prompt appear there, as far as the line editor takes it.
    fn flush_prompt(&self) {
        let (done, printed) = mpsc::channel();
        let _ = self.prompt.send(Drawing::Flush(done));
        let _ = printed.recv_timeout(FLUSH);
    }

    /// Ignores errors: they mean that the terminal has hung up.
    fn show_pending(&mut self) {
        let Some(picture) = self.pending.take() else { return };
        if !matches!(self.state, State::Entered(_)) {
            self.flush_prompt();
            if let Ok(screen) = AlternateScreen::enter() {
                self.state = State::Entered(screen);
            }
        }
        if let State::Entered(screen) = &mut self.state {
            let _ = screen.show(picture);
        }
    }
}

/// The terminal's second screen. Dropping it shows the first one again.
struct AlternateScreen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl AlternateScreen {
    fn enter() -> io::Result<Self> {
        static IN_A_PANIC: Once = Once::new();
        IN_A_PANIC.call_once(leave_in_a_panic);
        IS_ENTERED.store(true, SeqCst);
        // Before the first picture invites the user to press keys.
        enable_raw_mode()?;
        // `Terminal::clear` would ask the terminal where its cursor is, while another thread reads the keyboard.
        execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All))?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? })
    }

    fn show(&mut self, Picture { buffer, cursor }: Picture) -> io::Result<()> {
        self.terminal.draw(|frame| {
            // A picture for another size is about to be replaced.
            if frame.area() == buffer.area {
                *frame.buffer_mut() = buffer;
            }
            if let Some(cursor) = cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        Ok(())
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    if IS_ENTERED.swap(false, SeqCst) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// Lets the message of a panic appear where it can be read.
fn leave_in_a_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if IS_ENTERED.load(SeqCst) {
            leave();
            let _ = disable_raw_mode();
        }
        report(info);
    }));
}
