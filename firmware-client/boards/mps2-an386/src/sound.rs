//! Sound to a file on the host, at the pace of a timer.

use core::cell::RefCell;
use core::mem;

use critical_section::Mutex;
use static_cell::ConstStaticCell;
use trill_firmware::board::{Audio, UnsupportedRate};
use trill_firmware::pcm::{Feed, Frame};
use trill_registers::Registers;
use trill_semihosting::SoundFile;

/// Register offsets of a timer of Arm's Cortex-M System Design Kit, DDI 0479, section 4.4.
const CONTROL: usize = 0x00;
const RELOAD: usize = 0x08;
const INTERRUPT_CLEAR: usize = 0x0c;
const ENABLE_WITH_INTERRUPT: u32 = 1 << 0 | 1 << 3;

/// Size of the timer's register block in bytes.
pub(crate) const REGISTERS_BYTES: usize = 0x10;

const PERIODS_PER_SECOND: u32 = 400;
/// Frames of a period at the highest rate.
const MOST_FRAMES_A_PERIOD: usize = 120;

/// The output. A static, because the interrupt takes the sound out of it.
pub(crate) struct Sound<const FRAMES: usize> {
    timer: Registers,
    clock_hz: u32,
    state: Mutex<RefCell<State<FRAMES>>>,
}

struct State<const FRAMES: usize> {
    feed: Feed<'static, FRAMES>,
    file: Option<SoundFile>,
    rate: u32,
    /// The part of a frame that is due, times [`PERIODS_PER_SECOND`].
    due: u32,
    is_sounding: bool,
    /// Memory for a period. It is empty until the start, because the initial value of the state takes flash.
    period: &'static mut [Frame],
}

impl<const FRAMES: usize> Sound<FRAMES> {
    pub(crate) const fn new(timer: Registers, clock_hz: u32, feed: Feed<'static, FRAMES>) -> Self {
        let state = State { feed, file: None, rate: 0, due: 0, is_sounding: false, period: &mut [] };
        Self { timer, clock_hz, state: Mutex::new(RefCell::new(state)) }
    }

    /// Starts the timer. Sound goes to `file`, or nowhere. The board unmasks the interrupt.
    pub(crate) fn start(&'static self, file: Option<SoundFile>) -> SampleClock<FRAMES> {
        static PERIOD: ConstStaticCell<[Frame; MOST_FRAMES_A_PERIOD]> =
            ConstStaticCell::new([[0, 0]; MOST_FRAMES_A_PERIOD]);

        critical_section::with(|section| {
            let mut state = self.state.borrow_ref_mut(section);
            (state.file, state.period) = (file, PERIOD.take());
        });
        self.timer.write(RELOAD, self.clock_hz / PERIODS_PER_SECOND - 1);
        self.timer.write(CONTROL, ENABLE_WITH_INTERRUPT);
        SampleClock(self)
    }

    /// The timer's interrupt calls this.
    ///
    /// A late period is not made up for: as on hardware, the sound is then late but not lost.
    pub(crate) fn on_interrupt(&self) {
        self.timer.write(INTERRUPT_CLEAR, 1);
        critical_section::with(|section| self.state.borrow_ref_mut(section).play_period());
    }
}

impl<const FRAMES: usize> State<FRAMES> {
    fn play_period(&mut self) {
        self.due += self.rate;
        let count = self.due / PERIODS_PER_SECOND;
        self.due %= PERIODS_PER_SECOND;
        let Some(period) = self.period.get_mut(..count as usize) else { return };
        let filled = self.feed.fill(period);
        if !mem::replace(&mut self.is_sounding, filled > 0) && filled > 0 {
            trill_executor::lap();
        }
        // Only music, so that the file can be compared with the song.
        if let (Some(file), Some(music)) = (&mut self.file, period.get(..filled))
            && file.write(music).is_err()
        {
            defmt::error!("the sound's file cannot be written any more");
            self.file = None;
        }
    }
}

/// Sets the sample rate of the output.
pub(crate) struct SampleClock<const FRAMES: usize>(&'static Sound<FRAMES>);

impl<const FRAMES: usize> Audio for SampleClock<FRAMES> {
    fn set_rate(&mut self, rate: u32) -> Result<(), UnsupportedRate> {
        if rate as usize > MOST_FRAMES_A_PERIOD * PERIODS_PER_SECOND as usize {
            return Err(UnsupportedRate);
        }
        critical_section::with(|section| self.0.state.borrow_ref_mut(section).rate = rate);
        Ok(())
    }
}
