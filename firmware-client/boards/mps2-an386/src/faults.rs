//! When the program is wrong: the address where, in the log, and an end.

#![expect(unsafe_code, reason = "exceptions are beyond what Rust can check")]

use cortex_m_rt::{ExceptionFrame, exception};

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("fault at {=u32:#x}", frame.pc());
    trill_semihosting::fail()
}
