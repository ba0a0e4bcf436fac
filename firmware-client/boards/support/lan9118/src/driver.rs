//! The driver: sends and receives Ethernet frames.

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use trill_registers::Registers;

use crate::{INTERRUPT_ENABLE, Interrupt, NotFound};

// Register offsets: section 5.3 of the datasheet.
const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const RX_STATUS_PEEK: usize = 0x44;
const INTERRUPT_CONFIGURATION: usize = 0x54;
const INTERRUPT_STATUS: usize = 0x58;
const BYTE_TEST: usize = 0x64;
const FIFO_INTERRUPTS: usize = 0x68;
const TX_CONFIGURATION: usize = 0x70;
const HARDWARE_CONFIGURATION: usize = 0x74;
const RX_FIFO_INFORMATION: usize = 0x7c;
const TX_FIFO_INFORMATION: usize = 0x80;
const MAC_COMMAND: usize = 0xa4;
const MAC_DATA: usize = 0xa8;

// Indices of the MAC's registers: section 5.4.
const MAC_CONTROL: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;

/// The value of BYTE_TEST.
const BYTE_ORDER: u32 = 0x8765_4321;
/// A bit of the hardware configuration.
const SOFT_RESET: u32 = 1 << 0;
const SOFT_RESET_TIMED_OUT: u32 = 1 << 1;
const MUST_BE_ONE: u32 = 1 << 20;
/// 5 KiB of the 16 KiB are for transmission, as after a reset.
const TX_FIFO_5_KIB: u32 = 5 << 16;
/// Interrupt output: active high, push-pull.
const INTERRUPTS_ON: u32 = 1 << 8 | 1 << 4 | 1 << 0;
/// Interrupt: received frames are waiting.
const RX_LEVEL: u32 = 1 << 3;
/// Interrupt: the transmission FIFO has room.
const TX_AVAILABLE: u32 = 1 << 9;
/// Interrupt levels: more than 24 × 64 bytes of room; more than 0 frames waiting.
const INTERRUPT_LEVELS: u32 = 24 << 24;
/// Transmit, and discard the status of earlier transmissions.
const TX_ON: u32 = 1 << 2 | 1 << 1;
const MAC_BUSY: u32 = 1 << 31;
const MAC_READ: u32 = 1 << 30;
/// MAC control: full duplex, transmit, receive.
const MAC_ON: u32 = 1 << 20 | 1 << 3 | 1 << 2;
/// Bits in the status of a received frame.
const RX_ERROR: u32 = 1 << 15;
const FIRST_AND_LAST_SEGMENT: u32 = 1 << 13 | 1 << 12;

/// How often to poll for an event that takes at most 100 µs. A poll takes tens of nanoseconds.
const PATIENCE: usize = 100_000;

/// Largest frame, without its checksum.
const FRAME_BYTES: usize = 1514;
const FRAME_WORDS: usize = FRAME_BYTES.div_ceil(4);
const CHECKSUM_BYTES: usize = 4;
/// What a frame in the transmission FIFO takes besides its bytes: two command words and a word of padding.
const TX_OVERHEAD_BYTES: usize = 12;

/// Memory for one frame in each direction, 3 KB. A static of the board.
#[derive(Debug)]
pub struct Frames {
    received: [u8; FRAME_WORDS * 4],
    sent: [u8; FRAME_WORDS * 4],
}

