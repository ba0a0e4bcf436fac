//! Measures the deepest use of the stack by the paint that is left, for the console command [`memory`](Memory).
//!
//! The linker script defines the stack: from `_stack_end`, its lowest address, to `_stack_start`.

#![no_std]
#![expect(unsafe_code, reason = "the stack is nobody's memory in Rust's eyes")]

use core::fmt;

use trill_firmware::board::Commands;

/// The value of untouched words. cortex-m-rt's feature `paint-stack` uses the same value, and paints before anything else.
const PAINT: u32 = 0xcccc_cccc;

/// Number of words below the frame of [`paint`] that stay unpainted: more than an interrupt pushes meanwhile.
const MARGIN_WORDS: usize = 64;

unsafe extern "C" {
    static mut _stack_end: u32;
    static mut _stack_start: u32;
}

/// Paints the free part of the stack, for a runtime that does not. Call it first in `main`.
#[inline(never)]
pub fn paint() {
    let frame = 0_u32;
    let end = (&raw const frame).cast_mut().wrapping_sub(MARGIN_WORDS);
    let mut word = &raw mut _stack_end;
    while word < end {
        // SAFETY: the word is in the stack, below everything on it.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// The deepest use of the stack so far, in bytes.
#[must_use]
pub fn peak_bytes() -> usize {
    let end = &raw mut _stack_start;
    let mut word = &raw mut _stack_end;
    // SAFETY: the word is in the stack, which can always be read.
    while word < end && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    end.addr() - word.addr()
}

/// The size of the stack in bytes.
#[must_use]
pub fn size_bytes() -> usize {
    (&raw mut _stack_start).addr() - (&raw mut _stack_end).addr()
}

/// The console command `memory`. It shows the deepest use of the stack so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

impl Commands for Memory {
    fn run(&mut self, line: &str, tell: &mut dyn FnMut(fmt::Arguments<'_>)) -> bool {
        let is_meant = line.eq_ignore_ascii_case("memory");
        if is_meant {
            tell(format_args!("stack: {} of {} bytes were in use at most", peak_bytes(), size_bytes()));
        }
        is_meant
    }

    fn help(&self, tell: &mut dyn FnMut(fmt::Arguments<'_>)) {
        tell(format_args!("memory tells how much of the stack was ever in use"));
    }
}
