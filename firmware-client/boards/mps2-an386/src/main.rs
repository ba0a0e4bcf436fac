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
use trill_semihosting::{Arguments, SoundFile};
use trill_uart::{Cmsdk, Console, Input, Output};

use crate::sound::{SampleClock, Sound};

/// What is asked on the console about the board itself.
type BoardCommands = (trill_stack::Memory, trill_executor::Load);

/// What this board gives the radio.
type RadioParts = Parts<Clock, Network, SampleClock<PCM_FRAMES>, Input<Cmsdk>, Output<Cmsdk>, BoardCommands>;

const CLOCK_HZ: u32 = 25_000_000;

/// Of the 64 KiB of RAM, what can be chosen. The rest is the decoder's, the stack's and the network's.
const MUSIC_BYTES: usize = 10 * 1024 - 64;
const SCREEN_BYTES: usize = 1280;
const PCM_FRAMES: usize = 1024;
const TCP_RECEIVE_BYTES: usize = 4096;
const TCP_SEND_BYTES: usize = 512;

/// What QEMU calls the machine it runs on.
const DEFAULT_SERVER: &str = "10.0.2.2";

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
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
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

// What follows is not inlined, so that not all of what it has on the stack is there at once.

/// Starts everything but the radio, and gathers its parts.
#[inline(never)]
fn start(spawner: Spawner) -> RadioParts {
    let (server, audio) = follow_arguments();
    let nonce = trill_semihosting::random().expect("without it, servers would take two boards for one");
    let network = start_network(spawner, u128::from_le_bytes(nonce) as u64);
    let (input, output) = CONSOLE.start();
    let identity = Identity { name: "mps2-an386", nonce, roles: 0 };
    let commands = (trill_stack::Memory, trill_executor::Load);
    interrupts::unmask();
    Parts { clock: Clock, network, audio, input, output, commands, identity, server }
}

#[inline(never)]
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

/// The arguments are the server, a file for the sound, and one for the logs; `-` is none.
#[inline(never)]
fn follow_arguments() -> (Server, SampleClock<PCM_FRAMES>) {
    let mut arguments = Arguments::ask();
    let _program = arguments.take();
    let server = arguments.take().unwrap_or(DEFAULT_SERVER).parse().expect("a server is written HOST:PORT");
    let sound = arguments.take().filter(|path| *path != "-");
    let sound = sound.map(|path| SoundFile::create(path).expect("the sound's path can be written"));
    if let Some(path) = arguments.take() {
        trill_semihosting::log_to(path).expect("the logs' path can be written");
    }
    (server, SOUND.start(sound))
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Lan9118>) -> ! {
    runner.run().await
}
