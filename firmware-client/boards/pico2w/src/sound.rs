//! Sound through an I2S converter: the PIO shifts it out at the pace of its clock, DMA brings it there.
//!
//! Two periods take turns: while DMA reads one, the other is filled. Between one's end and the other's beginning the PIO
//! has eight frames, 0.17 ms at 48 kHz. A frame of MP3 takes milliseconds to decode, so this runs in an interrupt of its
//! own, above the executor of everything else.

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

/// Frames of a period as the converter gets them: 5.3 ms at 48 kHz, 8 ms at 32. A pause is heard two periods late.
const PERIOD_FRAMES: usize = 256;

/// Of each of two channels.
const SAMPLE_BITS: u32 = 16;

/// Clocks of the PIO's program for each bit.
const CLOCKS_PER_BIT: u32 = 2;

/// What the converter starts with, so that songs of the commonest rate need no change.
const FIRST_RATE: u32 = 44_100;

const LOWEST_RATE: u32 = 8_000;
const HIGHEST_RATE: u32 = 48_000;

/// The rate of the song.
static RATE: AtomicU32 = AtomicU32::new(FIRST_RATE);

static EXECUTOR: InterruptExecutor = InterruptExecutor::new();

type Output = PioI2sOut<'static, PIO1, 0>;

/// How the converter is wired. The clocks have to be neighbours.
pub(crate) struct Pins {
    pub(crate) data: Peri<'static, PIN_9>,
    pub(crate) bit_clock: Peri<'static, PIN_10>,
    pub(crate) word_clock: Peri<'static, PIN_11>,
}

/// Starts the sound, silent at first.
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
    // Below the short interrupts of timer, console and PIO, which have the highest priority. Above DMA's, which embassy-rp
    // gives the one below: the end of a transfer is noticed once a period is filled, some 50 µs, and not in the midst of it.
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
    // SAFETY: it is the one that the executor was started with.
    unsafe { EXECUTOR.on_interrupt() }
}

/// Plays for ever.
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
            // When the silence has gone out, nothing is left of the last song that could be heard at another rate.
            output.write(playing).await;
            rate = wanted;
            set_rate(rate * repeats(rate));
        }
    }
}

/// Fills `period` with frames of which each is there `repeats` times.
fn fill(feed: &mut Feed<'static, PCM_FRAMES>, repeats: u32, period: &mut [u32; PERIOD_FRAMES]) {
    let repeats = repeats as usize;
    let mut frames: [Frame; PERIOD_FRAMES] = [[0, 0]; PERIOD_FRAMES];
    feed.fill(&mut frames[..PERIOD_FRAMES / repeats]);
    for (words, [left, right]) in period.chunks_exact_mut(repeats).zip(frames) {
        words.fill(u32::from(left as u16) << 16 | u32::from(right as u16));
    }
}

/// How often the converter gets each frame of a song of this rate, so that its own rate is always 32 to 48 kHz.
///
/// Without a master clock a PCM5102A makes its own of the bit clock, and needs a megahertz for it (*PCM510xA* datasheet,
/// SLAS859C, table 11): below that range it plays 16 kHz and 8 kHz by itself (section 9.3.5.2) and no rate between. All go the
/// same way here, which is one to try on hardware and not three.
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
    // The program shifts out with state machine 0. The register holds 16 bits and 8 of fraction, above 8 that are reserved.
    pac::PIO1.sm(0).clkdiv().write(|register| register.0 = divider.to_bits() << 8);
}

/// Sets the rate of the sound.
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
