//! Services of an emulated board's host: arguments, random numbers, files for sound and logs, an exit.
//!
//! The calls are those of Arm's *Semihosting for AArch32 and AArch64*.

#![no_std]

mod logs;

pub use logs::log_to;

use core::ffi::CStr;
use core::panic::PanicInfo;

use semihosting::experimental::{env, random};
use semihosting::fs::File;
use semihosting::io::Write as _;

/// Longest command line and longest path in bytes.
const LINE_BYTES: usize = 512;

/// An iterator over the words of the command line, which the emulator's options give. The first word is the program's
/// name.
pub struct Arguments(Option<env::Args<LINE_BYTES>>);

impl Arguments {
    /// Asks the host. There are no arguments if the host has none, or if they are too long.
    #[must_use]
    pub fn ask() -> Self {
        Self(env::args().ok())
    }

    /// The next argument.
    pub fn take(&mut self) -> Option<&str> {
        self.0.as_ref()?.next()?.ok()
    }
}

/// Random bytes from the host; `None` if it has none.
#[must_use]
pub fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    random::fill_bytes(&mut bytes).ok()?;
    Some(bytes)
}

/// A file on the host for the sound: 16-bit samples, little-endian, left and right in turn.
pub struct SoundFile(File);

impl SoundFile {
    /// Creates or overwrites the file.
    ///
    /// # Errors
    /// [`NotWritten`] if the host does not write the file.
    pub fn create(path: &str) -> Result<Self, NotWritten> {
        create(path).map(Self)
    }

    /// Appends `frames`.
    ///
    /// # Errors
    /// [`NotWritten`] if the host does not write the file.
    pub fn write(&mut self, frames: &[[i16; 2]]) -> Result<(), NotWritten> {
        self.0.write_all(bytemuck::cast_slice(frames)).map_err(|_| NotWritten)
    }
}

/// The host does not write the file. Correct its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotWritten;

fn create(path: &str) -> Result<File, NotWritten> {
    let mut zero_terminated = [0; LINE_BYTES];
    zero_terminated.get_mut(..path.len()).ok_or(NotWritten)?.copy_from_slice(path.as_bytes());
    let path = CStr::from_bytes_until_nul(&zero_terminated).map_err(|_| NotWritten)?;
    File::create(path).map_err(|_| NotWritten)
}

/// Ends the emulator with the exit status of a failure.
pub fn fail() -> ! {
    semihosting::process::exit(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    fail()
}
