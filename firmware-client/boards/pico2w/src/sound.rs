//! Sound through an I2S converter. DMA feeds the PIO, which shifts the sound out at the pace of its clock.
//!
//! Two periods take turns: while DMA reads one, the other is filled. The PIO holds eight frames between two periods, 0.17 ms
//! at 48 kHz. An MP3 frame takes milliseconds to decode, so the sound runs in an interrupt of its own, above the executor
//! of all other tasks.

use core::mem;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use embassy_rp::executor::InterruptExecutor;
use embassy_rp::interrupt::{self, InterruptExt, Priority};
use embassy_rp::peripherals::{DMA_CH1, PIN_9, PIN_10, PIN_11, PIO1};
use embassy_rp::pio::Pio;
use embassy_rp::pio_programs::clock_divider::calculate_pio_clock_divider;
use embassy_rp::pio_programs::i2s::{PioI2sOut, PioI2sOutProgram};
use embassy_rp::{Peri, pac};
use trill_firmware::board::{Audio, UnsupportedRate};
use trill_firmware::pcm::{Feed, Frame};

use crate::{Interrupts, PCM, PCM_FRAMES};

/// Frames of a period at the converter's rate: 5.3 ms at 48 kHz, 8 ms at 32 kHz. A pause is heard two periods late.
const PERIOD_FRAMES: usize = 256;

/// Bits of a sample; each frame has two.
const SAMPLE_BITS: u32 = 16;

/// Clock cycles of the PIO's program for each bit.
const CLOCKS_PER_BIT: u32 = 2;

/// The rate at the start. Songs of the most common rate need no change.
const FIRST_RATE: u32 = 44_100;

const LOWEST_RATE: u32 = 8_000;
const HIGHEST_RATE: u32 = 48_000;

/// The rate of the song.
static RATE: AtomicU32 = AtomicU32::new(FIRST_RATE);

static EXECUTOR: InterruptExecutor = InterruptExecutor::new();

type Output = PioI2sOut<'static, PIO1, 0>;

/// The converter's pins. The clocks must be on adjacent pins.
pub(crate) struct Pins {
    pub(crate) data: Peri<'static, PIN_9>,
    pub(crate) bit_clock: Peri<'static, PIN_10>,
    pub(crate) word_clock: Peri<'static, PIN_11>,
}

/// Starts the output, which is silent at first.
pub(crate) fn start(pio: Peri<'static, PIO1>, dma: Peri<'static, DMA_CH1>, pins: Pins) -> SampleClock {
    let mut pio = Pio::new(pio, Interrupts);
    let program = PioI2sOutProgram::new(&mut pio.common);
    let Pins { data, bit_clock, word_clock } = pins;
    let output = PioI2sOut::new(
        &mut pio.common,
        pio.sm0,
        dma,
        Interrupts,
        data,
        bit_clock,
        word_clock,
        FIRST_RATE,
        SAMPLE_BITS,
        &program,
    );
    // The short interrupts of timer, console and PIO have the highest priority, and DMA's has the lowest, as embassy-rp
    // sets it. So the end of a transfer does not interrupt the filling of a period, which takes some 50 µs.
    interrupt::SWI_IRQ_0.set_priority(Priority::P2);
    let spawner = EXECUTOR.start(interrupt::SWI_IRQ_0);
    spawner.spawn(run(output, PCM.feed()).expect("spawned once"));
    SampleClock(())
}

#[embassy_rp::interrupt]
#[allow(
    unsafe_code,
    reason = "an executor has to be told that it is its interrupt; `expect` does not see through the macro"
)]
unsafe fn SWI_IRQ_0() {
    // SAFETY: the executor was started with this interrupt.
    unsafe { EXECUTOR.on_interrupt() }
}

/// Plays the sound, for ever.
#[embassy_executor::task]
async fn run(mut output: Output, mut feed: Feed<'static, PCM_FRAMES>) -> ! {
    let mut periods = [[0; PERIOD_FRAMES]; 2];
    let [mut playing, mut next] = periods.each_mut();
    let mut rate = FIRST_RATE;
    output.start();
    loop {
        let transfer = output.write(playing);
        let wanted = RATE.load(Relaxed);
        if wanted == rate {
            fill(&mut feed, repeats(rate), next);
        } else {
            next.fill(0);
        }
        transfer.await;
        mem::swap(&mut playing, &mut next);
        if wanted != rate {
            // After this silence, none of the last song is left to be heard at the wrong rate.
            output.write(playing).await;
            rate = wanted;
            set_rate(rate * repeats(rate));
        }
    }
}

/// Fills `period` and repeats each frame `repeats` times.
fn fill(feed: &mut Feed<'static, PCM_FRAMES>, repeats: u32, period: &mut [u32; PERIOD_FRAMES]) {
    let repeats = repeats as usize;
    let mut frames: [Frame; PERIOD_FRAMES] = [[0, 0]; PERIOD_FRAMES];
    feed.fill(&mut frames[..PERIOD_FRAMES / repeats]);
    for (words, [left, right]) in period.chunks_exact_mut(repeats).zip(frames) {
        words.fill(u32::from(left as u16) << 16 | u32::from(right as u16));
    }
}

/// How often each frame of a song with this rate is sent, so that the converter's rate is always 32 to 48 kHz.
///
/// Without a master clock, a PCM5102A derives its own from the bit clock, which must be at least 1 MHz (*PCM510xA* datasheet,
/// SLAS859C, table 11). Below 32 kHz it plays only 16 kHz and 8 kHz (section 9.3.5.2). Here all low rates are repeated, so
/// that one way has to be tried on hardware and not three.
const fn repeats(rate: u32) -> u32 {
    match rate {
        ..=12_000 => 4,
        12_001..=24_000 => 2,
        _ => 1,
    }
}

/// Sets the converter's rate.
fn set_rate(rate: u32) {
    let divider = calculate_pio_clock_divider(rate * 2 * SAMPLE_BITS * CLOCKS_PER_BIT);
    // State machine 0 runs the program. The register has 16 integer bits, 8 bits of fraction and 8 reserved bits.
    pac::PIO1.sm(0).clkdiv().write(|register| register.0 = divider.to_bits() << 8);
}

/// Sets the sample rate of the output.
pub(crate) struct SampleClock(());

impl Audio for SampleClock {
    fn set_rate(&mut self, rate: u32) -> Result<(), UnsupportedRate> {
        if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) {
            return Err(UnsupportedRate);
        }
        RATE.store(rate, Relaxed);
        Ok(())
    }
}
