//! Where text goes: standard output and error, or the screen above the prompt.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use super::prompt::{self, Screen};
use super::text::{self, Charset, clean};
use crate::options::Verbosity;
use crate::output::OutputTarget;

/// Shows results, errors and notices. Never fails: what nobody reads is not worth a crash.
#[derive(Debug)]
pub struct Console {
    verbosity: Verbosity,
    charset: Charset,
    /// Text for standard output appears above the prompt.
    screen: Option<Screen>,
    /// Standard output carries sound: all text goes to standard error.
    is_stdout_taken: bool,
    /// Why standard output takes nothing any more.
    lost_output: Option<io::ErrorKind>,
}

impl Console {
    /// Plain lines, on standard output and error.
    pub fn plain(verbosity: Verbosity) -> Self {
        Self { verbosity, charset: Charset::detect(), screen: None, is_stdout_taken: false, lost_output: None }
    }

    /// Lines above the prompt.
    pub fn above_prompt(verbosity: Verbosity, screen: Screen) -> Self {
        Self { screen: Some(screen), ..Self::plain(verbosity) }
    }

    /// Writes nothing to standard output if that carries sound.
    #[must_use]
    pub fn with_output(self, output: &OutputTarget) -> Self {
        Self { is_stdout_taken: *output == OutputTarget::WavToStdout, ..self }
    }

    /// Which characters may be drawn with.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// Whether there is a prompt.
    pub fn has_prompt(&self) -> bool {
        self.screen.is_some()
    }

    /// Whether only results and errors are shown.
    pub fn is_quiet(&self) -> bool {
        self.verbosity < Verbosity::Normal
    }

    /// Columns of the terminal that results are shown on; `None` if they go elsewhere.
    pub fn columns(&self) -> Option<usize> {
        io::stdout().is_terminal().then(prompt::columns)
    }

    /// Nobody gets the results: there is no need to make more of them.
    pub fn is_output_gone(&self) -> bool {
        self.lost_output.is_some()
    }

    /// Results could not be written, although nobody has said that they are not wanted by going away.
    pub fn has_failed(&self) -> bool {
        self.lost_output.is_some_and(|why| why != io::ErrorKind::BrokenPipe)
    }

    /// What was asked for: one line or several.
    pub fn print(&mut self, text: &str) {
        self.print_then(text, || {});
    }

    /// [`print`](Self::print), and calls `on_printed` afterwards: with a prompt, when the terminal has taken the text.
    /// Who prints much waits for that before the next part. A user may halt a terminal for hours.
    pub fn print_then(&mut self, text: &str, on_printed: impl FnOnce() + Send + 'static) {
        let text = text.trim_end_matches('\n');
        match &self.screen {
            Some(screen) => return screen.print(&wrapped(text), on_printed),
            None if self.is_stdout_taken => to_stderr(text),
            None if self.is_output_gone() => {}
            None => {
                let mut out = io::stdout().lock();
                let text = if out.is_terminal() { wrapped(text) } else { text.into() };
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

    /// Something failed: one line, freed of what a terminal might obey: it may name a file, a device or a host.
    pub fn error(&self, text: &str) {
        let text = clean(text);
        match &self.screen {
            Some(screen) => screen.print(&wrapped(&text), || {}),
            None => to_stderr(&format!("trill: {text}")),
        }
    }

    /// Something that a listener may want to know: one line.
    pub fn notice(&self, text: &str) {
        self.say(Verbosity::Normal, text);
    }

    /// Something that explains what happens: one line.
    pub fn verbose(&self, text: &str) {
        self.say(Verbosity::Verbose, text);
    }

    /// A detail: one line.
    pub fn debug(&self, text: &str) {
        self.say(Verbosity::Debug, text);
    }

    /// Shows the line above the prompt, if there is one.
    pub fn show_status(&self, line: impl FnOnce(usize, Charset) -> String) {
        if let Some(screen) = &self.screen {
            // A line that fills the last column leaves some terminals undecided about where they are.
            let columns = prompt::columns().saturating_sub(1);
            screen.show_status(line(columns, self.charset));
        }
    }

    fn say(&self, verbosity: Verbosity, text: &str) {
        if self.verbosity < verbosity {
            return;
        }
        let text = clean(text);
        match &self.screen {
            // Sent to a file, it shall get there.
            Some(screen) if io::stderr().is_terminal() => screen.print(&wrapped(&text), || {}),
            _ => to_stderr(&text),
        }
    }
}

/// `eprintln!` without its panic.
fn to_stderr(line: &str) {
    let mut stderr = io::stderr();
    let line = if stderr.is_terminal() { wrapped(line) } else { line.into() };
    let _ = writeln!(stderr, "{line}");
}

/// `text` for the terminal, which would break its lines within words.
fn wrapped(text: &str) -> Cow<'_, str> {
    text::wrapped(text, prompt::columns())
}
