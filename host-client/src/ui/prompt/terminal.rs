//! The modes of the terminal while a line is edited. The program restores the shell's modes when it ends and sets its own
//! modes again when it continues after a stop.
//!
//! For Ctrl-Z rustyline leaves raw mode, raises SIGTSTP, and enters raw mode again. This works only if the signal stops the
//! thread that raised it before that thread goes on, so all other threads [block it](block_stops). Other processes can stop
//! this one too, even with a signal that cannot be caught. The shell changes the modes then. So the modes are set again
//! [whenever the process continues](watch_continuations).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use signal_hook::consts::SIGCONT;
use signal_hook::iterator::Signals;

/// The terminal's modes. Errors are ignored: they mean that the terminal has hung up.
#[derive(Debug)]
pub(super) struct Modes {
    original: Option<Termios>,
    /// The modes that the line editor has set; `None` between lines.
    editing: Mutex<Option<Termios>>,
}

impl Modes {
    /// Remembers the modes that the shell has set.
    pub(super) fn of_stdin() -> Self {
        Self { original: tcgetattr(io::stdin()).ok(), editing: Mutex::default() }
    }

    /// Stores the modes that the line editor has set.
    pub(super) fn on_editing(&self) {
        let mut editing = self.editing();
        if editing.is_none() {
            *editing = tcgetattr(io::stdin()).ok();
        }
    }

    /// Forgets those modes, because the line editor has returned.
    pub(super) fn on_edited(&self) {
        *self.editing() = None;
    }

    /// Whether the line editor is active.
    pub(super) fn is_editing(&self) -> bool {
        self.editing().is_some()
    }

    /// Sets the line editor's modes again if it is active. This stops a process in the background.
    fn resume(&self) {
        if let Some(modes) = &*self.editing() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
        }
    }

    /// Restores the modes that the shell had set.
    pub(super) fn restore(&self) {
        if let Some(modes) = &self.original {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
        }
    }

    fn editing(&self) -> MutexGuard<'_, Option<Termios>> {
        // Plain values cannot be left half changed by a panic.
        self.editing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this process may read from the terminal and change its modes. One in the background is stopped if it tries.
pub(super) fn is_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// Whether keys are waiting to be read.
pub(super) fn has_input() -> bool {
    let stdin = io::stdin();
    poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Makes the terminal pass each key at once. Ctrl-C is still a signal: it ends the program even while that does something
/// else, and the shell gets it, too.
pub(super) fn pass_keys() -> io::Result<()> {
    let mut modes = tcgetattr(io::stdin())?;
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    for code in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
        // 0 is no key on Linux. It is Ctrl-@ elsewhere, which nobody presses.
        modes.special_codes[code] = 0;
    }
    Ok(tcsetattr(io::stdin(), OptionalActions::Now, &modes)?)
}

/// Blocks SIGTSTP in this thread and in threads that it starts later.
pub(super) fn block_stops() -> io::Result<()> {
    Ok(SigSet::from(Signal::SIGTSTP).thread_block()?)
}

/// Lets SIGTSTP stop the process through this thread.
pub(super) fn accept_stops() -> io::Result<()> {
    Ok(SigSet::from(Signal::SIGTSTP).thread_unblock()?)
}

/// Stops the process until it is continued, through this thread, which must [accept](accept_stops) it.
pub(super) fn stop() {
    // It cannot fail: the signal exists.
    let _ = raise(Signal::SIGTSTP);
}

/// Sets the line editor's modes again whenever the process is continued, and then calls `on_continued`.
pub(super) fn watch_continuations(modes: Arc<Modes>, on_continued: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut continuations = Signals::new([SIGCONT])?;
    let watch = move || {
        for _ in &mut continuations {
            modes.resume();
            // The size may have changed meanwhile. Only the foreground process gets SIGWINCH.
            let _ = kill(Pid::this(), Signal::SIGWINCH);
            on_continued();
        }
    };
    thread::Builder::new().name("job control".into()).spawn(watch).map(drop)
}
