//! Signals of POSIX.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use super::EndSignal;

pub(crate) fn name(signal: i32) -> &'static str {
    low_level::signal_name(signal).unwrap_or("a signal")
}

pub(crate) fn die(signal: i32) -> ! {
    // Does not return for a signal that ends a process by default.
    let _ = low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

pub(crate) fn watch(grace: Duration, on_signal: impl FnOnce(EndSignal) + Send + 'static) -> io::Result<()> {
    let watched: Vec<_> = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let was_asked = Arc::new(AtomicBool::new(false));
    for &signal in watched.iter().filter(|signal| **signal != SIGHUP) {
        // In this order, so that the first signal finds the flag unset.
        flag::register_conditional_default(signal, was_asked.clone())?;
        flag::register(signal, was_asked.clone())?;
    }
    let mut signals = Signals::new(watched)?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            on_signal(EndSignal(signal));
            thread::sleep(grace);
            die(signal);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

pub(crate) fn fail_writes_at_file_size_limit() -> io::Result<()> {
    // With any handler, the write fails with EFBIG.
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Whether the program was started with `signal` ignored.
#[allow(unsafe_code)]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: `sigaction` is a C struct of integers and pointers, which may be zero. Without a new action the call only
    // writes the present one to `current`, which lives long enough.
    let current = unsafe {
        let mut current: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &mut current) == 0).then_some(current)
    };
    current.is_some_and(|action| action.sa_sigaction == libc::SIG_IGN)
}
