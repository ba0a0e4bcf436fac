//! The prompt of a terminal, with a status line on the row above it.
//!
//! ```text
//!   … what was printed
//!   ▶ 3 Aria — Bach  1:02 [=====>------] 3:07  buf 12s  vol 80      ← status
//!   trill> pl_                                                      ← rustyline
//! ```
//!
//! One thread reads lines, another draws. Drawing has its own thread because rustyline's printer blocks while the user
//! searches the history or has halted the terminal, and no other thread may block then.

mod full_screen;
mod screen;
mod stdin;
#[cfg_attr(not(unix), path = "prompt/no_job_control.rs")]
mod terminal;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use ratatui::layout::Size;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use trill_player::command;

use full_screen::{FullScreen, PendingPicture};
use screen::{Drawing, FLUSH, PendingStatus};
use terminal::Modes;

pub use full_screen::Picture;
pub use screen::Screen;

const PROMPT: &str = "trill> ";

/// The columns and rows to assume if the terminal does not report them.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// Input from the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line.
    Line(String),
    /// A line that cannot be a command, with the reason. More lines may follow.
    Refused(String),
    /// There are no more lines.
    End,
    /// No more lines can be read, with the reason.
    Failed(String),
    /// The user quits.
    Quit,
    /// A key, if one was requested.
    Key(KeyEvent),
    /// A key was requested, and the terminal has another size instead.
    Resized,
}

/// What to read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Line,
    Key,
}

/// A source of lines and keys. It reads each only when it was requested.
#[derive(Clone, Debug)]
pub struct Lines {
    next: Sender<Wanted>,
}

impl Lines {
    /// Requests one more line.
    pub fn next(&self) {
        // At the end of input the receiver is gone.
        let _ = self.next.send(Wanted::Line);
    }

    /// Requests one more key of the terminal, for a program that uses the full screen.
    pub fn next_key(&self) {
        let _ = self.next.send(Wanted::Key);
    }

    /// Reads standard input without a prompt, and passes each line to `on_input`.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub fn of_stdin(on_input: impl Fn(Input) + Send + 'static) -> io::Result<Self> {
        let (next, wanted) = mpsc::channel();
        thread::Builder::new()
            .name("input".into())
            .spawn(move || stdin::read_lines(io::stdin().lock(), &wanted, &on_input))?;
        Ok(Self { next })
    }
}

