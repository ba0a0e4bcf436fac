//! The prompt of a terminal, with a status line on the row above it.
//!
//! ```text
//!   … what was printed
//!   ▶ Aria — Bach  ━━━━━━──────────  1:02/3:07  next: Variatio 1
//!   trill> pl_
//! ```
//!
//! rustyline draws both rows as its prompt. When a line is entered, the status row goes and the line stays.
//!
//! One thread reads lines, another prints, a third draws the full screen. Printing has its own thread because rustyline's printer
//! blocks while the user searches the history, has halted the terminal, or edits no line, and no other thread may block then.

mod commands;
mod full_screen;
mod history;
mod keys;
mod row;
mod screen;
mod stdin;
#[cfg_attr(not(unix), path = "prompt/no_job_control.rs")]
mod terminal;
mod titles;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::terminal::enable_raw_mode;
use ratatui::layout::Size;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Editor, EventContext, EventHandler, RepeatCount,
};
use trill_player::command::Command;

use crate::settings::state;

use commands::Commands;
use history::HistoryFile;
use keys::Keys;
use row::LastRow;
use screen::{Drawing, StatusRow, Surface};
use terminal::Modes;
use titles::Titles;

pub use full_screen::Picture;
pub use screen::{Screen, StatusLine};
pub use titles::{FoundTitles, TitleSearch};

/// The prompt with an empty status row, from which the line editor takes the size.
const PROMPT: &str = "\ntrill> ";

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

    /// Requests one more key of the terminal.
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

/// Starts a prompt, which passes all input to `on_input` and asks `on_search` for titles that Tab completes. Call this before the
/// program starts other threads, because those inherit the blocked SIGTSTP.
///
/// # Errors
///
/// rustyline cannot use the terminal, or the system cannot start a thread.
pub fn open(
    on_input: impl Fn(Input) + Send + 'static,
    on_search: impl Fn(TitleSearch) + Send + 'static,
) -> Result<(Lines, Screen), ReadlineError> {
    terminal::block_stops()?;
    let config = Config::builder()
        .completion_type(CompletionType::List)
        // The status row decides on styles.
        .color_mode(ColorMode::Forced)
        .build();
    // A prompt works without its history.
    let (history_file, lines) = HistoryFile::open(state::history()).unwrap_or_else(|reason| {
        on_input(Input::Refused(reason));
        Default::default()
    });
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    for line in lines {
        editor.add_history_entry(line)?;
    }
    let modes = Arc::new(Modes::of_stdin());
    let status = Arc::new(StatusRow::default());
    let printer = editor.create_external_printer()?;
    let screen = Screen::start(printer, Surface::Prompt, &status, &modes)?;
    let draw = screen.sender();
    editor.set_helper(Some(Commands::new(modes.clone(), status.clone(), draw.clone(), Titles::new(on_search))));
    let clear = EventHandler::Conditional(Box::new(ClearScreen));
    editor.bind_sequence(rustyline::KeyEvent::ctrl('L'), clear);
    let ended = Arc::default();
    for (key, by) in [('C', End::Interrupt), ('D', End::Quit), ('B', End::Browse)] {
        let ends_line = EndsLine { by, ended: Arc::clone(&ended) };
        editor.bind_sequence(rustyline::KeyEvent::ctrl(key), EventHandler::Conditional(Box::new(ends_line)));
    }
    let (next, wanted) = mpsc::channel();
    let prompt = Prompt {
        editor,
        history_file,
        keys: Keys::new(enable_raw_mode, modes.clone(), draw.clone(), status),
        modes,
        draw,
        pasted: VecDeque::new(),
        ended,
        begun: String::new(),
    };
    thread::Builder::new().name("prompt".into()).spawn(move || prompt.read_all(&wanted, &on_input))?;
    Ok((Lines { next }, screen))
}

/// Whether standard input and output are a terminal that passes keys to this program, not to another one in the foreground.
pub fn has_keys() -> bool {
    is_possible() && terminal::is_foreground()
}

/// Shows the status below what is printed, and passes keys to `on_input`. Ctrl-C stays a signal. Call this before the program
/// starts other threads, as [`open`].
///
/// # Errors
///
/// The system cannot start a thread.
pub fn open_for_keys(on_input: impl Fn(Input) + Send + 'static) -> io::Result<(Lines, Screen)> {
    terminal::block_stops()?;
    let modes = Arc::new(Modes::of_stdin());
    let status = Arc::new(StatusRow::default());
    let screen = Screen::start(LastRow { status: status.clone() }, Surface::Row, &status, &modes)?;
    let keys = Keys::new(terminal::pass_keys, modes, screen.sender(), status);
    let (next, wanted) = mpsc::channel();
    thread::Builder::new().name("keys".into()).spawn(move || keys.read_all(&wanted, &on_input))?;
    Ok((Lines { next }, screen))
}

