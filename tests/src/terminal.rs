//! Runs a program in a terminal, with its screen.

use crate::wait;
use pty_process::blocking::{self as pty, Pty};
use rustix::process::{Pid, Signal};
use rustix::termios::LocalModes;
use std::fmt;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// 24 lines of 80 characters.
pub const VT100: Size = Size { rows: 24, columns: 80 };

/// The byte sequences of special keys.
pub mod key {
    /// Return.
    pub const ENTER: &str = "\r";
    /// Tab.
    pub const TAB: &str = "\t";
    /// Ctrl-C.
    pub const CTRL_C: &str = "\x03";
    /// Ctrl-Z.
    pub const CTRL_Z: &str = "\x1a";
    /// Ctrl-D.
    pub const CTRL_D: &str = "\x04";
    /// Arrow up.
    pub const UP: &str = "\x1b[A";
    /// Arrow down.
    pub const DOWN: &str = "\x1b[B";
}

/// A program running in a terminal of its own. Dropping it kills the program.
pub struct Terminal {
    name: String,
    child: Child,
    keyboard: Arc<Pty>,
    display: Display,
    /// A directory of the program.
    directory: Option<TempDir>,
}

impl Terminal {
    /// Starts `command` with a new terminal as its stdin, stdout, stderr and controlling terminal.
    /// `name` is what messages call it.
    ///
    /// # Panics
    /// When the terminal or the program cannot be started.
    #[track_caller]
    pub fn spawn(name: &str, command: Command, size: Size) -> Self {
        let (pty, pts) = pty::open().expect("the kernel has a free pseudo-terminal");
        pty.resize(pty_process::Size::new(size.rows, size.columns)).expect("a new terminal takes any size");
        let program = command.get_program().to_owned();
        let child = match pty::Command::from(command).spawn(pts) {
            Ok(child) => child,
            Err(e) => panic!("{name} ({}) does not start: {e}", program.display()),
        };
        let keyboard = Arc::new(pty);
        let display = Display::watch(Arc::clone(&keyboard), size);
        Self { name: name.to_owned(), child, keyboard, display, directory: None }
    }

