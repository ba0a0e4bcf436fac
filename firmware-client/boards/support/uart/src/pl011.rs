//! Arm's PL011. Registers: *PrimeCell UART (PL011) Technical Reference Manual*, DDI 0183, chapter 3.

use trill_registers::Registers;

use crate::Uart;

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const BAUD_WHOLE: usize = 0x24;
const BAUD_FRACTION: usize = 0x28;
const LINE_CONTROL: usize = 0x2c;
const CONTROL: usize = 0x30;
const INTERRUPT_MASK: usize = 0x38;
const INTERRUPT_CLEAR: usize = 0x44;

/// Bits of the flags.
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
/// Line control: 8 bits, FIFOs of 16 bytes.
const EIGHT_BITS_AND_FIFOS: u32 = 0b11 << 5 | 1 << 4;
/// Control: enable, transmit, receive.
const ON: u32 = 1 << 0 | 1 << 8 | 1 << 9;
/// Interrupts for received bytes: the FIFO is half full, or bytes have waited for a while.
const RECEIVE_INTERRUPTS: u32 = 1 << 4 | 1 << 6;
const TRANSMIT_INTERRUPT: u32 = 1 << 5;
const ALL_INTERRUPTS: u32 = 0x7ff;

/// Arm's PL011 UART.
#[derive(Clone, Copy, Debug)]
pub struct Pl011 {
    registers: Registers,
    /// Clock cycles for a sixteenth of a bit, in 64ths of a cycle.
    baud_divider: u32,
}

impl Pl011 {
    /// Size of the register block in bytes.
    pub const REGISTERS_BYTES: usize = 0x48;

    /// A UART with this clock in Hz, at 115,200 baud.
    #[must_use]
    pub const fn new(registers: Registers, clock: u32) -> Self {
        Self { registers, baud_divider: clock * 4 / 115_200 }
    }
}

impl Uart for Pl011 {
    fn start(&self) {
        self.registers.write(CONTROL, 0);
        self.registers.write(BAUD_WHOLE, self.baud_divider / 64);
        self.registers.write(BAUD_FRACTION, self.baud_divider % 64);
        self.registers.write(LINE_CONTROL, EIGHT_BITS_AND_FIFOS);
        self.registers.write(INTERRUPT_CLEAR, ALL_INTERRUPTS);
        self.registers.write(INTERRUPT_MASK, RECEIVE_INTERRUPTS);
        self.registers.write(CONTROL, ON);
    }

    fn take(&self) -> Option<u8> {
        (self.registers.read(FLAGS) & RECEIVE_EMPTY == 0).then(|| self.registers.read(DATA) as u8)
    }

    fn put(&self, byte: u8) -> bool {
        let has_room = self.registers.read(FLAGS) & TRANSMIT_FULL == 0;
        if has_room {
            self.registers.write(DATA, u32::from(byte));
        }
        has_room
    }

    fn interrupt_when_room(&self, is_wanted: bool) {
        let mask = if is_wanted { RECEIVE_INTERRUPTS | TRANSMIT_INTERRUPT } else { RECEIVE_INTERRUPTS };
        self.registers.write(INTERRUPT_MASK, mask);
    }

    fn acknowledge(&self) {
        self.registers.write(INTERRUPT_CLEAR, ALL_INTERRUPTS);
    }
}
