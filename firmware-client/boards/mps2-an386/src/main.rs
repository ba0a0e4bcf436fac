//! Trill's radio on Arm's MPS2 board with the Cortex-M4F of application note AN386, in QEMU.
//!
//! *Application Note AN386*, DAI 0386. The clock is 25 MHz.

#![no_std]
#![no_main]

mod faults;
mod interrupts;
mod peripherals;
mod sound;

use cortex_m_rt::entry;
use embassy_executor::Spawner;
use static_cell::ConstStaticCell;
use trill_dual_timer::DualTimer;
use trill_embassy::{Clock, Network, SocketBuffers};
use trill_firmware::pcm::Pcm;
use trill_firmware::radio::{self, Memory, Parts};
use trill_proto::session::client::Identity;
use trill_qemu::Options;
use trill_uart::{Cmsdk, Console, Input, Output};

use crate::sound::{SampleClock, Sound};

/// What this board gives the radio.
type RadioParts = Parts<Clock, Network, SampleClock<PCM_FRAMES>, Input<Cmsdk>, Output<Cmsdk>, trill_qemu::Commands>;

const CLOCK_HZ: u32 = 25_000_000;

/// Of the 64 KiB of RAM, what can be chosen. The rest is the decoder's, the stack's and the network's.
const MUSIC_BYTES: usize = 10 * 1024 - 64;
const SCREEN_BYTES: usize = 1280;
const PCM_FRAMES: usize = 1024;
const TCP_RECEIVE_BYTES: usize = 4096;
const TCP_SEND_BYTES: usize = 512;

static PCM: Pcm<PCM_FRAMES> = Pcm::new();

static SOUND: Sound<PCM_FRAMES> = Sound::new(peripherals::TIMER_0, CLOCK_HZ, PCM.feed());
static CONSOLE: Console<Cmsdk> = Console::new(Cmsdk::new(peripherals::UART_0, CLOCK_HZ));
static ETHERNET: trill_lan9118::Interrupt = trill_lan9118::Interrupt::new(peripherals::ETHERNET);
embassy_time_driver::time_driver_impl!(
    static TIME: DualTimer<25> = DualTimer::new(peripherals::DUAL_TIMER)
);
defmt::timestamp!("{=u64:us}", embassy_time::Instant::now().as_micros());

#[entry]
fn main() -> ! {
    TIME.start();
    trill_qemu::execute(|spawner| spawner.spawn(run_radio(spawner).expect("spawned once")))
}

/// The task in whose future all of the radio is. It takes nothing but the spawner and gathers the rest itself: a future
/// that is handed 4 KB of parts is put together on the stack, and moved from there.
#[embassy_executor::task]
async fn run_radio(spawner: Spawner) -> ! {
    static MEMORY: ConstStaticCell<Memory<MUSIC_BYTES, SCREEN_BYTES>> = ConstStaticCell::new(Memory::new());
    radio::run(MEMORY.take(), &PCM, start(spawner)).await
}

/// Starts everything but the radio, and gathers its parts.
// Not inlined, so that what it has on the stack is gone when the radio runs.
#[inline(never)]
fn start(spawner: Spawner) -> RadioParts {
    static BUFFERS: ConstStaticCell<SocketBuffers<TCP_RECEIVE_BYTES, TCP_SEND_BYTES>> =
        ConstStaticCell::new(SocketBuffers::new());

    let Options { server, sound } = Options::take();
    let nonce = trill_qemu::nonce();
    let network = trill_qemu::start_network(spawner, &ETHERNET, BUFFERS.take(), nonce);
    let audio = SOUND.start(sound);
    let (input, output) = CONSOLE.start();
    let identity = Identity { name: "mps2-an386", nonce, roles: 0 };
    interrupts::unmask();
    Parts { clock: Clock, network, audio, input, output, commands: trill_qemu::COMMANDS, identity, server }
}