    /// Removes `directory` when this is dropped.
    #[must_use]
    pub fn with_directory(mut self, directory: TempDir) -> Self {
        self.directory = Some(directory);
        self
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types `text`, for example `"li"` or [`key::UP`].
    ///
    /// # Panics
    /// When the program has closed the terminal.
    #[track_caller]
    pub fn type_text(&self, text: &str) {
        self.type_bytes(text.as_bytes());
    }

    /// Types arbitrary bytes.
    ///
    /// # Panics
    /// When the program has closed the terminal.
    #[track_caller]
    pub fn type_bytes(&self, bytes: &[u8]) {
        if let Err(e) = (&*self.keyboard).write_all(bytes) {
            panic!("typing {bytes:?}: {e}; the screen of {self}");
        }
    }

    /// Whether the terminal itself edits and echoes lines (canonical mode).
    ///
    /// # Panics
    /// When the system call fails.
    pub fn is_cooked(&self) -> bool {
        // On Linux the modes of both ends are the same.
        let modes = rustix::termios::tcgetattr(&*self.keyboard).expect("a terminal has modes");
        modes.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Stops reading the program's output, as after Ctrl-S. Its writes block eventually. The screen does not change.
    pub fn halt(&self) {
        self.display.lock().halted = true;
    }

    /// Types `line` and Return.
    ///
    /// # Panics
    /// When the program has closed the terminal.
    #[track_caller]
    pub fn type_line(&self, line: &str) {
        self.type_text(&format!("{line}{}", key::ENTER));
    }

    /// Changes the terminal's size; the program gets SIGWINCH.
    pub fn resize(&self, size: Size) {
        self.display.lock().parser.set_size(dimension(size.rows), dimension(size.columns));
        self.keyboard.resize(pty_process::Size::new(size.rows, size.columns)).expect("a terminal takes any size");
    }

    /// The current screen.
    pub fn screen(&self) -> Screen {
        Screen::of(self.display.lock().parser.screen())
    }

    /// Whether the screen shows `text` on one line.
    pub fn screen_contains(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    /// The program's whole output, including escape sequences.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.display.lock().transcript).into_owned()
    }

    /// The program's other effects on the terminal: titles, bells, unknown sequences.
    pub fn side_effects(&self) -> Vec<String> {
        self.display.lock().parser.callbacks().side_effects.clone()
    }

    /// Waits until the screen satisfies `condition`, and returns that screen.
    ///
    /// # Panics
    /// When it does not within `deadline`; the message says `what` was awaited and shows the screen.
    #[track_caller]
    pub fn wait_for(&self, deadline: Duration, what: &str, mut condition: impl FnMut(&Screen) -> bool) -> Screen {
        let found = wait::try_wait(deadline, || Some(self.screen()).filter(&mut condition));
        found.unwrap_or_else(|| panic!("waited {deadline:?} in vain for {what} on the screen of {self}"))
    }

    /// Waits until the screen shows `text` on one line, and returns that screen.
    ///
    /// # Panics
    /// When it does not within `deadline`; the message shows the screen.
    #[track_caller]
    pub fn wait_for_text(&self, deadline: Duration, text: &str) -> Screen {
        self.wait_for(deadline, &format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Sends a signal to the program itself.
    pub fn signal(&self, signal: Signal) {
        // An unreaped child keeps its id, so the signal cannot reach another process.
        rustix::process::kill_process(Pid::from_child(&self.child), signal).ok();
    }

    /// Waits for the program to end by itself. Then the screen is complete, unless it was [halted](Self::halt).
    ///
    /// # Panics
    /// When it does not end within `deadline`; the message shows the screen.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let status = wait::try_wait(deadline, || self.child.try_wait().expect("a child can be asked for its status"));
        let Some(status) = status else { panic!("still running after {deadline:?}: {self}") };
        wait::wait_for(deadline, "the terminal to close", || self.display.is_complete());
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails only for a program that was already reaped.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl fmt::Display for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}):\n{}", self.name, self.id(), self.screen())
    }
}

/// A snapshot of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The lines from the top without trailing spaces, one per row of the terminal.
    pub rows: Vec<String>,
    /// Row and column of the cursor, both from 0.
    pub cursor: (u16, u16),
}

impl Screen {
    /// Whether one of the lines contains `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.row_with(text).is_some()
    }

    /// The first line that contains `text`.
    pub fn row_with(&self, text: &str) -> Option<&str> {
        self.rows.iter().map(String::as_str).find(|row| row.contains(text))
    }

    fn of(screen: &vt100::Screen) -> Self {
        let (_, columns) = screen.size();
        let rows = screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect();
        Self { rows, cursor: screen.cursor_position() }
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
        self.rows[..used].iter().try_for_each(|row| writeln!(f, "| {row}"))
    }
}

/// The terminal emulator. A thread feeds it the program's output.
#[derive(Clone)]
struct Display(Arc<Mutex<Emulator>>);

struct Emulator {
    parser: vt100::Parser<Reactions>,
    transcript: Vec<u8>,
    halted: bool,
    closed: bool,
}

impl Display {
    fn watch(pty: Arc<Pty>, size: Size) -> Self {
        let parser =
            vt100::Parser::new_with_callbacks(dimension(size.rows), dimension(size.columns), 0, Reactions::default());
        let display =
            Self(Arc::new(Mutex::new(Emulator { parser, transcript: Vec::new(), halted: false, closed: false })));
        let shown = display.clone();
        thread::spawn(move || shown.show(&pty));
        display
    }

