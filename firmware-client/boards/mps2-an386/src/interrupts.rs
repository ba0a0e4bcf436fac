//! The interrupts of the board, by the numbers of its application note, and who serves them.

#![expect(unsafe_code, reason = "exceptions and their masks are beyond what Rust can check")]

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;

use crate::{CONSOLE, ETHERNET, SOUND, TIME};

const UART_0_RECEIVE: u16 = 0;
const UART_0_TRANSMIT: u16 = 1;
const TIMER_0: u16 = 8;
const DUAL_TIMER: u16 = 10;
const ETHERNET_CONTROLLER: u16 = 13;

/// Lets them come. What they serve has to be started.
pub(crate) fn unmask() {
    for number in [UART_0_RECEIVE, UART_0_TRANSMIT, TIMER_0, DUAL_TIMER, ETHERNET_CONTROLLER] {
        // SAFETY: critical sections here mask all interrupts, and none by its number.
        unsafe { NVIC::unmask(Number(number)) };
    }
}

/// All of them, so that no vector table of the board's own is needed.
#[exception]
unsafe fn DefaultHandler(number: i16) {
    match number as u16 {
        UART_0_RECEIVE | UART_0_TRANSMIT => CONSOLE.on_interrupt(),
        TIMER_0 => SOUND.on_interrupt(),
        DUAL_TIMER => TIME.on_interrupt(),
        ETHERNET_CONTROLLER => ETHERNET.on_interrupt(),
        _ => {
            defmt::error!("exception {=i16}", number);
            trill_semihosting::fail()
        }
    }
}

#[derive(Clone, Copy)]
struct Number(u16);

// SAFETY: it is what it says, always, and only made of the numbers above.
unsafe impl InterruptNumber for Number {
    fn number(self) -> u16 {
        self.0
    }
}
