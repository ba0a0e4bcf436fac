//! The board's interrupts, their controller and their handlers.
//!
//! Numbers: *Motherboard Express µATX*, DUI 0447, section 4.1, in the order in which the *CoreTile Express A9x4*, DUI 0448,
//! passes them on. Registers: *Arm Generic Interrupt Controller Architecture Specification*, IHI 0048, chapter 4.

#![expect(unsafe_code, reason = "exceptions and their masks are beyond what Rust can check")]

use aarch32_cpu::register::Vbar;
use aarch32_rt::{exception, irq};
use trill_registers::Registers;

use crate::{CODEC, CONSOLE, ETHERNET, TIME, peripherals};

const TIMERS_0_AND_1: u32 = 34;
const UART_0: u32 = 37;
const AUDIO: u32 = 43;
const ETHERNET_CONTROLLER: u32 = 47;

const DISTRIBUTOR: Registers = peripherals::INTERRUPT_DISTRIBUTOR;
const DISTRIBUTOR_CONTROL: usize = 0x000;
const SET_ENABLE: usize = 0x100;
const TARGETS: usize = 0x800;

const CORE: Registers = peripherals::INTERRUPTS_OF_THE_CORE;
const CORE_CONTROL: usize = 0x00;
const PRIORITY_MASK: usize = 0x04;
const ACKNOWLEDGE: usize = 0x0c;
const END: usize = 0x10;

const ON: u32 = 1;
const ALL_PRIORITIES: u32 = 0xff;
const FIRST_CORE: u32 = 1;

unsafe extern "C" {
    static _vector_table: u32;
}

/// Unmasks the interrupts. Their drivers must have been started.
pub(crate) fn unmask() {
    // SAFETY: the table is aarch32-rt's, with the alignment that the register needs.
    unsafe { Vbar::write(Vbar((&raw const _vector_table).addr() as u32)) };
    for number in [TIMERS_0_AND_1, UART_0, AUDIO, ETHERNET_CONTROLLER] {
        let index = number as usize;
        let targets = TARGETS + index / 4 * 4;
        DISTRIBUTOR.write(targets, DISTRIBUTOR.read(targets) | FIRST_CORE << (number % 4 * 8));
        DISTRIBUTOR.write(SET_ENABLE + index / 32 * 4, 1 << (number % 32));
    }
    CORE.write(PRIORITY_MASK, ALL_PRIORITIES);
    CORE.write(CORE_CONTROL, ON);
    DISTRIBUTOR.write(DISTRIBUTOR_CONTROL, ON);
    // SAFETY: called outside of critical sections.
    unsafe { aarch32_cpu::interrupt::enable() };
}

#[irq]
fn serve() {
    let acknowledged = CORE.read(ACKNOWLEDGE);
    match acknowledged & 0x3ff {
        TIMERS_0_AND_1 => TIME.on_interrupt(),
        UART_0 => CONSOLE.on_interrupt(),
        AUDIO => CODEC.on_interrupt(),
        ETHERNET_CONTROLLER => ETHERNET.on_interrupt(),
        // Spurious: the interrupt ended before it was served.
        _ => return,
    }
    CORE.write(END, acknowledged);
}

// The attribute names the argument `addr`; the name here has no effect.

#[exception(Undefined)]
fn undefined(addr: usize) -> ! {
    panic!("undefined instruction at {addr:#x}");
}

#[exception(PrefetchAbort)]
fn prefetch_abort(addr: usize) -> ! {
    panic!("nothing to execute at {addr:#x}");
}

#[exception(DataAbort)]
fn data_abort(addr: usize) -> ! {
    panic!("no such data for the instruction at {addr:#x}");
}
