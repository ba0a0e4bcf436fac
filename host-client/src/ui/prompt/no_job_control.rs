//! For systems without job control, whose console restores its modes by itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use ratatui::crossterm::terminal::enable_raw_mode;

#[derive(Debug, Default)]
pub(super) struct Modes {
    is_editing: AtomicBool,
}

impl Modes {
    pub(super) fn of_stdin() -> Self {
        Self::default()
    }

    pub(super) fn on_editing(&self) {
        self.is_editing.store(true, SeqCst);
    }

    pub(super) fn on_edited(&self) {
        self.is_editing.store(false, SeqCst);
    }

    pub(super) fn is_editing(&self) -> bool {
        self.is_editing.load(SeqCst)
    }

    pub(super) fn restore(&self) {}
}

pub(super) fn is_foreground() -> bool {
    true
}

pub(super) fn has_input() -> bool {
    ratatui::crossterm::event::poll(std::time::Duration::ZERO).unwrap_or(true)
}

pub(super) fn pass_keys() -> io::Result<()> {
    enable_raw_mode()
}

pub(super) fn block_stops() -> io::Result<()> {
    Ok(())
}

pub(super) fn accept_stops() -> io::Result<()> {
    Ok(())
}

pub(super) fn stop() {}

pub(super) fn watch_continuations(_: Arc<Modes>, _: impl Fn() + Send + 'static) -> io::Result<()> {
    Ok(())
}
