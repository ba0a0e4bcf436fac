//! Trill's radio on Arm's Versatile Express with a Cortex-A9, in QEMU.

#![no_std]
#![no_main]

mod codec;
mod interrupts;
mod peripherals;

use aarch32_rt::entry;
use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Runner, StackResources};
use static_cell::{ConstStaticCell, StaticCell};
use trill_dual_timer::DualTimer;
use trill_embassy::{Clock, Network, SocketBuffers};
use trill_executor::Executor;
use trill_firmware::pcm::Pcm;
use trill_firmware::radio::{self, Memory, Parts};
use trill_firmware::server::Server;
use trill_lan9118::{Frames, Lan9118};
use trill_proto::session::client::Identity;
use trill_semihosting::Arguments;
use trill_uart::{Console, Input, Output, Pl011};

use crate::codec::{Codec, SampleClock};

/// What is asked on the console about the board itself.
type BoardCommands = (trill_stack::Memory, trill_executor::Load);

/// What this board gives the radio.
type RadioParts = Parts<Clock, Network, SampleClock<PCM_FRAMES>, Input<Pl011>, Output<Pl011>, BoardCommands>;

/// Of the UARTs.
const CLOCK_HZ: u32 = 24_000_000;

/// 2.8 seconds at 320 kbit/s.
const MUSIC_BYTES: usize = 128 * 1024;
const SCREEN_BYTES: usize = 4096;
const PCM_FRAMES: usize = 8192;
/// The network controller's own memory takes no more.
const TCP_RECEIVE_BYTES: usize = 8192;
const TCP_SEND_BYTES: usize = 1024;

/// What QEMU calls the machine it runs on.
const DEFAULT_SERVER: &str = "10.0.2.2";

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
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    trill_stack::paint();
    TIME.start();
    EXECUTOR.init(Executor::new()).run(|spawner| spawner.spawn(run_radio(spawner).expect("spawned once")))
}

/// The task in whose future all of the radio is. It takes nothing but the spawner and gathers the rest itself: a future
/// that is handed 4 KB of parts is put together on the stack, and moved from there.
#[embassy_executor::task]
async fn run_radio(spawner: Spawner) -> ! {
    static MEMORY: ConstStaticCell<Memory<MUSIC_BYTES, SCREEN_BYTES>> = ConstStaticCell::new(Memory::new());
    radio::run(MEMORY.take(), &PCM, start(spawner)).await
}

/// Starts everything but the radio, and gathers its parts.
#[inline(never)]
fn start(spawner: Spawner) -> RadioParts {
    let server = follow_arguments();
    let nonce = trill_semihosting::random().expect("without it, servers would take two boards for one");
    let network = start_network(spawner, u128::from_le_bytes(nonce) as u64);
    let audio = CODEC.start();
    let (input, output) = CONSOLE.start();
    let identity = Identity { name: "vexpress-a9", nonce, roles: 0 };
    let commands = (trill_stack::Memory, trill_executor::Load);
    spawner.spawn(run_codec().expect("spawned once"));
    interrupts::unmask();
    Parts { clock: Clock, network, audio, input, output, commands, identity, server }
}

/// The arguments are the server, and a file for the logs.
fn follow_arguments() -> Server {
    let mut arguments = Arguments::ask();
    let _program = arguments.take();
    let server = arguments.take().unwrap_or(DEFAULT_SERVER).parse().expect("a server is written HOST:PORT");
    if let Some(path) = arguments.take() {
        trill_semihosting::log_to(path).expect("the logs' path can be written");
    }
    server
}

fn start_network(spawner: Spawner, seed: u64) -> Network {
    static FRAMES: ConstStaticCell<Frames> = ConstStaticCell::new(Frames::new());
    static STACK: ConstStaticCell<StackResources<3>> = ConstStaticCell::new(StackResources::new());
    static BUFFERS: ConstStaticCell<SocketBuffers<TCP_RECEIVE_BYTES, TCP_SEND_BYTES>> =
        ConstStaticCell::new(SocketBuffers::new());

    let driver = Lan9118::new(&ETHERNET, FRAMES.take()).expect("the board has one");
    let addresses = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(driver, addresses, STACK.take(), seed);
    spawner.spawn(run_network(runner).expect("spawned once"));
    Network::new(stack, BUFFERS.take())
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Lan9118>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn run_codec() -> ! {
    CODEC.run().await
}