impl Frames {
    /// Empty memory. It is all zero, so a static of it takes no flash.
    #[must_use]
    pub const fn new() -> Self {
        Self { received: [0; FRAME_WORDS * 4], sent: [0; FRAME_WORDS * 4] }
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

/// The LAN9118 as a device of embassy-net.
pub struct Lan9118 {
    registers: Registers,
    interrupt: &'static Interrupt,
    frames: &'static mut Frames,
    address: [u8; 6],
}

impl Lan9118 {
    /// Resets the controller and starts it with the MAC address from its EEPROM. The board unmasks the interrupt.
    ///
    /// # Errors
    /// [`NotFound`] if the controller does not answer.
    pub fn new(interrupt: &'static Interrupt, frames: &'static mut Frames) -> Result<Self, NotFound> {
        let registers = interrupt.registers;
        if registers.read(BYTE_TEST) != BYTE_ORDER {
            return Err(NotFound);
        }
        registers.write(HARDWARE_CONFIGURATION, SOFT_RESET);
        wait_until(|| registers.read(HARDWARE_CONFIGURATION) & (SOFT_RESET | SOFT_RESET_TIMED_OUT) == 0)?;
        registers.write(HARDWARE_CONFIGURATION, MUST_BE_ONE | TX_FIFO_5_KIB);
        registers.write(FIFO_INTERRUPTS, INTERRUPT_LEVELS);
        registers.write(INTERRUPT_ENABLE, 0);
        registers.write(INTERRUPT_CONFIGURATION, INTERRUPTS_ON);
        registers.write(TX_CONFIGURATION, TX_ON);
        let [a, b, c, d] = read_mac(registers, MAC_ADDRESS_LOW)?.to_le_bytes();
        let [e, f, ..] = read_mac(registers, MAC_ADDRESS_HIGH)?.to_le_bytes();
        write_mac(registers, MAC_CONTROL, MAC_ON)?;
        Ok(Self { registers, interrupt, frames, address: [a, b, c, d, e, f] })
    }

    /// Discards damaged frames until a good one is first. Returns whether there is one.
    fn find_frame(&self) -> bool {
        while self.registers.read(RX_FIFO_INFORMATION) >> 16 & 0xff > 0 {
            let status = self.registers.read(RX_STATUS_PEEK);
            if status & RX_ERROR == 0 && frame_bytes(status) <= FRAME_BYTES {
                return true;
            }
            let status = self.registers.read(RX_STATUS);
            for _ in 0..fifo_words(status) {
                let _ = self.registers.read(RX_DATA);
            }
        }
        false
    }

    fn is_room_to_send(&self) -> bool {
        self.registers.read(TX_FIFO_INFORMATION) as u16 as usize >= FRAME_BYTES + TX_OVERHEAD_BYTES
    }

    /// Returns whether `is_ready`. If not, wakes `context` when that may have changed.
    fn poll(&self, context: &Context<'_>, is_ready: impl Fn(&Self) -> bool) -> bool {
        if is_ready(self) {
            return true;
        }
        self.interrupt.waker.register(context.waker());
        self.registers.write(INTERRUPT_STATUS, RX_LEVEL | TX_AVAILABLE);
        // A frame may have come after the first check, and its interrupt has just been acknowledged.
        if is_ready(self) {
            return true;
        }
        let wanted = if self.is_room_to_send() { RX_LEVEL } else { RX_LEVEL | TX_AVAILABLE };
        self.registers.write(INTERRUPT_ENABLE, wanted);
        false
    }

    fn tokens(&mut self) -> (RxToken<'_>, TxToken<'_>) {
        let registers = self.registers;
        let Frames { received, sent } = self.frames;
        (RxToken { registers, frame: received }, TxToken { registers, frame: sent })
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(RxToken<'_>, TxToken<'_>)> {
        self.poll(context, |driver| driver.find_frame() && driver.is_room_to_send()).then(|| self.tokens())
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxToken<'_>> {
        self.poll(context, Self::is_room_to_send).then(|| self.tokens().1)
    }

    fn link_state(&mut self, _context: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_BYTES;
        // embassy-net would take a limit for the number of frames in flight, and shrink the TCP window to it.
        capabilities.max_burst_size = None;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// A received frame that waits in the controller.
pub struct RxToken<'a> {
    registers: Registers,
    frame: &'a mut [u8; FRAME_WORDS * 4],
}

impl embassy_net_driver::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, take: F) -> R {
        let status = self.registers.read(RX_STATUS);
        let (words, _) = self.frame.as_chunks_mut::<4>();
        let mut words = words.iter_mut();
        for _ in 0..fifo_words(status) {
            let word = self.registers.read(RX_DATA);
            // The frame fits; the checksum behind it may not.
            if let Some(place) = words.next() {
                *place = word.to_le_bytes();
            }
        }
        take(self.frame.get_mut(..frame_bytes(status)).unwrap_or_default())
    }
}

/// Room in the controller for a frame to send.
pub struct TxToken<'a> {
    registers: Registers,
    frame: &'a mut [u8; FRAME_WORDS * 4],
}

impl embassy_net_driver::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, put: F) -> R {
        let length = length.min(FRAME_BYTES);
        let (frame, _) = self.frame.split_at_mut(length.next_multiple_of(4));
        let result = put(frame.get_mut(..length).unwrap_or_default());
        self.registers.write(TX_DATA, FIRST_AND_LAST_SEGMENT | length as u32);
        self.registers.write(TX_DATA, length as u32);
        for word in frame.as_chunks::<4>().0 {
            self.registers.write(TX_DATA, u32::from_le_bytes(*word));
        }
        result
    }
}

/// Length of the frame with this status in bytes, without its checksum.
const fn frame_bytes(status: u32) -> usize {
    ((status >> 16 & 0x3fff) as usize).saturating_sub(CHECKSUM_BYTES)
}

/// Number of words that the frame with this status takes in the FIFO.
const fn fifo_words(status: u32) -> usize {
    ((status >> 16 & 0x3fff) as usize).div_ceil(4)
}

fn read_mac(registers: Registers, index: u32) -> Result<u32, NotFound> {
    registers.write(MAC_COMMAND, MAC_BUSY | MAC_READ | index);
    wait_until(|| registers.read(MAC_COMMAND) & MAC_BUSY == 0)?;
    Ok(registers.read(MAC_DATA))
}

fn write_mac(registers: Registers, index: u32, value: u32) -> Result<(), NotFound> {
    registers.write(MAC_DATA, value);
    registers.write(MAC_COMMAND, MAC_BUSY | index);
    wait_until(|| registers.read(MAC_COMMAND) & MAC_BUSY == 0)
}

fn wait_until(is_done: impl Fn() -> bool) -> Result<(), NotFound> {
    (0..PATIENCE).any(|_| is_done()).then_some(()).ok_or(NotFound)
}
