//! A peripheral's registers: the one place where a driver touches memory by its address.
//!
//! Whoever names a peripheral's address vouches for it once, in [`Registers::new`]; drivers are safe code from there on.

#![no_std]

/// A block of 32-bit registers.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    base: usize,
    bytes: usize,
}

impl Registers {
    /// The registers at `base`, `bytes` of them.
    ///
    /// # Safety
    /// For as long as the program runs, there are device registers from `base` to `base + bytes`, which may be read and
    /// written by words at any time without touching memory that belongs to Rust. `base` is a multiple of 4.
    #[must_use]
    #[expect(unsafe_code, reason = "the caller vouches for the address")]
    pub const unsafe fn new(base: usize, bytes: usize) -> Self {
        Self { base, bytes }
    }

    /// Reads the register at `offset` bytes.
    ///
    /// # Panics
    /// If there is none; the check is optimised away where offset and size are constants.
    #[inline(always)]
    #[must_use]
    #[expect(unsafe_code, reason = "reads a register")]
    pub fn read(self, offset: usize) -> u32 {
        // SAFETY: a register, as `new`'s caller vouches and `address` checks.
        unsafe { self.address(offset).read_volatile() }
    }

    /// Writes the register at `offset` bytes.
    ///
    /// # Panics
    /// If there is none, like [`read`](Self::read).
    #[inline(always)]
    #[expect(unsafe_code, reason = "writes a register")]
    pub fn write(self, offset: usize, value: u32) {
        // SAFETY: a register, as `new`'s caller vouches and `address` checks.
        unsafe { self.address(offset).write_volatile(value) }
    }

    #[inline(always)]
    fn address(self, offset: usize) -> *mut u32 {
        assert!(offset < self.bytes && offset.is_multiple_of(4), "no such register");
        core::ptr::with_exposed_provenance_mut(self.base + offset)
    }
}