/// Whether standard input and output are a terminal that supports a prompt.
pub fn is_possible() -> bool {
    let is_dumb = std::env::var("TERM").is_ok_and(|term| matches!(term.as_str(), "dumb" | "cons25" | "emacs" | ""));
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

/// Starts a prompt, which passes all input to `on_input`. Call this before the program starts other threads, because those
/// inherit the blocked SIGTSTP.
///
/// # Errors
///
/// rustyline cannot use the terminal, or the system cannot start a thread.
pub fn open(on_input: impl Fn(Input) + Send + 'static) -> Result<(Lines, Screen), ReadlineError> {
    terminal::block_stops()?;
    let config = Config::builder()
        .auto_add_history(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    let modes = Arc::new(Modes::of_stdin());
    editor.set_helper(Some(Commands::new(modes.clone())));
    let printer = editor.create_external_printer()?;
    let (draw, drawings) = mpsc::channel();
    let status = Arc::new(PendingStatus::default());
    let pending_status = status.clone();
    let picture = Arc::new(PendingPicture::default());
    let full_screen = FullScreen::new(picture.clone());
    let draw_all = move || screen::draw_all(&drawings, &pending_status, full_screen, printer, columns);
    thread::Builder::new().name("screen".into()).spawn(draw_all)?;
    let redraw = draw.clone();
    terminal::watch_continuations(modes.clone(), move || drop(redraw.send(Drawing::Continued)))?;
    let screen = Screen::new(draw.clone(), status, picture, modes.clone());
    let (next, wanted) = mpsc::channel();
    let prompt = Prompt { editor, modes, draw, pasted: VecDeque::new(), is_reading_keys: false };
    thread::Builder::new().name("prompt".into()).spawn(move || prompt.read_all(&wanted, &on_input))?;
    Ok((Lines { next }, screen))
}

/// The state of the thread that reads lines.
struct Prompt {
    editor: Editor<Commands, MemHistory>,
    modes: Arc<Modes>,
    draw: Sender<Drawing>,
    /// The remaining lines of a paste.
    pasted: VecDeque<String>,
    /// The terminal is in raw mode, for keys.
    is_reading_keys: bool,
}

/// Whether this is Ctrl-Z. In raw mode the terminal makes no signal of it.
fn is_stop(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers == KeyModifiers::CONTROL
}

impl Prompt {
    fn read_all(mut self, wanted: &Receiver<Wanted>, on_input: &impl Fn(Input)) {
        // If this fails, Ctrl-Z has no effect.
        let _ = terminal::accept_stops();
        while let Ok(wanted) = wanted.recv() {
            on_input(match wanted {
                Wanted::Line => self.next_line(),
                Wanted::Key => self.next_key(),
            });
        }
    }

    fn next_line(&mut self) -> Input {
        if mem::take(&mut self.is_reading_keys) {
            let _ = disable_raw_mode();
            self.modes.on_edited();
        }
        let pasted = self.pasted.pop_front().map(Input::Line);
        pasted.unwrap_or_else(|| self.read())
    }

    fn next_key(&mut self) -> Input {
        match self.read_key() {
            Ok(input) => input,
            Err(error) => Input::Failed(format!("cannot read from the terminal: {error}")),
        }
    }

    fn read_key(&mut self) -> io::Result<Input> {
        if !self.is_reading_keys {
            enable_raw_mode()?;
            self.modes.on_editing();
            self.is_reading_keys = true;
        }
        loop {
            match event::read()? {
                Event::Key(key) if is_stop(key) => self.stop(),
                Event::Key(key) if key.kind != KeyEventKind::Release => return Ok(Input::Key(key)),
                Event::Resize(..) => return Ok(Input::Resized),
                _ => {}
            }
        }
    }

    /// Stops the process, as Ctrl-Z does at the prompt.
    fn stop(&self) {
        let (done, left) = mpsc::channel();
        let _ = self.draw.send(Drawing::Stopping(done));
        // A halted terminal does not keep the process from stopping.
        let _ = left.recv_timeout(FLUSH);
        self.modes.restore();
        terminal::stop();
    }

    fn read(&mut self) -> Input {
        let mut has_interrupted = false;
        let mut begun = String::new();
        loop {
            let line = self.editor.readline_with_initial(PROMPT, (&begun, ""));
            self.modes.on_edited();
            begun.clear();
            let typed = self.editor.helper().map(|commands| commands.typed.take()).unwrap_or_default();
            // If the screen is gone, the program ends.
            let _ = self.draw.send(Drawing::Entered);
            match line {
                Ok(text) => {
                    self.pasted.extend(text.lines().map(str::to_owned));
                    return Input::Line(self.pasted.pop_front().unwrap_or_default());
                }
                Err(ReadlineError::Interrupted) if !typed.is_empty() || !has_interrupted => {
                    has_interrupted = true;
                    let hint = "press Ctrl-C again, or Ctrl-D, to quit".to_owned();
                    let _ = self.draw.send(Drawing::Text(hint, Box::new(|| {})));
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Input::Quit,
                // The window changed its size between the bytes of a key.
                Err(ReadlineError::Signal(_)) => begun = typed,
                Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    return Input::Refused(
                        "ignored a line that is not UTF-8, and any lines pasted after it".to_owned(),
                    );
                }
                Err(error) => return Input::Failed(format!("cannot read from the terminal: {error}")),
            }
        }
    }
}

/// The size of the terminal.
pub fn size() -> Size {
    let (width, height) = terminal_size::terminal_size().map_or(USUAL_SIZE, |(width, height)| (width.0, height.0));
    Size { width, height }
}

/// The width of the terminal in columns.
pub(super) fn columns() -> usize {
    size().width.into()
}

/// Completes command names, and observes the line editor.
struct Commands {
    modes: Arc<Modes>,
    /// The line so far, because rustyline does not return the text that an interrupt cleared.
    typed: RefCell<String>,
}

impl Commands {
    fn new(modes: Arc<Modes>) -> Self {
        Self { modes, typed: RefCell::default() }
    }
}

impl Completer for Commands {
    type Candidate = Pair;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..cursor];
        let start = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        let (words, begun) = before.split_at(start);
        let is_name_due = match words.split_whitespace().next() {
            None => true,
            Some(first) => {
                command::find(first).is_ok_and(|command| command.name == "help")
                    && words.split_whitespace().count() == 1
            }
        };
        if !is_name_due {
            return Ok((start, Vec::new()));
        }
        let pair = |name: &str| Pair { display: name.to_owned(), replacement: format!("{name} ") };
        Ok((start, command::completions(begun).map(pair).collect()))
    }
}

impl Hinter for Commands {
    type Hint = String;

    /// Gives no hints. rustyline calls it when editing begins and whenever the line changes.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.modes.on_editing();
        line.clone_into(&mut self.typed.borrow_mut());
        None
    }
}
impl Highlighter for Commands {}
impl Validator for Commands {}
impl Helper for Commands {}

#[cfg(test)]
mod tests;
