//! Prints text on standard output and error, or on the screen above the prompt.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::mem;

use super::look::Look;
use super::prompt::{self, Picture, Screen, StatusLine};
use super::text::{self, clean};
use crate::options::Verbosity;
use crate::output::OutputTarget;
use crate::remote::{Answer, OnDrop, Reply};

/// A client outside the program that reads an answer.
#[derive(Debug)]
struct Client {
    reply: Reply,
    /// Whether it reads no more.
    is_gone: bool,
}

/// Prints results, errors and notices. A failed write never ends the program.
#[derive(Debug)]
pub struct Console {
    verbosity: Verbosity,
    look: Look,
    /// If present, text for standard output appears above the status row.
    screen: Option<Screen>,
    /// If present, all text goes to a client outside the program instead.
    client: Option<Client>,
    /// Standard output carries sound, so all text goes to standard error.
    is_stdout_taken: bool,
    /// Text that is held back while the screen shows something else; `None` if none is.
    held: Option<RefCell<Vec<String>>>,
    /// The error that ended writing to standard output.
    lost_output: Option<io::ErrorKind>,
}

impl Console {
    /// A console that prints plain lines on standard output and error.
    pub fn plain(verbosity: Verbosity) -> Self {
        Self {
            verbosity,
            look: Look::detect(),
            screen: None,
            client: None,
            held: None,
            is_stdout_taken: false,
            lost_output: None,
        }
    }

    /// A console that prints above the status row.
    pub fn above_status(verbosity: Verbosity, screen: Screen) -> Self {
        Self { screen: Some(screen), ..Self::plain(verbosity) }
    }

    /// Keeps text off standard output if `output` writes sound there.
    #[must_use]
    pub fn with_output(self, output: &OutputTarget) -> Self {
        Self { is_stdout_taken: *output == OutputTarget::WavToStdout, ..self }
    }

    /// Sends all text from now on to `client`, or to standard output and error. Returns the client before.
    pub fn redirect(&mut self, client: Option<Reply>) -> Option<Reply> {
        let client = client.map(|reply| Client { reply, is_gone: false });
        mem::replace(&mut self.client, client).map(|client| client.reply)
    }

    /// The client that all text goes to, if any.
    pub fn client(&self) -> Option<&Reply> {
        self.client.as_ref().map(|client| &client.reply)
    }

    /// How to draw.
    pub fn look(&self) -> Look {
        self.look
    }

    /// Whether there is a prompt.
    pub fn has_prompt(&self) -> bool {
        self.screen.as_ref().is_some_and(Screen::has_prompt)
    }

    /// Whether there is a status row.
    pub fn has_status(&self) -> bool {
        self.screen.is_some()
    }

    /// Whether only results and errors are shown.
    pub fn is_quiet(&self) -> bool {
        self.verbosity < Verbosity::Normal
    }

    /// The width of the terminal in columns; `None` if the text does not go to a terminal.
    pub fn columns(&self) -> Option<usize> {
        (self.client.is_none() && io::stdout().is_terminal()).then(prompt::columns)
    }

    /// How many rows of a list fit on the screen, below its header and above the prompt. `None` if all rows are wanted.
    pub fn list_rows(&self) -> Option<u32> {
        (self.client.is_none() && self.has_prompt()).then(|| prompt::rows().saturating_sub(5).max(3) as u32)
    }

    /// Whether the reader of the results is gone, so that further results are useless.
    pub fn is_output_gone(&self) -> bool {
        self.client.as_ref().map_or(self.lost_output.is_some(), |client| client.is_gone)
    }

    /// Whether writing results failed for another reason than a reader that went away.
    pub fn has_failed(&self) -> bool {
        self.lost_output.is_some_and(|why| why != io::ErrorKind::BrokenPipe)
    }

    /// Prints a result of one or more lines.
    pub fn print(&mut self, text: &str) {
        let is_on_screen = self.client.is_none() && (self.screen.is_some() || self.columns().is_some());
        let text = if is_on_screen { wrapped(text) } else { text.into() };
        self.print_rows(&text, || {});
    }

