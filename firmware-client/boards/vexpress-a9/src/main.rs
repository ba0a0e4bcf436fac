//! Trill's player on Arm's Versatile Express with a Cortex-A9, in QEMU.

#![no_std]
#![no_main]

mod codec;
mod interrupts;
mod peripherals;

use aarch32_rt::entry;
use embassy_executor::Spawner;
use embassy_futures::join::join;
use static_cell::ConstStaticCell;
use trill_dual_timer::DualTimer;
use trill_embassy::{Clock, Network, SocketBuffers};
use trill_firmware::pcm::Pcm;
use trill_firmware::{Memory, Peripherals, Runner};
use trill_proto::session::client::Identity;
use trill_qemu::Options;
use trill_uart::{Console, Input, Output, Pl011};

use crate::codec::{Codec, SampleClock};

type BoardRunner = Runner<Clock, Network, SampleClock<PCM_FRAMES>, PCM_FRAMES>;
type BoardConsole = trill_firmware::Console<Clock, Input<Pl011>, Output<Pl011>, trill_qemu::Commands>;

/// The clock of the UARTs.
const CLOCK_HZ: u32 = 24_000_000;

/// Compressed music: 2.8 seconds at 320 kbit/s.
const MUSIC_BYTES: usize = 128 * 1024;
const SCREEN_BYTES: usize = 4096;
const PCM_FRAMES: usize = 8192;
/// The network controller's own memory holds no more.
const TCP_RECEIVE_BYTES: usize = 8192;
const TCP_SEND_BYTES: usize = 1024;

static PCM: Pcm<PCM_FRAMES> = Pcm::new();

static CODEC: Codec<PCM_FRAMES> = Codec::new(peripherals::AUDIO, PCM.feed());
static CONSOLE: Console<Pl011> = Console::new(Pl011::new(peripherals::UART_0, CLOCK_HZ));
static ETHERNET: trill_lan9118::Interrupt = trill_lan9118::Interrupt::new(peripherals::ETHERNET);
embassy_time_driver::time_driver_impl!(
    static TIME: DualTimer<1> = DualTimer::new(peripherals::TIMERS_0_AND_1)
);
defmt::timestamp!("{=u64:us}", embassy_time::Instant::now().as_micros());

#[entry]
fn main() -> ! {
    trill_stack::paint();
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

    let Options { server, .. } = Options::take();
    let nonce = trill_qemu::nonce();
    let network = trill_qemu::start_network(spawner, &ETHERNET, BUFFERS.take(), nonce);
    let peripherals = Peripherals { clock: Clock, network, audio: CODEC.start() };
    let identity = Identity { name: "vexpress-a9", nonce, roles: 0 };
    let (remote, runner) = trill_firmware::new(MEMORY.take(), &PCM, peripherals, identity, server);
    let (input, output) = CONSOLE.start();
    let console = BoardConsole::new(remote, input, output, trill_qemu::COMMANDS);
    spawner.spawn(run_codec().expect("spawned once"));
    interrupts::unmask();
    (runner, console)
}

#[embassy_executor::task]
async fn run_codec() -> ! {
    CODEC.run().await
}
