//! The peripherals that this program drives. Addresses: *Motherboard Express µATX Technical
//! Reference Manual*, DUI 0447, section 4.2, in the legacy memory map; those of the interrupt controller: *CoreTile Express A9x4*,
//! DUI 0448, section 4.2.

#![expect(unsafe_code, reason = "who names an address vouches for it")]

use trill_registers::Registers;

use trill_uart::Pl011;

use crate::codec;

// SAFETY: device registers, by the manual.
pub(crate) const AUDIO: Registers = unsafe { Registers::new(0x1000_4000, codec::REGISTERS_BYTES) };

// SAFETY: device registers, by the manual.
pub(crate) const UART_0: Registers = unsafe { Registers::new(0x1000_9000, Pl011::REGISTERS_BYTES) };

// SAFETY: device registers, by the manual.
pub(crate) const TIMERS_0_AND_1: Registers = unsafe { Registers::new(0x1001_1000, trill_dual_timer::REGISTERS_BYTES) };

// SAFETY: device registers, by the manual.
pub(crate) const INTERRUPTS_OF_THE_CORE: Registers = unsafe { Registers::new(0x1e00_0100, 0x100) };

// SAFETY: device registers, by the manual.
pub(crate) const INTERRUPT_DISTRIBUTOR: Registers = unsafe { Registers::new(0x1e00_1000, 0x1000) };

// SAFETY: device registers, by the manual.
pub(crate) const ETHERNET: Registers = unsafe { Registers::new(0x4e00_0000, trill_lan9118::REGISTERS_BYTES) };