    /// Feeds the program's output until the other end of the terminal closes (EIO on Linux).
    fn show(&self, mut pty: &Pty) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pty.read(&mut buffer) {
            let mut emulator = self.lock();
            if emulator.halted {
                return;
            }
            emulator.transcript.extend_from_slice(&buffer[..count]);
            emulator.parser.process(&buffer[..count]);
            let answers = std::mem::take(&mut emulator.parser.callbacks_mut().answers);
            drop(emulator);
            if pty.write_all(&answers).is_err() {
                break;
            }
        }
        self.lock().closed = true;
    }

    fn is_complete(&self) -> bool {
        let emulator = self.lock();
        emulator.closed || emulator.halted
    }

    fn lock(&self) -> MutexGuard<'_, Emulator> {
        // After a panic elsewhere the screen is still worth showing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The terminal's state beyond text.
#[derive(Default)]
struct Reactions {
    /// The terminal's answers to the program.
    answers: Vec<u8>,
    side_effects: Vec<String>,
}

impl vt100::Callbacks for Reactions {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.side_effects.push("bell".to_owned());
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.side_effects.push(format!("title {:?}", String::from_utf8_lossy(title)));
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        self.side_effects.push(format!("clipboard {:?}", String::from_utf8_lossy(data)));
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        intermediate: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        letter: char,
    ) {
        match (intermediate, parameters, letter) {
            // Mode 2026 delays the display during drawing; the result is the same.
            (Some(b'?'), [[2026]], 'h' | 'l') => {}
            // The usual colour of underlines.
            (None, [[59]], 'm') => {}
            // Device status report 6: the cursor position, from 1.
            (None, [[6]], 'n') => {
                let (row, column) = screen.cursor_position();
                self.answers.extend(format!("\x1b[{};{}R", row + 1, column + 1).bytes());
            }
            _ => self.side_effects.push(format!("CSI {parameters:?} {letter}")),
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, parameters: &[&[u8]]) {
        let parameters: Vec<_> = parameters.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
        self.side_effects.push(format!("OSC {parameters:?}"));
    }
}

/// A row or column count for the emulator, which allows no empty screen.
fn dimension(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has at least one row and one column")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Terminal {
        // Background jobs inherit ignored signals, so their default actions are restored.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT,QUIT", "sh", "-c", script]);
        Terminal::spawn("a shell script", command, VT100)
    }

    #[test]
    fn shows_what_a_person_sees() {
        let mut terminal = shell(r"printf 'wrong\033[5D\033[32mright\033[m\n'; exit 4");
        assert_eq!(terminal.wait(DEADLINE).code(), Some(4));
        let screen = terminal.screen();
        assert_eq!((screen.rows.len(), screen.rows[0].as_str(), screen.cursor), (24, "right", (1, 0)));
        assert!(terminal.transcript().contains("wrong") && !terminal.screen_contains("wrong"));
    }

    #[test]
    fn passes_keys_and_signals_of_the_keyboard() {
        let mut terminal = shell("read line; echo \"heard $line\"; exec cat");
        terminal.type_line("hello");
        terminal.wait_for_text(DEADLINE, "heard hello");
        terminal.type_text(key::CTRL_C);
        assert_eq!(terminal.wait(DEADLINE).signal(), Some(Signal::INT.as_raw()), "{terminal}");
    }

    #[test]
    fn has_the_size_it_was_given() {
        let mut terminal = shell("read line; stty size");
        terminal.resize(Size { rows: 5, columns: 132 });
        terminal.type_line("");
        terminal.wait(DEADLINE);
        assert!(terminal.screen_contains("5 132"), "{terminal}");
        assert_eq!(terminal.screen().rows.len(), 5);
    }

    #[test]
    fn answers_where_the_cursor_is() {
        let script = r"stty raw -echo; printf 'abc\033[6n'; dd bs=1 count=6 2>/dev/null | od -An -c; stty sane";
        let mut terminal = shell(script);
        terminal.wait(DEADLINE);
        assert!(terminal.screen_contains("033   [   1   ;   4   R"), "{terminal}");
    }

    #[test]
    fn tells_what_was_done_beside_text() {
        let mut terminal = shell(r"printf '\033]2;owned\007\007\033[21t'");
        terminal.wait(DEADLINE);
        assert_eq!(terminal.side_effects(), ["title \"owned\"", "bell", "CSI [[21]] t"]);
    }
}
