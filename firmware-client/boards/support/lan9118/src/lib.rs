//! The SMSC LAN9118 Ethernet controller, for embassy-net.
//!
//! Registers: *LAN9118 High Performance Single-Chip 10/100 Non-PCI Ethernet Controller* datasheet, section 5.3. The MAC's
//! registers, which are reached through two of them: section 5.4. The chip keeps frames in its own FIFOs. The processor reads
//! and writes the FIFOs by words and copies one frame at a time.
//!
//! The link always counts as up. Without a cable no frame arrives, and the layers above handle that.

#![no_std]
#![forbid(unsafe_code)]

mod driver;

pub use driver::{Frames, Lan9118, RxToken, TxToken};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use trill_registers::Registers;

/// Size of the register block in bytes.
pub const REGISTERS_BYTES: usize = 0x100;

const INTERRUPT_ENABLE: usize = 0x5c;

/// The interrupt's side of the controller. A static of the board.
pub struct Interrupt {
    registers: Registers,
    waker: GenericAtomicWaker<CriticalSectionRawMutex>,
}

impl Interrupt {
    /// The interrupt of the controller at `registers`.
    #[must_use]
    pub const fn new(registers: Registers) -> Self {
        Self { registers, waker: GenericAtomicWaker::new(CriticalSectionRawMutex::new()) }
    }

    /// The interrupt calls this. It is level-triggered.
    pub fn on_interrupt(&self) {
        // The driver enables interrupts again after it has read the status.
        self.registers.write(INTERRUPT_ENABLE, 0);
        self.waker.wake();
    }
}

/// There is no LAN9118 at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;
