//! How much of the stack was ever used, by how much of its paint is left, and the console command [`memory`](Memory) that
//! tells.
//!
//! The linker script says where the stack is: from `_stack_end`, its lowest address, to `_stack_start`.

#![no_std]
#![expect(unsafe_code, reason = "the stack is nobody's memory in Rust's eyes")]

use core::fmt;

use trill_firmware::board::Commands;

/// What untouched words hold. That of cortex-m-rt's feature `paint-stack`, which paints before anything else runs.
const PAINT: u32 = 0xcccc_cccc;

/// Words below [`paint`]'s frame that it leaves alone: more than an interrupt pushes meanwhile.
const MARGIN_WORDS: usize = 64;

unsafe extern "C" {
    static mut _stack_end: u32;
    static mut _stack_start: u32;
}

/// Paints what is free of the stack, where the runtime does not do it. To be called first in `main`.
#[inline(never)]
pub fn paint() {
    let frame = 0_u32;
    let end = (&raw const frame).cast_mut().wrapping_sub(MARGIN_WORDS);
    let mut word = &raw mut _stack_end;
    while word < end {
        // SAFETY: inside of the stack and below everything that is on it.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// The most bytes of stack that were ever in use.
#[must_use]
pub fn peak_bytes() -> usize {
    let end = &raw mut _stack_start;
    let mut word = &raw mut _stack_end;
    // SAFETY: inside of the stack, whose words can always be read.
    while word < end && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    end.addr() - word.addr()
}

/// Bytes of stack that there are.
#[must_use]
pub fn size_bytes() -> usize {
    (&raw mut _stack_start).addr() - (&raw mut _stack_end).addr()
}

/// The console command `memory`, which tells how much of the stack was ever in use.
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
