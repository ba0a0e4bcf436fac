//! A console on a serial port. Typed bytes go into a small ring by interrupt. Output waits for room without blocking other
//! tasks.
//!
//! ```text
//!   interrupt ──▶ Uart::take ──▶ ring ──▶ Input (Read)
//!                 Uart::put  ◀─────────── Output (Write)
//! ```

#![no_std]
#![forbid(unsafe_code)]

mod cmsdk;
mod pl011;

pub use cmsdk::Cmsdk;
pub use pl011::Pl011;

use core::cell::RefCell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;

use critical_section::Mutex;
use embassy_sync::waitqueue::AtomicWaker;
use embedded_io_async::{ErrorType, Read, Write};
use heapless::Deque;

/// Bytes that can be typed ahead. The serial port keeps further bytes, or loses them.
const TYPED_AHEAD_BYTES: usize = 64;

/// A serial port.
pub trait Uart {
    /// Switches the port on, with interrupts for received bytes.
    fn start(&self);

    /// The next received byte.
    fn take(&self) -> Option<u8>;

    /// Sends a byte. Returns `false` if there is no room for it.
    fn put(&self, byte: u8) -> bool;

    /// Sets whether an interrupt comes when there is room again.
    fn interrupt_when_room(&self, is_wanted: bool);

    /// Acknowledges the interrupt. The next one comes with the next byte received or sent.
    fn acknowledge(&self);
}

/// A console on a serial port. A static of the board, because the interrupt uses it too.
pub struct Console<U> {
    uart: U,
    typed: Mutex<RefCell<Deque<u8, TYPED_AHEAD_BYTES>>>,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl<U: Uart> Console<U> {
    /// A console on this port. [`start`](Self::start) switches the port on.
    #[must_use]
    pub const fn new(uart: U) -> Self {
        let typed = Mutex::new(RefCell::new(Deque::new()));
        Self { uart, typed, reader: AtomicWaker::new(), writer: AtomicWaker::new() }
    }

    /// Switches the port on. The board unmasks the interrupt. Call it once: there is one input and one output.
    pub fn start(&'static self) -> (Input<U>, Output<U>) {
        self.uart.start();
        (Input(self), Output(self))
    }

    /// Every interrupt of the port calls this.
    pub fn on_interrupt(&self) {
        self.uart.acknowledge();
        self.uart.interrupt_when_room(false);
        self.writer.wake();
        self.receive();
        self.reader.wake();
    }

    /// Moves received bytes to the ring. Bytes that do not fit stay in the port until the next call.
    fn receive(&self) {
        critical_section::with(|section| {
            let mut typed = self.typed.borrow_ref_mut(section);
            while !typed.is_full()
                && let Some(byte) = self.uart.take()
            {
                let _ = typed.push_back(byte);
            }
        });
    }

    fn read(&self, out: &mut [u8]) -> usize {
        self.receive();
        critical_section::with(|section| {
            let mut typed = self.typed.borrow_ref_mut(section);
            let count = out.len().min(typed.len());
            for (place, byte) in out.iter_mut().zip(core::iter::from_fn(|| typed.pop_front())) {
                *place = byte;
            }
            count
        })
    }

    fn write(&self, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| self.uart.put(**byte)).count()
    }
}

/// The typed bytes. A lost byte is not an error: the user sees that it is missing.
pub struct Input<U: 'static>(&'static Console<U>);

impl<U> ErrorType for Input<U> {
    type Error = Infallible;
}

impl<U: Uart> Read for Input<U> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            self.0.reader.register(context.waker());
            match self.0.read(out) {
                0 if !out.is_empty() => Poll::Pending,
                count => Poll::Ready(Ok(count)),
            }
        })
        .await
    }
}

/// The console's output.
pub struct Output<U: 'static>(&'static Console<U>);

impl<U> ErrorType for Output<U> {
    type Error = Infallible;
}

impl<U: Uart> Write for Output<U> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            let console = self.0;
            let count = console.write(bytes);
            if count > 0 || bytes.is_empty() {
                return Poll::Ready(Ok(count));
            }
            console.writer.register(context.waker());
            console.uart.interrupt_when_room(true);
            // Room may have come before the interrupt was enabled.
            match console.write(bytes) {
                0 => Poll::Pending,
                count => Poll::Ready(Ok(count)),
            }
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
