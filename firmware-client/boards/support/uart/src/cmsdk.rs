//! The UART of Arm's Cortex-M System Design Kit. Registers: its *Technical Reference Manual*, DDI 0479, section 4.3.

use trill_registers::Registers;

use crate::Uart;

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CONTROL: usize = 0x08;
const INTERRUPT_CLEAR: usize = 0x0c;
const BAUD_DIVIDER: usize = 0x10;

/// In the state.
const TRANSMIT_FULL: u32 = 1 << 0;
const RECEIVE_FULL: u32 = 1 << 1;
/// Transmit, receive, interrupt when a byte was received.
const ON: u32 = 1 << 0 | 1 << 1 | 1 << 3;
/// Interrupt when the byte to be sent has left.
const TRANSMIT_INTERRUPT: u32 = 1 << 2;
/// Of both kinds, and of overruns.
const ALL_INTERRUPTS: u32 = 0xf;

/// The UART of Arm's Cortex-M System Design Kit: one byte deep in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Cmsdk {
    registers: Registers,
    baud_divider: u32,
}

impl Cmsdk {
    /// Bytes of registers.
    pub const REGISTERS_BYTES: usize = 0x14;

    /// A UART of this clock, in Hz, at 115,200 baud.
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
