//! An embassy executor that sleeps by WFI and measures the processor's load.
//!
//! embassy's own executor sleeps by WFE. On a Cortex-M, QEMU's WFE returns at once, so an idle board would keep a core of
//! the host busy.

#![no_std]

mod load;

pub use load::{Load, lap};

use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Release};

use embassy_executor::{Spawner, raw};

/// A task was woken since the executor last went to sleep.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// Runs tasks, and sleeps while none is ready.
pub struct Executor(raw::Executor);

impl Executor {
    /// An executor without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self(raw::Executor::new(core::ptr::null_mut()))
    }

    /// Runs the tasks that `spawn` spawns, for ever.
    pub fn run(&'static mut self, spawn: impl FnOnce(Spawner)) -> ! {
        let executor = &self.0;
        call(spawn, executor.spawner());
        loop {
            #[expect(
                unsafe_code,
                reason = "the raw executor leaves it to its caller not to poll it from within itself"
            )]
            // SAFETY: no task can call it: `run` has the only reference.
            unsafe {
                executor.poll();
            }
            sleep_until_woken();
        }
    }
}

/// Not inlined: otherwise its locals would stay on the stack for as long as the executor runs.
#[inline(never)]
fn call(spawn: impl FnOnce(Spawner), spawner: Spawner) {
    spawn(spawner);
}

impl Default for Executor {
    fn default() -> Self {
        Self::new()
    }
}

/// Sleeps until an interrupt, unless a task was woken in the meantime.
///
/// Interrupts are masked from the check to the WFI, so that none is missed in between. A masked interrupt ends WFI too
/// (Armv7-M Architecture Reference Manual B1.5.19, Armv7-A B1.8.14). It is served once interrupts are unmasked.
fn sleep_until_woken() {
    critical_section::with(|section| {
        if !WOKEN.swap(false, Acquire) {
            load::sleep(section, wait_for_interrupt);
        }
    });
}

fn wait_for_interrupt() {
    #[expect(unsafe_code, reason = "the one instruction that Cortex-M and Cortex-A share")]
    // SAFETY: the instruction changes neither registers nor memory.
    unsafe {
        core::arch::asm!("wfi", options(nomem, nostack, preserves_flags));
    }
}

#[expect(unsafe_code, reason = "embassy calls it by this name when a task is woken, and nothing else has it")]
#[unsafe(export_name = "__pender")]
fn wake(_context: *mut ()) {
    WOKEN.store(true, Release);
}
