//! Trill's player on the Raspberry Pi Pico 2 W, with sound through an I2S converter.
//!
//! Numbers come from the *RP2350 Datasheet* and the *Raspberry Pi Pico 2 W Datasheet*. README.md has the wiring.

#![no_std]
#![no_main]

mod console;
mod faults;
mod sound;
mod wifi;

use core::fmt::{self, Write as _};

use cortex_m_rt::entry;
use cyw43::Control;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Stack, StackResources};
use embassy_rp::executor::Executor;
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, PIO0, PIO1, TRNG, USB};
use embassy_rp::trng::{self, Trng};
use embassy_rp::{bind_interrupts, dma, pio, usb};
use embedded_io_async::Write as _;
use heapless::String;
use static_cell::{ConstStaticCell, StaticCell};
use trill_access::Access;
use trill_embassy::{Clock, Network, SocketBuffers};
use trill_firmware::ServerAddress;
use trill_firmware::pcm::Pcm;
use trill_firmware::{Console, Memory, Peripherals, Runner};
use trill_proto::session::client::Identity;

use crate::console::{Input, Output};
use crate::sound::SampleClock;
use crate::wifi::{Chip, Commands, Device, Wifi};

/// The buffers hold 2.8 seconds at 320 kbit/s and 85 ms at 48 kHz. The board has 512 KiB of RAM.
const MUSIC_BYTES: usize = 128 * 1024;
const PCM_FRAMES: usize = 4096;
const SCREEN_BYTES: usize = 4096;
/// The Wi-Fi driver has room for four packets and drops more. Four full segments in flight are 1.1 Mbit/s from a server
/// 40 ms away.
const TCP_RECEIVE_BYTES: usize = 4 * 1460;
const TCP_SEND_BYTES: usize = 1024;

/// For TCP, DHCP, DNS and the search for the server.
const SOCKETS: usize = 4;

/// Longest line that is shown before the player runs.
const ADVICE_BYTES: usize = 160;

/// Values from the environment of the build. Networks and passwords are never in the source.
const WIFI_NAME: Option<&str> = option_env!("TRILL_WIFI_NAME");
const WIFI_PASSWORD: Option<&str> = option_env!("TRILL_WIFI_PASSWORD");
const SERVER: Option<&str> = option_env!("TRILL_SERVER");

/// A server that is named so, or a machine: many routers resolve the names of their machines.
const DEFAULT_SERVER: &str = "trill";

static PCM: Pcm<PCM_FRAMES> = Pcm::new();
static WIFI: Wifi = Wifi::new();

defmt::timestamp!("{=u64:us}", embassy_time::Instant::now().as_micros());

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
    PIO0_IRQ_0 => pio::InterruptHandler<PIO0>;
    PIO1_IRQ_0 => pio::InterruptHandler<PIO1>;
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
    USBCTRL_IRQ => usb::InterruptHandler<USB>;
});

#[entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(|spawner| spawner.spawn(start(spawner).expect("spawned once")))
}

#[embassy_executor::task]
async fn start(spawner: Spawner) {
    static MEMORY: ConstStaticCell<Memory<MUSIC_BYTES, SCREEN_BYTES>> = ConstStaticCell::new(Memory::new());

    let board = embassy_rp::init(embassy_rp::config::Config::default());

    let pins = sound::Pins { data: board.PIN_9, bit_clock: board.PIN_10, word_clock: board.PIN_11 };
    let audio = sound::start(board.PIO1, board.DMA_CH1, pins);

    let (input, mut output) = console::start(spawner, board.USB);
    let server = configure(&mut output).await;

    let mut nonce = [0; 16];
    Trng::new(board.TRNG, Interrupts, trng::Config::default()).fill_bytes(&mut nonce).await;

    let pins = wifi::Pins { power: board.PIN_23, data: board.PIN_24, select: board.PIN_25, clock: board.PIN_29 };
    let (device, control, chip) = wifi::start(board.PIO0, board.DMA_CH0, pins).await;
    spawner.spawn(run_chip(chip).expect("spawned once"));
    let (network, stack) = start_network(spawner, device, u128::from_le_bytes(nonce) as u64);
    spawner.spawn(run_wifi(control, stack).expect("spawned once"));

    let peripherals = Peripherals { clock: Clock, network, audio };
    let identity = Identity { name: "pico2w", nonce, roles: 0 };
    let (remote, runner) = trill_firmware::new(MEMORY.take(), &PCM, peripherals, identity, server);
    let console = Console::new(remote, input, output, Commands::new(&WIFI));
    spawner.spawn(run_player(runner).expect("spawned once"));
    spawner.spawn(run_console(console).expect("spawned once"));
}

/// Uses the built-in network and server. If one is missing or invalid, waits for a terminal and shows advice.
async fn configure(output: &mut Output) -> ServerAddress {
    let network = WIFI_NAME.map(|name| Access::new(name, WIFI_PASSWORD.unwrap_or_default()));
    match network {
        Some(Ok(network)) => WIFI.change(network),
        Some(Err(error)) => advise(output, format_args!("{error}; type: wifi NAME PASSWORD")).await,
        None => advise(output, format_args!("Which Wi-Fi network? Type: wifi NAME PASSWORD")).await,
    }
    match SERVER.unwrap_or(DEFAULT_SERVER).parse() {
        Ok(server) => server,
        Err(error) => {
            advise(output, format_args!("{error}; type: server HOST")).await;
            DEFAULT_SERVER.parse().expect("it is a name")
        }
    }
}

async fn advise(output: &mut Output, advice: fmt::Arguments<'_>) {
    let mut line = String::<ADVICE_BYTES>::new();
    // Text that does not fit is left out.
    let _ = writeln!(line, "{advice}\r");
    output.wait_for_terminal().await;
    // If the terminal has gone meanwhile, the command `wifi` shows the advice again.
    let _ = output.write_all(line.as_bytes()).await;
}

fn start_network(spawner: Spawner, device: Device, seed: u64) -> (Network, Stack<'static>) {
    static STACK: ConstStaticCell<StackResources<SOCKETS>> = ConstStaticCell::new(StackResources::new());
    static BUFFERS: ConstStaticCell<SocketBuffers<TCP_RECEIVE_BYTES, TCP_SEND_BYTES>> =
        ConstStaticCell::new(SocketBuffers::new());

    let addresses = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(device, addresses, STACK.take(), seed);
    spawner.spawn(run_network(runner).expect("spawned once"));
    (Network::new(stack, BUFFERS.take()), stack)
}

#[embassy_executor::task]
async fn run_chip(chip: Chip) -> ! {
    chip.run().await
}

#[embassy_executor::task]
async fn run_wifi(control: Control<'static>, stack: Stack<'static>) -> ! {
    WIFI.run(control, stack).await
}

#[embassy_executor::task]
async fn run_network(mut runner: embassy_net::Runner<'static, Device>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn run_player(mut runner: Runner<Clock, Network, SampleClock, PCM_FRAMES>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn run_console(mut console: Console<Clock, Input, Output, Commands>) -> ! {
    console.run().await
}
