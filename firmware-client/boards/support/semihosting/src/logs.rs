//! Writes the logs of `defmt` to a file on the host, which `defmt-print` reads.
//!
//! The crate `defmt-semihosting` writes to the emulator's console instead. QEMU 7 sends that to its standard output, which
//! is the board's own console.

#![expect(unsafe_code, reason = "defmt's logger is one by contract: what it begins, it ends, with interrupts masked")]

use core::cell::UnsafeCell;

use critical_section::RestoreState;
use defmt::{Encoder, Logger};
use semihosting::fs::File;
use semihosting::io::Write as _;

use crate::{NotWritten, create};

/// Sends the logs to this file. Earlier logs are lost.
///
/// # Errors
/// [`NotWritten`] if the host does not write the file.
pub fn log_to(path: &str) -> Result<(), NotWritten> {
    let file = create(path)?;
    critical_section::with(|_| {
        // SAFETY: interrupts are masked, and no log is being written.
        unsafe { *STATE.file.get() = Some(file) };
    });
    Ok(())
}

static STATE: State = State {
    restore: UnsafeCell::new(RestoreState::invalid()),
    encoder: UnsafeCell::new(Encoder::new()),
    file: UnsafeCell::new(None),
};

struct State {
    restore: UnsafeCell<RestoreState>,
    encoder: UnsafeCell<Encoder>,
    file: UnsafeCell<Option<File>>,
}

// SAFETY: it is only used with interrupts masked, on one core.
unsafe impl Sync for State {}

impl State {
    /// # Safety
    /// Call it only between `acquire` and `release`.
    unsafe fn encode(&self, act: impl FnOnce(&mut Encoder, &mut dyn FnMut(&[u8]))) {
        // SAFETY: interrupts are masked, and defmt makes one call at a time.
        let (encoder, file) = unsafe { (&mut *self.encoder.get(), &mut *self.file.get()) };
        act(encoder, &mut |bytes| {
            if let Some(file) = file {
                // A log that cannot be written is lost.
                let _ = file.write_all(bytes);
            }
        });
    }
}

#[defmt::global_logger]
struct FileLogger;

// SAFETY: from `acquire` to `release` interrupts are masked, on the only core.
unsafe impl Logger for FileLogger {
    fn acquire() {
        // SAFETY: `release` ends the critical section, and defmt calls it after each `acquire`.
        let restore = unsafe { critical_section::acquire() };
        // SAFETY: interrupts are masked, and defmt does not log while it logs.
        unsafe {
            *STATE.restore.get() = restore;
            STATE.encode(|encoder, write| encoder.start_frame(write));
        }
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: defmt calls it after `acquire`, whose critical section this ends.
        unsafe {
            STATE.encode(|encoder, write| encoder.end_frame(write));
            critical_section::release(*STATE.restore.get());
        }
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: defmt calls it between `acquire` and `release`.
        unsafe { STATE.encode(|encoder, write| encoder.write(bytes, write)) };
    }
}
