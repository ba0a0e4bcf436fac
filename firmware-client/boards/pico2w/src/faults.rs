//! Panics and faults: logs them to the debug probe, if there is one, and restarts the board.

#![expect(unsafe_code, reason = "exceptions are beyond what Rust can check")]

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    restart()
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("fault at {=u32:#x}", frame.pc());
    restart()
}

fn restart() -> ! {
    defmt::flush();
    SCB::sys_reset()
}
