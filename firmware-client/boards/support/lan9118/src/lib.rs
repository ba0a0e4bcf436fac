//! The SMSC LAN9118 Ethernet controller, for embassy-net.
//!
//! Registers: *LAN9118 High Performance Single-Chip 10/100 Non-PCI Ethernet Controller* datasheet, section 5.3; its MAC's,
//! reached through two of them, section 5.4. The chip keeps frames in FIFOs of its own, which the processor reads and writes
//! by words; one frame at a time is copied here.
//!
//! The link is taken to be up: without a cable nothing is heard, and that is what everybody above copes with.

#![no_std]
#![forbid(unsafe_code)]

mod driver;

pub use driver::{Frames, Lan9118, RxToken, TxToken};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use trill_registers::Registers;

/// Bytes of registers.
pub const REGISTERS_BYTES: usize = 0x100;

const INTERRUPT_ENABLE: usize = 0x5c;

/// What the interrupt has of the controller: a static of the board's.
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

    /// To be called by the interrupt, which is level-triggered.
    pub fn on_interrupt(&self) {
        // Until the driver has looked at what there is.
        self.registers.write(INTERRUPT_ENABLE, 0);
        self.waker.wake();
    }
}

/// There is no LAN9118 at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;