/// The state of the thread that reads lines.
struct Prompt {
    editor: Editor<Commands, MemHistory>,
    history_file: HistoryFile,
    modes: Arc<Modes>,
    draw: Sender<Drawing>,
    /// The remaining lines of a paste.
    pasted: VecDeque<String>,
    keys: Keys,
    /// How the line has ended, if not by Return.
    ended: Arc<Mutex<Option<End>>>,
    /// What was typed before Ctrl-B, or ahead on the full screen.
    begun: String,
}

impl Prompt {
    fn read_all(mut self, wanted: &Receiver<Wanted>, on_input: &impl Fn(Input)) {
        // If this fails, Ctrl-Z has no effect.
        let _ = terminal::accept_stops();
        while let Ok(wanted) = wanted.recv() {
            on_input(match wanted {
                Wanted::Line => self.next_line(),
                Wanted::Key => self.keys.next(),
            });
        }
    }

    fn next_line(&mut self) -> Input {
        for key in self.keys.end() {
            self.take_typed_ahead(key);
        }
        let pasted = self.pasted.pop_front().map(Input::Line);
        pasted.unwrap_or_else(|| self.read())
    }

    /// Keeps a key that was read together with the last one of the full screen: it is meant for the prompt.
    fn take_typed_ahead(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter => self.pasted.push_back(mem::take(&mut self.begun)),
            KeyCode::Backspace => drop(self.begun.pop()),
            KeyCode::Char(char) if !key.modifiers.contains(KeyModifiers::CONTROL) => self.begun.push(char),
            _ => {}
        }
    }

    fn read(&mut self) -> Input {
        let mut has_interrupted = false;
        let mut begun = mem::take(&mut self.begun);
        loop {
            if let Some(commands) = self.editor.helper() {
                commands.status.hide(false);
            }
            let line = self.editor.readline_with_initial(PROMPT, (&begun, ""));
            self.modes.on_edited();
            begun.clear();
            let typed = self.editor.helper().map(|commands| commands.typed.take()).unwrap_or_default();
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
            let (line, ended) = match line {
                // A user may have chosen other keys than Ctrl-C and Ctrl-D.
                Err(ReadlineError::Interrupted) => (Ok(typed.clone()), Some(End::Interrupt)),
                Err(ReadlineError::Eof) => (Ok(String::new()), Some(End::Quit)),
                line => (line, ended),
            };
            match line.map(|text| (text, ended)) {
                Ok((text, None)) => return self.enter(&text),
                Ok((text, Some(End::Browse))) => {
                    self.begun = text;
                    return Input::Line(Command::Browse.to_string());
                }
                Ok((text, Some(End::Interrupt))) if !text.is_empty() || !has_interrupted => {
                    has_interrupted = true;
                    let hint = "press Ctrl-C again, or Ctrl-D, to quit".to_owned();
                    // If the screen is gone, the program ends.
                    let _ = self.draw.send(Drawing::Text(hint, Box::new(|| {})));
                }
                Ok((_, Some(End::Interrupt | End::Quit))) => return Input::Quit,
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

    /// Keeps an entered text in the history. Returns its first line; the others follow.
    fn enter(&mut self, text: &str) -> Input {
        // It fails only for a history in a database.
        let _ = self.editor.add_history_entry(text);
        text.lines().for_each(|line| self.history_file.add(line));
        self.pasted.extend(text.lines().map(str::to_owned));
        Input::Line(self.pasted.pop_front().unwrap_or_default())
    }
}

/// A key that ends the line, as Return does: it takes the status row away.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D on an empty line. Elsewhere it deletes.
    Quit,
    /// Ctrl-B.
    Browse,
}

/// Ends the line, and notes how.
struct EndsLine {
    by: End,
    ended: Arc<Mutex<Option<End>>>,
}

impl ConditionalEventHandler for EndsLine {
    fn handle(&self, _: &rustyline::Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        if matches!(self.by, End::Quit) && !context.line().is_empty() {
            return None;
        }
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.by);
        Some(Cmd::AcceptLine)
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

/// The height of the terminal in rows.
pub(super) fn rows() -> usize {
    size().height.into()
}

/// Clears the screen and leaves a row above the status, as [`screen::REDRAW`] needs.
struct ClearScreen;

impl ConditionalEventHandler for ClearScreen {
    fn handle(&self, _: &rustyline::Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        // The line editor moves up to its first row before it draws.
        let _ = io::stdout().write_all(b"\x1b[H\x1b[2J\n\n");
        let _ = io::stdout().flush();
        Some(Cmd::Repaint)
    }
}

#[cfg(test)]
mod tests;
