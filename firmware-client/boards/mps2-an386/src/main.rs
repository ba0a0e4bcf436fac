//! Trill's player on Arm's MPS2 board with the Cortex-M4F of application note AN386, in QEMU.
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
use embassy_futures::join::join;
use static_cell::ConstStaticCell;
use trill_dual_timer::DualTimer;
use trill_embassy::{Clock, Network, SocketBuffers};
use trill_firmware::pcm::Pcm;
use trill_firmware::{Memory, Peripherals, Runner};
use trill_proto::session::client::Identity;
use trill_qemu::Options;
use trill_uart::{Cmsdk, Console, Input, Output};

use crate::sound::{SampleClock, Sound};

type BoardRunner = Runner<Clock, Network, SampleClock<PCM_FRAMES>, PCM_FRAMES>;
type BoardConsole = trill_firmware::Console<Clock, Input<Cmsdk>, Output<Cmsdk>, trill_qemu::Commands>;

const CLOCK_HZ: u32 = 25_000_000;

/// The buffers whose sizes are free. Decoder, stack and network take the rest of the 64 KiB of RAM.
const MUSIC_BYTES: usize = 9 * 1024 + 256;
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
    trill_qemu::execute(|spawner| spawner.spawn(run(spawner).expect("spawned once")))
}

#[embassy_executor::task]
async fn run(spawner: Spawner) -> ! {
    let (mut runner, mut console) = start(spawner);
    join(runner.run(), console.run()).await.0
}

// Not inlined, so that its locals have left the stack when the player runs.
#[inline(never)]
fn start(spawner: Spawner) -> (BoardRunner, BoardConsole) {
    static MEMORY: ConstStaticCell<Memory<MUSIC_BYTES, SCREEN_BYTES>> = ConstStaticCell::new(Memory::new());
    static BUFFERS: ConstStaticCell<SocketBuffers<TCP_RECEIVE_BYTES, TCP_SEND_BYTES>> =
        ConstStaticCell::new(SocketBuffers::new());

    let Options { server, sound } = Options::take();
    let nonce = trill_qemu::nonce();
    let network = trill_qemu::start_network(spawner, &ETHERNET, BUFFERS.take(), nonce);
    let peripherals = Peripherals { clock: Clock, network, audio: SOUND.start(sound) };
    let identity = Identity { name: "mps2-an386", nonce, roles: 0 };
    let (remote, runner) = trill_firmware::new(MEMORY.take(), &PCM, peripherals, identity, server);
    let (input, output) = CONSOLE.start();
    let console = BoardConsole::new(remote, input, output, trill_qemu::COMMANDS);
    interrupts::unmask();
    (runner, console)
}
