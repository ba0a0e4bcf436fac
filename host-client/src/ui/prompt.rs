//! The prompt of a terminal, with a status line on the row above it.
//!
//! ```text
//!   … what was printed
//!   ▶ 3 Aria — Bach  1:02 [=====>------] 3:07  buf 12s  vol 80      ← status
//!   trill> pl_                                                      ← rustyline
//! ```
//!
//! Two threads: one reads lines, the other draws. Drawing has one of its own because rustyline's printer blocks
//! while the user searches the history or has halted the terminal, and nothing else must.

mod screen;
mod stdin;
#[cfg_attr(not(unix), path = "prompt/no_job_control.rs")]
mod terminal;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use trill_player::command;

use screen::{Drawing, PendingStatus};
use terminal::Modes;

pub use screen::Screen;

const PROMPT: &str = "trill> ";

/// Columns to assume of a terminal that does not say.
const USUAL_COLUMNS: usize = 80;

/// What the user typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line.
    Line(String),
    /// A line that cannot be a command, and why. More lines can follow.
    Refused(String),
    /// There are no more lines.
    End,
    /// No more lines can be read, and why.
    Failed(String),
    /// The user wants to leave, whatever is playing.
    Quit,
}

/// A source of lines. Each is read only when it was [asked for](Self::next).
#[derive(Debug)]
pub struct Lines {
    next: Sender<()>,
}

impl Lines {
    /// Asks for one more line.
    pub fn next(&self) {
        // A source that is at its end needs no asking.
        let _ = self.next.send(());
    }

    /// Lines of standard input, without a prompt.
    ///
    /// # Errors
    ///
    /// The system's, if it gives no thread.
    pub fn of_stdin(tell: impl Fn(Input) + Send + 'static) -> io::Result<Self> {
        let (next, wanted) = mpsc::channel();
        thread::Builder::new()
            .name("input".into())
            .spawn(move || stdin::read_lines(io::stdin().lock(), &wanted, &tell))?;
        Ok(Self { next })
    }
}

/// Whether standard input and output are a terminal that can do more than print.
pub fn is_possible() -> bool {
    let is_dumb = std::env::var("TERM").is_ok_and(|term| matches!(term.as_str(), "dumb" | "cons25" | "emacs" | ""));
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

/// Starts a prompt. Call this before the program has other threads: they must not be stopped in its place.
///
/// # Errors
///
/// What rustyline says of the terminal, or the system's if it gives no thread.
pub fn open(tell: impl Fn(Input) + Send + 'static) -> Result<(Lines, Screen), ReadlineError> {
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
    let draw_all = move || screen::draw_all(&drawings, &pending_status, printer, columns);
    thread::Builder::new().name("screen".into()).spawn(draw_all)?;
    let redraw = draw.clone();
    terminal::watch_continuations(modes.clone(), move || drop(redraw.send(Drawing::Continued)))?;
    let screen = Screen::new(draw.clone(), status, modes.clone());
    let (next, wanted) = mpsc::channel();
    let prompt = Prompt { editor, modes, draw, pasted: VecDeque::new() };
    thread::Builder::new().name("prompt".into()).spawn(move || prompt.read_all(&wanted, &tell))?;
    Ok((Lines { next }, screen))
}

/// What the thread that reads lines owns.
struct Prompt {
    editor: Editor<Commands, MemHistory>,
    modes: Arc<Modes>,
    draw: Sender<Drawing>,
    /// Lines that were pasted together with one before them.
    pasted: VecDeque<String>,
}

impl Prompt {
    fn read_all(mut self, wanted: &Receiver<()>, tell: &impl Fn(Input)) {
        // If this fails, Ctrl-Z does nothing.
        let _ = terminal::accept_stops();
        while wanted.recv().is_ok() {
            let pasted = self.pasted.pop_front().map(Input::Line);
            tell(pasted.unwrap_or_else(|| self.read()));
        }
    }

    fn read(&mut self) -> Input {
        let mut has_interrupted = false;
        let mut begun = String::new();
        loop {
            let line = self.editor.readline_with_initial(PROMPT, (&begun, ""));
            self.modes.on_edited();
            begun.clear();
            let typed = self.editor.helper().map(|commands| commands.typed.take()).unwrap_or_default();
            // The screen outlives this thread, or nobody looks at it any more.
            let _ = self.draw.send(Drawing::Entered);
            match line {
                Ok(text) => {
                    self.pasted.extend(text.lines().map(str::to_owned));
                    return Input::Line(self.pasted.pop_front().unwrap_or_default());
                }
                Err(ReadlineError::Interrupted) if !typed.is_empty() || !has_interrupted => {
                    has_interrupted = true;
                    let hint = "Ctrl-C once more, or Ctrl-D, leaves".to_owned();
                    let _ = self.draw.send(Drawing::Text(hint, Box::new(|| {})));
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Input::Quit,
                // The window changed its size in the middle of a key's bytes.
                Err(ReadlineError::Signal(_)) => begun = typed,
                Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    return Input::Refused(
                        "that was not UTF-8: it is ignored, with what was pasted behind it".to_owned(),
                    );
                }
                Err(error) => return Input::Failed(format!("cannot read from the terminal: {error}")),
            }
        }
    }
}

/// Columns of the terminal.
pub(super) fn columns() -> usize {
    terminal_size::terminal_size().map_or(USUAL_COLUMNS, |(width, _)| usize::from(width.0))
}

/// Completes the names of commands, and watches the line editor.
struct Commands {
    modes: Arc<Modes>,
    /// The line so far: rustyline does not say what an interrupt cleared.
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

    /// Called with the line when editing begins and whenever the line changes. It has no hints.
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
