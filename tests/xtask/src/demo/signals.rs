//! Handles and sends terminating signals, so that the demo can stop its server first.
//!
//! Outside Unix only Ctrl-C exists, and every program of the console receives it.

#[cfg(unix)]
pub(super) use unix::{CAN_TERMINATE, detach, is_from_keyboard, terminate, watch};

#[cfg(not(unix))]
pub(super) use other::{CAN_TERMINATE, detach, is_from_keyboard, terminate, watch};

#[cfg(unix)]
mod unix {
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    use std::sync::mpsc::Sender;
    use std::thread;

    use rustix::process::{Pid, Signal, kill_process};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;

    use crate::demo::Event;
    use crate::error::Error;

    /// Whether [`terminate`] works on this system.
    pub(in crate::demo) const CAN_TERMINATE: bool = true;

    /// Turns these signals into events.
    pub(in crate::demo) fn watch(events: Sender<Event>) -> Result<(), Error> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]).map_err(Error::io("handling signals"))?;
        thread::spawn(move || signals.forever().try_for_each(|signal| events.send(Event::Signal(signal))));
        Ok(())
    }

    /// Whether the terminal sends this signal to every foreground program.
    pub(in crate::demo) fn is_from_keyboard(signal: i32) -> bool {
        matches!(signal, SIGINT | SIGQUIT)
    }

    /// Starts the command in a process group of its own, out of reach of the terminal's signals.
    pub(in crate::demo) fn detach(command: &mut Command) {
        command.process_group(0);
    }

    /// Sends SIGTERM to a child that was not waited for.
    pub(in crate::demo) fn terminate(child_id: u32) {
        if let Some(pid) = i32::try_from(child_id).ok().and_then(Pid::from_raw) {
            // It fails only if the child has already ended.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::process::Command;
    use std::sync::mpsc::Sender;

    use crate::demo::Event;
    use crate::error::Error;

    pub(in crate::demo) const CAN_TERMINATE: bool = false;

    pub(in crate::demo) fn watch(_events: Sender<Event>) -> Result<(), Error> {
        Ok(())
    }

    pub(in crate::demo) fn is_from_keyboard(_signal: i32) -> bool {
        false
    }

    pub(in crate::demo) fn detach(_command: &mut Command) {}

    pub(in crate::demo) fn terminate(_child_id: u32) {}
}
