//! Console events of Windows.

use std::io;
use std::thread;
use std::time::Duration;

use super::EndSignal;

/// Exit status of a process that Ctrl-C ended: STATUS_CONTROL_C_EXIT.
const ENDED_BY_CTRL_C: i32 = 0xc000_013a_u32 as i32;

pub(crate) fn name(_: i32) -> &'static str {
    "Ctrl-C"
}

pub(crate) fn die(status: i32) -> ! {
    std::process::exit(status)
}

pub(crate) fn watch(grace: Duration, on_signal: impl FnOnce(EndSignal) + Send + 'static) -> io::Result<()> {
    let mut on_signal = Some(on_signal);
    let handler = move || {
        let Some(on_signal) = on_signal.take() else { die(ENDED_BY_CTRL_C) };
        on_signal(EndSignal(ENDED_BY_CTRL_C));
        thread::spawn(move || {
            thread::sleep(grace);
            die(ENDED_BY_CTRL_C);
        });
    };
    ctrlc::set_handler(handler).map_err(io::Error::other)
}

pub(crate) fn fail_writes_at_file_size_limit() -> io::Result<()> {
    // Windows has no such limit.
    Ok(())
}
