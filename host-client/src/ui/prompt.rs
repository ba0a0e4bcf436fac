//! The prompt of a terminal, with a status line on the row above it.
//!
//! ```text
//!   … what was printed
//!   ▶ 3 Aria — Bach  1:02 [=====>------] 3:07  buf 12s  vol 80      ← status
//!   trill> pl_                                                      ← rustyline
//! ```
//!
//! Two threads: one reads lines, the other draws. Drawing has one of its own because rustyline's printer blocks
//! while the user searches the history, and nothing else must.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use trill_proto::command;

use super::text::width;

const PROMPT: &str = "trill> ";

/// Columns to assume of a terminal that does not say.
const USUAL_COLUMNS: usize = 80;

/// Longest line taken from standard input; what is longer is no command but, say, a file sent here by mistake.
const MAX_LINE_BYTES: u64 = 4_096;

/// What the user typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line.
    Line(String),
    /// There are no more lines.
    End,
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
        thread::Builder::new().name("input".into()).spawn(move || read_stdin(&wanted, &tell))?;
        Ok(Self { next })
    }
}

/// Whether standard input and output are a terminal that can do more than print.
pub fn is_possible() -> bool {
    let is_dumb = std::env::var("TERM").is_ok_and(|term| matches!(term.as_str(), "dumb" | "cons25" | "emacs" | ""));
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

/// Starts a prompt.
///
/// # Errors
///
/// What rustyline says of the terminal, or the system's if it gives no thread.
pub fn open(tell: impl Fn(Input) + Send + 'static) -> Result<(Lines, Screen), ReadlineError> {
    let config = Config::builder()
        .auto_add_history(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    editor.set_helper(Some(Commands::default()));
    let printer = editor.create_external_printer()?;
    let (draw, drawings) = mpsc::channel();
    thread::Builder::new().name("screen".into()).spawn(move || draw_all(&drawings, printer, columns))?;
    let (next, wanted) = mpsc::channel();
    let is_reading = Arc::new(AtomicBool::new(false));
    let screen = Screen { draw: draw.clone(), _restore: Restore::new(is_reading.clone()) };
    thread::Builder::new()
        .name("prompt".into())
        .spawn(move || read_prompt(editor, &wanted, &draw, &is_reading, &tell))?;
    Ok((Lines { next }, screen))
}

fn read_stdin(wanted: &Receiver<()>, tell: &impl Fn(Input)) {
    let mut stdin = io::stdin().lock();
    while wanted.recv().is_ok() {
        match read_line(&mut stdin) {
            Ok(None) | Err(_) => return tell(Input::End),
            // What is no text is no command either, and is quoted in the error.
            Ok(Some(line)) => tell(Input::Line(String::from_utf8_lossy(&line).trim().to_owned())),
        }
    }
}

/// The next line, or the beginning of one that is too long: its end is read and is no command.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn read_prompt(
    mut editor: Editor<Commands, MemHistory>,
    wanted: &Receiver<()>,
    draw: &Sender<Drawing>,
    is_reading: &AtomicBool,
    tell: &impl Fn(Input),
) {
    // Lines that were pasted together with one before them.
    let mut pasted = VecDeque::new();
    while wanted.recv().is_ok() {
        if let Some(line) = pasted.pop_front() {
            tell(Input::Line(line));
            continue;
        }
        let mut has_interrupted = false;
        let input = loop {
            is_reading.store(true, Ordering::SeqCst);
            let line = editor.readline(PROMPT);
            is_reading.store(false, Ordering::SeqCst);
            // The screen outlives this thread, or nobody looks at it any more.
            let _ = draw.send(Drawing::Entered);
            match line {
                Ok(text) => {
                    pasted.extend(text.lines().map(str::to_owned));
                    break Input::Line(pasted.pop_front().unwrap_or_default());
                }
                Err(ReadlineError::Interrupted) if has_typed(&editor) || !has_interrupted => {
                    has_interrupted = true;
                    let _ = draw.send(Drawing::Text("Ctrl-C once more, or Ctrl-D, leaves".to_owned()));
                }
                Err(_) => break Input::Quit,
            }
        };
        tell(input);
    }
}

/// Whether there was anything on the line that Ctrl-C cleared; from now on there is not.
fn has_typed(editor: &Editor<Commands, MemHistory>) -> bool {
    editor.helper().is_some_and(|commands| commands.has_typed.take())
}

/// Draws above the prompt.
#[derive(Debug)]
pub struct Screen {
    draw: Sender<Drawing>,
    _restore: Restore,
}

#[derive(Debug)]
enum Drawing {
    /// Lines, without an end of the last.
    Text(String),
    Status(String),
    /// The user pressed Enter: the status line scrolled away with the prompt.
    Entered,
    /// Say when everything before this is drawn.
    Flush(Sender<()>),
}

impl Screen {
    /// Shows lines.
    pub fn print(&self, text: &str) {
        let _ = self.draw.send(Drawing::Text(text.to_owned()));
    }

    /// Shows a status line, if it is another than before.
    pub fn show_status(&self, line: String) {
        let _ = self.draw.send(Drawing::Status(line));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let (done, drawn) = mpsc::channel();
        let _ = self.draw.send(Drawing::Flush(done));
        // Not for ever: the user may be searching the history.
        let _ = drawn.recv_timeout(FLUSH);
    }
}

/// How long the last words may take to appear.
const FLUSH: Duration = Duration::from_millis(200);

/// Up one row, to its beginning, and clear it.
const CLEAR_ROW_ABOVE: &str = "\x1b[A\x1b[2K\r";

/// From the prompt to where the status line begins, clearing it. A terminal that has become narrower wraps it; one that
/// cuts it off instead loses a row of what is above.
fn clear_status(status: &str, columns: usize) -> String {
    CLEAR_ROW_ABOVE.repeat(width(status).div_ceil(columns.max(1)).max(1))
}

/// Columns of the terminal.
pub(super) fn columns() -> usize {
    terminal_size::terminal_size().map_or(USUAL_COLUMNS, |(width, _)| usize::from(width.0))
}

fn draw_all(drawings: &Receiver<Drawing>, mut printer: impl ExternalPrinter, columns: impl Fn() -> usize) {
    let mut status = String::new();
    let mut is_shown = false;
    while let Ok(drawing) = drawings.recv() {
        let mut output = String::new();
        if is_shown {
            output.push_str(&clear_status(&status, columns()));
        }
        match drawing {
            Drawing::Text(text) => {
                output.push_str(&text);
                output.push('\n');
            }
            Drawing::Status(line) if is_shown && line == status => continue,
            Drawing::Status(line) => status = line,
            Drawing::Entered => {
                is_shown = false;
                continue;
            }
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
    }
}

/// Puts the terminal back as it was when the program ends while a line is being read: rustyline's thread cannot be
/// told to.
#[derive(Debug)]
struct Restore {
    is_reading: Arc<AtomicBool>,
    #[cfg(unix)]
    terminal: Option<rustix::termios::Termios>,
}

impl Restore {
    fn new(is_reading: Arc<AtomicBool>) -> Self {
        Self {
            is_reading,
            #[cfg(unix)]
            terminal: rustix::termios::tcgetattr(io::stdin()).ok(),
        }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if !self.is_reading.load(Ordering::SeqCst) {
            return;
        }
        #[cfg(unix)]
        if let Some(terminal) = &self.terminal {
            // A terminal that hung up is beyond help.
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, terminal);
        }
        // Bracketed paste off, and the shell's prompt on a line of its own.
        let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
        let _ = io::stdout().flush();
    }
}

/// Completes the names of commands.
#[derive(Default)]
struct Commands {
    /// Something was typed since this was last looked at: rustyline does not say what an interrupt cleared.
    has_typed: Cell<bool>,
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
                command::find(first).is_ok_and(|spec| spec.name == "help") && words.split_whitespace().count() == 1
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

    /// Called with the line whenever it changes. It has no hints.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        if !line.is_empty() {
            self.has_typed.set(true);
        }
        None
    }
}
impl Highlighter for Commands {}
impl Validator for Commands {}
impl Helper for Commands {}

#[cfg(test)]
mod tests;
