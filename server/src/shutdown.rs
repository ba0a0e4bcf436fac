//! How the server is asked to end: Ctrl-C, or SIGTERM where there are signals. SIGHUP is left alone, for `nohup`.

#[cfg(unix)]
pub use unix::watch;
#[cfg(windows)]
pub use windows::watch;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    /// Calls `ask` when the server is asked to end. A second time the process ends at once, whatever it is doing.
    ///
    /// # Errors
    /// If signals cannot be caught.
    pub fn watch(ask: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let was_asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order, so that the first signal finds the flag unset. The status is the shell's for a signal.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&was_asked))?;
            flag::register(signal, Arc::clone(&was_asked))?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let wait = move || {
            if signals.forever().next().is_some() {
                ask();
            }
        };
        thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
    }
}

#[cfg(windows)]
mod windows {
    use std::io;

    /// Status of a process that Ctrl-C ended: STATUS_CONTROL_C_EXIT.
    const ENDED_BY_CTRL_C: i32 = 0xc000_013a_u32 as i32;

    /// Calls `ask` when the server is asked to end. A second time the process ends at once, whatever it is doing.
    ///
    /// # Errors
    /// If Ctrl-C cannot be caught.
    pub fn watch(ask: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut ask = Some(ask);
        let handler = move || match ask.take() {
            Some(ask) => ask(),
            None => std::process::exit(ENDED_BY_CTRL_C),
        };
        ctrlc::set_handler(handler).map_err(io::Error::other)
    }
}
