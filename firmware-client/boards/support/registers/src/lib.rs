//! A peripheral's registers: the one place where a driver touches memory by its address.
//!
//! The caller of [`Registers::new`] guarantees that the address is right. After that, drivers are safe code.

#![no_std]

/// A block of 32-bit registers.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    base: usize,
    bytes: usize,
}

impl Registers {
    /// The block of `bytes` bytes at `base`.
    ///
    /// # Safety
    /// From `base` to `base + bytes` there are device registers for as long as the program runs. They may be read and
    /// written by words at any time, and no access touches memory that belongs to Rust. `base` is a multiple of 4.
    #[must_use]
    #[expect(unsafe_code, reason = "the caller vouches for the address")]
    pub const unsafe fn new(base: usize, bytes: usize) -> Self {
        Self { base, bytes }
    }

    /// Reads the register at `offset` bytes.
    ///
    /// # Panics
    /// If there is none. The compiler removes the check where offset and size are constants.
    #[inline(always)]
    #[must_use]
    #[expect(unsafe_code, reason = "reads a register")]
    pub fn read(self, offset: usize) -> u32 {
        // SAFETY: a register, as the caller of `new` guarantees and `address` checks.
        unsafe { self.address(offset).read_volatile() }
    }

    /// Writes the register at `offset` bytes.
    ///
    /// # Panics
    /// If there is none, as for [`read`](Self::read).
    #[inline(always)]
    #[expect(unsafe_code, reason = "writes a register")]
    pub fn write(self, offset: usize, value: u32) {
        // SAFETY: a register, as the caller of `new` guarantees and `address` checks.
        unsafe { self.address(offset).write_volatile(value) }
    }

    #[inline(always)]
    fn address(self, offset: usize) -> *mut u32 {
        assert!(offset < self.bytes && offset.is_multiple_of(4), "no such register");
        core::ptr::with_exposed_provenance_mut(self.base + offset)
    }
}