    /// Prints rows that fit the terminal and may have styles, and calls `on_printed` afterwards: with a prompt, when the terminal
    /// has taken them. A caller with much text waits for that before the next part, because a user may halt a terminal for hours.
    pub fn print_rows(&mut self, text: &str, on_printed: impl FnOnce() + Send + 'static) {
        let text = text.trim_end_matches('\n');
        if let Some(client) = &mut self.client {
            client.is_gone = !client.reply.send(Answer::Output(text.to_owned(), OnDrop::new(on_printed)));
            return;
        }
        if self.is_held(text) {
            return on_printed();
        }
        match &self.screen {
            Some(screen) => return screen.print(text, on_printed),
            None if self.is_stdout_taken => to_stderr(text),
            None if self.is_output_gone() => {}
            None => {
                let mut out = io::stdout().lock();
                if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
                    self.lost_output = Some(error.kind());
                    if self.has_failed() {
                        self.error(&format!("cannot write to standard output: {error}"));
                    }
                }
            }
        }
        on_printed();
    }

    /// Prints an error on one line. Removes control characters, which the name of a file, a device or a host may contain.
    pub fn error(&self, text: &str) {
        let text = clean(text);
        match (&self.client, &self.screen) {
            (Some(client), _) => drop(client.reply.send(Answer::Error(text))),
            _ if self.is_held(&text) => {}
            (None, Some(screen)) if screen.has_prompt() => screen.print(&wrapped(&text), || {}),
            (None, _) => self.to_stderr(&format!("trill: {text}")),
        }
    }

    /// Prints one line of general interest.
    pub fn notice(&self, text: &str) {
        self.say(Verbosity::Normal, text);
    }

    /// Prints one line that explains what happens.
    pub fn verbose(&self, text: &str) {
        self.say(Verbosity::Verbose, text);
    }

    /// Prints one line of detail.
    pub fn debug(&self, text: &str) {
        self.say(Verbosity::Debug, text);
    }

    /// Shows the status line, if there is a row for it.
    pub fn show_status(&self, status: StatusLine) {
        if let Some(screen) = &self.screen {
            screen.show_status(status);
        }
    }

    /// Holds text back, because the screen shows something else than the prompt.
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// The text that was held back since the last call.
    pub fn take_held(&self) -> Vec<String> {
        self.held.as_ref().map(RefCell::take).unwrap_or_default()
    }

    /// Shows a picture on the full screen. Text must be [held back](Self::hold) meanwhile.
    pub fn show_picture(&self, picture: Picture) {
        if let Some(screen) = &self.screen {
            screen.show_picture(picture);
        }
    }

    /// Goes back to the prompt, shows text again and then calls `on_left`.
    pub fn leave_full_screen(&mut self, on_left: impl FnOnce() + Send + 'static) {
        self.held = None;
        if let Some(screen) = &self.screen {
            screen.leave_full_screen(on_left);
        }
    }

    fn is_held(&self, text: &str) -> bool {
        let Some(held) = &self.held else { return false };
        held.borrow_mut().push(text.to_owned());
        true
    }

    fn say(&self, verbosity: Verbosity, text: &str) {
        if self.verbosity < verbosity {
            return;
        }
        let text = clean(text);
        if let Some(client) = &self.client {
            // Programs read nothing but objects.
            if !client.reply.is_json() {
                client.reply.send(Answer::Output(text, OnDrop::new(|| {})));
            }
            return;
        }
        if !self.is_held(&text) {
            self.to_stderr(&text);
        }
    }

    /// Prints a line on standard error, above the status row if both go to a terminal.
    fn to_stderr(&self, line: &str) {
        match &self.screen {
            // Lines that are redirected to a file must get there.
            Some(screen) if io::stderr().is_terminal() => screen.print(&wrapped(line), || {}),
            _ => to_stderr(line),
        }
    }
}

/// `eprintln!` without its panic.
fn to_stderr(line: &str) {
    let mut stderr = io::stderr();
    let line = if stderr.is_terminal() { wrapped(line) } else { line.into() };
    let _ = writeln!(stderr, "{line}");
}

/// Breaks lines at spaces. The terminal would break them within words.
fn wrapped(text: &str) -> Cow<'_, str> {
    text::wrapped(text, prompt::columns())
}
