//! Trill's radio on the Raspberry Pi Pico 2 W, with sound through an I2S converter.
//!
//! Numbers: *RP2350 Datasheet* and *Raspberry Pi Pico 2 W Datasheet*. What is wired to which pin is in README.md.

#![no_std]
#![no_main]

mod access;
mod faults;
mod sound;
mod wifi;

use cortex_m_rt::entry;
use cyw43::Control;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Runner, Stack, StackResources};
use embassy_rp::executor::Executor;
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, PIN_0, PIN_1, PIO0, PIO1, TRNG, UART0};
use embassy_rp::trng::{self, Trng};
use embassy_rp::uart::{self, BufferedUart, BufferedUartRx, BufferedUartTx};
use embassy_rp::{Peri, bind_interrupts, dma, pio};
use embedded_io_async::Write;
use static_cell::{ConstStaticCell, StaticCell};
use trill_embassy::{Clock, Network, SocketBuffers};
use trill_firmware::pcm::Pcm;
use trill_firmware::radio::{self, Memory, Parts};
use trill_firmware::server::Server;
use trill_proto::session::client::Identity;

use crate::access::Access;
use crate::sound::Pace;
use crate::wifi::{Chip, Commands, Device, Wifi};

/// Of the 512 KiB of RAM: 2.8 seconds at 320 kbit/s, and 85 ms at 48 kHz.
const MUSIC_BYTES: usize = 128 * 1024;
const PCM_FRAMES: usize = 4096;
const SCREEN_BYTES: usize = 4096;
/// Five full segments: what a server 40 ms away needs to send 1.4 Mbit/s.
const TCP_RECEIVE_BYTES: usize = 8192;
const TCP_SEND_BYTES: usize = 1024;

const CONSOLE_BAUD: u32 = 115_200;
/// As much as is typed, or pasted, while a frame is decoded.
const CONSOLE_INPUT_BYTES: usize = 256;
const CONSOLE_OUTPUT_BYTES: usize = 256;

/// Built in where the environment had them. Networks and passwords are never in the source.
const WIFI_NAME: Option<&str> = option_env!("TRILL_WIFI_NAME");
const WIFI_PASSWORD: Option<&str> = option_env!("TRILL_WIFI_PASSWORD");
const SERVER: Option<&str> = option_env!("TRILL_SERVER");

/// Many a router knows its machines by their names.
const DEFAULT_SERVER: &str = "trill";

static PCM: Pcm<PCM_FRAMES> = Pcm::new();
static WIFI: Wifi = Wifi::new();

defmt::timestamp!("{=u64:us}", embassy_time::Instant::now().as_micros());

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
    PIO0_IRQ_0 => pio::InterruptHandler<PIO0>;
    PIO1_IRQ_0 => pio::InterruptHandler<PIO1>;
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
    UART0_IRQ => uart::BufferedInterruptHandler<UART0>;
});

#[entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(|spawner| spawner.spawn(start(spawner).expect("spawned once")))
}

#[embassy_executor::task]
async fn start(spawner: Spawner) {
    let board = embassy_rp::init(embassy_rp::config::Config::default());

    let pins = sound::Pins { data: board.PIN_9, bit_clock: board.PIN_10, word_clock: board.PIN_11 };
    let audio = sound::start(board.PIO1, board.DMA_CH1, pins);

    let (mut output, input) = start_console(board.UART0, board.PIN_0, board.PIN_1);
    let server = configure(&mut output).await;

    let mut nonce = [0; 16];
    Trng::new(board.TRNG, Interrupts, trng::Config::default()).fill_bytes(&mut nonce).await;

    let pins = wifi::Pins { power: board.PIN_23, data: board.PIN_24, select: board.PIN_25, clock: board.PIN_29 };
    let (device, control, chip) = wifi::start(board.PIO0, board.DMA_CH0, pins).await;
    spawner.spawn(run_chip(chip).expect("spawned once"));
    let (network, stack) = start_network(spawner, device, u128::from_le_bytes(nonce) as u64);
    spawner.spawn(run_wifi(control, stack).expect("spawned once"));

    let identity = Identity { name: "pico2w", nonce, roles: 0 };
    let commands = Commands::new(&WIFI);
    let parts = Parts { clock: Clock, network, audio, input, output, commands, identity, server };
    spawner.spawn(run_radio(parts).expect("spawned once"));
}

fn start_console(
    uart: Peri<'static, UART0>,
    transmit: Peri<'static, PIN_0>,
    receive: Peri<'static, PIN_1>,
) -> (BufferedUartTx, BufferedUartRx) {
    static OUTPUT: ConstStaticCell<[u8; CONSOLE_OUTPUT_BYTES]> = ConstStaticCell::new([0; CONSOLE_OUTPUT_BYTES]);
    static INPUT: ConstStaticCell<[u8; CONSOLE_INPUT_BYTES]> = ConstStaticCell::new([0; CONSOLE_INPUT_BYTES]);
    let mut config = uart::Config::default();
    config.baudrate = CONSOLE_BAUD;
    BufferedUart::new(uart, transmit, receive, Interrupts, OUTPUT.take(), INPUT.take(), config).split()
}

/// Takes what is built in, and says on the console what is not.
async fn configure(output: &mut BufferedUartTx) -> Server {
    let network = WIFI_NAME.map(|name| Access::new(name, WIFI_PASSWORD.unwrap_or_default()));
    let advice: &[u8] = match network {
        Some(Ok(network)) => {
            WIFI.change(network);
            b""
        }
        Some(Err(_)) => b"The Wi-Fi network that was built in cannot be one. Type: wifi NAME PASSWORD\r\n",
        None => b"Which Wi-Fi network? Type: wifi NAME PASSWORD\r\n",
    };
    let _ = output.write_all(advice).await;

    let server = SERVER.unwrap_or(DEFAULT_SERVER).parse().ok();
    let advice: &[u8] = match (SERVER, &server) {
        (Some(_), Some(_)) => b"",
        (Some(_), None) => b"The server that was built in is not of the form HOST:PORT. Type: server HOST\r\n",
        (None, _) => b"If the server's name is not `trill`, type: server HOST\r\n",
    };
    let _ = output.write_all(advice).await;
    server.unwrap_or_else(|| DEFAULT_SERVER.parse().expect("it is a name"))
}

fn start_network(spawner: Spawner, device: Device, seed: u64) -> (Network, Stack<'static>) {
    static STACK: ConstStaticCell<StackResources<3>> = ConstStaticCell::new(StackResources::new());
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
async fn run_network(mut runner: Runner<'static, Device>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn run_radio(parts: Parts<Clock, Network, Pace, BufferedUartRx, BufferedUartTx, Commands>) -> ! {
    static MEMORY: ConstStaticCell<Memory<MUSIC_BYTES, SCREEN_BYTES>> = ConstStaticCell::new(Memory::new());
    radio::run(MEMORY.take(), &PCM, parts).await
}
