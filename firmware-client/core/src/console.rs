//! The serial console: reads lines, executes them, shows the screen.

mod commands;

use core::fmt;
use core::time::Duration;

use embassy_futures::select::{Either, select};
use embedded_io_async::{Read, Write};
use trill_player::command::{self, Command, help_lines};

use self::commands::{execute, show};
use crate::ServerAddress;
use crate::board::{Clock, Commands};
use crate::line::{LINE_BYTES, Line, Typed};
use crate::remote::Remote;
use crate::state::State;

const PROMPT: &[u8] = b"> ";

/// Returns to the beginning of the line and erases it (ECMA-48: CR, EL).
const ERASE: &[u8] = b"\r\x1b[K";

/// Time until an unplugged console is read again.
const UNPLUGGED: Duration = Duration::from_secs(1);

/// What is left to do after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing: the screen has the answer, or will have it.
    Shown,
    /// The list of commands is to be written.
    Help,
}

/// Bytes written at once.
const OUTPUT_BYTES: usize = 64;

/// The console: a user of the [`Remote`] that types, and a screen that shows what happens.
///
/// Without it, a board is controlled by its remote alone, and what the screen would show is dropped.
pub struct Console<C, I, O, X> {
    remote: Remote<C>,
    input: I,
    output: O,
    commands: X,
    line: Line,
    /// The cursor is on the prompt's line.
    is_prompting: bool,
}

impl<C: Clock, I: Read, O: Write, X: Commands> Console<C, I, O, X> {
    /// A console that obeys the player's commands and the board's own `commands`; `()` if it has none.
    ///
    /// The `read` of `input` must lose nothing when it is dropped before it is done. There is one console at most.
    pub const fn new(remote: Remote<C>, input: I, output: O, commands: X) -> Self {
        Self { remote, input, output, commands, line: Line::new(), is_prompting: false }
    }

    /// Reads and shows lines for ever.
    pub async fn run(&mut self) -> ! {
        loop {
            self.show().await;
            let mut typed = [0; 16];
            match select(self.input.read(&mut typed), self.remote.shared.console.wait()).await {
                Either::First(Ok(count)) if count > 0 => self.take(typed.get(..count).unwrap_or_default()).await,
                Either::First(_) => self.remote.clock.wait(UNPLUGGED).await,
                Either::Second(()) => {}
            }
        }
    }

    async fn take(&mut self, typed: &[u8]) {
        for byte in typed {
            match self.line.take(*byte) {
                Typed::Nothing => {}
                Typed::Shown => {
                    self.is_prompting = true;
                    self.write(core::slice::from_ref(byte)).await;
                }
                Typed::Erased => self.write(b"\x08 \x08").await,
                typed @ (Typed::Cleared | Typed::Cancelled) => {
                    if typed == Typed::Cancelled {
                        self.remote.shared.with(State::cancel_questions);
                    }
                    self.is_prompting = true;
                    self.write(ERASE).await;
                    self.write(PROMPT).await;
                }
                Typed::Full => self.write(b"\x07").await,
                Typed::Whole => {
                    self.write(b"\r\n").await;
                    self.is_prompting = false;
                    // Empties the screen for the answer: parts of a long list may have filled it meanwhile.
                    self.print().await;
                    if self.execute() == Answer::Help {
                        self.help().await;
                    }
                    self.line.clear();
                    // Before the next line, so that its answer finds room.
                    self.show().await;
                }
            }
        }
    }

    /// Executes the line that was typed.
    fn execute(&mut self) -> Answer {
        let Self { remote, commands, line, .. } = self;
        if line.is_cut() {
            // Its beginning may be another command than the whole.
            show(remote.shared, format_args!("a line has at most {LINE_BYTES} characters"));
            return Answer::Shown;
        }
        let text = line.text().trim_ascii();
        let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
        let mut tell = |text: fmt::Arguments<'_>| show(remote.shared, text);
        if name.eq_ignore_ascii_case("server") {
            match argument.trim_ascii().parse::<ServerAddress>() {
                Ok(server) => remote.change_server(server),
                Err(error) => tell(format_args!("{error}: server attic:7455")),
            }
        } else if !commands.run(text, &mut tell) {
            match command::parse(text) {
                Ok(Some(Command::Help(None))) => return Answer::Help,
                Ok(Some(command)) => execute(remote, command),
                Ok(None) => {}
                Err(error) => tell(format_args!("{error}")),
            }
        }
        Answer::Shown
    }

    /// Writes a line for each command. The screen has no room for all of them at once.
    async fn help(&mut self) {
        for line in help_lines() {
            show(self.remote.shared, format_args!("{line}"));
            self.print().await;
        }
        show(self.remote.shared, format_args!("server HOST[:PORT] connects to another server"));
        self.commands.help(&mut |text| show(self.remote.shared, text));
    }

    /// Writes the screen's text above the line that is being typed.
    async fn show(&mut self) {
        // No prompt between the parts of a long answer.
        if !self.print().await {
            self.prompt().await;
        }
    }

    /// Writes the screen's text until none is left. Returns whether a part of an answer is still to come.
    async fn print(&mut self) -> bool {
        let mut output = [0; OUTPUT_BYTES];
        loop {
            let (count, is_answering) = self.remote.shared.with(|state| {
                let count = state.screen.take(&mut output).len();
                // The screen is empty: the next answer has room.
                if count == 0 && state.player.waits_to_ask() {
                    state.player.wake_network();
                }
                (count, state.player.is_answering())
            });
            if count == 0 {
                return is_answering;
            }
            if core::mem::take(&mut self.is_prompting) {
                self.write(ERASE).await;
            }
            for piece in output.get(..count).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
                match piece.strip_suffix(b"\n") {
                    Some(line) => {
                        self.write(line).await;
                        self.write(b"\r\n").await;
                    }
                    None => self.write(piece).await,
                }
            }
        }
    }

    async fn prompt(&mut self) {
        if !core::mem::replace(&mut self.is_prompting, true) {
            self.write(PROMPT).await;
            let Self { output, line, .. } = self;
            let _ = output.write_all(line.text().as_bytes()).await;
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        // Nobody reads an unplugged console.
        let _ = self.output.write_all(bytes).await;
    }
}
