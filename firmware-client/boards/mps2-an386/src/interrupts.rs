//! The board's interrupts, with the numbers of its application note, and their handlers.

#![expect(unsafe_code, reason = "exceptions and their masks are beyond what Rust can check")]

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;

use crate::{CONSOLE, ETHERNET, SOUND, TIME};

const UART_0_RECEIVE: usize = 0;
const UART_0_TRANSMIT: usize = 1;
const TIMER_0: usize = 8;
const DUAL_TIMER: usize = 10;
const ETHERNET_CONTROLLER: usize = 13;

/// A vector table that ends with the last interrupt in use. cortex-m-rt's own has 240 entries, 4 bytes of flash each.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [extern "C" fn(); ETHERNET_CONTROLLER + 1] = {
    let mut handlers: [extern "C" fn(); _] = [unused; ETHERNET_CONTROLLER + 1];
    handlers[UART_0_RECEIVE] = on_console;
    handlers[UART_0_TRANSMIT] = on_console;
    handlers[TIMER_0] = on_sound;
    handlers[DUAL_TIMER] = on_time;
    handlers[ETHERNET_CONTROLLER] = on_ethernet;
    handlers
};

/// Unmasks the interrupts. Their drivers must have been started.
pub(crate) fn unmask() {
    for number in [UART_0_RECEIVE, UART_0_TRANSMIT, TIMER_0, DUAL_TIMER, ETHERNET_CONTROLLER] {
        // SAFETY: critical sections here mask all interrupts, never single ones.
        unsafe { NVIC::unmask(Number(number as u16)) };
    }
}

extern "C" fn on_console() {
    CONSOLE.on_interrupt();
}

extern "C" fn on_sound() {
    SOUND.on_interrupt();
}

extern "C" fn on_time() {
    TIME.on_interrupt();
}

extern "C" fn on_ethernet() {
    ETHERNET.on_interrupt();
}

extern "C" fn unused() {
    defmt::error!("an interrupt without a handler");
    trill_semihosting::fail()
}

#[exception]
unsafe fn DefaultHandler(number: i16) {
    defmt::error!("exception {=i16}", number);
    trill_semihosting::fail()
}

#[derive(Clone, Copy)]
struct Number(u16);

// SAFETY: the number never changes, and is only made from those above.
unsafe impl InterruptNumber for Number {
    fn number(self) -> u16 {
        self.0
    }
}
