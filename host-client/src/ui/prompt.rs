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
//! One thread reads lines, another draws. Drawing has its own thread because rustyline's printer blocks while the user
//! searches the history or has halted the terminal, and no other thread may block then.

mod full_screen;
mod history;
mod screen;
mod stdin;
#[cfg_attr(not(unix), path = "prompt/no_job_control.rs")]
mod terminal;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use ratatui::layout::Size;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Context, Editor, EventContext, EventHandler,
    Helper, RepeatCount,
};
use trill_player::command::{self, Command};

use crate::settings::state;

use full_screen::{FullScreen, PendingPicture};
use history::HistoryFile;
use screen::{Drawing, FLUSH, StatusRow};
use terminal::Modes;

pub use full_screen::Picture;
pub use screen::{Screen, StatusLine};

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
        // The status row decides on styles.
        .color_mode(ColorMode::Forced)
        .build();
    let history_file = HistoryFile::new(state::history());
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    for line in history_file.load() {
        editor.add_history_entry(line)?;
    }
    let modes = Arc::new(Modes::of_stdin());
    let status = Arc::new(StatusRow::default());
    let (draw, drawings) = mpsc::channel();
    editor.set_helper(Some(Commands::new(modes.clone(), status.clone(), draw.clone())));
    let printer = editor.create_external_printer()?;
    let picture = Arc::new(PendingPicture::default());
    let full_screen = FullScreen::new(picture.clone());
    thread::Builder::new().name("screen".into()).spawn(move || screen::draw_all(&drawings, full_screen, printer))?;
    let redraw = draw.clone();
    terminal::watch_continuations(modes.clone(), move || drop(redraw.send(Drawing::Continued)))?;
    let clear = EventHandler::Conditional(Box::new(ClearScreen));
    editor.bind_sequence(rustyline::KeyEvent::ctrl('L'), clear);
    let browses = Arc::new(AtomicBool::new(false));
    let browse = EventHandler::Conditional(Box::new(Browse(browses.clone())));
    editor.bind_sequence(rustyline::KeyEvent::ctrl('B'), browse);
    let screen = Screen::new(draw.clone(), status, picture, modes.clone());
    let (next, wanted) = mpsc::channel();
    let prompt = Prompt {
        editor,
        history_file,
        modes,
        draw,
        pasted: VecDeque::new(),
        is_reading_keys: false,
        browses,
        begun: String::new(),
    };
    thread::Builder::new().name("prompt".into()).spawn(move || prompt.read_all(&wanted, &on_input))?;
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
    /// The terminal is in raw mode, for keys.
    is_reading_keys: bool,
    /// Ctrl-B was pressed.
    browses: Arc<AtomicBool>,
    /// What was typed before Ctrl-B, or ahead on the full screen.
    begun: String,
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
            // If the terminal cannot be read, the line editor finds out.
            let _ = self.take_keys_typed_ahead();
            let _ = disable_raw_mode();
            self.modes.on_edited();
        }
        let pasted = self.pasted.pop_front().map(Input::Line);
        pasted.unwrap_or_else(|| self.read())
    }

    /// Keeps the keys that were read together with the last one: they are meant for the prompt.
    fn take_keys_typed_ahead(&mut self) -> io::Result<()> {
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(KeyEvent { code: KeyCode::Enter, .. }) => self.pasted.push_back(mem::take(&mut self.begun)),
                Event::Key(KeyEvent { code: KeyCode::Char(char), modifiers, .. })
                    if !modifiers.contains(KeyModifiers::CONTROL) =>
                {
                    self.begun.push(char);
                }
                _ => {}
            }
        }
        Ok(())
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
        let mut begun = mem::take(&mut self.begun);
        loop {
            if let Some(commands) = self.editor.helper() {
                commands.status.hide(false);
            }
            let line = self.editor.readline_with_initial(PROMPT, (&begun, ""));
            self.modes.on_edited();
            begun.clear();
            let typed = self.editor.helper().map(|commands| commands.typed.take()).unwrap_or_default();
            match line {
                Ok(text) => {
                    text.lines().for_each(|line| self.history_file.add(line));
                    self.pasted.extend(text.lines().map(str::to_owned));
                    return Input::Line(self.pasted.pop_front().unwrap_or_default());
                }
                Err(ReadlineError::Interrupted) if self.browses.swap(false, SeqCst) => {
                    self.begun = typed;
                    return Input::Line(Command::Browse.to_string());
                }
                Err(ReadlineError::Interrupted) if !typed.is_empty() || !has_interrupted => {
                    has_interrupted = true;
                    let hint = "press Ctrl-C again, or Ctrl-D, to quit".to_owned();
                    // If the screen is gone, the program ends.
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

/// Ends the line as Ctrl-C does, and notes that the user wants the full screen.
struct Browse(Arc<AtomicBool>);

impl ConditionalEventHandler for Browse {
    fn handle(&self, _: &rustyline::Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.store(true, SeqCst);
        Some(Cmd::Interrupt)
    }
}

/// Completes command names, and observes the line editor.
struct Commands {
    modes: Arc<Modes>,
    status: Arc<StatusRow>,
    draw: Sender<Drawing>,
    /// The line so far, because rustyline does not return the text that an interrupt cleared.
    typed: RefCell<String>,
}

impl Commands {
    fn new(modes: Arc<Modes>, status: Arc<StatusRow>, draw: Sender<Drawing>) -> Self {
        Self { modes, status, draw, typed: RefCell::default() }
    }
}

impl Completer for Commands {
    type Candidate = String;

    /// Completes the word as far as it is certain. What it could become is shown above the prompt, because the line editor
    /// forgets the status row when it shows a list.
    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..cursor];
        let start = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        let (words, begun) = before.split_at(start);
        let completions = completions(words, begun);
        let completed = match completions.as_slice() {
            [] => return Ok((start, Vec::new())),
            [only] => format!("{only} "),
            several => {
                let _ = self.draw.send(Drawing::Text(several.join("  "), Box::new(|| {})));
                common_beginning(several)
            }
        };
        let is_longer = completed.len() > begun.len();
        Ok((start, is_longer.then_some(completed).into_iter().collect()))
    }
}

/// What the word that begins with `begun` could be, after these words.
fn completions(words: &str, begun: &str) -> Vec<String> {
    let mut words = words.split_whitespace();
    let names = || command::completions(begun).map(str::to_owned).collect();
    let Some(name) = words.next() else { return names() };
    let Ok(command) = command::find(name) else { return Vec::new() };
    if words.next().is_some() {
        return Vec::new();
    }
    if command.name == "help" {
        return names();
    }
    let begun = begun.to_lowercase();
    command.keywords().filter(|keyword| keyword.starts_with(&begun)).map(str::to_owned).collect()
}

/// The longest text that all of them begin with.
fn common_beginning(texts: &[String]) -> String {
    let (first, rest) = texts.split_first().map_or(("", texts), |(first, rest)| (first.as_str(), rest));
    let is_common =
        |end: &usize| first.is_char_boundary(*end) && rest.iter().all(|text| text.starts_with(&first[..*end]));
    (0..=first.len()).rev().find(is_common).map_or_else(String::new, |end| first[..end].to_owned())
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

impl Highlighter for Commands {
    /// Puts the status into the prompt.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, is_default: bool) -> Cow<'b, str> {
        // While the history is searched, there is another prompt.
        if is_default { (self.status.draw() + prompt.trim_start()).into() } else { prompt.into() }
    }
}

impl Validator for Commands {
    /// Accepts every line. The message, though empty, makes the line editor draw the prompt once more.
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.status.hide(true);
        Ok(ValidationResult::Valid(Some(String::new())))
    }
}
impl Helper for Commands {}

#[cfg(test)]
mod tests;
