//! Sound through an LM4549 codec, which requests it at the pace of its own clock.
//!
//! Registers: *PrimeCell Advanced Audio CODEC Interface (PL041) Technical Reference Manual*, DDI 0173, chapter 3. The
//! codec's registers: *LM4549 AC '97 Rev 2.1 Codec* datasheet. Tested in QEMU only. A real codec needs the time of an AC '97
//! frame for each access; QEMU's needs none.

use core::cell::RefCell;
use core::mem;

use critical_section::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer};
use trill_firmware::board::{Audio, UnsupportedRate};
use trill_firmware::pcm::{Feed, Frame};
use trill_registers::Registers;

/// Size of the register block in bytes.
pub(crate) const REGISTERS_BYTES: usize = 0x100;

// Registers of the interface. The sound goes through the first of its four FIFOs.
const TRANSMIT_CONTROL: usize = 0x04;
const STATUS: usize = 0x08;
const INTERRUPT_ENABLE: usize = 0x10;
const SLOT_1_TRANSMIT: usize = 0x54;
const SLOT_2_TRANSMIT: usize = 0x5c;
const MAIN_CONTROL: usize = 0x78;
const DATA: usize = 0x90;

/// Interface on; slots 1 and 2, the codec's registers, in both directions.
const MAIN_ON: u32 = 1 << 0 | 0xf << 3;
/// Transmit on; slots 3 and 4, left and right; two samples of 16 bits to a word; FIFO on.
const TRANSMIT_ON: u32 = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 15 | 1 << 16;
/// Status: at least half of the FIFO is free.
const HALF_EMPTY: u32 = 1 << 3;
const HALF_EMPTY_INTERRUPT: u32 = 1 << 2;

/// Frames put into the FIFO at once: a little less than half of the FIFO.
const PERIOD_FRAMES: usize = 100;

// Registers of the codec.
const MASTER_VOLUME: u32 = 0x02;
const PCM_VOLUME: u32 = 0x18;
const EXTENDED_CONTROL: u32 = 0x2a;
const DAC_RATE: u32 = 0x2c;

const UNMUTED_0_DB: u32 = 0x0000;
const UNMUTED_PCM_0_DB: u32 = 0x0808;
const VARIABLE_RATE: u32 = 1 << 0;
/// Sample rates of the codec's converters.
const LOWEST_RATE: u32 = 4_000;
const HIGHEST_RATE: u32 = 48_000;

/// The rate at the start. Songs of the most common rate need no change.
const FIRST_RATE: u32 = 44_100;

/// Number of silent periods that push all earlier sound out of the FIFO (256 frames) and the codec (512 frames).
const FLUSHING_PERIODS: u32 = 8;

/// How long the codec plays after its last input.
const DRAINING: Duration = Duration::from_millis(60);

/// The output. A static, because the interrupt takes the sound out of it.
///
/// The rate changes only when the FIFO and the codec hold no sound. Otherwise that sound would be heard at the wrong rate,
/// and QEMU's codec falls silent for good if its rate changes while it is full.
pub(crate) struct Codec<const FRAMES: usize> {
    registers: Registers,
    state: Mutex<RefCell<State<FRAMES>>>,
    flushed: Signal<CriticalSectionRawMutex, ()>,
}

struct State<const FRAMES: usize> {
    feed: Feed<'static, FRAMES>,
    rate: u32,
    change: Option<Change>,
    is_sounding: bool,
}

/// A change of the rate in progress.
struct Change {
    rate: u32,
    flushing_periods: u32,
}

impl<const FRAMES: usize> Codec<FRAMES> {
    pub(crate) const fn new(registers: Registers, feed: Feed<'static, FRAMES>) -> Self {
        let state = State { feed, rate: FIRST_RATE, change: None, is_sounding: false };
        Self { registers, state: Mutex::new(RefCell::new(state)), flushed: Signal::new() }
    }

    /// Starts the output; [`run`](Self::run) must run too. The board unmasks the interrupt.
    pub(crate) fn start(&'static self) -> SampleClock<FRAMES> {
        self.registers.write(MAIN_CONTROL, MAIN_ON);
        self.set(MASTER_VOLUME, UNMUTED_0_DB);
        self.set(PCM_VOLUME, UNMUTED_PCM_0_DB);
        self.set(EXTENDED_CONTROL, VARIABLE_RATE);
        self.set(DAC_RATE, FIRST_RATE);
        self.registers.write(TRANSMIT_CONTROL, TRANSMIT_ON);
        self.registers.write(INTERRUPT_ENABLE, HALF_EMPTY_INTERRUPT);
        SampleClock(self)
    }

    /// Changes the rate on request, in silence, for ever.
    pub(crate) async fn run(&self) -> ! {
        loop {
            self.flushed.wait().await;
            Timer::after(DRAINING).await;
            self.with_state(|state| {
                if let Some(change) = state.change.take() {
                    state.rate = change.rate;
                    self.set(DAC_RATE, change.rate);
                }
            });
            self.registers.write(INTERRUPT_ENABLE, HALF_EMPTY_INTERRUPT);
        }
    }

    /// The interrupt calls this. It is pending for as long as half of the FIFO is empty.
    pub(crate) fn on_interrupt(&self) {
        if self.registers.read(STATUS) & HALF_EMPTY == 0 {
            return;
        }
        let mut period = [[0, 0]; PERIOD_FRAMES];
        if !self.with_state(|state| state.fill(&mut period)) {
            self.registers.write(INTERRUPT_ENABLE, 0);
            self.flushed.signal(());
            return;
        }
        for [left, right] in period {
            self.registers.write(DATA, u32::from(left as u16) | u32::from(right as u16) << 16);
        }
    }

    fn with_state<R>(&self, act: impl FnOnce(&mut State<FRAMES>) -> R) -> R {
        critical_section::with(|section| act(&mut self.state.borrow_ref_mut(section)))
    }

    /// Writes a register of the codec.
    fn set(&self, register: u32, value: u32) {
        self.registers.write(SLOT_2_TRANSMIT, value << 4);
        self.registers.write(SLOT_1_TRANSMIT, register << 12);
    }
}

impl<const FRAMES: usize> State<FRAMES> {
    /// Fills a period, or leaves it silent. Returns `false` if the codec must get none now.
    fn fill(&mut self, period: &mut [Frame; PERIOD_FRAMES]) -> bool {
        match &mut self.change {
            None => {
                let is_sounding = self.feed.fill(period) > 0;
                if !mem::replace(&mut self.is_sounding, is_sounding) && is_sounding {
                    trill_executor::lap();
                }
                true
            }
            Some(change) if change.flushing_periods > 0 => {
                change.flushing_periods -= 1;
                true
            }
            Some(_) => false,
        }
    }

    fn change(&mut self, rate: u32) {
        match &mut self.change {
            Some(change) => change.rate = rate,
            None if self.rate == rate => {}
            None => self.change = Some(Change { rate, flushing_periods: FLUSHING_PERIODS }),
        }
    }
}

/// Sets the sample rate of the output.
pub(crate) struct SampleClock<const FRAMES: usize>(&'static Codec<FRAMES>);

impl<const FRAMES: usize> Audio for SampleClock<FRAMES> {
    fn set_rate(&mut self, rate: u32) -> Result<(), UnsupportedRate> {
        if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) {
            return Err(UnsupportedRate);
        }
        self.0.with_state(|state| state.change(rate));
        Ok(())
    }
}
