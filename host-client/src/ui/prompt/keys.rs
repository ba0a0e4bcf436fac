//! Reads single keys of the terminal.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::disable_raw_mode;

use super::screen::{Drawing, FLUSH, StatusRow};
use super::terminal::{self, Modes};
use super::{Input, Wanted};

/// Reads keys, in modes of the terminal that pass each at once.
pub(super) struct Keys {
    /// Sets those modes.
    set_modes: fn() -> io::Result<()>,
    modes: Arc<Modes>,
    draw: Sender<Drawing>,
    status: Arc<StatusRow>,
    is_reading: bool,
}

/// Whether this is Ctrl-Z. In these modes the terminal does not make it a signal.
fn is_stop(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers == KeyModifiers::CONTROL
}

impl Keys {
    pub(super) fn new(
        set_modes: fn() -> io::Result<()>,
        modes: Arc<Modes>,
        draw: Sender<Drawing>,
        status: Arc<StatusRow>,
    ) -> Self {
        Self { set_modes, modes, draw, status, is_reading: false }
    }

    /// Reads a key for each request.
    pub(super) fn read_all(mut self, wanted: &Receiver<Wanted>, on_input: &impl Fn(Input)) {
        // If this fails, Ctrl-Z has no effect.
        let _ = terminal::accept_stops();
        while wanted.recv().is_ok() {
            on_input(self.next());
        }
    }

    /// The next key, or a change of the terminal's size.
    pub(super) fn next(&mut self) -> Input {
        match self.read() {
            Ok(input) => input,
            Err(error) => Input::Failed(format!("cannot read from the terminal: {error}")),
        }
    }

    fn read(&mut self) -> io::Result<Input> {
        if !self.is_reading {
            (self.set_modes)()?;
            self.modes.on_editing();
            self.is_reading = true;
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

    /// Reads no more keys until the next call. Returns those that have come together with the last one.
    pub(super) fn end(&mut self) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        if mem::take(&mut self.is_reading) {
            // If the terminal cannot be read, the next reader finds out.
            while let Ok(true) = event::poll(Duration::ZERO)
                && let Ok(event) = event::read()
            {
                keys.extend(event.as_key_press_event());
            }
            let _ = disable_raw_mode();
            self.modes.on_edited();
        }
        keys
    }

    /// Stops the process, as Ctrl-Z does at the prompt. The shell gets a screen without the status row.
    fn stop(&self) {
        self.status.hide(true);
        let (done, left) = mpsc::channel();
        let _ = self.draw.send(Drawing::Stopping(done));
        // A halted terminal does not keep the process from stopping.
        let _ = left.recv_timeout(FLUSH);
        self.modes.restore();
        terminal::stop();
        self.status.hide(false);
        let _ = self.draw.send(Drawing::Prompt);
    }
}
