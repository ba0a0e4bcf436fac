//! The peripherals that this program drives. Addresses: *Application Note AN386*, DAI 0386, chapter 4.

#![expect(unsafe_code, reason = "an address cannot be checked")]

use trill_registers::Registers;

use trill_uart::Cmsdk;

use crate::sound;

// SAFETY: device registers, by the manual.
pub(crate) const TIMER_0: Registers = unsafe { Registers::new(0x4000_0000, sound::REGISTERS_BYTES) };

// SAFETY: device registers, by the manual.
pub(crate) const DUAL_TIMER: Registers = unsafe { Registers::new(0x4000_2000, trill_dual_timer::REGISTERS_BYTES) };

// SAFETY: device registers, by the manual.
pub(crate) const UART_0: Registers = unsafe { Registers::new(0x4000_4000, Cmsdk::REGISTERS_BYTES) };

// SAFETY: device registers, by the manual.
pub(crate) const ETHERNET: Registers = unsafe { Registers::new(0x4020_0000, trill_lan9118::REGISTERS_BYTES) };
