//! The UART of Arm's Cortex-M System Design Kit. Registers: its *Technical Reference Manual*, DDI 0479, section 4.3.

use trill_registers::Registers;

use crate::Uart;

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CONTROL: usize = 0x08;
const INTERRUPT_CLEAR: usize = 0x0c;
const BAUD_DIVIDER: usize = 0x10;

/// Bits of the state.
const TRANSMIT_FULL: u32 = 1 << 0;
const RECEIVE_FULL: u32 = 1 << 1;
/// Control: transmit, receive, interrupt after each received byte.
const ON: u32 = 1 << 0 | 1 << 1 | 1 << 3;
/// Control: interrupt after each sent byte.
const TRANSMIT_INTERRUPT: u32 = 1 << 2;
/// Interrupts for received bytes, sent bytes and overruns.
const ALL_INTERRUPTS: u32 = 0xf;

/// The UART of Arm's Cortex-M System Design Kit: one byte deep in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Cmsdk {
    registers: Registers,
    baud_divider: u32,
}

impl Cmsdk {
    /// Size of the register block in bytes.
    pub const REGISTERS_BYTES: usize = 0x14;

    /// A UART with this clock in Hz, at 115,200 baud.
    #[must_use]
    pub const fn new(registers: Registers, clock: u32) -> Self {
        Self { registers, baud_divider: clock / 115_200 }
    }
}

impl Uart for Cmsdk {
    fn start(&self) {
        self.registers.write(BAUD_DIVIDER, self.baud_divider);
        self.registers.write(CONTROL, ON);
    }

    fn take(&self) -> Option<u8> {
        (self.registers.read(STATE) & RECEIVE_FULL != 0).then(|| self.registers.read(DATA) as u8)
    }

    fn put(&self, byte: u8) -> bool {
        let has_room = self.registers.read(STATE) & TRANSMIT_FULL == 0;
        if has_room {
            self.registers.write(DATA, u32::from(byte));
        }
        has_room
    }

    fn interrupt_when_room(&self, is_wanted: bool) {
        self.registers.write(CONTROL, if is_wanted { ON | TRANSMIT_INTERRUPT } else { ON });
    }

    fn acknowledge(&self) {
        self.registers.write(INTERRUPT_CLEAR, ALL_INTERRUPTS);
    }
}
