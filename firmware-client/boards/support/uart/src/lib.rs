//! A console on a serial port: what is typed arrives by interrupt in a small ring, what is printed waits, when it has to,
//! without keeping others from working.
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

/// Bytes that are typed ahead; the serial port holds back, or loses, what is more.
const TYPED_AHEAD_BYTES: usize = 64;

/// A serial port.
pub trait Uart {
    /// Switches it on, with interrupts for what is received.
    fn start(&self);

    /// The next byte received.
    fn take(&self) -> Option<u8>;

    /// Sends a byte; `false` when there is no room for it.
    fn put(&self, byte: u8) -> bool;

    /// Whether there is an interrupt when there is room again.
    fn interrupt_when_room(&self, is_wanted: bool);

    /// Ends the interrupt, until the next byte is received or sent.
    fn acknowledge(&self);
}

/// A console on a serial port. A static of the board's, for its interrupt has a hand in it.
pub struct Console<U> {
    uart: U,
    typed: Mutex<RefCell<Deque<u8, TYPED_AHEAD_BYTES>>>,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl<U: Uart> Console<U> {
    /// A console on this port, which is not switched on yet.
    #[must_use]
    pub const fn new(uart: U) -> Self {
        let typed = Mutex::new(RefCell::new(Deque::new()));
        Self { uart, typed, reader: AtomicWaker::new(), writer: AtomicWaker::new() }
    }

    /// Switches the port on. To unmask the interrupt is the board's. There may be one input and one output, ever.
    pub fn start(&'static self) -> (Input<U>, Output<U>) {
        self.uart.start();
        (Input(self), Output(self))
    }

    /// To be called by the interrupts of the port, of whichever kind.
    pub fn on_interrupt(&self) {
        self.uart.acknowledge();
        self.uart.interrupt_when_room(false);
        self.writer.wake();
        self.receive();
        self.reader.wake();
    }

    /// Moves to the ring what was received. What does not fit stays where it is, and comes along the next time.
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

/// What is typed. Losing a byte is no error: the user sees it.
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

/// What is printed.
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
            // Room may have come before the interrupt was wanted.
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
