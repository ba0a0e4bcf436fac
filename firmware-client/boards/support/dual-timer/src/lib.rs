//! A time driver for embassy on an Arm dual timer. One timer runs freely and tells the time, the other is the alarm.
//!
//! Registers: *Arm Dual-Timer Module (SP804) Technical Reference Manual*, DDI 0271, chapter 3. The dual timer of Arm's
//! *Cortex-M System Design Kit*, DDI 0479, section 4.6, has the same registers.

#![no_std]
#![forbid(unsafe_code)]

use core::cell::RefCell;
use core::task::Waker;

use critical_section::Mutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;
use trill_registers::Registers;

/// Size of the register block in bytes.
pub const REGISTERS_BYTES: usize = 0x40;

// Offsets of the first timer's registers. The second timer's registers follow them.
const LOAD: usize = 0x00;
const VALUE: usize = 0x04;
const CONTROL: usize = 0x08;
const INTERRUPT_CLEAR: usize = 0x0c;
const SECOND: usize = 0x20;

const ENABLE: u32 = 1 << 7;
const INTERRUPT_ENABLE: u32 = 1 << 5;
const SIZE_32_BITS: u32 = 1 << 1;
const ONE_SHOT: u32 = 1 << 0;

/// Longest time between two alarms, in cycles. It keeps a wrap of the 32-bit counter from being missed.
const LONGEST_SLEEP: u64 = 1 << 31;

/// A dual timer that counts `CYCLES_PER_MICROSECOND`. The board makes it a static with
/// [`time_driver_impl`](embassy_time_driver::time_driver_impl).
#[derive(Debug)]
pub struct DualTimer<const CYCLES_PER_MICROSECOND: u64> {
    registers: Registers,
    state: Mutex<RefCell<State>>,
}

#[derive(Debug)]
struct State {
    is_started: bool,
    /// Cycles from the start to the last reading.
    cycles: u64,
    queue: Queue,
}

impl<const CYCLES_PER_MICROSECOND: u64> DualTimer<CYCLES_PER_MICROSECOND> {
    /// A timer that stays at 0 until [`start`](Self::start).
    #[must_use]
    pub const fn new(registers: Registers) -> Self {
        const { assert!(TICK_HZ == 1_000_000, "embassy-time has to count microseconds") };
        let state = State { is_started: false, cycles: 0, queue: Queue::new() };
        Self { registers, state: Mutex::new(RefCell::new(state)) }
    }

    /// Starts the time. The board unmasks the interrupt.
    pub fn start(&self) {
        self.registers.write(LOAD, u32::MAX);
        self.registers.write(CONTROL, ENABLE | SIZE_32_BITS);
        self.with_state(|state| {
            state.is_started = true;
            self.ring(state);
        });
    }

    /// The interrupt calls this.
    pub fn on_interrupt(&self) {
        self.with_state(|state| self.ring(state));
    }

    fn with_state<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        critical_section::with(|section| act(&mut self.state.borrow_ref_mut(section)))
    }

    /// Wakes the tasks that are due and sets the alarm for the next one.
    fn ring(&self, state: &mut State) {
        let now = self.look(state);
        let next = state.queue.next_expiration(now);
        let cycles = (next - now).saturating_mul(CYCLES_PER_MICROSECOND).clamp(1, LONGEST_SLEEP);
        self.registers.write(SECOND + CONTROL, 0);
        self.registers.write(SECOND + INTERRUPT_CLEAR, 1);
        self.registers.write(SECOND + LOAD, cycles as u32);
        self.registers.write(SECOND + CONTROL, ENABLE | INTERRUPT_ENABLE | SIZE_32_BITS | ONE_SHOT);
    }

    /// Microseconds since the start.
    fn look(&self, state: &mut State) -> u64 {
        if state.is_started {
            // The counter counts down and wraps to its largest value.
            let counter = u32::MAX - self.registers.read(VALUE);
            state.cycles += u64::from(counter.wrapping_sub(state.cycles as u32));
        }
        state.cycles / CYCLES_PER_MICROSECOND
    }
}

impl<const CYCLES_PER_MICROSECOND: u64> Driver for DualTimer<CYCLES_PER_MICROSECOND> {
    fn now(&self) -> u64 {
        self.with_state(|state| self.look(state))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        self.with_state(|state| {
            if state.queue.schedule_wake(at, waker) {
                self.ring(state);
            }
        });
    }
}
