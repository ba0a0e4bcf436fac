//! The shared part of the boards in QEMU: the emulator's command line, a LAN9118 on the emulated network, and an executor.

#![no_std]
#![forbid(unsafe_code)]

use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Runner, StackResources};
use static_cell::{ConstStaticCell, StaticCell};
use trill_embassy::{Network, SocketBuffers};
use trill_executor::{Executor, Load};
use trill_firmware::ServerAddress;
use trill_lan9118::{Frames, Interrupt, Lan9118};
use trill_semihosting::{Arguments, SoundFile};

/// QEMU's emulated network gives this address to the machine on which QEMU runs.
const DEFAULT_SERVER: &str = "10.0.2.2";

/// The type of [`COMMANDS`].
pub type Commands = (trill_stack::Memory, Load);

/// The board's own console commands: `memory` and `load`.
pub const COMMANDS: Commands = (trill_stack::Memory, Load);

/// Runs the tasks that `spawn` spawns. Call it once.
///
/// # Panics
/// If it is called a second time.
pub fn execute(spawn: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(spawn)
}

/// The options from the emulator's command line.
pub struct Options {
    /// The server to connect to first.
    pub server: ServerAddress,
    /// A file for the sound.
    pub sound: Option<SoundFile>,
}

impl Options {
    /// Reads the words of the command line: the program's name, the server, a file for the logs, a file for the sound. Words
    /// at the end may be missing; `-` stands for no file. Starts the logs.
    ///
    /// # Panics
    /// If the server's address is invalid, or a file cannot be created.
    // Not inlined: otherwise its buffers would stay on the stack of the caller.
    #[inline(never)]
    #[must_use]
    pub fn take() -> Self {
        let mut arguments = Arguments::ask();
        let _program = arguments.take();
        let server = arguments.take().unwrap_or(DEFAULT_SERVER).parse().expect("a server is written HOST:PORT");
        if let Some(path) = arguments.take().filter(is_file) {
            trill_semihosting::log_to(path).expect("the logs' path can be written");
        }
        let sound = arguments.take().filter(is_file);
        let sound = sound.map(|path| SoundFile::create(path).expect("the sound's path can be written"));
        Self { server, sound }
    }
}

fn is_file(word: &&str) -> bool {
    *word != "-"
}

/// A random number that identifies this run of the board.
///
/// # Panics
/// If the emulator has no random numbers.
#[must_use]
pub fn nonce() -> [u8; 16] {
    trill_semihosting::random().expect("without it, servers would take two boards for one")
}

/// Starts the network on the controller of this interrupt. Call it once; the board unmasks the interrupt.
///
/// # Panics
/// If the controller is missing, or if it is called a second time.
// Not inlined, as above.
#[inline(never)]
pub fn start_network<const RECEIVE: usize, const SEND: usize>(
    spawner: Spawner,
    controller: &'static Interrupt,
    buffers: &'static mut SocketBuffers<RECEIVE, SEND>,
    nonce: [u8; 16],
) -> Network {
    static FRAMES: ConstStaticCell<Frames> = ConstStaticCell::new(Frames::new());
    static STACK: ConstStaticCell<StackResources<3>> = ConstStaticCell::new(StackResources::new());

    let driver = Lan9118::new(controller, FRAMES.take()).expect("the board has one");
    let addresses = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(driver, addresses, STACK.take(), u128::from_le_bytes(nonce) as u64);
    spawner.spawn(run_network(runner).expect("spawned once"));
    Network::new(stack, buffers)
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Lan9118>) -> ! {
    runner.run().await
}
