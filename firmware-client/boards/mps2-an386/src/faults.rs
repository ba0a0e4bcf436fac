//! Faults: logs the address and ends the emulator.

#![expect(unsafe_code, reason = "exceptions are beyond what Rust can check")]

use cortex_m_rt::{ExceptionFrame, exception};

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("fault at {=u32:#x}", frame.pc());
    trill_semihosting::fail()
}
